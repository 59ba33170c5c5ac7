"""Keys waiting to be worked on: each at most once at a time, none lost, failures with backoff.

Filled by controllers/source.py, sweep.py, reports.py; emptied by controllers/engine.py's workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Key = tuple[str, str]  # (kind, uid)

NEWS: Final = 0  # something happened
RESYNC: Final = 1  # only looking again: waits behind news

_FIRST_BACKOFF = 0.2  # seconds, doubled at each failure
_LAST_BACKOFF = 20.0  # whatever was away and for how long: all is tried again within that time after it is back


@dataclass(frozen=True)
class _Ticket:
    """What is known of a waiting key: the heap entry with this number is the live one."""

    due: float
    priority: int
    number: int


class WorkQueue:
    """A key added twice before it is taken is worked on once; added while in work, it is worked on again."""

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock  # seconds, monotonic
        self._jitter = jitter  # 0 to 1
        self._later: list[tuple[float, int, Key]] = []  # by date
        self._ready: list[tuple[int, int, Key]] = []  # by priority, then age
        self._waiting: dict[Key, _Ticket] = {}
        self._active: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._numbers = itertools.count()
        self._wake = asyncio.Event()

    def add(self, key: Key, delay: float = 0.0, priority: int = NEWS) -> None:
        """Work on `key` after `delay` seconds; an earlier date or higher priority already set stays."""
        due = self._clock() + delay
        before = self._waiting.get(key)
        if before is not None:
            if before.due <= due and before.priority <= priority:
                return
            due, priority = min(due, before.due), min(priority, before.priority)
        ticket = self._waiting[key] = _Ticket(due, priority, next(self._numbers))
        heapq.heappush(self._later, (due, ticket.number, key))
        self._wake.set()

    async def take(self) -> Key:
        """The next due key that no worker has. Call `done` afterwards."""
        while True:
            self._ripen()
            while self._ready:
                _, number, key = heapq.heappop(self._ready)
                ticket = self._waiting.get(key)
                if ticket is not None and ticket.number == number and key not in self._active:
                    del self._waiting[key]
                    self._active.add(key)
                    return key
            self._wake.clear()
            wait = self._later[0][0] - self._clock() if self._later else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)

    def done(self, key: Key) -> None:
        """The worker is through with `key`: it may be taken again."""
        self._active.discard(key)
        ticket = self._waiting.get(key)
        if ticket is not None:  # added meanwhile: its entry may have been passed over while it was active
            heapq.heappush(self._later, (ticket.due, ticket.number, key))
        self._wake.set()

    def failed(self, key: Key, at_least: float = 0.0) -> float:
        """Take `key` again after a growing, jittered delay; returns the delay in seconds."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        delay = min(_LAST_BACKOFF, _FIRST_BACKOFF * 2 ** min(count, 16)) * (0.5 + self._jitter() / 2)
        delay = max(at_least, float(delay))
        self.add(key, delay)
        return delay

    def succeeded(self, key: Key) -> None:
        """Forget past failures of `key`."""
        self._failures.pop(key, None)

    def __len__(self) -> int:
        return len(self._waiting)

    def _ripen(self) -> None:
        """Move what is due from `_later` to `_ready`."""
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            _, number, key = heapq.heappop(self._later)
            ticket = self._waiting.get(key)
            if ticket is not None and ticket.number == number:
                heapq.heappush(self._ready, (ticket.priority, number, key))
