"""controllers/points.py: bounded, in order, counted."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from blueno.resources.training_report import TrainingPoint
from controllers import points
from controllers.points import Points


async def test_the_ring_is_bounded_and_counts_what_it_drops() -> None:
    ring = Points("life", kept=10)
    some = [TrainingPoint(n, datetime.now(UTC), {"a": 1.0, "b": 2.0}) for n in range(8)]
    assert ring.add("run", 1, some[:5]) == 0
    first = await ring.after("", 0, 0)
    assert (first.next, first.lost, len(first.points)) == (5, 0, 5)
    assert ring.add("run", 1, some) == 8
    assert len(ring) == 10
    late = await ring.after("life", 2, 0)
    assert (late.lost, late.next, [one["step"] for one in late.points]) == (6, 13, [3, 4, 5, 6, 7])
    newcomer = await ring.after("", 0, 0)
    assert (newcomer.lost, len(newcomer.points)) == (0, 5)


async def test_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "VALUES_AT_ONCE", 5)
    ring = Points("life")
    ring.add("run", 1, [TrainingPoint(n, datetime.now(UTC), {"a": 1.0, "b": 2.0}) for n in range(7)])
    position, sizes = 0, []
    while batch := (await ring.after("life", position, 0)).points:
        sizes.append(len(batch))
        position += len(batch)
    assert sizes == [2, 2, 2, 1]
