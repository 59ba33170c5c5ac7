"""The feed of working sets as a data server tells it, out of a plain dict. Used by tests/db and bench/.

Stands for blueno/dataserver where a test wants to say what is told, and how it goes wrong: the interface is
`GET /v1/working/changes?after=&limit=` with lines of journals in the order of their seq, all of them or the last of
each key, and the header Blueno-Revision.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from aiohttp import web

from blueno import names
from blueno.grants import GrantRefused, verify
from tests.fakes.data_server import PUBLIC


class Told(Protocol):
    """What a feed is made of."""

    seq: int

    def feed(self, after: int) -> list[bytes]:
        """Lines, without their ends."""


class WorkingFeed:
    """One server for all data sets of a test: each below a path of its own."""

    def __init__(self) -> None:
        self.sets: dict[str, Told] = {}
        self.url = ""
        self.asked: list[tuple[str, int, int]] = []  # uid, after, limit
        self.asleep: set[str] = set()  # uids whose server does not answer
        self.breaks_off_after: int | None = None  # bytes
        self.limit = 20_000
        self.answering: Callable[[str, int], object] = lambda uid, after: None  # called before an answer

    def url_of(self, uid: str) -> str:
        """Of a data set's server."""
        return f"{self.url}/{uid}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[WorkingFeed]:
        """Listens on a free local port while the block runs."""
        app = web.Application()
        app.add_routes([web.get("/{uid}/readyz", self._ready), web.get("/{uid}/v1/working/changes", self._changes)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _ready(self, request: web.Request) -> web.Response:
        return web.Response(status=503 if request.match_info["uid"] in self.asleep else 200)

    async def _changes(self, request: web.Request) -> web.StreamResponse:
        uid = request.match_info["uid"]
        if uid in self.asleep:
            raise web.HTTPServiceUnavailable
        try:
            verify(request.headers["Authorization"].removeprefix("Bearer "), PUBLIC, uid, "read", time.time())
        except GrantRefused:
            raise web.HTTPForbidden from None
        after, limit = int(request.query["after"]), int(request.query["limit"])
        self.asked.append((uid, after, limit))
        self.answering(uid, after)
        told = self.sets[uid]
        revision = told.seq  # what comes while the lines are gathered is told the next time: all below is
        lines = await asyncio.to_thread(told.feed, after)
        while lines and json.loads(lines[-1])["seq"] > revision:
            lines.pop()
        lines = lines[: min(limit, self.limit)]
        body = b"".join(line + b"\n" for line in lines)
        out = web.StreamResponse(headers={names.REVISION: str(revision), "Content-Length": str(len(body))})
        await out.prepare(request)
        if self.breaks_off_after is not None and len(body) > self.breaks_off_after:
            await out.write(body[: self.breaks_off_after])
            assert request.transport is not None
            request.transport.abort()
            return out
        await out.write(body)
        return out
