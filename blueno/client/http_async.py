"""One connection to the server for asyncio: the bounds and the words of http.py. Called by aio.py; calls httpx.

What moves files runs in threads with an Http of their own, for there is no asynchronous reading of files; whoever is
cancelled meanwhile returns when the thread has stopped.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import httpx

from blueno.client import http
from blueno.client.driving import Blocking
from blueno.client.exchange import Answer, Limits, Request, headers_of, read_answer
from blueno.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


class AsyncHttp:
    """Requests to one server, a Transport."""

    def __init__(self, server: str, token: str | None, limits: Limits | None = None) -> None:
        self.server, self._token = server, token
        self.limits = limits or Limits()
        self.heard = 0.0
        timeout = httpx.Timeout(self.limits.wait, connect=self.limits.connect)
        self._client = httpx.AsyncClient(
            base_url=server, headers=headers_of(token), timeout=timeout, follow_redirects=False
        )
        self._blocking: http.Http | None = None

    @property
    def unit(self) -> float:
        return self.limits.pause

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()
        if self._blocking is not None:
            self._blocking.close()

    async def send(self, request: Request) -> Answer:
        """One answer, asked for once. Raises as exchange.read_answer."""
        made = self._client.build_request(
            *(request.method, request.path),
            params=dict(request.query) or None,
            json=request.body,
            headers=dict(request.headers),
        )
        try:
            async with asyncio.timeout(request.seconds(self.limits)):
                status, headers, content = await self._answer(made)
        except TimeoutError:
            raise Unavailable(f"{self.server} gave no whole answer in time") from None
        answer = read_answer(self.server, request.method, status, headers, content)
        self.heard = time.monotonic()
        return answer

    async def _answer(self, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        with http.translated(self.server, self.limits):
            answer = await self._client.send(request, stream=True)
            content = bytearray()
            try:
                async for block in answer.aiter_raw():
                    content += block
                    if len(content) > http.LARGEST:
                        raise http.too_much(self.server)
            finally:
                await answer.aclose()
        return answer.status_code, answer.headers, bytes(content)

    async def pause(self, seconds: float) -> None:
        """Sleeps."""
        await asyncio.sleep(seconds)

    async def work(self, call: Callable[[Blocking], T]) -> T:
        """In a thread. When this is cancelled the thread is told to stop, and waited for."""
        if self._blocking is None:
            self._blocking = http.Http(self.server, self._token, self.limits)
        connection, stop = self._blocking, threading.Event()
        task = asyncio.ensure_future(asyncio.to_thread(call, Blocking(lambda: connection, stop)))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.gather(task, return_exceptions=True)
            raise

    def told(self, callback: Callable[P, object]) -> Callable[P, None]:
        """It is called in the loop's thread, as soon as that has time."""
        loop = asyncio.get_running_loop()

        def tell(*args: P.args, **kwargs: P.kwargs) -> None:
            loop.call_soon_threadsafe(lambda: callback(*args, **kwargs))

        return tell
