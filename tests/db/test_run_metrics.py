"""Series in PostgreSQL: bounded when stored, thinned when read, without losing what a plot is looked at for."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from blueno.db import run_metrics_write
from blueno.db.connect import Connection
from blueno.db.run_metrics import select_metric_names, select_metrics
from blueno.db.run_metrics_write import Point, append_points, select_position, set_position
from tests.db.mirroring import uid_of

RUN, OTHER = uid_of(1), uid_of(2)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def a_point(n: int, values: dict[str, float], run: str = RUN, attempt: int = 1) -> Point:
    return Point(run, attempt, n, BEGIN + timedelta(seconds=n), values)


def test_points_come_back_in_order(connection: Connection) -> None:
    with connection.cursor() as cursor:
        append_points(cursor, [a_point(n, {"loss": 1 / (n + 1), "b": float(n)}) for n in range(10)])
        append_points(cursor, [Point(RUN, 2, None, BEGIN, {"loss": 5.0})])
        append_points(cursor, [a_point(0, {"z": 1.0}, OTHER)])
        assert select_metric_names(cursor, RUN) == ["b", "loss"]
        series = select_metrics(cursor, RUN, ["loss", "nothing", "b", "loss", "a\0"], 500)
    assert [one.name for one in series] == ["loss", "b"]
    assert series[0].points[:2] == ((0, BEGIN, 1.0), (1, BEGIN + timedelta(seconds=1), 0.5))
    assert series[0].points[-1] == (None, BEGIN, 5.0)
    assert len(series[1].points) == 10


@pytest.mark.parametrize("points", [-1, 1, 2, 3, 4, 5, 7, 50, 500, 999, 1000, 10**9])
def test_fewer_points_keep_both_ends_and_every_spike(connection: Connection, points: int) -> None:
    values = [math.sin(n / 50) for n in range(1000)]
    values[333], values[777] = 99.0, -99.0
    with connection.cursor() as cursor:
        append_points(cursor, [a_point(n, {"loss": value}) for n, value in enumerate(values)])
        (series,) = select_metrics(cursor, RUN, ["loss"], points)
    steps = [step for step, _, _ in series.points]
    assert 1 <= len(steps) <= max(1, points)
    assert steps == sorted(set(steps))  # type: ignore[type-var]
    assert steps[-1] == 999
    if points >= 4:
        assert steps[0] == 0
        assert {99.0, -99.0} <= {value for _, _, value in series.points}
    if points >= 50:
        assert len(steps) >= points * 0.9 or len(steps) == 1000


def test_a_series_never_outgrows_its_limit(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_metrics_write, "STORED_LIMIT", 100)
    with connection.cursor() as cursor:
        begin = 0
        for size in (1, 50, 49, 1, 7, 500, 3, 1, 1, 88):
            append_points(cursor, [a_point(n, {"loss": float(n)}) for n in range(begin, begin + size)])
            begin += size
            cursor.execute("SELECT n FROM record.metric ORDER BY n")
            stored = [n for (n,) in cursor.fetchall()]
            stride = stored[1] - stored[0] if len(stored) > 1 else 1
            assert stored == list(range(0, begin, stride)), "evenly, over the whole run"
            assert min(begin, 50) <= len(stored) <= 100
        (series,) = select_metrics(cursor, RUN, ["loss"], 500)
        assert [int(value) for _, _, value in series.points] == stored


def test_a_run_has_so_many_metrics_and_no_more(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_metrics_write, "SERIES_LIMIT", 3)
    with connection.cursor() as cursor:
        assert append_points(cursor, [a_point(1, dict.fromkeys("abcde", 1.0))]) == 2
        assert append_points(cursor, [a_point(2, {"a": 2.0, "z": 1.0})]) == 1
        assert append_points(cursor, [a_point(2, {"z": 2.0}, OTHER)]) == 0
        assert select_metric_names(cursor, RUN) == ["a", "b", "c"]


def test_the_position_is_kept(connection: Connection) -> None:
    with connection.cursor() as cursor:
        assert select_position(cursor) is None
        set_position(cursor, "life-1", 5)
        set_position(cursor, "life-2", 1)
        assert select_position(cursor) == ("life-2", 1)


def test_what_comes_again_is_stored_once(connection: Connection) -> None:
    """The operator was started anew: its clients send what they do not know to be stored."""

    def sent(*steps: int, again: bool = False, sender: str = "aa", run: str = RUN) -> list[Point]:
        return [replace(a_point(n, {"loss": float(n)}, run), sender=sender, again=again) for n in steps]

    def stored(run: str = RUN) -> list[int]:
        (series,) = select_metrics(cursor, run, ["loss"], 500)
        return [int(value) for _, _, value in series.points]

    with connection.cursor() as cursor:
        append_points(cursor, sent(0, 1, 2))
        append_points(cursor, sent(1, 2, 3, again=True) + sent(4))  # 3 was lost with the operator
        assert stored() == [0, 1, 2, 3, 4]
        append_points(cursor, sent(0, 1, 2, 3, 4, again=True))
        assert stored() == [0, 1, 2, 3, 4]
        append_points(cursor, sent(0, 1, again=True, sender="bb"))  # another process: nothing of it is known
        append_points(cursor, sent(0, again=True, run=OTHER))
        append_points(cursor, sent(1))  # not said to come again: taken
        assert (stored(), stored(OTHER)) == ([0, 1, 2, 3, 4, 0, 1, 1], [0])
        append_points(cursor, sent(*range(2, 4), again=True, sender=""))  # nobody to know it by
        assert stored()[-2:] == [2, 3]
