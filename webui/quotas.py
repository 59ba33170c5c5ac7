"""How much one person may send: so many uploads at once, so many bytes a second, so many new large ones. Used by
writing.py and api/.

Bytes over the rate are not refused but waited for: a slow reader is what TCP makes a fast sender wait for.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from webui.limits import Buckets
from webui.problems import later

AT_ONCE = 32  # uploads in all: each holds some hundred kilobytes
AT_ONCE_PER_PERSON = 8  # as many as a data server takes in at a time
BURST_SECONDS = 2.0  # how much of the rate may come at once
BEGUN_RATE, BEGUN_BURST = 5.0, 200.0  # large uploads that are begun: each is a file on the volume until it is finished
STEP = 1.0  # seconds that are waited at most before the caller looks again whether the person is still let in


class Quotas:
    """Of all persons."""

    def __init__(self, bytes_per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = float(bytes_per_second), clock
        self._running: Counter[str] = Counter()
        self._owed: dict[str, tuple[float, float]] = {}  # who: (bytes ahead of the rate, when)
        self._begun = Buckets(BEGUN_RATE, BEGUN_BURST, clock)

    @asynccontextmanager
    async def upload(self, who: str) -> AsyncIterator[None]:
        """One upload. Raises Problem 429 and 503 when there are too many."""
        if self._running[who] >= AT_ONCE_PER_PERSON:
            detail = f"you send {AT_ONCE_PER_PERSON} uploads already: let one end first"
            raise later("too_many_uploads", detail, status=429)
        if self._running.total() >= AT_ONCE:
            raise later("overloaded", "too many uploads at once")
        self._running[who] += 1
        try:
            yield
        finally:
            self._running[who] -= 1
            if not self._running[who]:
                del self._running[who]

    async def pace(self, who: str, size: int) -> None:
        """Returns when so many more bytes of this person may come, or after STEP seconds; 0 as rate: at once."""
        if not self._rate:
            return
        now = self._clock()
        ahead, when = self._owed.get(who, (0.0, now))
        ahead = max(0.0, ahead - (now - when) * self._rate) + size
        self._owed[who] = (ahead, now)
        if len(self._owed) > 1000:  # who owes nothing any more need not be remembered
            self._owed = {one: owed for one, owed in self._owed.items() if owed[0] > (now - owed[1]) * self._rate}
        wait = ahead / self._rate - BURST_SECONDS
        if wait > 0:
            await asyncio.sleep(min(wait, STEP))

    def begin(self, who: str) -> None:
        """A large upload is begun. Raises Problem 429."""
        seconds = self._begun.take(who)
        if seconds:
            raise later("too_many_uploads", "too many uploads begun: finish some first", seconds, status=429)
