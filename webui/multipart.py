"""The one file in a multipart/form-data body, as it comes. Used by api/platform/data.py.

Bounded in everything: how much may stand before the file, how many parts, how long their headers. Nothing that a part
says of itself but its name is looked at.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from webui.bodies import Incoming
from webui.problems import Problem

PARTS = 16
BEFORE_BYTES = 64 << 10  # that may come before the file, and after it
_BOUNDARY = re.compile(r'multipart/form-data\s*;.*?\bboundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70}))', re.I)
_NAME = re.compile(rb'^content-disposition:\s*form-data\s*;.*?\bname="?([^";\r\n]{1,64})"?', re.I | re.M)


class FormFile:
    """The part named `file`: `open`, then `chunks`, then `end`."""

    def __init__(self, content_type: str, incoming: Incoming) -> None:
        """Raises Problem 400 for a Content-Type without a boundary."""
        found = _BOUNDARY.match(content_type)
        if found is None:
            raise _bad("has no boundary in its Content-Type")
        boundary = (found[1] or found[2]).encode("latin-1", "replace")
        self._mark = b"\r\n--" + boundary
        self._incoming, self._source = incoming, incoming.chunks()
        self._held = b"\r\n"  # so that the first boundary looks like the others
        self._taken = -2  # bytes of the body before `_held`

    async def open(self) -> int | None:
        """Up to the file's first byte; how long it will be when it is the last part and the body's length is known."""
        for _ in range(PARTS):
            await self._skip_to_mark()
            head = await self._head()
            if head is None:
                break
            name = _NAME.search(head)
            if name is not None and name[1] == b"file":
                if self._incoming.length is None:
                    return None
                return max(0, self._incoming.length - self._taken - len(self._mark) - len(b"--\r\n"))
        raise _bad("holds no part named `file`")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The file's bytes. Raises Problem 400 when the body ends before the file does."""
        while True:
            at = self._held.find(self._mark)
            if at >= 0:
                if at:
                    yield self._take(at)
                return
            sure = len(self._held) - len(self._mark)
            if sure > 0:
                yield self._take(sure)
            if not await self._more():
                raise _bad("ends within the file")

    async def end(self) -> None:
        """Up to the body's end. Raises Problem 400 for one that goes on and on."""
        self._held, rest = b"", len(self._held)
        async for chunk in self._source:
            rest += len(chunk)
            if rest > BEFORE_BYTES:
                raise _bad("goes on after the file: send the file as the last part")

    async def _skip_to_mark(self) -> None:
        start = self._taken
        while (at := self._held.find(self._mark)) < 0:
            self._take(max(0, len(self._held) - len(self._mark)))
            if self._taken - start > BEFORE_BYTES or not await self._more():
                raise _bad("holds no part named `file` where one should be")
        self._take(at + len(self._mark))

    async def _head(self) -> bytes | None:
        """A part's headers; None at the end of all parts."""
        while b"\r\n\r\n" not in self._held:
            if len(self._held) > BEFORE_BYTES:
                raise _bad("has a part with very long headers")
            if self._held.startswith(b"--") or not await self._more():
                return None
        return None if self._held.startswith(b"--") else self._take(self._held.index(b"\r\n\r\n") + 4)

    async def _more(self) -> bool:
        chunk = await anext(self._source, b"")
        self._held += chunk
        return bool(chunk)

    def _take(self, size: int) -> bytes:
        taken, self._held = self._held[:size], self._held[size:]
        self._taken += size
        return taken


def _bad(what: str) -> Problem:
    return Problem(400, "bad_multipart", f"the multipart body {what}", close=True)
