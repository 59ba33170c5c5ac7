"""Sends whole files, parts of files and archives, 256 KiB at a time. Called by app.py and outputs_app.py.

Not `sendfile`: asyncio calls it in the event loop, where a volume that hangs would hang everything.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

from blueno.dataserver.files import File
from blueno.dataserver.problems import Problem
from blueno.dataserver.workers import Job, Workers

PIECE = 256 << 10  # bytes
PIECE_SECONDS = 30.0  # to read one piece, and again to send it: a reader must take 9 KB/s
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


@dataclass(frozen=True)
class Part:
    """`size` bytes of a file from `offset` on, or `data` that is at hand."""

    file: File | None
    offset: int
    size: int
    data: bytes = b""


async def send(request: web.Request, part: Part, headers: dict[str, str], workers: Workers) -> web.StreamResponse:
    """The part, or the one range of it that is asked for (other Range headers are ignored, as HTTP allows).

    Raises Problem 416. A file that fails later ends the connection: fewer bytes than promised, never wrong ones.
    """
    headers = {**headers, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    first, last = 0, part.size - 1
    asked = _range(request, part.size, headers.get("ETag"))
    if asked is not None:
        first, last = asked
        headers["Content-Range"] = f"bytes {first}-{last}/{part.size}"
    response = web.StreamResponse(status=206 if asked is not None else 200, headers=headers)
    response.content_length = last - first + 1
    await response.prepare(request)
    if request.method != "HEAD":
        with _all_or_nothing(request):
            for start in range(first, last + 1, PIECE):
                piece = await workers.run(_reading(part, start, min(PIECE, last + 1 - start)), PIECE_SECONDS)
                async with asyncio.timeout(PIECE_SECONDS):
                    await response.write(piece)
    await response.write_eof()
    return response


async def send_pieces(
    request: web.Request, pieces: Iterator[bytes], headers: dict[str, str], workers: Workers
) -> web.StreamResponse:
    """Everything that `pieces` gives, each made in a worker. A failure ends the connection: no part looks whole."""
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    if request.method != "HEAD":
        with _all_or_nothing(request):
            while piece := await workers.run(lambda _: next(pieces, b""), PIECE_SECONDS):
                async with asyncio.timeout(PIECE_SECONDS):
                    await response.write(piece)
    await response.write_eof()
    return response


@contextmanager
def _all_or_nothing(request: web.Request) -> Iterator[None]:
    """An answer that has begun can only be broken off."""
    try:
        yield
    except (Problem, TimeoutError) as error:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError(str(error)) from error


def _reading(part: Part, start: int, size: int) -> Callable[[Job], bytes]:
    if part.file is None:
        return lambda _: part.data[start : start + size]
    file = part.file
    return lambda _: file.read(part.offset + start, size)


def _range(request: web.Request, size: int, etag: str | None) -> tuple[int, int] | None:
    """(first, last) byte of the only range asked for; None for all."""
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or match[0] == "bytes=-" or request.headers.get("If-Range", etag) != etag:
        return None
    if not match[1]:  # the last so many
        first, last = max(0, size - int(match[2])), size - 1
        satisfiable = int(match[2]) > 0 and size > 0
    else:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
        if match[2] and int(match[2]) < first:
            return None  # not a range at all
        satisfiable = first < size
    if not satisfiable:
        raise Problem(416, "range_not_satisfiable", f"there are {size} bytes")
    return first, last
