"""A client of /api/v1/events that reads as a browser's EventSource does. Used by the tests of streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.web.site import Browser, Reply, Site, eventually

SECONDS = 40.0


@dataclass
class Seen:
    """One event."""

    kind: str
    data: Any
    id: str

    @property
    def seq(self) -> int:
        return int(self.id.rpartition("-")[2])


@dataclass
class Events:
    """What came, and the id that a reconnect would send."""

    answer: aiohttp.ClientResponse
    seen: list[Seen] = field(default_factory=list)
    last_id: str = ""
    writes: int = 0  # chunks that arrived

    async def next(self, *kinds: str) -> Seen:
        """The next event of one of these kinds (any, when none is named). Fails after SECONDS."""
        async with asyncio.timeout(SECONDS):
            while True:
                event = await self._read()
                if not kinds or event.kind in kinds:
                    return event

    async def until(self, name: str, reason: str) -> list[Seen]:
        """Changes, up to the one that shows this data set with this reason."""
        found = []
        while True:
            event = await self.next("change", "reset")
            found.append(event)
            shown = event.data.get("object") or {}
            if (event.data.get("name"), shown.get("reason")) == (name, reason):
                return found

    async def ended(self) -> bool:
        """Whether the server ends the stream; events on the way are kept in `seen`."""
        async with asyncio.timeout(SECONDS):
            try:
                while True:
                    await self._read()
            except (EOFError, aiohttp.ClientError):
                return True

    async def _read(self) -> Seen:
        kind, data, mark = "message", "", ""
        while True:
            raw = await self.answer.content.readline()
            if not raw:
                raise EOFError
            line = raw.decode().rstrip("\n")
            if not line and data:
                event = Seen(kind, json.loads(data), mark)
                self.last_id = mark or self.last_id
                self.seen.append(event)
                return event
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data += value
            elif name == "id":
                mark = value


@asynccontextmanager
async def listening(browser: Browser, last_id: str = "", *, by_query: bool = False) -> AsyncIterator[Events]:
    """An open stream."""
    headers = dict(browser.headers)
    query = ""
    if last_id and by_query:
        query = f"?lastEventId={last_id}"
    elif last_id:
        headers["Last-Event-ID"] = last_id
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    url = f"{browser.url}/api/v1/events{query}"
    async with browser.session.get(url, headers=headers, timeout=timeout, read_bufsize=1 << 20) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Events(answer)


async def refused(browser: Browser) -> Reply:
    """The answer where no stream is to be had."""
    return await browser.get("/api/v1/events")


async def ready(site: Site, events: Events) -> None:
    """The stream has begun and the listener reads."""
    await eventually(lambda: site.process.services.hub.database_up)
    if not events.last_id:
        await events.next("health")
