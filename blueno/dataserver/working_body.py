"""Bodies of requests: when their turn comes, piece by piece, not too slow, not too large. Called by working_app.py."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from blueno.dataserver.files import Folder
from blueno.dataserver.listen import Limits
from blueno.dataserver.problems import Problem
from blueno.dataserver.workers import Job, Workers

PIECE = 1 << 20  # bytes that a worker takes at once
STEP_SECONDS = 60.0  # for a worker to write one piece
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_WHOLE = re.compile(r"[0-9]{1,18}", re.ASCII)


class Bodies:
    """So many at a time; `room` says how many bytes of the volume nobody has asked for."""

    def __init__(self, limits: Limits, workers: Workers) -> None:
        self._limits, self._workers = limits, workers
        self._turns = asyncio.Semaphore(limits.bodies)
        self._coming = 0  # bytes that were announced and are not there yet

    @property
    def coming(self) -> int:
        """Bytes that are on their way."""
        return self._coming

    @asynccontextmanager
    async def turn(self, request: web.Request, most: int) -> AsyncIterator[int | None]:
        """Waits for the body's turn; its length, when it says so. Raises Problem before any of it is read."""
        length = announced(request, most)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise Problem(503, "busy", "too many bodies are coming in; try again", retry_after=2) from None
        self._coming += length or 0
        try:
            yield length
        finally:
            self._coming -= length or 0
            self._turns.release()

    async def read(self, request: web.Request, most: int, take: Callable[[bytes], None]) -> None:
        """Gives `take`, in a worker, pieces of the body until its end. Raises Problem, what `take` raises."""
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(_CONTINUE)
        held: list[bytes] = []
        size = total = 0
        async for part in self._parts(request):
            total += len(part)
            if total > most:
                raise Problem(413, "too_large", f"the body has more than {most} bytes")
            held.append(part)
            size += len(part)
            if size >= PIECE:
                await self._give(take, b"".join(held))
                held, size = [], 0
        if held:
            await self._give(take, b"".join(held))

    async def whole(self, request: web.Request, most: int) -> bytes:
        """A small body."""
        held: list[bytes] = []
        async with self.turn(request, most):
            await self.read(request, most, held.append)
        return b"".join(held)

    async def _give(self, take: Callable[[bytes], None], data: bytes) -> None:
        def step(_: Job) -> None:
            take(data)

        await self._workers.run(step, STEP_SECONDS)

    async def _parts(self, request: web.Request) -> AsyncIterator[bytes]:
        """As they come. The time that we take ourselves does not count."""
        clock = asyncio.get_running_loop().time
        waited, got = 0.0, 0
        while True:
            began = clock()
            try:
                async with asyncio.timeout(self._limits.body_seconds):
                    part = await request.content.readany()
            except TimeoutError:
                raise _too_slow() from None
            waited += clock() - began
            if not part:
                return
            got += len(part)
            if waited > self._limits.body_seconds and got < waited * self._limits.body_rate:
                raise _too_slow()
            yield part


def announced(request: web.Request, most: int) -> int | None:
    """Content-Length; None for a body that comes in chunks. Raises Problem 413, 411."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(415, "encoded", "bodies must not be compressed")
    length = request.content_length
    if length is None and "Transfer-Encoding" not in request.headers:
        raise Problem(411, "length_required", "there is no body")
    if length is not None and length > most:
        raise Problem(413, "too_large", f"the body has {length} bytes; at most {most} are taken")
    return length


def check_room(folder: Folder, needed: int, promised: int, reserve: int) -> None:
    """Raises Problem 507 when that many bytes would not leave the reserve free."""
    stats = os.statvfs(folder.descriptor)
    free, capacity = stats.f_bavail * stats.f_frsize, stats.f_blocks * stats.f_frsize
    if not capacity:
        return  # the file system does not say
    left = max(0, free - min(reserve, capacity // 20) - promised)
    if needed > left:
        text = f"{needed} bytes are to be written and {left} are free for it: free space or enlarge the volume"
        raise Problem(507, "no_space", text, needed=needed, free=left)


def whole_header(request: web.Request, name: str) -> int:
    """A whole number. Raises Problem 422."""
    text = request.headers.get(name, "")
    if not _WHOLE.fullmatch(text):
        raise Problem(422, "bad_parameter", f"the header {name} must be a whole number", field=name)
    return int(text)


def _too_slow() -> Problem:
    return Problem(408, "body_too_slow", "the body comes too slowly: send smaller ones, or resume when it is faster")
