"""Rows of PostgreSQL, by psycopg2 alone, in one read-only snapshot of the database. Used by tests and __main__.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg2
import psycopg2.extras
import pyarrow as pa

from tests.checker.snapshot import Rows, Table, Text

_OBJECT = "uid::text, namespace, name, rv, resync, generation, deleted_at, message, document"
_QUERIES = {
    "stream": "SELECT id, fence, resync FROM projection.stream",
    "dataset": f"SELECT {_OBJECT}, ready, reason, samples, bytes, version_digest, version_sequence, indexed_digest"
    " FROM projection.dataset",
    "run": f"SELECT {_OBJECT}, state, reason, attempt, restarts, datasets FROM projection.training_run",
    "run_dataset": "SELECT run_uid::text, namespace, dataset, digest FROM projection.run_dataset",
    "version": "SELECT id, dataset_uid::text, digest, sequence, samples, bytes, manifest::text AS manifest"
    " FROM projection.version",
    "split": "SELECT version_id, split_id, name, first, samples FROM projection.split",
    "label": "SELECT version_id, label_id, label, samples FROM projection.label",
    "facet": "SELECT version_id, split_id, label_id, samples FROM projection.facet",
    "sample": "SELECT version_id, idx, row, label_id, split_id, bytes, encode(sha256, 'hex') AS sha256, key, format,"
    ' "group", metadata FROM projection.sample WHERE %(all)s OR version_id = ANY(%(versions)s)',
    "listing": "SELECT dataset_uid::text, digest FROM projection.listing",
    "change_log": "SELECT seq, kind, uid::text, namespace, op FROM projection.change_log",
    "partition": "SELECT relname AS name, relispartition AS attached FROM pg_class"
    " JOIN pg_namespace n ON n.oid = relnamespace"
    " WHERE n.nspname = 'projection' AND relname ~ '^sample_[0-9]+$' AND relkind = 'r'",
    "history": "SELECT id, kind, uid::text, namespace, name, condition, status, reason, message FROM record.history",
    "metric": "SELECT s.run_uid::text, s.name, s.seen, count(m.n)::int AS points, max(m.attempt) AS attempt"
    " FROM record.metric_series s LEFT JOIN record.metric m ON m.series_id = s.id GROUP BY s.id",
    "log": "SELECT l.id, run_uid::text, attempt, namespace, pod, pod_uid, l.bytes, complete,"
    " coalesce(sum(c.bytes), 0)::bigint AS kept"
    " FROM record.log l LEFT JOIN record.log_chunk c ON c.log_id = l.id GROUP BY l.id",
    "audit": "SELECT id, at, actor, verb, resource, namespace, name, outcome, remote, detail::text AS detail"
    " FROM record.audit",
}
_CHUNKS = """
SELECT l.run_uid::text, l.namespace, l.pod, c.bytes, c.data
FROM record.log_chunk c JOIN record.log l ON l.id = c.log_id ORDER BY c.id
"""
TABLES = tuple(_QUERIES)


def gather_rows(url: str, namespaces: Iterable[str] = ()) -> tuple[Rows, tuple[Text, ...]]:
    """(rows, the stored logs as texts), of these namespaces or of all. Raises psycopg2.Error."""
    connection = psycopg2.connect(url, connect_timeout=10, application_name="checker")
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        return read_rows(connection, namespaces)
    finally:
        connection.close()


def read_rows(connection: Any, namespaces: Iterable[str] = ()) -> tuple[Rows, tuple[Text, ...]]:
    """The same, as a transaction that is under way sees them."""
    wanted = frozenset(namespaces)
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        uids: set[str] = set()
        for table in ("dataset", "run"):
            uids |= {row["uid"] for row in _read(cursor, _QUERIES[table]) if row["namespace"] in wanted}
        versions = [row["id"] for row in _read(cursor, _QUERIES["version"]) if row["dataset_uid"] in uids]
        given = {"all": not wanted, "versions": versions}
        tables = {name: _read(cursor, statement, given) for name, statement in _QUERIES.items()}
        cursor.execute(_CHUNKS)
        chunks = cursor.fetchall()
    if wanted:
        tables = {name: _only(name, table, wanted, uids, set(versions)) for name, table in tables.items()}
        chunks = [row for row in chunks if row["namespace"] in wanted]
    return Rows(tables), tuple(_log(row) for row in chunks)


def _only(name: str, table: Table, namespaces: frozenset[str], uids: set[str], versions: set[int]) -> Table:
    """Rows that say in any way that they are of these namespaces."""
    names = {f"sample_{number}" for number in versions}
    return tuple(
        row
        for row in table
        if name == "stream"
        or row.get("namespace") in namespaces
        or {row.get("uid"), row.get("dataset_uid"), row.get("run_uid")} & uids
        or row.get("version_id") in versions
        or (name == "partition" and row["name"] in names)
    )


def _read(cursor: Any, statement: str, given: dict[str, Any] | None = None) -> Table:
    cursor.execute(statement, given)
    return tuple(dict(row) for row in cursor.fetchall())


def _log(row: dict[str, Any]) -> Text:
    text = pa.Codec("zstd").decompress(bytes(row["data"]), row["bytes"], asbytes=True)
    return Text(f"stored log of pod {row['namespace']}/{row['pod']}", text.decode(errors="replace"))
