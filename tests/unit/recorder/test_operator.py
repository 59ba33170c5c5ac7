"""The recorder and the report endpoint: over TLS with the operator's own CA, and with answers that make no sense."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from blueno.db.config import DatabaseConfig
from blueno.errors import NotFound, Unavailable
from blueno.recorder.config import RecorderConfig
from blueno.recorder.operator import Operator
from blueno.resources.indexing import IndexReport
from controllers.keys import complete

REPORT = IndexReport("uid-1", "ab" * 32, "Indexed", 5)


class Endpoint:
    """A report endpoint with the certificate that the operator makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: list[tuple[str, str, Any]] = []
        self.answer: Any = {"granted": True, "retryAfterSeconds": 0}
        self.status = 200
        keys = complete({}, ("localhost",), datetime.now(UTC))
        (folder / "ca.crt").write_bytes(keys["ca.crt"])
        (folder / "server.pem").write_bytes(keys["report.key"] + keys["report.crt"])
        (folder / "token").write_text("the-token\n")

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append((request.path, request.headers["Authorization"], await request.json()))
        if isinstance(self.answer, bytes):
            return web.Response(status=self.status, body=self.answer)
        return web.json_response(self.answer, status=self.status)

    async def start(self) -> tuple[web.AppRunner, RecorderConfig]:
        app = web.Application()
        app.router.add_post("/{tail:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.folder / "server.pem")
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        return runner, RecorderConfig(
            database=DatabaseConfig(self.folder / "none"),
            report_url=f"https://localhost:{runner.addresses[0][1]}",
            grant_key_file=self.folder / "none",
            report_ca_file=self.folder / "ca.crt",
            token_file=self.folder / "token",
        )


@pytest_asyncio.fixture
async def told(tmp_path: Path) -> AsyncIterator[tuple[Endpoint, Operator]]:
    endpoint = Endpoint(tmp_path)
    runner, config = await endpoint.start()
    async with aiohttp.ClientSession() as session:
        yield endpoint, Operator(session, config)
    await runner.cleanup()


async def test_what_is_sent(told: tuple[Endpoint, Operator]) -> None:
    endpoint, operator = told
    assert await operator.lease("uid-1") == 0
    (endpoint.folder / "token").write_text("rotated")
    endpoint.answer, endpoint.status = b"", 204
    await operator.give_back("uid-1")
    await operator.report(REPORT)
    assert endpoint.seen == [
        ("/v1/index", "Bearer the-token", {"dataset": "uid-1"}),
        ("/v1/index/done", "Bearer rotated", {"dataset": "uid-1"}),
        ("/v1/indexed", "Bearer rotated", REPORT.to_dict()),
    ]


@pytest.mark.parametrize(("seconds", "waits"), [(0, 1), (1, 1), (12.5, 12.5), (10**9, 300), (-5, 1)])
async def test_leases_that_are_not_granted(told: tuple[Endpoint, Operator], seconds: float, waits: float) -> None:
    endpoint, operator = told
    endpoint.answer = {"granted": False, "retryAfterSeconds": seconds}
    assert await operator.lease("uid-1") == waits


@pytest.mark.parametrize(
    "answer",
    [b"", b"{", b"[]", b"null", {}, {"granted": "yes"}, {"granted": 1}, {"granted": False},
     {"granted": False, "retryAfterSeconds": True}, {"granted": False, "retryAfterSeconds": "9"}, b"x" * 100_000],
)  # fmt: skip
async def test_answers_that_make_no_sense(told: tuple[Endpoint, Operator], answer: Any) -> None:
    endpoint, operator = told
    endpoint.answer = answer
    with pytest.raises(Unavailable):
        await operator.lease("uid-1")


async def test_refusals(told: tuple[Endpoint, Operator]) -> None:
    endpoint, operator = told
    for endpoint.status, kind in (
        (404, NotFound),
        (401, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (307, Unavailable),
    ):
        with pytest.raises(kind):
            await operator.report(REPORT)


async def test_without_token_or_authority_nothing_is_sent(told: tuple[Endpoint, Operator]) -> None:
    endpoint, operator = told
    other = complete({}, ("localhost",), datetime.now(UTC))
    (endpoint.folder / "ca.crt").write_bytes(other["ca.crt"])
    with pytest.raises(Unavailable, match="cannot be reached"):
        await operator.lease("uid-1")
    (endpoint.folder / "ca.crt").unlink()
    with pytest.raises(Unavailable):
        await operator.lease("uid-1")
    (endpoint.folder / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(Unavailable):
        await operator.lease("uid-1")
    (endpoint.folder / "token").unlink()
    with pytest.raises(Unavailable):
        await operator.lease("uid-1")
    assert endpoint.seen == []
