"""A sealed version's index into PostgreSQL: one bare table, one binary COPY, its indexes, attached. For the recorder.

The table of rows is memory-mapped and read in batches, so that ten million samples need no more memory than ten
thousand. Calls order.py (which sample comes where), tally.py (labels and marks), binary.py (the stream). A connection
for this is made with `statement_timeout_ms=STATEMENT_TIMEOUT_MS`.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import psycopg2
import pyarrow as pa
from psycopg2.extras import Json, execute_values

from blueno.db.ahead import ahead
from blueno.db.binary import COLUMNS, HEADER, TRAILER, Part, array_of, pieces
from blueno.db.connect import Connection, Cursor
from blueno.db.copy_text import escaped
from blueno.db.errors import as_blueno_error
from blueno.db.order import IndexRefused, Run, in_order, runs_of, sorted_rows
from blueno.db.tally import Labels, Sizes, key_marks
from blueno.db.text import plain
from blueno.db.versions import drop_versions

STATEMENT_TIMEOUT_MS = 600_000  # for the indexes of a hundred million rows; COPY is limited by its progress instead
BATCH_ROWS = 16_384
_FULL = "WITH (fillfactor = 100)"  # nothing is ever inserted later: a tenth less to write
_FULL_OF_DIFFERENT = "WITH (fillfactor = 100, deduplicate_items = off)"  # no two entries are alike: none is looked for
_KINDS: Mapping[str, Callable[[pa.DataType], bool]] = {
    **dict.fromkeys(("key", "metadata"), pa.types.is_string),
    **dict.fromkeys(("split", "label", "group", "dtype", "format"), pa.types.is_dictionary),
    **dict.fromkeys(("width", "height", "depth", "channels"), pa.types.is_int32),
    "bytes": pa.types.is_int64,
    "sha256": lambda kind: kind == pa.binary(32),
}

__all__ = ("STATEMENT_TIMEOUT_MS", "IndexRefused", "Sizes", "VersionMeta", "drop_versions", "load_version")


@dataclass(frozen=True)
class VersionMeta:
    """What is known of a version before its rows. `manifest` comes without its list of shards."""

    dataset_uid: str
    digest: str
    sequence: int
    sealed_at: datetime | str  # RFC 3339
    samples: int
    bytes: int
    manifest: Mapping[str, Any]


def load_version(connection: Connection, meta: VersionMeta, rows: pa.Table, sizes: Sizes | None = None) -> int:
    """Stores a version and its samples in one transaction; the version's id. A version that is there already stays.

    `rows` is the whole of index.arrow. Raises IndexRefused when it does not fit its version or holds what PostgreSQL
    cannot store, and what errors.py makes of PostgreSQL's errors; then nothing is stored.
    """
    try:
        with connection.cursor() as cursor:
            found = _find(cursor, meta)
            if found is None:
                found = _Load(cursor, meta, rows, sizes or Sizes()).run()
        connection.commit()
    except psycopg2.Error as error:
        raise as_blueno_error(error) from error
    finally:
        _roll_back(connection)
    return found


class _Load:
    """One version on its way in."""

    def __init__(self, cursor: Cursor, meta: VersionMeta, rows: pa.Table, sizes: Sizes) -> None:
        _require(rows, meta)
        self._cursor = cursor
        self._meta = meta
        self._rows = rows.unify_dictionaries()  # of one chunk, as we write them: no copy
        self._sizes = sizes
        splits, classes = _said(meta.manifest)
        self._runs = runs_of(self._rows.column("split"), splits)
        self._labels = Labels(self._rows.column("label"), self._runs, classes, sizes)
        self._ordered = [in_order(self._rows.column("key"), run) for run in self._runs]

    def run(self) -> int:
        """The new version's id."""
        found = self._insert_version()
        if found is None:  # somebody else was faster, and has committed by now
            known = _find(self._cursor, self._meta)
            if known is None:
                raise IndexRefused("the version was loaded and dropped in this moment: try again")
            return known
        with tempfile.TemporaryFile() as marks:
            self._copy_samples(found, marks)
            self._index_and_attach(found)
            marks.seek(0)
            self._cursor.copy_expert("COPY projection.key_mark FROM STDIN", marks)
        self._insert_facets(found)
        return found

    def _insert_version(self) -> int | None:
        meta = self._meta
        self._cursor.execute(
            "INSERT INTO projection.version (dataset_uid, digest, sequence, sealed_at, samples, bytes, in_order,"
            " manifest) VALUES (%s::uuid, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (dataset_uid, digest) DO NOTHING RETURNING id",
            (
                *(meta.dataset_uid, meta.digest, meta.sequence, meta.sealed_at, meta.samples, meta.bytes),
                *(all(self._ordered), Json(plain(meta.manifest))),
            ),
        )
        row = self._cursor.fetchone()
        return None if row is None else int(row[0])

    def _copy_samples(self, version_id: int, marks: IO[bytes]) -> None:
        execute = self._cursor.execute
        # The constraint spares ATTACH a look at every row. Nothing ever changes in it, so nothing is to be vacuumed.
        execute(
            f"CREATE TABLE projection.sample_{version_id} "
            f"(LIKE projection.sample, CONSTRAINT attached CHECK (version_id = {version_id})) "
            "WITH (autovacuum_enabled = false)"
        )
        execute("SET LOCAL statement_timeout = 0")  # connect.py limits the time between two pieces
        columns = ", ".join(f'"{name}"' for name in COLUMNS)
        copy = f"COPY projection.sample_{version_id} ({columns}) FROM STDIN (FORMAT binary, FREEZE)"
        with ahead(self._stream(version_id, marks)) as parts:
            self._copy(copy, _Stream(parts))
        execute("SET LOCAL statement_timeout TO DEFAULT")

    def _copy(self, statement: str, stream: Any) -> None:
        try:
            self._cursor.copy_expert(statement, stream)
        except psycopg2.Error:
            if stream.failure is not None:  # psycopg2 makes a cancelled query of an error of ours
                raise stream.failure from None
            raise

    def _stream(self, version_id: int, marks: IO[bytes]) -> Iterator[bytes]:
        """The COPY stream; on the way labels are noted and key marks written."""
        yield HEADER
        for run, ordered in zip(self._runs, self._ordered, strict=True):
            place = 0  # in the split
            for rows, numbers in self._batches(run, ordered):
                count, idx = len(numbers), run.first + place
                label_ids = self._labels.ids(array_of(rows, "label"))
                self._labels.note(label_ids, idx)
                given = {"idx": np.arange(idx, idx + count), "row": numbers, "label_id": label_ids}
                yield from pieces(Part(rows, {**given, "version_id": version_id, "split_id": run.split_id}))
                for key, at in key_marks(array_of(rows, "key"), place, self._sizes.key_step):
                    marks.write(f"{version_id}\t{run.split_id}\t{escaped(key)}\t{run.first + at}\n".encode())
                place += count
        yield TRAILER

    def _batches(self, run: Run, ordered: bool) -> Iterator[tuple[pa.Table, npt.NDArray[np.int64]]]:
        """Rows of a split in the order of their keys, and their numbers in the index."""
        if ordered:
            for start in range(run.first, run.first + run.samples, BATCH_ROWS):
                count = min(BATCH_ROWS, run.first + run.samples - start)
                yield self._rows.slice(start, count), np.arange(start, start + count)
            return
        for bucket in sorted_rows(self._rows.column("key"), run):
            for start in range(0, len(bucket), BATCH_ROWS):
                numbers = bucket[start : start + BATCH_ROWS]
                yield self._rows.take(pa.array(numbers)), numbers

    def _index_and_attach(self, version_id: int) -> None:
        table = f"sample_{version_id}"
        execute = self._cursor.execute
        execute(f"CREATE UNIQUE INDEX {table}_idx ON projection.{table} (idx) {_FULL}")
        if np.count_nonzero(self._labels.samples) > 1:
            execute(f"CREATE INDEX {table}_label ON projection.{table} (label_id, idx) {_FULL_OF_DIFFERENT}")
        if not all(self._ordered):
            execute(f"CREATE UNIQUE INDEX {table}_row ON projection.{table} (row) {_FULL}")
        execute("SET LOCAL default_statistics_target = 10")  # else a million rows are read whole for it
        execute(f"ANALYZE projection.{table} (idx, label_id)")
        execute("SET LOCAL lock_timeout = '30s'")  # another version may be on its way in
        execute(f"ALTER TABLE projection.sample ATTACH PARTITION projection.{table} FOR VALUES IN ({version_id})")
        execute(f"ALTER TABLE projection.{table} DROP CONSTRAINT attached")

    def _insert_facets(self, version_id: int) -> None:
        cursor = self._cursor
        runs = [(version_id, run.split_id, run.name, run.first, run.samples) for run in self._runs]
        execute_values(cursor, "INSERT INTO projection.split VALUES %s", runs)
        labels = ((version_id, *row) for row in self._labels.rows())
        execute_values(cursor, "INSERT INTO projection.label VALUES %s", labels, "(%s, %s, %s, %s, %s, %s::integer[])")
        facets = (
            (version_id, run.split_id, int(label_id), int(counts[label_id]))
            for run, counts in zip(self._runs, self._labels.facets, strict=True)
            for label_id in np.flatnonzero(counts)
        )
        execute_values(cursor, "INSERT INTO projection.facet VALUES %s", facets, page_size=1000)


class _Stream:
    """A file for copy_expert. Keeps the error that ended it."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self.failure: Exception | None = None

    def read(self, _size: int) -> bytes:
        """The next piece, whatever its size; b"" at the end."""
        try:
            return next(self._parts, b"")
        except Exception as error:
            self.failure = error
            raise


def _find(cursor: Cursor, meta: VersionMeta) -> int | None:
    """Id of a version that is loaded already; its sequence rises when the same samples were sealed again."""
    cursor.execute(
        "UPDATE projection.version SET sequence = greatest(sequence, %s) WHERE dataset_uid = %s::uuid AND digest = %s"
        " RETURNING id",
        (meta.sequence, meta.dataset_uid, meta.digest),
    )
    row = cursor.fetchone()
    return None if row is None else int(row[0])


def _said(manifest: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Names of splits and classes, in the manifest's order."""
    try:
        splits = [str(split["name"]) for split in manifest.get("splits") or ()]
        return splits, [str(name) for name in manifest.get("classes") or ()]
    except (KeyError, TypeError):
        raise IndexRefused("manifest.json does not list splits and classes as Blueno does: prepare again") from None


def _require(rows: pa.Table, meta: VersionMeta) -> None:
    """Raises IndexRefused unless every column is there and of its type, and the number of rows is the version's."""
    for name, fits in _KINDS.items():
        place = rows.schema.get_field_index(name)
        if place < 0 or not fits(rows.schema.field(place).type):
            found = "missing" if place < 0 else f"of type {rows.schema.field(place).type}"
            raise IndexRefused(f"index.arrow: column {name} is {found}: it was written by another version of Blueno")
    if rows.column("key").null_count:
        raise IndexRefused("index.arrow: samples without a key: prepare the data set again")
    if rows.num_rows != meta.samples:
        raise IndexRefused(f"index.arrow has {rows.num_rows} rows, the manifest says {meta.samples}: prepare again")


def _roll_back(connection: Connection) -> None:
    if not connection.closed:
        with contextlib.suppress(psycopg2.Error):
            connection.rollback()
