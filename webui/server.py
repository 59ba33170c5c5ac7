"""The listening side of HTTP: aiohttp's protocol with the limits it lacks.

Used by app.py. aiohttp bounds idle time and header sizes; caps on connections, slow readers, answers to what cannot be
parsed, and bodies that break off are ours. Every connection ends in bounded time whatever the other side does.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError, LineTooLong

from webui.headers import secured
from webui.limits import neighbourhood
from webui.metrics import Metrics
from webui.problems import Problem, later
from webui.proxies import Proxies

log = logging.getLogger("blueno.web.http")

IDLE_SECONDS = 10.0  # for a request's headers, and between two requests
WRITE_SECONDS = 30.0  # for an answer that is written in one piece
LINGER_SECONDS = 2.0  # after an answer to a request whose body was not read
HEADERS = 64
HEADER_BYTES = 8190
CONNECTIONS = 1000
CONNECTIONS_PER_PLACE = 256  # a node's address may stand for many people

_METHOD = re.compile(r"b'[A-Za-z-]{1,32} (/|\*|http)")


class Server(web.Server):
    """Makes a Connection for each accepted socket and counts them."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        metrics: Metrics,
        proxies: Proxies,
    ) -> None:
        super().__init__(handler)
        self.metrics = metrics
        self.proxies = proxies
        self.places: Counter[str] = Counter()

    def __call__(self) -> web.RequestHandler:
        return Connection(self)

    def admit(self, address: str) -> str | None:
        """The place that one more connection is counted for, None if it does not fit. Our proxies may have more."""
        place = neighbourhood(address)
        crowded = self.places[place] >= CONNECTIONS_PER_PLACE and not self.proxies.trusts(address)
        if self.places.total() >= CONNECTIONS or crowded:
            self.metrics.refused.inc()
            return None
        self.places[place] += 1
        self.metrics.connections.inc()
        return place

    def leave(self, place: str) -> None:
        """It is gone."""
        self.places[place] -= 1
        if not self.places[place]:
            del self.places[place]
        self.metrics.connections.dec()


class Connection(web.RequestHandler):
    """One client's connection."""

    def __init__(self, server: Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=IDLE_SECONDS,
            access_log=None,  # type: ignore[arg-type]  # pipeline.py logs
            max_headers=HEADERS,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,
        )
        self._server = server
        self._place: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuses what is over the caps before a byte is read."""
        peer = transport.get_extra_info("peername")
        self._place = self._server.admit(str(peer[0]) if peer else "")
        if self._place is not None:
            super().connection_made(transport)
            return
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        transport.write(
            b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        self._force_close = True  # what comes in is dropped
        transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._place is None:
            return
        place, self._place = self._place, None
        self._server.leave(place)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A body that cannot be parsed any more must fail for who reads it: aiohttp only queues a 400 behind it."""
        super().data_received(data)
        if not self._messages or not hasattr(self._messages[-1][0], "exc"):
            return
        broken = web.RequestPayloadError("the body cannot be parsed")
        waiting = [payload for _, payload in self._messages]
        if self._current_request is not None:
            waiting.append(self._current_request.content)
        for payload in waiting:
            if not payload.is_eof() and payload.exception() is None:
                payload.set_exception(broken)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """A client that reads nothing is cut off."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            if self.transport is not None:
                self.transport.abort()
            return resp, True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # repeats what came in
    ) -> web.StreamResponse:
        """What aiohttp would answer in plain text; `exc` is the parser's, or one that pipeline.py let through."""
        problem = _as_problem(status, exc)
        if status >= 500:
            log.error("an error that nobody caught", exc_info=exc)
        else:
            log.info("not HTTP as we speak it: %s", problem.detail, extra={"remote": request.remote, "status": status})
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        answer = problem.response(secrets.token_hex(8))
        answer.force_close()
        secured(answer)
        return answer


def _as_problem(status: int, exc: BaseException | None) -> Problem:
    if isinstance(exc, LineTooLong):
        line = exc.args[0] if exc.args else b""
        if isinstance(line, bytes | bytearray) and line.startswith(b"/"):
            return Problem(414, "uri_too_long", f"the request line is longer than {HEADER_BYTES} bytes")
        return Problem(431, "headers_too_large", f"a header is longer than {HEADER_BYTES} bytes")
    if isinstance(exc, BadHttpMethod) and _METHOD.search(exc.message):
        return Problem(405, "method_not_allowed", "this method is not known here", headers={"Allow": "GET, HEAD"})
    if isinstance(exc, HttpProcessingError):
        if "Too many headers" in exc.message:
            return Problem(431, "headers_too_large", f"a request has at most {HEADERS} headers")
        return Problem(400, "bad_request", "this is not a valid HTTP request")
    if status == 504:
        return later("timeout", "the answer took too long")
    return Problem(500, "internal", "something went wrong here; the log says what, under this request's id")


def peer(request: web.BaseRequest) -> str:
    """The address that is connected: a client, or a proxy."""
    return str(request.remote or "")


__all__: tuple[Any, ...] = ("Connection", "Server", "peer")
