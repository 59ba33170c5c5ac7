"""The operator's two listeners: plain HTTP for /metrics and /livez, HTTPS for reports.

Started and stopped by controllers/lifecycle.py.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from controllers.answers import BODY_LIMIT
from controllers.keys import ReportKeys
from controllers.reports import Reports

SHUTDOWN_SECONDS = 2.0  # for requests under way: the recorder may be waiting for points
IDLE_SECONDS = 10.0  # a connection that sends nothing, not even a whole header, is closed after this

Alive = Callable[[], Awaitable[str]]  # "" when alive, else what is wrong


async def serve_health(port: int, alive: Alive) -> web.AppRunner:
    """Serve /metrics and /livez on all addresses."""

    async def livez(_: web.Request) -> web.Response:
        trouble = await alive()
        return web.Response(status=503 if trouble else 200, text=trouble or "ok")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(client_max_size=BODY_LIMIT)
    app.add_routes([web.get("/livez", livez), web.get("/metrics", metrics)])
    return await _listen(app, port, None)


async def serve_reports(port: int, keys: ReportKeys, reports: Reports) -> web.AppRunner:
    """Serve the report endpoint over TLS on all addresses."""
    app = web.Application(client_max_size=BODY_LIMIT)
    app.add_routes(reports.routes())
    return await _listen(app, port, _tls(keys))


async def _listen(app: web.Application, port: int, tls: ssl.SSLContext | None) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=IDLE_SECONDS, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    await web.TCPSite(runner, None, port, ssl_context=tls).start()
    return runner


def _tls(keys: ReportKeys) -> ssl.SSLContext:
    """The standard library loads a key only from a file: it exists for this moment, readable by us alone."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.pem")
        path.touch(mode=0o600)
        path.write_bytes(keys.key + keys.certificate)
        context.load_cert_chain(path)
    return context
