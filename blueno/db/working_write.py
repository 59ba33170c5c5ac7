"""A working set's rows: brought up to date a page of its feed at a time, or made anew as a whole. For the recorder.

Every function is one transaction that begins by taking the set's row in working_set, so that killed at any moment the
rows are those of its `revision`, and the same page given twice changes nothing. At the end it takes the row of
projection.stream, as the mirror does (mirror.py), and puts the data set into the log of changes: pages that show the
samples ask again. Calls working_lines.py.
"""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extras import execute_values

from blueno import names
from blueno.db.changes import CHANNEL
from blueno.db.connect import Connection, Cursor
from blueno.db.errors import as_blueno_error
from blueno.db.working_lines import COLUMNS, REMOVED, Facts, Kind, Part, Place
from blueno.errors import Conflict

STATEMENT_TIMEOUT_MS = 600_000

_ENSURE = """
INSERT INTO projection.working_set (dataset_uid, revision, samples, bytes) VALUES (%s::uuid, 0, 0, 0)
ON CONFLICT (dataset_uid) DO NOTHING
"""
_LOCK = "SELECT number, revision, samples, bytes FROM projection.working_set WHERE dataset_uid = %s::uuid FOR UPDATE"
_SET = """
UPDATE projection.working_set SET number = %s, revision = %s, samples = %s, bytes = %s, read_at = clock_timestamp()
WHERE dataset_uid = %s::uuid
"""
_COUNT = """
INSERT INTO projection.working_count AS c (dataset_uid, split, label_sum, label, samples) VALUES %s
ON CONFLICT (dataset_uid, split, label_sum) DO UPDATE SET samples = c.samples + excluded.samples
"""
_NONE_LEFT = """
DELETE FROM projection.working_count c USING unnest(%s::text[], %s::bigint[]) AS t (split, label_sum)
WHERE c.dataset_uid = %s::uuid AND c.split = t.split AND c.label_sum = t.label_sum AND c.samples <= 0
"""
_COUNT_ALL = """
INSERT INTO projection.working_count (dataset_uid, split, label_sum, label, samples)
SELECT %s::uuid, coalesce(split, ''), label_sum, min(label), count(*) FROM {table} GROUP BY 2, 3
"""
_STREAM = "SELECT id FROM projection.stream FOR UPDATE"
_LOG = "INSERT INTO projection.change_log (kind, uid, namespace, op) VALUES (%s, %s::uuid, %s, 'upsert') RETURNING seq"
_COPY_COLUMNS = ", ".join(f'"{name}"' for name in COLUMNS)


@dataclass(frozen=True)
class Whose:
    """The data set that a working set belongs to."""

    uid: str
    namespace: str


@dataclass(frozen=True)
class _State:
    number: int | None
    revision: int
    samples: int
    bytes: int


def apply_part(connection: Connection, whose: Whose, after: int, part: Part, revision: int) -> None:
    """What the feed told of all after `after` up to `revision`. Raises Conflict when the rows are not those of `after`:
    somebody else was faster; and what errors.py makes of PostgreSQL's errors."""
    with _transaction(connection, whose) as cursor:
        found = _locked(cursor, whose.uid)
        if found.revision != after:
            raise Conflict(f"the working set is at {found.revision}, not at {after}")
        number, gone, freed = found.number, Counter[Kind](), 0
        if found.samples:
            gone, freed = _take_out(cursor, number, [*part.puts, *part.removed])
        if part.puts:
            if number is None:
                number = _make_table(cursor)
                _make_indexes(cursor, number)
            _copy(cursor, number, io.StringIO(part.text()))
        facts = part.facts()
        _count(cursor, whose.uid, facts, gone)
        samples = found.samples + len(facts) - gone.total()
        size = found.bytes + sum(fact.bytes for fact in facts) - freed
        cursor.execute(_SET, (number, revision, samples, size, whose.uid))
        if part.puts or gone:
            _tell(cursor, whose)


def rebuild(connection: Connection, whose: Whose, parts: Iterable[Part], revision: int) -> int:
    """All rows anew, from a feed that was read from its beginning up to `revision`; how many they are.

    The new table is filled before it has indexes, and takes the place of the old one in the transaction's end.
    """
    with _transaction(connection, whose) as cursor:
        found = _locked(cursor, whose.uid)
        number = _make_table(cursor)
        cursor.execute("SET LOCAL statement_timeout = 0")  # connect.py limits the time between two pieces
        stream = _Texts(parts)
        try:
            _copy(cursor, number, stream, freeze=True)
        except psycopg2.Error:
            if stream.failure is not None:  # psycopg2 makes a cancelled query of an error of ours
                raise stream.failure from None
            raise
        cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
        _leave_last_words(cursor, number, stream.removals)
        samples, size = _summed(cursor, number)
        cursor.execute("DELETE FROM projection.working_count WHERE dataset_uid = %s::uuid", (whose.uid,))
        cursor.execute(_COUNT_ALL.format(table=table_of(number)), (whose.uid,))
        cursor.execute(f"ANALYZE {table_of(number)}")
        _drop_table(cursor, found.number)
        if not samples:
            _drop_table(cursor, number)
        cursor.execute(_SET, (number if samples else None, revision, samples, size, whose.uid))
        if samples or found.samples:
            _tell(cursor, whose)
    return samples


def drop_sets(connection: Connection, uids: Sequence[str]) -> None:
    """Removes all that is left of the working sets of data sets that are gone, one after the other."""
    for uid in uids:
        with _transaction(connection, None) as cursor:
            cursor.execute(_LOCK, (uid,))
            found = cursor.fetchone()
            _drop_table(cursor, found[0] if found else None)
            for table in ("working_set", "working_count", "working_notice"):
                cursor.execute(f"DELETE FROM projection.{table} WHERE dataset_uid = %s::uuid", (uid,))  # noqa: S608  # ours


def drop_tables(connection: Connection) -> None:
    """Removes the rows of all working sets, a table in each transaction: before schema projection goes."""
    with _transaction(connection, None) as cursor:
        cursor.execute("SELECT to_regclass('projection.working_set') IS NOT NULL")
        if cursor.fetchone() != (True,):
            return
        cursor.execute("SELECT dataset_uid::text FROM projection.working_set WHERE number IS NOT NULL")
        uids = [uid for (uid,) in cursor.fetchall()]
    drop_sets(connection, uids)


def table_of(number: int) -> str:
    """The table of a working set's rows."""
    return f"projection.working_{int(number)}"


class _Texts:
    """A file for copy_expert: what each part says last, removals too. Keeps the error that ended it."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = iter(parts)
        self.removals = 0
        self.failure: Exception | None = None

    def read(self, _size: int) -> str:
        """The rows of the next part that has any; "" at the end."""
        try:
            for part in self._parts:
                self.removals += len(part.removed)
                if text := part.text() + part.removals():
                    return text
        except Exception as error:
            self.failure = error
            raise
        return ""


@contextmanager
def _transaction(connection: Connection, whose: Whose | None) -> Iterator[Cursor]:
    try:
        with connection.cursor() as cursor:
            if whose is not None:
                cursor.execute(_ENSURE, (whose.uid,))
            yield cursor
        connection.commit()
    except psycopg2.Error as error:
        raise as_blueno_error(error) from error
    finally:
        if not connection.closed:
            with contextlib.suppress(psycopg2.Error):
                connection.rollback()


def _locked(cursor: Cursor, uid: str) -> _State:
    cursor.execute(_LOCK, (uid,))
    row = cursor.fetchone()
    if row is None:
        raise Conflict("the data set has just been deleted")
    return _State(*row)


def _make_table(cursor: Cursor) -> int:
    cursor.execute("SELECT nextval('projection.working_number')")
    (number,) = cursor.fetchone() or (0,)
    cursor.execute(f"CREATE TABLE {table_of(number)} (LIKE projection.working_sample)")
    return int(number)


def _make_indexes(cursor: Cursor, number: int) -> None:
    """One for order, beginnings of keys, and, by what it includes, every filter; one of some pages for what is new."""
    name = f"working_{int(number)}"
    cursor.execute(
        f"CREATE UNIQUE INDEX {name}_place ON {table_of(number)} (key, tail) INCLUDE (split, label_sum, seq)"
    )
    cursor.execute(
        f"CREATE INDEX {name}_seq ON {table_of(number)} USING brin (seq) "
        "WITH (pages_per_range = 32, autosummarize = on)"
    )


def _drop_table(cursor: Cursor, number: int | None) -> None:
    if number is not None:
        cursor.execute(f"DROP TABLE IF EXISTS {table_of(number)}")


def _copy(cursor: Cursor, number: int, file: Any, *, freeze: bool = False) -> None:
    options = " WITH (FREEZE)" if freeze else ""
    cursor.copy_expert(f"COPY {table_of(number)} ({_COPY_COLUMNS}) FROM STDIN{options}", file)


def _take_out(cursor: Cursor, number: int | None, places: Sequence[Place]) -> tuple[Counter[Kind], int]:
    """Removes samples; how many of them had which split and label, and their bytes."""
    if number is None or not places:
        return Counter(), 0
    cursor.execute(
        f"""
WITH gone AS (
    DELETE FROM {table_of(number)} w USING unnest(%s::text[], %s::bigint[]) AS p (key, tail)
    WHERE w.key = p.key AND w.tail = p.tail RETURNING coalesce(w.split, '') AS split, w.label_sum, w.bytes
) SELECT split, label_sum, count(*), sum(bytes)::bigint FROM gone GROUP BY 1, 2""",  # noqa: S608  # our names
        (_texts(key for key, _ in places), [tail for _, tail in places]),
    )
    rows = cursor.fetchall()
    return Counter({(split, label): count for split, label, count, _ in rows}), sum(row[3] for row in rows)


def _count(cursor: Cursor, uid: str, facts: Sequence[Facts], gone: Counter[Kind]) -> None:
    change = Counter(fact.kind for fact in facts)
    change.subtract(gone)
    labels = {fact.kind: fact.label for fact in facts}
    rows = [(uid, *kind, labels.get(kind), by) for kind, by in sorted(change.items()) if by]
    if rows:
        execute_values(cursor, _COUNT, rows, "(%s::uuid, %s, %s, %s, %s)", page_size=1000)
    fewer = [kind for kind, by in sorted(change.items()) if by < 0]
    if fewer:
        cursor.execute(_NONE_LEFT, (_texts(split for split, _ in fewer), [label for _, label in fewer], uid))


def _leave_last_words(cursor: Cursor, number: int, removals: int) -> None:
    """Makes the indexes. Of a feed that tells every line, not only the last of each key, the older ones go first."""
    table = table_of(number)
    cursor.execute("SAVEPOINT indexes")
    try:
        _make_indexes(cursor, number)
    except psycopg2.errors.UniqueViolation:
        cursor.execute("ROLLBACK TO SAVEPOINT indexes")
        cursor.execute(
            f"DELETE FROM {table} t USING (SELECT ctid, row_number() OVER (PARTITION BY key, tail ORDER BY seq DESC) n "  # noqa: S608
            f"FROM {table}) o WHERE t.ctid = o.ctid AND o.n > 1"
        )
        _make_indexes(cursor, number)
    if removals:
        cursor.execute(f"DELETE FROM {table} WHERE bytes = {REMOVED}")  # noqa: S608  # our names


def _summed(cursor: Cursor, number: int) -> tuple[int, int]:
    cursor.execute(f"SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM {table_of(number)}")  # noqa: S608  # ours
    samples, size = cursor.fetchone() or (0, 0)
    return int(samples), int(size)


def _tell(cursor: Cursor, whose: Whose) -> None:
    """Last of all, so that the mirror does not wait for us."""
    cursor.execute(_STREAM)
    cursor.execute(_LOG, (names.DATASET_KIND, whose.uid, whose.namespace))
    (seq,) = cursor.fetchone() or (0,)
    cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, str(seq)))


def _texts(texts: Iterable[str]) -> str:
    """A text[] as one literal: an ARRAY of thousands of constants costs more than what is done with it."""
    quoted = ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
    return "{" + ",".join(quoted) + "}"
