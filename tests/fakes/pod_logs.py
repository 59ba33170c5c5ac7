"""Logs of pods as a kubelet serves them through the API server. Used by tests/fakes/api_server.py.

A test writes, rotates, ends and cuts; a reader that follows goes on over a rotation, a new one begins at what is left.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from tests.fakes.api_server import ApiServer

PIECE = 64 << 10


class PodLog:
    """One container's output. Positions count from its first byte, whatever was rotated away."""

    def __init__(self, data: bytes = b"", *, ended: bool = False) -> None:
        self.data, self.ended = bytearray(data), ended
        self.first = 0  # what a new reader gets begins here
        self.readers = 0  # that follow now
        self.served = 0  # bytes, to all readers
        self._news = asyncio.Condition()
        self._cuts = 0

    async def write(self, data: bytes) -> None:
        self.data += data
        await self._tell()

    async def end(self) -> None:
        """The container has ended: readers come to an end."""
        self.ended = True
        await self._tell()

    def rotate(self, position: int) -> None:
        """The kubelet has dropped everything before `position`."""
        self.first = position

    async def cut(self) -> None:
        """Connections of those who follow end, as when the API server is restarted."""
        self._cuts += 1
        await self._tell()

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def serve(self, stream: web.StreamResponse, *, follow: bool) -> None:
        position, cuts = self.first, self._cuts
        self.readers += follow
        try:
            while True:
                while position < len(self.data):
                    piece = bytes(self.data[position : position + PIECE])
                    await stream.write(piece)
                    position += len(piece)
                    self.served += len(piece)
                if not follow or self.ended or cuts != self._cuts:
                    return
                async with self._news:
                    await self._news.wait_for(
                        lambda at=position: at < len(self.data) or self.ended or cuts != self._cuts
                    )
        finally:
            self.readers -= follow


async def serve_log(api: ApiServer, request: web.Request) -> web.StreamResponse:
    """GET …/namespaces/<namespace>/pods/<name>/log."""
    parts = request.path.strip("/").split("/")
    key = parts[3], parts[5]
    status = api.fail("GET", request.path)
    if status is not None:
        return web.json_response({"message": "broken by the test"}, status=status)
    if ("Pod", *key) not in api.objects:
        return web.json_response({"message": f"pods {key[1]} not found"}, status=404)
    log = api.logs.get(key)
    if log is None:
        return web.json_response({"message": "container is waiting to start: ContainerCreating"}, status=400)
    stream = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await stream.prepare(request)
    await log.serve(stream, follow=request.query.get("follow") == "true")
    return stream
