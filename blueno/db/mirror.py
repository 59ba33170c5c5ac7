"""What the operator's mirror writes: rows of Datasets, the log of changes, the history of reasons.

Called by controllers/mirror.py from its one thread; calls connect.py and migrate.py. Every transaction begins by taking
the row of projection.stream: it is the fence (an operator whose Lease epoch is behind writes nothing), the heartbeat,
and the lock that makes the order of change_log the order of commits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extras import execute_values

from blueno.db.changes import CHANNEL
from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection, Cursor, connect
from blueno.db.errors import SchemaMissing, as_blueno_error
from blueno.db.migrate import check, ensure_projection
from blueno.errors import BluenoError
from blueno.resources.history import Turn

KIND = "Dataset"
LOG_ROWS = 1_000_000
LOG_HOURS = 24
TOMBSTONE_DAYS = 7
PRUNED_AT_ONCE = 10_000
RECENT_TURNS = 64  # of one object, among which a turn that was written already is looked for

# What people see of a Dataset: when none of it differs, nothing has changed.
_SEEN = (
    *("namespace", "name", "display_name", "ready", "reconciling", "stalled", "reason", "message", "stage"),
    *("percentage", "remaining_seconds", "samples", "bytes", "classes", "version_digest", "version_sequence"),
    *("indexed_digest", "managed_by", "document"),
)
COLUMNS = ("uid", "rv", "generation", "created_at", *_SEEN)

_TAKE = """
UPDATE projection.stream SET heartbeat_at = clock_timestamp(), fence = %(epoch)s
WHERE id = %(id)s AND fence <= %(epoch)s RETURNING id
"""
_WHOSE = "SELECT id, fence FROM projection.stream"
_BEGIN = """
UPDATE projection.stream SET fence = %(epoch)s, resync = resync + 1, heartbeat_at = clock_timestamp()
WHERE fence <= %(epoch)s RETURNING id, resync
"""
# In a full copy the cluster is right also when its numbers are lower than ours (it was restored from a backup).
_UPSERT = f"""
INSERT INTO projection.dataset AS stored ({", ".join(COLUMNS)}, resync) VALUES %s
ON CONFLICT (uid) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])},
    resync = excluded.resync,
    deleted_at = NULL,
    changed_at = CASE WHEN stored.deleted_at IS NULL
        AND ({", ".join(f"stored.{name}" for name in _SEEN)})
            IS NOT DISTINCT FROM ({", ".join(f"excluded.{name}" for name in _SEEN)})
        THEN stored.changed_at ELSE now() END
WHERE stored.rv < excluded.rv OR stored.deleted_at IS NOT NULL
    OR (stored.rv > excluded.rv AND stored.resync < excluded.resync)
RETURNING uid::text, namespace, changed_at = now()
"""  # noqa: S608  # our constants
_TOUCH = "UPDATE projection.dataset SET resync = %s WHERE uid = ANY(%s::uuid[]) AND resync < %s"
_BURY = """
UPDATE projection.dataset SET deleted_at = now(), changed_at = now()
WHERE uid = ANY(%s::uuid[]) AND deleted_at IS NULL RETURNING uid::text, namespace
"""
_BURY_UNSEEN = """
UPDATE projection.dataset SET deleted_at = now(), changed_at = now()
WHERE deleted_at IS NULL AND resync < %s RETURNING uid::text, namespace, name, now()
"""
_LOG = "INSERT INTO projection.change_log (kind, uid, namespace, op) VALUES %s RETURNING seq"
_NOTIFY = "SELECT pg_notify(%s, %s)"
_DONE = "UPDATE projection.stream SET resynced_at = now() WHERE id = %s"
# `derived` turns were not watched but read off the object: a time that cannot be true is replaced by now.
_HISTORY = f"""
INSERT INTO record.history (kind, uid, namespace, name, at, condition, status, reason, message)
SELECT '{KIND}', new.uid, new.namespace, new.name,
    CASE WHEN new.derived AND new.at <= last.at THEN now() ELSE new.at END,
    new.condition, new.status, new.reason, new.message
FROM (VALUES %s) AS new (uid, namespace, name, nth, derived, at, condition, status, reason, message)
LEFT JOIN LATERAL (
    SELECT at, condition, status, reason FROM record.history WHERE uid = new.uid ORDER BY id DESC LIMIT 1
) AS last ON true
WHERE (new.nth > 0 OR (last.condition, last.status, last.reason)
        IS DISTINCT FROM (new.condition, new.status, new.reason))
    AND NOT EXISTS (
        SELECT FROM (
            SELECT at, condition, status, reason FROM record.history
            WHERE uid = new.uid ORDER BY id DESC LIMIT {RECENT_TURNS}
        ) AS recent
        WHERE (recent.at, recent.condition, recent.status, recent.reason)
            = (new.at, new.condition, new.status, new.reason)
    )
ORDER BY new.uid, new.nth
"""  # noqa: S608  # our constants
_TURN = "(%s::uuid, %s::text, %s::text, %s::int, %s::bool, %s::timestamptz, %s::text, %s::text, %s::text, %s::text)"
_PRUNE_LOG = f"""
DELETE FROM projection.change_log WHERE seq IN (
    SELECT seq FROM (SELECT seq, at FROM projection.change_log ORDER BY seq LIMIT {PRUNED_AT_ONCE}) AS oldest
    WHERE at < now() - interval '{LOG_HOURS} hours'
        OR seq <= (SELECT max(seq) FROM projection.change_log) - {LOG_ROWS}
)
"""  # noqa: S608  # our constants
# Only when the recorder has put away what it had loaded of it.
_PRUNE_BURIED = f"""
DELETE FROM projection.dataset AS buried WHERE deleted_at < now() - interval '{TOMBSTONE_DAYS} days'
    AND NOT EXISTS (SELECT FROM projection.version WHERE dataset_uid = buried.uid)
"""  # noqa: S608  # our constants


class Stale(BluenoError):
    """Another operator, with a later Lease epoch, writes this database."""


class Reborn(BluenoError):
    """The projection was dropped and made again since the session began: begin another one."""


class Unstorable(BluenoError):
    """PostgreSQL cannot hold a value of this batch."""


@dataclass(frozen=True)
class Entry:
    """One object as it is now (`row`: column → value) or no more (None), and its turns since the last entry."""

    uid: str
    namespace: str
    name: str
    row: Mapping[str, Any] | None
    turns: tuple[Turn, ...]


class MirrorSession:
    """One connection, in one life of the projection. Not thread-safe. Raises errors of blueno.errors only."""

    def __init__(self, config: DatabaseConfig, epoch: Callable[[], int]) -> None:
        """Connects, makes a missing projection, and begins a full copy: `copy` everything, then `finish_copy`.

        Raises Unavailable (SchemaMissing, SchemaMismatch: until somebody migrates) and Stale.
        """
        self._epoch = epoch
        self._connection = connect(config, application="blueno-mirror")
        try:
            _require_schemas(self._connection)
            with self._translated(), self._connection.cursor() as cursor:
                cursor.execute(_BEGIN, {"epoch": epoch()})
                row = cursor.fetchone()
                if row is None:
                    raise self._refusal(cursor, "")
                self._id, self._resync = str(row[0]), int(row[1])
                self._connection.commit()
        except BaseException:
            self.close()
            raise

    def write(self, entries: Sequence[Entry], copying: bool = False) -> int:
        """One transaction; how many objects really changed. Without entries it is a heartbeat. Raises Unstorable."""
        with self._transaction() as cursor:
            changes = _upsert(cursor, entries, self._resync)
            gone = [entry.uid for entry in entries if entry.row is None]
            if gone:
                cursor.execute(_BURY, (gone,))
                changes += [(KIND, uid, namespace, "delete") for uid, namespace in cursor.fetchall()]
            if copying:
                there = [entry.uid for entry in entries if entry.row is not None]
                cursor.execute(_TOUCH, (self._resync, there, self._resync))
            _append_history(cursor, entries)
            _log(cursor, changes)
        return len(changes)

    def finish_copy(self) -> int:
        """Bury what the full copy did not see: it was deleted while nobody watched. How many that were."""
        with self._transaction() as cursor:
            cursor.execute(_BURY_UNSEEN, (self._resync,))
            buried = cursor.fetchall()
            told = [Entry(u, ns, n, None, (Turn(at, "Deleted", "True", "Deleted", ""),)) for u, ns, n, at in buried]
            _append_history(cursor, told)
            _log(cursor, [(KIND, entry.uid, entry.namespace, "delete") for entry in told])
            cursor.execute(_DONE, (self._id,))
        return len(told)

    def prune(self) -> bool:
        """Forget old changes and long-buried rows, a bounded number at once; whether more of them wait."""
        with self._transaction() as cursor:
            cursor.execute(_PRUNE_LOG)
            more = cursor.rowcount >= PRUNED_AT_ONCE
            cursor.execute(_PRUNE_BURIED)
        return more

    def close(self) -> None:
        with contextlib.suppress(psycopg2.Error):
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[Cursor]:
        """Takes the stream's row first; commits at the end of the block."""
        with self._translated(), self._connection.cursor() as cursor:
            cursor.execute(_TAKE, {"id": self._id, "epoch": self._epoch()})
            if cursor.fetchone() is None:
                raise self._refusal(cursor, self._id)
            yield cursor
            self._connection.commit()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (psycopg2.DataError, psycopg2.IntegrityError, ValueError) as error:
            self._give_up()
            raise Unstorable(str(error).partition("\n")[0]) from error
        except psycopg2.Error as error:
            self._give_up()
            raise as_blueno_error(error) from error
        except BaseException:
            self._give_up()
            raise

    def _refusal(self, cursor: Cursor, known: str) -> BluenoError:
        cursor.execute(_WHOSE)
        row = cursor.fetchone()
        if row is None:
            return SchemaMissing("projection.stream is empty: drop schema projection, it is made again", 1.0)
        stream, fence = row
        if known and stream != known:
            return Reborn("schema projection was dropped and made again")
        return Stale(
            f"an operator of epoch {fence} has written to this database, ours is {self._epoch()}: not writing "
            "(if that operator is gone for good, drop schema projection)"
        )

    def _give_up(self) -> None:
        try:
            self._connection.rollback()
        except psycopg2.Error:
            self.close()


def _require_schemas(connection: Connection) -> None:
    """Raises SchemaMissing or SchemaMismatch; makes schema projection when it is gone as a whole."""
    try:
        with connection.cursor() as cursor:
            try:
                check(cursor)
            except SchemaMissing:
                connection.rollback()
                ensure_projection(connection)
                check(cursor)
        connection.rollback()
    except psycopg2.Error as error:
        raise as_blueno_error(error) from error


def _upsert(cursor: Cursor, entries: Sequence[Entry], resync: int) -> list[tuple[str, str, str, str]]:
    """Lines for change_log, of the rows in which something that people see has changed."""
    rows = [(*(entry.row[name] for name in COLUMNS), resync) for entry in entries if entry.row is not None]
    if not rows:
        return []
    written = execute_values(cursor, _UPSERT, rows, page_size=len(rows), fetch=True)
    return [(KIND, uid, namespace, "upsert") for uid, namespace, changed in written if changed]


def _append_history(cursor: Cursor, entries: Sequence[Entry]) -> None:
    rows = [
        (entry.uid, entry.namespace, entry.name, nth, turn.derived, turn.at, *turn.says, turn.message)
        for entry in entries
        for nth, turn in enumerate(entry.turns)
    ]
    if rows:
        execute_values(cursor, _HISTORY, rows, template=_TURN, page_size=1000)


def _log(cursor: Cursor, changes: Sequence[tuple[str, str, str, str]]) -> None:
    """The log, and one notification for all of it."""
    if not changes:
        return
    written = execute_values(cursor, _LOG, changes, page_size=len(changes), fetch=True)
    cursor.execute(_NOTIFY, (CHANNEL, str(max(seq for (seq,) in written))))
