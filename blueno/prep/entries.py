"""A file of a source before anybody knows what is in it. Made by sources/*.py, archives.py and series.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MAX_FILES = 20_000_000  # of one source


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that can be read: its size, what identifies its content as far as the listing tells, its bytes.

    `part` (offset, length): some of its bytes, where that is cheaper than all of them.
    """

    size: int
    stamp: str
    read: Callable[[], bytes]
    part: Callable[[int, int], bytes] | None = None
