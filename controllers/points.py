"""Points of training runs on their way to the recorder: a bounded ring with sequence numbers.

Filled and emptied by controllers/training_reports.py. A ring has an epoch, new in every life of the operator; (epoch,
seq) says how far a reader is. What a reader asks beyond is stored by it, and goes. When nobody reads, the oldest go,
counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from blueno.resources.training_report import TrainingPoint

VALUES_KEPT = 200_000  # in all: some 30 MB
VALUES_AT_ONCE = 5_000  # in one answer


@dataclass(frozen=True)
class _Entry:
    seq: int
    run: str
    attempt: int
    sender: str
    point: TrainingPoint

    def to_dict(self) -> Mapping[str, Any]:
        return {"run": self.run, "attempt": self.attempt, "sender": self.sender, **self.point.to_dict()}


@dataclass(frozen=True)
class Batch:
    """Points after a position, in order. `lost` were dropped between that position and the first of them."""

    epoch: str
    next: int
    lost: int
    points: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "next": self.next, "lost": self.lost, "points": list(self.points)}


class Points:
    """For one event loop."""

    def __init__(self, epoch: str, kept: int = VALUES_KEPT) -> None:
        self.epoch, self._kept = epoch, kept
        self._entries: deque[_Entry] = deque()
        self._values = 0
        self.last = 0  # sequence number of the newest
        self.stored = 0  # of the newest that a reader has asked beyond: it has those
        self._news = asyncio.Event()

    def __len__(self) -> int:
        """Values that wait."""
        return self._values

    def add(self, run: str, attempt: int, points: Iterable[TrainingPoint], sender: str = "") -> int:
        """How many points had to go to make room."""
        for point in points:
            self.last += 1
            self._entries.append(_Entry(self.last, run, attempt, sender, point))
            self._values += len(point.metrics)
        gone = 0
        while self._values > self._kept:
            self._drop_oldest()
            gone += 1
        self._news.set()
        return gone

    async def after(self, epoch: str, seq: int, seconds: float) -> Batch:
        """What came after `seq`, waiting at most `seconds` for it. Another epoch's position is the beginning."""
        oldest = self._entries[0].seq if self._entries else self.last + 1
        ours = epoch == self.epoch and 0 <= seq <= self.last
        begin = seq if ours else oldest - 1
        self.stored = max(self.stored, seq) if ours else self.stored
        while begin and self._entries and self._entries[0].seq <= begin:
            self._drop_oldest()
        if not self._entries:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return Batch(self.epoch, begin, 0, ())
        return self._batch(begin)

    def _batch(self, begin: int) -> Batch:
        chosen: list[_Entry] = []
        values = 0
        for entry in self._entries:
            values += len(entry.point.metrics)
            if chosen and values > VALUES_AT_ONCE:
                break
            if entry.seq > begin:
                chosen.append(entry)
        if not chosen:
            return Batch(self.epoch, begin, 0, ())
        lost = chosen[0].seq - begin - 1
        return Batch(self.epoch, chosen[-1].seq, lost, tuple(entry.to_dict() for entry in chosen))

    def _drop_oldest(self) -> None:
        self._values -= len(self._entries.popleft().point.metrics)
