"""How a process of ours treats its memory. Called by entry points; imports nothing of ours."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of malloc.h
_LARGE = 2 << 20  # bytes
_FRAMES = 40_000  # JSON of 10,000 levels is read, written, copied and compared within 8 MiB of stack


def give_back_early() -> None:
    """Tells glibc to give large blocks back to the system as soon as they are freed; elsewhere this does nothing.

    Left alone it raises its own limit to 32 MiB and keeps the pieces, in one heap per thread: 670 MB were seen in a
    data server after a few 8000-pixel PNGs.
    """
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_ARENA_MAX, 2)


def allow_deep_json() -> None:
    """Lets this process read whatever JSON the API server takes: 10,000 levels; Python alone gives up at a thousand.

    One Dataset of four kilobytes would end the watch of all, and every list after it.
    """
    sys.setrecursionlimit(max(_FRAMES, sys.getrecursionlimit()))
