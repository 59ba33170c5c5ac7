"""Rows of data sets as the cluster tells them. Read by webui/ and the recorder; written by mirror.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from blueno.db.connect import Cursor
from blueno.db.text import storable


@dataclass(frozen=True)
class DatasetRow:
    """A line of the list of data sets. `indexed_digest` is the version whose samples the recorder reported loaded."""

    uid: str
    namespace: str
    name: str
    created_at: datetime
    changed_at: datetime
    display_name: str | None
    ready: bool
    reconciling: bool
    stalled: bool
    reason: str
    message: str
    stage: str | None
    percentage: int | None
    remaining_seconds: int | None
    samples: int | None
    bytes: int | None
    classes: int | None
    version_digest: str | None
    version_sequence: int | None
    indexed_digest: str | None
    managed_by: str | None


@dataclass(frozen=True)
class DatasetQuery:
    """`namespaces` None stands for all, `text` is looked for literally in any case, `after` is (namespace, name)."""

    namespaces: tuple[str, ...] | None = None
    text: str = ""
    after: tuple[str, str] | None = None
    limit: int = 100


@dataclass(frozen=True)
class HistoryRow:
    """A condition got another reason or status. `id` is the cursor for what is older."""

    id: int
    at: datetime
    condition: str
    status: str
    reason: str
    message: str


_COLUMNS = """
uid::text, namespace, name, created_at, changed_at, display_name, ready, reconciling, stalled, reason, message, stage,
percentage, remaining_seconds, samples, bytes, classes, version_digest, version_sequence, indexed_digest, managed_by
"""
# Between two resyncs there may be two live rows of one name (deleted and made again): the younger one speaks.
_LIVE = "FROM projection.dataset WHERE deleted_at IS NULL"
_LIST = f"""
SELECT DISTINCT ON (namespace, name) {_COLUMNS} {_LIVE}
AND (%(all)s OR namespace = ANY(%(namespaces)s))
AND (%(text)s = '' OR position(lower(%(text)s) IN lower(name)) > 0
     OR position(lower(%(text)s) IN lower(coalesce(display_name, ''))) > 0)
AND (%(after)s IS FALSE OR (namespace, name) > (%(after_namespace)s, %(after_name)s))
ORDER BY namespace, name, created_at DESC, uid LIMIT %(limit)s
"""  # constants
_ONE = f"""
SELECT document, {_COLUMNS} {_LIVE} AND namespace = %s AND name = %s ORDER BY created_at DESC, uid LIMIT 1
"""
_BY_UID = f"SELECT {_COLUMNS} {_LIVE} AND uid = ANY(%s::uuid[])"
_NAMESPACES = """
SELECT namespace FROM projection.dataset WHERE deleted_at IS NULL UNION
SELECT namespace FROM projection.training_run WHERE deleted_at IS NULL ORDER BY namespace
"""
_HISTORY = """
SELECT id, at, condition, status, reason, message FROM record.history
WHERE uid = %(uid)s::uuid AND (%(before)s::bigint IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s
"""


def select_datasets(cursor: Cursor, query: DatasetQuery) -> list[DatasetRow]:
    """Live ones in the order of (namespace, name)."""
    after = query.after or ("", "")
    if not storable(query.text, *after, *(query.namespaces or ())):
        return []
    values = {
        "all": query.namespaces is None,
        "namespaces": list(query.namespaces or ()),
        "text": query.text,
        "after": query.after is not None,
        "after_namespace": after[0],
        "after_name": after[1],
        "limit": query.limit,
    }
    cursor.execute(_LIST, values)
    return [DatasetRow(*row) for row in cursor.fetchall()]


def select_dataset(cursor: Cursor, namespace: str, name: str) -> tuple[DatasetRow, dict[str, Any]] | None:
    """The live one of this name, with its document {"spec", "status"}."""
    if not storable(namespace, name):
        return None
    cursor.execute(_ONE, (namespace, name))
    row = cursor.fetchone()
    return None if row is None else (DatasetRow(*row[1:]), row[0])


def select_datasets_by_uid(cursor: Cursor, uids: Sequence[str]) -> list[DatasetRow]:
    """Those of them that live, in no order. `uids` are Kubernetes', so they are UUIDs."""
    cursor.execute(_BY_UID, (list(uids),))
    return [DatasetRow(*row) for row in cursor.fetchall()]


def select_namespaces(cursor: Cursor) -> list[str]:
    """Namespaces with a live data set or training run."""
    cursor.execute(_NAMESPACES)
    return [namespace for (namespace,) in cursor.fetchall()]


def select_history(cursor: Cursor, uid: str, before: int | None, limit: int) -> list[HistoryRow]:
    """What an object's conditions said, newest first; `before` is the last `id` of the page before."""
    cursor.execute(_HISTORY, {"uid": uid, "before": before, "limit": limit})
    return [HistoryRow(*row) for row in cursor.fetchall()]
