"""Rows of PostgreSQL, by psycopg2 alone, in one read-only snapshot of the database. Used by tests and __main__.py."""

from __future__ import annotations

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
    ' "group", metadata FROM projection.sample',
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
SELECT l.namespace, l.pod, c.bytes, c.data FROM record.log_chunk c JOIN record.log l ON l.id = c.log_id ORDER BY c.id
"""
TABLES = tuple(_QUERIES)


def gather_rows(url: str) -> tuple[Rows, tuple[Text, ...]]:
    """(all rows, the stored logs as texts). Raises psycopg2.Error."""
    connection = psycopg2.connect(url, connect_timeout=10, application_name="checker")
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        return read_rows(connection)
    finally:
        connection.close()


def read_rows(connection: Any) -> tuple[Rows, tuple[Text, ...]]:
    """The same, as a transaction that is under way sees them."""
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        tables = {name: _read(cursor, statement) for name, statement in _QUERIES.items()}
        cursor.execute(_CHUNKS)
        logs = tuple(_log(row) for row in cursor.fetchall())
    return Rows(tables), logs


def _read(cursor: Any, statement: str) -> Table:
    cursor.execute(statement)
    return tuple(dict(row) for row in cursor.fetchall())


def _log(row: dict[str, Any]) -> Text:
    text = pa.Codec("zstd").decompress(bytes(row["data"]), row["bytes"], asbytes=True)
    return Text(f"stored log of pod {row['namespace']}/{row['pod']}", text.decode(errors="replace"))
