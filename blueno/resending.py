"""Points that were sent and are not known to be stored yet. Called by blueno/reporting.py. Standard library only.

The operator keeps points in memory until the recorder has stored them; in another life (`epoch`) it knows nothing of
them. Its answers say in which epoch it is, under which number (`seq`) it has taken a report's points, and up to which
number all are `stored`.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Any

Json = dict[str, Any]


class Unstored:
    """Not thread-safe: its owner holds a lock. At most `kept` points; the oldest go first."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._batches: deque[tuple[int, list[Json]]] = deque()  # number of the last point, points
        self._count = 0
        self.epoch = ""  # in which they were taken; "" when there are none

    def take(self, text: str, points: list[Json]) -> list[Json] | None:
        """What an answer means. None: the points were taken. Else they were not, and these come before them."""
        answer = _parsed(text)
        epoch, seq, stored = (answer.get(key) for key in ("epoch", "seq", "stored"))
        if answer.get("resend") is True and self.epoch:
            lost = [{**point, "again": True} for _, batch in self._batches for point in batch]
            self._forget(len(self._batches))
            return lost
        if not isinstance(epoch, str) or type(seq) is not int or type(stored) is not int:
            return None  # an operator of before: whoever cannot be asked is believed
        if epoch != self.epoch:
            self._forget(len(self._batches))
        if points:
            self._batches.append((seq, points))
            self._count += len(points)
        self._forget(sum(1 for number, _ in self._batches if number <= stored))
        while self._count > self._kept:
            self._forget(1)
        self.epoch = epoch if self._batches else ""
        return None

    def _forget(self, batches: int) -> None:
        """The oldest."""
        for _ in range(batches):
            self._count -= len(self._batches.popleft()[1])
        if not self._batches:
            self.epoch = ""


def _parsed(text: str) -> Json:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
