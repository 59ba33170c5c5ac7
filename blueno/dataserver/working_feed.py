"""The journals once more, for those who follow the working set: lines after a number. Called by working_set.py.

Lines are sent as they stand in the journals, so that nothing about removed samples has to be kept in memory: only every
256 KiB it is remembered which number comes next.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from blueno.data.journal import FLAGS, Part, seq_of
from blueno.dataserver.files import Folder
from blueno.dataserver.problems import Problem

_STEP = 256 << 10  # bytes of a journal between two marks
_SENT = 256 << 10  # bytes sent at once
_LINE = 64 << 20
_SAMPLE = b'{"by":'


@dataclass
class Marks:
    """Where the line with a certain number is, or would be. Thread-safe."""

    _marks: list[tuple[int, str, int]] = field(default_factory=list)  # (number, journal, offset), growing
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, seq: int, part: str, offset: int) -> None:
        """The batch that begins there begins with that number."""
        with self._lock:
            last = self._marks[-1] if self._marks else None
            if last is None or last[1] != part or offset - last[2] >= _STEP:
                self._marks.append((seq, part, offset))

    def start(self, after: int) -> tuple[str, int] | None:
        """From where on to read; None when there is nothing."""
        with self._lock:
            at = bisect_right(self._marks, (after + 1, "\U0010ffff", 0)) - 1
            mark = self._marks[max(0, at)] if self._marks else None
        return None if mark is None else mark[1:]


def first_seq(lines: Sequence[bytes]) -> int | None:
    """The number of the first sample's line among these."""
    return next((seq_of(line) for line in lines if line.startswith(_SAMPLE)), None)


@dataclass(frozen=True)
class Wanted:
    """Lines after `after`, at most `limit`, up to `revision`."""

    after: int
    limit: int
    revision: int


def feed(folder: Folder, parts: Sequence[Part], start: tuple[str, int] | None, wanted: Wanted) -> Iterator[bytes]:
    """The lines, some at a time. Raises Problem when a compaction takes the journals away meanwhile: ask again."""
    left = wanted.limit
    if start is None or wanted.after >= wanted.revision:
        return
    held: list[bytes] = []
    size = 0
    for line in _lines(folder, parts, start):
        if not wanted.after < seq_of(line) <= wanted.revision:
            continue
        held.append(line)
        size += len(line)
        left -= 1
        if size >= _SENT or not left:
            yield b"".join(held)
            held, size = [], 0
        if not left:
            return
    if held:
        yield b"".join(held)


def _lines(folder: Folder, parts: Sequence[Part], start: tuple[str, int]) -> Iterator[bytes]:
    name, offset = start
    for part in parts:
        if part.name < name:
            continue
        try:
            handle = os.open(part.name, FLAGS, dir_fd=folder.descriptor)
        except FileNotFoundError:
            text = "the working set's journals were just put together: ask again"
            raise Problem(503, "busy", text, retry_after=1) from None
        with os.fdopen(handle, "rb") as file:
            at = file.seek(offset if part.name == name else 0)
            while at < part.size and (line := file.readline(_LINE)):
                at += len(line)
                if line.startswith(_SAMPLE):
                    yield line
