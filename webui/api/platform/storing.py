"""Bytes of any size into a data server, as an upload that waits for its sample; and single samples. Used by samples.py
and data.py.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from blueno import names
from webui.call import Call
from webui.dataservers import Source
from webui.problems import Problem
from webui.working_news import change
from webui.writing import Request, ask, read, senseless

AWAKE_SECONDS = 25.0  # that a data server is waited for; clients of 2019 try again only after seconds
LOOK_SECONDS = 0.5
CHUNK = 16 << 20
SMALL = 1 << 20  # bytes that are held here when nobody said how many will come
_AWAITED = ("data_server_starting", "data_server_busy")
T = TypeVar("T")


@dataclass(frozen=True)
class Stored:
    """An upload that is whole."""

    upload: str
    bytes: int
    sha256: str


async def patiently(act: Callable[[], Awaitable[T]]) -> T:
    """What `act` gives, tried again while the data server starts. Only for what may be repeated."""
    loop = asyncio.get_running_loop()
    end = loop.time() + AWAKE_SECONDS
    while True:
        try:
            return await act()
        except Problem as problem:
            if problem.code not in _AWAITED or loop.time() > end:
                raise
        await asyncio.sleep(LOOK_SECONDS)


async def wake(call: Call, source: Source) -> None:
    """Returns when it answers. Raises Problem 503."""
    await patiently(lambda: read(call, source, ""))


async def record_of(call: Call, source: Source, key: str) -> dict[str, Any] | None:
    """The sample of the working set, if there is one."""
    try:
        answer = await patiently(lambda: read(call, source, "/samples", {"key": key}))
    except Problem as problem:
        if problem.status == 404:
            return None
        raise
    value = answer.value
    if not isinstance(value, dict) or not {"key", "sha256", "bytes"} <= set(value):
        raise senseless()
    return value


async def put(call: Call, source: Source, line: Mapping[str, Any]) -> dict[str, Any]:
    """A bundle of one sample whose bytes are an upload; the answer."""
    head = (json.dumps(line, ensure_ascii=False) + "\n").encode()
    request = Request(
        *("POST", "/bundles"),
        headers={"Content-Type": names.BUNDLE_TYPE},
        body=len(head).to_bytes(8, "little") + head,
    )
    answer = await patiently(lambda: change(call, source, request))
    return _object(answer.value)


async def store(call: Call, source: Source, chunks: AsyncIterator[bytes], length: int | None) -> Stored:
    """All of them, as one upload. `length` is how many bytes will come, as far as that is known.

    Raises Problem 400 when it was not true, 411 for a large file of unknown length.
    """
    incoming = _Pieces(chunks)
    whole = await incoming.look_ahead(SMALL)
    if whole is not None:
        length = whole
    if length == 0:
        raise Problem(400, "no_data", "the file is empty: a sample has at least one byte", close=True)
    if length is None:
        raise Problem(411, "length_required", "say how long a large file is, by Content-Length", close=True)
    limit = call.services.config.upload_limit
    if length > limit:
        raise Problem(413, "too_large", f"a file has at most {limit} bytes", close=True, more={"limit": limit})
    begin = Request("POST", "/uploads", headers=_JSON, body=json.dumps({"bytes": length}).encode())
    upload = _object((await ask(call, source, begin)).value).get("id")
    if not isinstance(upload, str):
        raise senseless()
    try:
        for at in range(0, length, CHUNK):
            size = min(CHUNK, length - at)
            headers = {names.UPLOAD_OFFSET: str(at), "Content-Type": "application/octet-stream"}
            path = f"/uploads/{upload}"
            await ask(call, source, Request("PATCH", path, headers=headers, body=incoming.take(size), length=size))
        if await incoming.look_ahead(0) is None:
            raise Problem(
                400, "bad_multipart", "the file is longer than announced: send it as the last part", close=True
            )
    except Problem:
        await drop(call, source, upload)
        raise
    return Stored(upload, length, incoming.total.hexdigest())


async def drop(call: Call, source: Source, upload: str) -> None:
    """Best effort: the data server itself removes what nobody uses."""
    try:
        await ask(call, source, Request("DELETE", f"/uploads/{upload}"))
    except Problem:
        return


class _Pieces:
    """Chunks of any size as pieces of given sizes; `total` is the sum of what was taken."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""
        self._ended = False
        self.total = hashlib.sha256()

    async def look_ahead(self, size: int) -> int | None:
        """How many bytes there are still, if no more than `size`."""
        while not self._ended and len(self._held) <= size:
            await self._more()
        return len(self._held) if self._ended and len(self._held) <= size else None

    async def take(self, size: int) -> AsyncIterator[bytes]:
        """So many bytes. Raises Problem 400 when there are fewer."""
        while size:
            if not self._held and not self._ended:
                await self._more()
                continue
            piece, self._held = self._held[:size], self._held[size:]
            if not piece:
                raise Problem(400, "bad_multipart", "the file is shorter than announced", close=True)
            size -= len(piece)
            self.total.update(piece)
            yield piece

    async def _more(self) -> None:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            self._ended = True
        else:
            self._held += chunk


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise senseless()
    return value


_JSON = {"Content-Type": "application/json"}
