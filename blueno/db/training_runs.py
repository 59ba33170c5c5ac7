"""Rows of training runs as the cluster tells them. Read by webui/; written by mirror.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from blueno.db.connect import Cursor
from blueno.db.text import storable


@dataclass(frozen=True)
class RunRow:
    """A line of the list of training runs; blueno/resources/run_row.py says what stands in the columns."""

    uid: str
    namespace: str
    name: str
    created_at: datetime
    changed_at: datetime
    deleted_at: datetime | None
    state: str
    reason: str
    message: str
    stalled: bool
    suspended: bool
    percentage: int | None
    remaining_seconds: int | None
    metrics: list[dict[str, str]]
    objective: dict[str, str] | None
    datasets: list[dict[str, str | None]]
    parameters: dict[str, str]
    gpus: int
    nodes: list[str]
    num_nodes: int
    gpu_seconds: int
    wall_seconds: int
    running_since: datetime | None
    attempt: int
    restarts: int
    queue: str | None
    started_at: datetime | None
    ended_at: datetime | None
    managed_by: str | None


@dataclass(frozen=True)
class RunQuery:
    """`namespaces` None stands for all, `text` is looked for literally in names in any case, `after` is the
    (created_at, uid) of the last one before."""

    namespaces: tuple[str, ...] | None = None
    text: str = ""
    dataset: str | None = None
    state: str | None = None
    after: tuple[str, str] | None = None
    limit: int = 100


_COLUMNS = """
uid::text, namespace, name, created_at, changed_at, deleted_at, state, reason, message, stalled, suspended, percentage,
remaining_seconds, metrics, objective, datasets, parameters, gpus, nodes, num_nodes, gpu_seconds, wall_seconds,
running_since, attempt, restarts, queue, started_at, ended_at, managed_by
"""
# Between two resyncs there may be two live rows of one name (deleted and made again): the younger one speaks.
_SPEAKS = """
run.deleted_at IS NULL AND NOT EXISTS (
    SELECT FROM projection.training_run AS other
    WHERE other.deleted_at IS NULL AND (other.namespace, other.name) = (run.namespace, run.name)
        AND (other.created_at, other.uid) > (run.created_at, run.uid)
)
"""
_NAMESPACES = "run.namespace = ANY(%(namespaces)s)"
_TEXT = "position(lower(%(text)s) IN lower(run.name)) > 0"
_DATASET = "run.uid IN (SELECT run_uid FROM projection.run_dataset WHERE dataset = %(dataset)s)"
_DATASET_THERE = """
run.uid IN (
    SELECT run_uid FROM projection.run_dataset WHERE namespace = ANY(%(namespaces)s) AND dataset = %(dataset)s
)
"""
_STATE = "run.state = %(state)s"
_AFTER = "(run.created_at, run.uid) < (%(created_at)s::timestamptz, %(uid)s::uuid)"
# The live one first, then the one that was deleted last.
_ONE = f"""
SELECT document, {_COLUMNS} FROM projection.training_run WHERE namespace = %s AND name = %s
ORDER BY deleted_at DESC NULLS FIRST, created_at DESC, uid DESC LIMIT 1
"""  # noqa: S608  # constants
_BY_UID = f"""
SELECT {_COLUMNS} FROM projection.training_run WHERE deleted_at IS NULL AND uid = ANY(%s::uuid[])
"""  # noqa: S608  # constants


def select_runs(cursor: Cursor, query: RunQuery) -> list[RunRow]:
    """Live ones, newest first."""
    after = query.after or ("", "")
    texts = (query.text, query.dataset or "", query.state or "", *after, *(query.namespaces or ()))
    if not storable(*texts):
        return []
    cursor.execute(
        f"SELECT {_COLUMNS} FROM projection.training_run AS run WHERE {' AND '.join(_conditions(query))} "  # noqa: S608
        "ORDER BY run.created_at DESC, run.uid DESC LIMIT %(limit)s",
        {
            "namespaces": list(query.namespaces or ()),
            "text": query.text,
            "dataset": query.dataset,
            "state": query.state,
            "created_at": after[0],
            "uid": after[1],
            "limit": query.limit,
        },
    )
    return [RunRow(*row) for row in cursor.fetchall()]


def select_run(cursor: Cursor, namespace: str, name: str) -> tuple[RunRow, dict[str, Any]] | None:
    """The one of this name, with its document {"spec", "status"}.

    When none lives it is the one that was deleted last, for as long as that is kept (tables.py).
    """
    if not storable(namespace, name):
        return None
    cursor.execute(_ONE, (namespace, name))
    row = cursor.fetchone()
    return None if row is None else (RunRow(*row[1:]), row[0])


def select_runs_by_uid(cursor: Cursor, uids: Sequence[str]) -> list[RunRow]:
    """Those of them that live, in no order. `uids` are Kubernetes', so they are UUIDs."""
    cursor.execute(_BY_UID, (list(uids),))
    return [RunRow(*row) for row in cursor.fetchall()]


def _conditions(query: RunQuery) -> list[str]:
    """Only those that are asked for, so that each has its index."""
    found = [_SPEAKS]
    if query.namespaces is not None:
        found.append(_NAMESPACES)
    if query.text:
        found.append(_TEXT)
    if query.dataset is not None:
        found.append(_DATASET if query.namespaces is None else _DATASET_THERE)
    if query.state is not None:
        found.append(_STATE)
    if query.after is not None:
        found.append(_AFTER)
    return found
