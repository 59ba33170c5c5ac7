"""From the kubelet's bytes to text that is stored: whole lines, scrubbed, a place to go on from. Called by follow.py.

Pure. A line ends with a line feed or a carriage return (progress bars), or after LINE bytes. What was taken is known
again by digests (see record.log): of the beginning of what the kubelet served, and of the last lines that were taken.
The kubelet rotates its files: after a restart it may serve a log whose beginning is gone.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from dataclasses import dataclass

from blueno.db.run_logs_write import Place
from blueno.resources.scrub import PEM_BEGIN, PEM_END, scrub

LINE = 256 << 10  # bytes of a line at most: a longer one is several
HEAD = 1024  # bytes of the beginning that are compared
TAIL = 8  # lines of the end that are compared
HELD = 64 << 10  # bytes that are held back until a PEM block ends
_LINE = re.compile(rb"[^\r\n]{0,%d}[\r\n]|[^\r\n]{%d}" % (LINE - 1, LINE))


@dataclass(frozen=True)
class Batch:
    """Lines as they came, and as they are stored; `place` is after them."""

    lines: tuple[bytes, ...]
    text: bytes
    place: Place


class _Lines:
    """Cuts a stream into lines, and remembers what its place is known by."""

    def __init__(self) -> None:
        self.offset = 0  # after the lines that were passed
        self.rest = b""
        self._head = b""
        self._tail: deque[bytes] = deque(maxlen=TAIL)

    def cut(self, chunk: bytes, *, final: bool = False) -> list[bytes]:
        """The lines that are whole now; at the end (`final`), also the one that is not."""
        data, at = self.rest + chunk, 0
        lines = []
        while found := _LINE.match(data, at):
            lines.append(found[0])
            at = found.end()
        self.rest = data[at:]
        if final and self.rest:
            lines.append(self.rest)
            self.rest = b""
        return lines

    def passed(self, line: bytes) -> None:
        """The line counts as taken."""
        self.offset += len(line)
        if len(self._head) < HEAD:
            self._head += line[: HEAD - len(self._head)]
        self._tail.append(_sum(line))

    def place(self) -> Place:
        """Where that leads."""
        return Place(self.offset, len(self._head), _sum(self._head), len(self._tail), _sum(b"".join(self._tail)))


class Search:
    """Looks through what the kubelet serves for the place that was taken before."""

    def __init__(self, known: Place) -> None:
        self._known = known
        self._lines = _Lines()
        self._begins = b""
        self._exact: bool | None = None  # whether `known` lies where it did
        self._last = 0  # after the last lines that look like those before `known`

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        """The next piece; `final` with the end."""
        known = self._known
        if len(self._begins) < known.head_bytes:
            self._begins += chunk[: known.head_bytes - len(self._begins)]
        for line in self._lines.cut(chunk, final=final):
            self._lines.passed(line)
            place = self._lines.place()
            if (place.tail_lines, place.tail_sum) == (known.tail_lines, known.tail_sum):
                self._last = place.taken
                if place.taken == known.taken and _sum(self._begins) == known.head_sum:
                    self._exact = True

    def found(self) -> tuple[int, int]:
        """(how many bytes to skip, how many there are). 0 when nothing of what was taken is there any more."""
        return (self._known.taken if self._exact else self._last), self._lines.offset + len(self._lines.rest)


class Cutter:
    """Makes batches of what comes after the first `skip` bytes."""

    def __init__(self, skip: int) -> None:
        self._skip = skip
        self._lines = _Lines()
        self._waiting: list[bytes] = []
        self.size = 0  # bytes of lines that wait to be taken

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        """The next piece; `final` with the end."""
        position = self._lines.offset + self.size
        for line in self._lines.cut(chunk, final=final):
            position += len(line)
            if position <= self._skip:
                self._lines.passed(line)
            else:
                self._waiting.append(line)
                self.size += len(line)

    def take(self, *, final: bool = False) -> Batch | None:
        """What can be stored now. A PEM block that has not ended is held back, unless it is too long or at the end."""
        lines, self._waiting = self._waiting, []
        if not final:
            keep = _unfinished(lines)
            lines, self._waiting = lines[:keep], lines[keep:]
        if not lines:
            return None
        for line in lines:
            self._lines.passed(line)
        self.size = sum(map(len, self._waiting))
        text = scrub(b"".join(lines).decode(errors="surrogateescape")).encode(errors="surrogateescape")
        return Batch(tuple(lines), text, self._lines.place())


def _unfinished(lines: list[bytes]) -> int:
    """The number of lines before a PEM block that goes on after them."""
    size = 0
    for number in range(len(lines) - 1, -1, -1):
        size += len(lines[number])
        if size > HELD:
            break
        if b"-----" in lines[number]:
            text = lines[number].decode("latin-1")
            begins, ends = list(PEM_BEGIN.finditer(text)), list(PEM_END.finditer(text))
            if begins and (not ends or ends[-1].start() < begins[-1].start()):
                return number
            if ends:
                break
    return len(lines)


def _sum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
