"""Reads what comes after a request's headers: in bounded size and time, chunk by chunk. Used by requests.py (JSON, held
whole) and writing.py (uploads, passed on as they come).

aiohttp bounds neither: a body may be announced and never sent, or come a byte a minute.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from aiohttp import web

from webui.problems import Problem

BODY_LIMIT = 64 << 10  # bytes of a body that is held whole
_LENGTH = re.compile(r"[0-9]{1,18}")


class Patience:
    """How long a body may take: a few seconds, then at least so many bytes a second."""

    first_seconds = 5.0
    rate = 1024.0  # bytes a second
    total_seconds = 60.0
    silent_seconds = 20.0  # between two chunks


class UploadPatience(Patience):
    """For uploads: as long as they need while they come at a fair pace, for each holds one of few places."""

    rate = 16384.0
    total_seconds = 6 * 3600.0


class Incoming:
    """The body of one request. `chunks` may be read once; `length` is what was announced, if it was."""

    def __init__(self, request: web.BaseRequest, limit: int, patience: type[Patience] = Patience) -> None:
        """Raises Problem 400 and 413 before a byte is read."""
        self._request, self._limit, self._patience = request, limit, patience
        self.length: int | None = None
        self.read = 0  # bytes so far
        self.failed: Problem | None = (
            None  # why reading ended early: who passes chunks on may hear of it as something else
        )
        announced = request.headers.get("Content-Length")
        if announced is not None:
            if not _LENGTH.fullmatch(announced):
                raise Problem(400, "bad_request", "Content-Length is not a number", close=True)
            self.length = int(announced)
            if self.length > limit:
                raise self._too_large()

    async def chunks(self) -> AsyncIterator[bytes]:
        """What comes, as it comes. Raises Problem 400, 408, 413, 417."""
        try:
            await self._continue()
            async for chunk in self._chunks():
                yield chunk
        except Problem as problem:
            self.failed = problem
            raise

    async def whole(self) -> bytes:
        """All of it."""
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
        return bytes(body)

    async def _chunks(self) -> AsyncIterator[bytes]:
        loop, patience, content = asyncio.get_running_loop(), self._patience, self._request.content
        start = loop.time()
        while True:
            allowed = min(patience.first_seconds + self.read / patience.rate, patience.total_seconds)
            try:
                async with asyncio.timeout_at(min(start + allowed, loop.time() + patience.silent_seconds)):
                    chunk, _ = await content.readchunk()
            except TimeoutError:
                raise Problem(408, "body_too_slow", "the body did not arrive in time", close=True) from None
            except (web.RequestPayloadError, ConnectionError, ValueError) as error:
                raise Problem(400, "bad_request", f"the body broke off: {type(error).__name__}", close=True) from None
            self.read += len(chunk)
            if self.read > self._limit:
                raise self._too_large()
            if chunk:
                yield chunk
            elif content.at_eof():
                return

    async def _continue(self) -> None:
        """Answers `Expect: 100-continue`, now that the body is wanted."""
        expected = self._request.headers.get("Expect")
        if expected is None:
            return
        if expected.lower() != "100-continue":
            raise Problem(417, "expectation_failed", "only Expect: 100-continue is understood", close=True)
        await self._request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._request.writer.output_size = 0  # or the answer proper would count as sent already

    def _too_large(self) -> Problem:
        return Problem(413, "body_too_large", f"a body has at most {self._limit} bytes here", close=True)
