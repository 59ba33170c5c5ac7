"""GET /api/v1/events: what changes, as server-sent events, while somebody looks.

A client that comes back says which event it saw last and gets what it missed, or `reset` when that is too long ago.
What it may see is asked again every CHECK_SECONDS; when that cannot be asked for TRUST_SECONDS, it hears nothing but
`health`.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable

from aiohttp import web

from blueno.db.changes import select_changes
from blueno.db.connect import Cursor
from webui.call import Call
from webui.headers import secured
from webui.kinds import Text
from webui.listen import Event, make_events
from webui.problems import Problem
from webui.routes import Answer, Param, Permission, Reply, Route
from webui.stream import Client, Hub

HEARTBEAT_SECONDS = 15.0
CHECK_SECONDS = 10.0
TRUST_SECONDS = 30.0
PAUSE_SECONDS = 0.1  # between two writes: at most ten a second for each client
LOOK_SECONDS = 2.0  # how soon a client that has gone is noticed
WRITE_SECONDS = 10.0
REPLAY = 5000  # changes that are made up for; a client that missed more begins anew
_ID = re.compile(r"([0-9a-f]{8,64})-([0-9]{1,18})")
_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def events(call: Call) -> Answer | web.StreamResponse:
    """Until the client hangs up, logs out, or this process ends."""
    allowed = await call.services.access.listed(call.person)
    if call.request.method == "HEAD":
        return Answer(None, 200, _HEADERS)
    hub = call.services.hub
    client = hub.join(call.person, allowed)
    try:
        last = call.values["lastEventId"] or call.request.headers.get("Last-Event-ID", "")
        if last:
            await _resume(call, client, last)
        out = web.StreamResponse(headers=_HEADERS | {"X-Request-Id": call.id})
        secured(out)
        await out.prepare(call.request)
        await Writer(call, client, out).run()
        return out
    finally:
        hub.leave(client)


async def _resume(call: Call, client: Client, last: str) -> None:
    """Puts what the client missed before what is new. Raises Problem 503 when that cannot be read: it comes back."""
    found = _ID.fullmatch(last)
    stream, first, position = call.services.hub.position
    seq = int(found[2]) if found else -1
    if not found or found[1] != stream or seq > position or (seq < position and not 0 < first <= seq + 1):
        client.begin_anew()
        return
    if seq == position:
        return
    missed = await call.read(_missed, stream, seq)
    if missed is None:
        client.begin_anew()
        return
    merged = {event.uid: event for event in missed if client.may_see(event)}
    for event in client.queue.values():  # came in meanwhile
        if event.uid not in merged or merged[event.uid].seq < event.seq:
            merged[event.uid] = event
    client.queue = {event.uid: event for event in sorted(merged.values(), key=lambda event: event.seq)}
    client.news.set()


def _missed(cursor: Cursor, stream: str, seq: int) -> tuple[Event, ...] | None:
    changes = select_changes(cursor, seq, REPLAY + 1)
    return None if len(changes) > REPLAY else make_events(cursor, stream, changes)


class Writer:
    """Writes to one client."""

    def __init__(self, call: Call, client: Client, out: web.StreamResponse) -> None:
        self._call = call
        self._client = client
        self._out = out
        self._hub: Hub = call.services.hub
        self._clock: Callable[[], float] = time.monotonic
        now = self._clock()
        self._checked = self._asked = self._beat = now

    async def run(self) -> None:
        """Returns when the stream is to end."""
        await self._write(b"retry: 2000\n\n")
        while not self._hub.closing and self._call.request.transport is not None:
            if self._clock() - self._asked >= CHECK_SECONDS and not await self._check():
                return
            if self._clock() - self._beat >= HEARTBEAT_SECONDS:
                self._client.health = True
            text = self._text()
            if text:
                await self._write(text)
                self._call.services.metrics.frames.inc()
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._client.news.wait()
            except TimeoutError:
                continue

    async def _check(self) -> bool:
        """Whether the person is still logged in; brings what may be seen up to date."""
        services, client = self._call.services, self._client
        self._asked = self._clock()
        try:
            identity = await services.doorkeeper.again(client.identity)
            if identity is None:
                return False
            allowed = await services.access.listed(identity)
        except Problem:
            return True  # `_trusted` counts from the last good answer
        client.identity = identity
        self._checked = self._clock()
        if allowed != client.allowed:
            client.allowed = allowed
            client.begin_anew()
        return True

    def _text(self) -> bytes:
        """Everything that waits, in one piece."""
        client, parts = self._client, []
        client.news.clear()
        if client.health:
            client.health = False
            self._beat = self._clock()
            age = self._hub.mirror_age()
            body = {"database": self._hub.database_up, "mirrorAgeSeconds": None if age is None else round(age, 1)}
            parts.append(f"event: health\n{self._mark()}data: {json.dumps(body)}\n\n".encode())
        if not self._is_trusted():
            return b"".join(parts)
        if client.reset:
            client.reset = False
            self._call.services.metrics.resets.inc()
            parts.append(f"event: reset\n{self._mark()}data: {{}}\n\n".encode())
        parts += [event.text for event in client.queue.values()]
        client.queue.clear()
        return b"".join(parts)

    def _is_trusted(self) -> bool:
        return self._clock() - self._checked <= TRUST_SECONDS

    def _mark(self) -> str:
        """An id line: nothing up to here is missing. So a quiet stream does not grow too old to go on with."""
        stream, _, position = self._hub.position
        whole = not self._client.queue and not self._client.reset and self._is_trusted()
        return f"id: {stream}-{position}\n" if stream and whole else ""

    async def _write(self, text: bytes) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._out.write(text)
        except TimeoutError:
            if self._call.request.transport is not None:
                self._call.request.transport.abort()
            raise ConnectionResetError("the client reads too slowly") from None


ROUTES = (
    Route(
        *("GET", "/api/v1/events", Permission.LIST, events, "What changes, live"),
        (Reply(200, media="text/event-stream"),),
        query=(Param("lastEventId", Text(max=128), "", "id of the last event seen (or header Last-Event-ID)"),),
        streams=True,
    ),
)
