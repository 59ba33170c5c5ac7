"""Removes what the database records of training runs that were deleted long ago. Called by blueno/recorder/ only.

A run is taken for deleted by its last turn in record.history, never by its absence: schema `projection` may have been
dropped a moment ago. A run that nobody has told of at all (the mirror was away for its whole life) is absent from a
complete copy, and its logs began that long ago.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from blueno import names
from blueno.db.connect import Cursor
from blueno.resources.history import DELETED

CHUNKS = 100  # of logs in one transaction, 256 KiB of text each
POINTS = 10_000
ROWS = 5_000  # of anything else

_DUE = f"""
SELECT turn.uid::text, turn.namespace, turn.name, max(turn.at) AS since FROM record.history AS turn
WHERE turn.kind = '{names.TRAINING_RUN_KIND}' AND turn.condition = '{DELETED}'
    AND turn.at < now() - %(days)s * interval '1 day'
    AND NOT EXISTS (SELECT FROM record.history AS later WHERE later.uid = turn.uid AND (
        later.condition <> '{DELETED}' AND later.id > turn.id OR later.at >= now() - %(days)s * interval '1 day'))
    AND NOT EXISTS (SELECT FROM projection.training_run AS run WHERE run.uid = turn.uid AND run.deleted_at IS NULL)
GROUP BY turn.uid, turn.namespace, turn.name ORDER BY since LIMIT %(limit)s
"""  # noqa: S608  # constants
_UNTOLD = """
SELECT log.run_uid::text, min(log.namespace), '', max(log.begun_at) AS since FROM record.log
WHERE EXISTS (SELECT FROM projection.stream WHERE resynced_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM projection.training_run AS run WHERE run.uid = log.run_uid)
    AND NOT EXISTS (SELECT FROM record.history WHERE history.uid = log.run_uid)
GROUP BY log.run_uid HAVING max(log.begun_at) < now() - %(days)s * interval '1 day' ORDER BY since LIMIT %(limit)s
"""

_CHUNKS = f"""
DELETE FROM record.log_chunk WHERE id IN (
    SELECT chunk.id FROM record.log_chunk AS chunk JOIN record.log ON log.id = log_id
    WHERE run_uid = %(uid)s::uuid LIMIT {CHUNKS})
"""  # noqa: S608  # constants
_POINTS = f"""
DELETE FROM record.metric WHERE (series_id, n) IN (
    SELECT series_id, n FROM record.metric JOIN record.metric_series AS series ON series.id = series_id
    WHERE run_uid = %(uid)s::uuid LIMIT {POINTS})
"""  # noqa: S608  # constants
_LOGS = "DELETE FROM record.log WHERE run_uid = %(uid)s::uuid"
_SERIES = "DELETE FROM record.metric_series WHERE run_uid = %(uid)s::uuid"
# Rows about its name from before it was deleted: of itself, and of runs of that name that were deleted before it.
_AUDIT = f"""
DELETE FROM record.audit WHERE id IN (
    SELECT id FROM record.audit
    WHERE resource = '{names.TRAINING_RUNS}' AND namespace = %(namespace)s AND name = %(name)s
        AND at <= %(since)s LIMIT {ROWS})
"""  # noqa: S608  # constants
_SENDERS = "DELETE FROM record.metric_sender WHERE run_uid = %(uid)s::uuid"
_HISTORY = f"""
DELETE FROM record.history WHERE id IN (
    SELECT id FROM record.history WHERE uid = %(uid)s::uuid AND condition <> '{DELETED}' LIMIT {ROWS})
"""  # noqa: S608  # constants
_LAST_TURN = "DELETE FROM record.history WHERE uid = %(uid)s::uuid"  # last of all: by it the run was found
_PARTS = (_CHUNKS, _LOGS, _POINTS, _SERIES, _SENDERS, _HISTORY)


@dataclass(frozen=True)
class Outlived:
    """A run that is gone `since`. `name` is "" when nobody told of it."""

    uid: str
    namespace: str
    name: str
    since: datetime


def select_outlived(cursor: Cursor, days: int, limit: int) -> list[Outlived]:
    """Runs that were deleted more than `days` days ago and of which something is recorded, oldest first."""
    found: list[Outlived] = []
    for statement in (_DUE, _UNTOLD):
        cursor.execute(statement, {"days": days, "limit": limit - len(found)})
        found += [Outlived(*row) for row in cursor.fetchall()]
    return found


def forget_some(cursor: Cursor, run: Outlived) -> int:
    """Removes rows of the first part that has any, a bounded number; how many. 0: nothing is left of the run."""
    values = {"uid": run.uid, "namespace": run.namespace, "name": run.name, "since": run.since}
    for statement in _PARTS:
        cursor.execute(statement, values)
        if cursor.rowcount:
            return cursor.rowcount
    cursor.execute("SET LOCAL blueno.retention = 'on'")  # record.audit refuses otherwise
    if run.name:
        cursor.execute(_AUDIT, values)
        if cursor.rowcount:
            return cursor.rowcount
    cursor.execute(_LAST_TURN, values)
    return cursor.rowcount
