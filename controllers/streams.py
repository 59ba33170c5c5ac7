"""kopf's own requests, made so that no answer to a list or watch ends the operator.

kopf ends the process for an ERROR in a watch (all but 410), for half a line, for a list that expires between two pages,
and when a kind or the right to it is taken away; a broken connection it mends by itself. So here each of them becomes
one, after a pause that grows. A watch that ends as soon as it has begun, which kopf would open again at once, rests as
long. Made by controllers/lifecycle.py at login; everything else that calls the API server has blueno/kube.py.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, cast

import aiohttp

from controllers.quiet import EndlessBackoffs

log = logging.getLogger("blueno.streams")

LONGEST_PAUSE = 5.0  # seconds; meanwhile the sweep finds what changes
SOON = 2.0  # seconds: an API server that is well keeps an idle watch for minutes
EXPIRED = 410
TAKEN_AWAY = {
    403: "we may not read it: is the operator's ClusterRole installed?",
    404: "the API server does not know it: is its CustomResourceDefinition installed?",
}


class Streams:
    """Sessions for kopf, and how long each path rests before it is asked again."""

    def __init__(self) -> None:
        self._pauses: dict[str, Iterator[float]] = {}

    def session(self, tls: ssl.SSLContext, headers: Mapping[str, str], **more: Any) -> aiohttp.ClientSession:
        """kopf closes it. `more` goes to aiohttp."""
        connector = aiohttp.TCPConnector(limit=0, ssl=tls)
        return aiohttp.ClientSession(connector=connector, headers=headers, middlewares=(self._guard,), **more)

    async def _guard(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        answer = await handler(request)
        path, is_watch = request.url.path, "watch" in request.url.query
        if answer.status in TAKEN_AWAY and (is_watch or "limit" in request.url.query):  # no discovery
            answer.release()
            raise await self._broken(path, TAKEN_AWAY[answer.status])
        if answer.status == EXPIRED and not is_watch:
            answer.release()
            raise await self._broken(path, "the list expired between two pages")
        if answer.status == 200 and is_watch:
            answer.content = cast(aiohttp.StreamReader, _Guarded(self, path, answer.content))
        return answer

    async def _broken(self, path: str, why: str) -> _Broken:
        """The error that makes kopf begin anew, when it is time to do so."""
        pause = next(self._pauses.setdefault(path, iter(EndlessBackoffs(LONGEST_PAUSE))))
        log.warning("watching %s: %s; again in %.1f s", path, why, pause)
        await asyncio.sleep(pause)
        return _Broken(f"{path}: {why}")

    def _works(self, path: str) -> None:
        self._pauses.pop(path, None)


class _Broken(aiohttp.ClientPayloadError):
    """What kopf takes for a broken connection; said and waited for already."""


class _Guarded:
    """The lines of a watch, whole ones only, up to the first that would end the process."""

    def __init__(self, streams: Streams, path: str, content: aiohttp.StreamReader) -> None:
        self._streams = streams
        self._path = path
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """What kopf reads a watch by."""
        began, brought, why = time.monotonic(), False, "it ended"
        try:
            async for lines in self._whole_lines(size):
                good, wrong = sound(lines)
                if good:
                    brought = True
                    self._streams._works(self._path)
                    yield good
                if wrong:
                    raise await self._streams._broken(self._path, wrong)
        except _Broken:
            raise
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError) as error:
            why = f"{type(error).__name__}, it broke"
        if brought or time.monotonic() - began >= SOON:
            return  # kopf goes on from where it was
        raise await self._streams._broken(self._path, f"{why} as soon as it began")

    async def _whole_lines(self, size: int) -> AsyncIterator[bytes]:
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            lines, newline, after = chunk.rpartition(b"\n")
            if newline:
                yield rest + lines + newline
                rest = after
            else:
                rest += chunk
        if rest:
            raise await self._streams._broken(self._path, "the stream ended within a line")


def sound(lines: bytes) -> tuple[bytes, str]:
    """The lines before the first that would end the process, and what is wrong with that one: "" when none is."""
    if b'"ERROR"' not in lines:  # to parse every line here and again in kopf would cost as much as kopf does
        return lines, ""
    end = 0
    for line in lines.splitlines(keepends=True):
        event = json.loads(line)
        status = event.get("object") or {}
        if event.get("type") == "ERROR" and status.get("code") != EXPIRED:
            return lines[:end], f"{status.get('code')} {status.get('message')}"
        end += len(line)
    return lines, ""
