"""What the operator's mirror writes: rows of objects (tables.py), the log of changes, the history of reasons.

Called by controllers/mirror.py from its one thread; calls connect.py, migrate.py and working_notices.py. Every
transaction begins by taking the row of projection.stream: it is the fence (an operator whose Lease epoch is behind
writes nothing), the heartbeat, and the lock that makes the order of change_log the order of commits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2.extras import execute_values

from blueno.db import working_notices
from blueno.db.changes import CHANNEL
from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection, Cursor, connect
from blueno.db.errors import SchemaMissing, as_blueno_error
from blueno.db.migrate import check, ensure_projection
from blueno.db.older import notice as notice_loss
from blueno.db.tables import FORGET_LINEAGE, SAMPLES, TABLES, WRITE_LINEAGE, Table
from blueno.errors import BluenoError
from blueno.resources.history import DELETED, Turn

LOG_ROWS = 1_000_000
LOG_HOURS = 24
PRUNED_AT_ONCE = 10_000
RECENT_TURNS = 64  # of one object, among which a turn that was written already is looked for

Line = tuple[str, str, str, str]  # of change_log: kind, uid, namespace, op

_TAKE = """
UPDATE projection.stream SET heartbeat_at = clock_timestamp(), fence = %(epoch)s
WHERE id = %(id)s AND fence <= %(epoch)s RETURNING heartbeat_at
"""
_WHOSE = "SELECT id, fence FROM projection.stream"
_BEGIN = """
UPDATE projection.stream SET fence = %(epoch)s, resync = resync + 1, heartbeat_at = clock_timestamp()
WHERE fence <= %(epoch)s RETURNING id, resync
"""
_LOG = "INSERT INTO projection.change_log (kind, uid, namespace, op) VALUES %s RETURNING seq"
_NOTIFY = "SELECT pg_notify(%s, %s)"
_DONE = "UPDATE projection.stream SET resynced_at = now() WHERE id = %s"
# `derived` turns were not watched but read off the object: a time that cannot be true is replaced by now.
_HISTORY = f"""
INSERT INTO record.history (kind, uid, namespace, name, at, condition, status, reason, message)
SELECT new.kind, new.uid, new.namespace, new.name,
    CASE WHEN new.derived AND new.at <= last.at THEN now() ELSE new.at END,
    new.condition, new.status, new.reason, new.message
FROM (VALUES %s) AS new (kind, uid, namespace, name, nth, derived, at, condition, status, reason, message)
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
_TURN = (
    "(%s::text, %s::uuid, %s::text, %s::text, %s::int, %s::bool, %s::timestamptz, "
    "%s::text, %s::text, %s::text, %s::text)"
)
_PRUNE_LOG = f"""
DELETE FROM projection.change_log WHERE seq IN (
    SELECT seq FROM (SELECT seq, at FROM projection.change_log ORDER BY seq LIMIT {PRUNED_AT_ONCE}) AS oldest
    WHERE at < now() - interval '{LOG_HOURS} hours'
        OR seq <= (SELECT max(seq) FROM projection.change_log) - {LOG_ROWS}
)
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

    kind: str
    uid: str
    namespace: str
    name: str
    row: Mapping[str, Any] | None
    turns: tuple[Turn, ...]


class MirrorSession:
    """One connection, in one life of the projection. Not thread-safe. Raises errors of blueno.errors only."""

    def __init__(self, config: DatabaseConfig, epoch: Callable[[], int], known: datetime | None = None) -> None:
        """Connects, makes a missing projection, and begins a full copy: `copy` everything, then `finish_copy`.

        `known` is `heartbeat` of an earlier session: `lost` says what is to be told when the database is older.
        Raises Unavailable (SchemaMissing, SchemaMismatch: until somebody migrates) and Stale.
        """
        self._epoch = epoch
        self.heartbeat = known  # the newest one that is committed
        self._connection = connect(config, application="blueno-mirror")
        try:
            _require_schemas(self._connection)
            with self._translated(), self._connection.cursor() as cursor:
                self.lost = notice_loss(cursor, known)
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
        by_kind: dict[str, list[Entry]] = {}
        for entry in entries:
            by_kind.setdefault(entry.kind, []).append(entry)
        with self._transaction() as cursor:
            changes: list[Line] = []
            for kind, some in by_kind.items():
                changes += self._write_some(cursor, TABLES[kind], some, copying)
            _append_history(cursor, entries)
            _log(cursor, changes)
        return len(changes)

    def _write_some(self, cursor: Cursor, table: Table, entries: Sequence[Entry], copying: bool) -> list[Line]:
        """Entries of one kind; lines for change_log."""
        changes = _upsert(cursor, table, entries, self._resync)
        gone = [entry.uid for entry in entries if entry.row is None]
        if gone:
            cursor.execute(table.bury, (gone,))
            changes += [(table.kind, uid, namespace, "delete") for uid, namespace in cursor.fetchall()]
        if copying:
            there = [entry.uid for entry in entries if entry.row is not None]
            cursor.execute(table.touch, (self._resync, there, self._resync))
        return changes

    def finish_copy(self) -> int:
        """Bury what the full copy did not see: it was deleted while nobody watched. How many that were."""
        with self._transaction() as cursor:
            told: list[Entry] = []
            for kind, table in TABLES.items():
                cursor.execute(table.bury_unseen, (self._resync,))
                told += [
                    Entry(kind, uid, namespace, name, None, (Turn(at, DELETED, "True", DELETED, ""),))
                    for uid, namespace, name, at in cursor.fetchall()
                ]
            _append_history(cursor, told)
            _log(cursor, [(entry.kind, entry.uid, entry.namespace, "delete") for entry in told])
            cursor.execute(_DONE, (self._id,))
        return len(told)

    def prune(self) -> bool:
        """Forget old changes and long-buried rows, a bounded number at once; whether more of them wait."""
        with self._transaction() as cursor:
            cursor.execute(_PRUNE_LOG)
            more = cursor.rowcount >= PRUNED_AT_ONCE
            for table in TABLES.values():
                cursor.execute(table.prune)
        return more

    def close(self) -> None:
        with contextlib.suppress(psycopg2.Error):
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[Cursor]:
        """Takes the stream's row first; commits at the end of the block."""
        with self._translated(), self._connection.cursor() as cursor:
            cursor.execute(_TAKE, {"id": self._id, "epoch": self._epoch()})
            row = cursor.fetchone()
            if row is None:
                raise self._refusal(cursor, self._id)
            yield cursor
            self._connection.commit()
            self.heartbeat = row[0]

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


def _upsert(cursor: Cursor, table: Table, entries: Sequence[Entry], resync: int) -> list[Line]:
    """Lines for change_log, of the rows in which something that people see has changed."""
    rows = [(*(entry.row[name] for name in table.columns), resync) for entry in entries if entry.row is not None]
    if not rows:
        return []
    written = execute_values(cursor, table.upsert, rows, page_size=len(rows), fetch=True)
    changed = [(uid, namespace) for uid, namespace, is_news in written if is_news]
    if changed and table.lineage:
        uids = {"uids": [uid for uid, _ in changed]}
        cursor.execute(FORGET_LINEAGE, uids)
        cursor.execute(WRITE_LINEAGE, uids)
    return [(table.kind, uid, namespace, "upsert") for uid, namespace in changed]


def _append_history(cursor: Cursor, entries: Sequence[Entry]) -> None:
    rows = [
        (entry.kind, entry.uid, entry.namespace, entry.name, nth, turn.derived, turn.at, *turn.says, turn.message)
        for entry in entries
        for nth, turn in enumerate(entry.turns)
    ]
    if rows:
        execute_values(cursor, _HISTORY, rows, template=_TURN, page_size=1000)


def _log(cursor: Cursor, changes: Sequence[Line]) -> None:
    """The log, and one notification for all of it; and what Samples say about working sets."""
    if not changes:
        return
    samples = [uid for kind, uid, _, _ in changes if kind == SAMPLES.kind]
    if samples:
        working_notices.tell_of_samples(cursor, samples)
    written = execute_values(cursor, _LOG, changes, page_size=len(changes), fetch=True)
    cursor.execute(_NOTIFY, (CHANNEL, str(max(seq for (seq,) in written))))
