"""A data server that says what it was asked and can misbehave; the real one is in test_with_data_server.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100


@dataclass
class DataServerStandIn:
    """Answers every path with a picture, unless told otherwise."""

    status: int = 200
    body: bytes = PNG
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # (path with query, headers)
    breaks_off: bool = False
    hangs: bool = False
    url: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[DataServerStandIn]:
        """Listens on a free local port while the block runs."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((str(request.rel_url), dict(request.headers)))
        if self.hangs:
            await asyncio.sleep(60)
        if self.breaks_off:
            out = web.StreamResponse(headers={"Content-Length": str(len(self.body) + 1000)})
            await out.prepare(request)
            await out.write(self.body)
            assert request.transport is not None
            request.transport.abort()
            return out
        return web.Response(status=self.status, body=self.body, headers=self.headers)
