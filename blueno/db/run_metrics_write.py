"""Stores points of metrics. Called by blueno/recorder/ only: what it stores is told in 0003_training.sql.

Each function takes a cursor in a transaction, so that points and the position they came from are one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg2.extras import execute_values

from blueno.db.connect import Cursor

SERIES_LIMIT = 1000  # metrics of one run; later names are passed over
STORED_LIMIT = 50_000  # points of one series

_COUNT = "SELECT name FROM record.metric_series WHERE run_uid = %s::uuid"
_NEW = "INSERT INTO record.metric_series (run_uid, name) VALUES %s ON CONFLICT DO NOTHING"
_LOCK = """
SELECT id, name, seen, stride FROM record.metric_series WHERE run_uid = %s::uuid AND name = ANY(%s)
ORDER BY id FOR UPDATE
"""
_POINTS = "INSERT INTO record.metric (series_id, n, step, at, value, attempt) VALUES %s"
_THIN = "DELETE FROM record.metric WHERE series_id = %s AND n %% %s <> 0"
_SEEN = "UPDATE record.metric_series SET seen = %s, stride = %s WHERE id = %s"
_SENT = """
SELECT run_uid::text, sender, until FROM record.metric_sender JOIN (VALUES %s) AS asked (run_uid, sender)
USING (run_uid, sender)
"""
_SENDERS = """
INSERT INTO record.metric_sender (run_uid, sender, until) VALUES %s
ON CONFLICT (run_uid, sender) DO UPDATE SET until = greatest(metric_sender.until, excluded.until)
"""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_POSITION = """
INSERT INTO record.metric_position (epoch, seq) VALUES (%s, %s)
ON CONFLICT (one) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq
"""


@dataclass(frozen=True)
class Point:
    """Values of some metrics at one moment of one attempt. Names and values are checked by who makes it: finite
    numbers, texts that PostgreSQL can hold."""

    run_uid: str
    attempt: int
    step: int | None
    at: datetime
    values: Mapping[str, float]
    sender: str = ""  # the process that reported it; its times rise. "": unknown
    again: bool = False  # it may be stored already


_Row = tuple[int | None, datetime, float, int]


def append_points(cursor: Cursor, points: Iterable[Point]) -> int:
    """Adds points in the order given; how many values were passed over because their run has too many metrics."""
    by_run: dict[str, dict[str, list[_Row]]] = {}
    for point in _unstored(cursor, list(points)):
        series = by_run.setdefault(point.run_uid, {})
        for name, value in point.values.items():
            series.setdefault(name, []).append((point.step, point.at, value, point.attempt))
    return sum(_append(cursor, run_uid, series) for run_uid, series in sorted(by_run.items()))


def _unstored(cursor: Cursor, points: Sequence[Point]) -> list[Point]:
    """Without those that came again and are stored; how far each sender's are is noted."""
    last: dict[tuple[str, str], datetime] = {}
    for point in points:
        if point.sender:
            key = (point.run_uid, point.sender)
            last[key] = max(last.get(key, point.at), point.at)
    if not last:
        return list(points)
    known: dict[tuple[str, str], datetime] = {}
    for run, sender, until in execute_values(cursor, _SENT, list(last), template="(%s::uuid, %s)", fetch=True):
        known[run, sender] = until
    execute_values(cursor, _SENDERS, [(*key, at) for key, at in sorted(last.items())], template="(%s::uuid, %s, %s)")
    return [p for p in points if not p.again or p.at > known.get((p.run_uid, p.sender), _LONG_AGO)]


def select_position(cursor: Cursor) -> tuple[str, int] | None:
    """(epoch, sequence number) of the last point of the operator's ring that is stored."""
    cursor.execute("SELECT epoch, seq FROM record.metric_position")
    row = cursor.fetchone()
    return None if row is None else (row[0], row[1])


def set_position(cursor: Cursor, epoch: str, seq: int) -> None:
    """In the transaction that stores the points up to it."""
    cursor.execute(_POSITION, (epoch, seq))


def _append(cursor: Cursor, run_uid: str, series: Mapping[str, Sequence[_Row]]) -> int:
    cursor.execute(_COUNT, (run_uid,))
    known = {name for (name,) in cursor.fetchall()}
    new = [name for name in series if name not in known][: max(0, SERIES_LIMIT - len(known))]
    if new:
        execute_values(cursor, _NEW, [(run_uid, name) for name in new])
    cursor.execute(_LOCK, (run_uid, list(series)))
    rows: list[tuple[int, int, int | None, datetime, float, int]] = []
    kept: set[str] = set()
    for series_id, name, seen, stride in cursor.fetchall():
        kept.add(name)
        after = seen + len(series[name])
        wider = _stride(after, stride)
        rows += [(series_id, n, *row) for n, row in enumerate(series[name], start=seen) if n % wider == 0]
        if wider != stride:
            cursor.execute(_THIN, (series_id, wider))
        cursor.execute(_SEEN, (after, wider, series_id))
    if rows:
        execute_values(cursor, _POINTS, rows, page_size=1000)
    return sum(len(points) for name, points in series.items() if name not in kept)


def _stride(seen: int, stride: int) -> int:
    """The stride at which at most STORED_LIMIT of `seen` points are stored."""
    while -(-seen // stride) > STORED_LIMIT:
        stride *= 2
    return stride
