"""Metrics of a training run, thinned out for a plot. Called by webui/; written by run_metrics_write.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from blueno.db.connect import Cursor
from blueno.db.text import storable

MAX_POINTS = 5000  # of one series in one answer

_NAMES = "SELECT name FROM record.metric_series WHERE run_uid = %s::uuid ORDER BY name"
_SERIES = "SELECT id, name, seen, stride FROM record.metric_series WHERE run_uid = %s::uuid AND name = ANY(%s)"
_ALL = "SELECT step, at, value FROM record.metric WHERE series_id = %(series)s ORDER BY n"
# Of each of so many equal pieces the lowest and the highest value, so that no spike is lost; the first and the last.
_FEWER = """
WITH point AS MATERIALIZED (
    SELECT n, step, at, value, n * %(pieces)s / %(seen)s AS piece FROM record.metric WHERE series_id = %(series)s
), edge AS (
    SELECT piece, min(value) AS low, max(value) AS high FROM point GROUP BY piece
), chosen AS (
    SELECT DISTINCT ON (piece, value) n FROM point JOIN edge USING (piece) WHERE value IN (low, high)
    ORDER BY piece, value, n
)
SELECT step, at, value FROM point
WHERE n IN (SELECT n FROM chosen) OR n IN (SELECT min(n) FROM point) OR n IN (SELECT max(n) FROM point)
ORDER BY n
"""
_LAST = "SELECT step, at, value FROM record.metric WHERE series_id = %(series)s ORDER BY n DESC LIMIT 1"


@dataclass(frozen=True)
class Series:
    """One metric: (step or None, time, value) in the order in which they came, over all attempts."""

    name: str
    points: tuple[tuple[int | None, datetime, float], ...]


def select_metric_names(cursor: Cursor, run_uid: str) -> list[str]:
    """Sorted by their bytes; empty for a run that nothing is known of."""
    cursor.execute(_NAMES, (run_uid,))
    return [name for (name,) in cursor.fetchall()]


def select_metrics(cursor: Cursor, run_uid: str, names: Sequence[str], points: int) -> list[Series]:
    """The series of these names that there are, in the order asked for, each of at most `points` points (1 to 5,000).

    When there are more, the lowest and the highest of each stretch are told, and the first and the last.
    """
    points = min(max(points, 1), MAX_POINTS)
    wanted = [name for name in dict.fromkeys(names) if storable(name)]
    cursor.execute(_SERIES, (run_uid, wanted))
    found = {name: (series, seen, stride) for series, name, seen, stride in cursor.fetchall()}
    return [Series(name, _points(cursor, *found[name], points)) for name in wanted if name in found]


def _points(
    cursor: Cursor, series: int, seen: int, stride: int, points: int
) -> tuple[tuple[int | None, datetime, float], ...]:
    stored = -(-seen // stride)
    if stored <= points:
        statement = _ALL
    elif points < 4:
        statement = _LAST
    else:
        statement = _FEWER
    cursor.execute(statement, {"series": series, "seen": max(seen, 1), "pieces": (points - 2) // 2})
    return tuple(cursor.fetchall())
