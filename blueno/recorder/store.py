"""The recorder's side of PostgreSQL: small transactions on a pool, loads on connections of their own.

Called by recorder.py and load.py, in threads. Raises errors of ours only (blueno/db/errors.py).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from blueno.data import index as index_file
from blueno.db.connect import Connection, connect, cut
from blueno.db.ingest import STATEMENT_TIMEOUT_MS, IndexRefused, VersionMeta, drop_versions, load_version
from blueno.db.listings import (
    Pending,
    forget_listings,
    note_listing,
    select_loaded,
    select_orphans,
    select_pending,
)
from blueno.db.migrate import check, ensure_projection
from blueno.db.pool import Pool
from blueno.errors import BluenoError
from blueno.recorder.config import RecorderConfig
from blueno.recorder.dataserver import VersionUnusable

APPLICATION = "blueno-recorder"


class StoreTrouble(BluenoError):
    """The database, not the data set, is to blame: no attempt was lost."""


class Store:
    """Thread-safe."""

    def __init__(self, config: RecorderConfig) -> None:
        self._config = config.database
        self._pool = Pool(replace(config.database, pool_size=2), APPLICATION)
        self._lock = threading.Lock()
        self._loading: set[Connection] = set()

    def look(self) -> tuple[list[Pending], list[int]]:
        """(what is pending, ids of versions whose data set is gone). Raises SchemaMissing, SchemaMismatch too."""
        with self._pool.transaction(read_only=True) as cursor:
            check(cursor)
            return select_pending(cursor), select_orphans(cursor)

    def make_projection(self) -> bool:
        """True when schema projection was absent and has been made."""
        connection = connect(self._config, application=APPLICATION)
        try:
            return ensure_projection(connection)
        finally:
            connection.close()

    def loaded(self, uid: str) -> dict[str, tuple[int, int]]:
        """Digest → (id, sequence)."""
        with self._pool.transaction(read_only=True) as cursor:
            return select_loaded(cursor, uid)

    def note_listing(self, uid: str, digest: str, loaded: Sequence[str]) -> None:
        """Everything that the volume held at this version is loaded, by digest, unless it was dropped meanwhile."""
        with self._pool.transaction() as cursor:
            note_listing(cursor, uid, digest, loaded)

    def drop(self, ids: list[int]) -> None:
        """Versions and all their rows."""
        connection = self._connect()
        try:
            drop_versions(connection, ids)
        finally:
            self._close(connection)
        with self._pool.transaction() as cursor:
            forget_listings(cursor)

    def load(self, meta: VersionMeta, file: Path) -> int:
        """Rows loaded out of an index file. Raises VersionUnusable when it is none, or not that of this version."""
        try:
            rows = index_file.read(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise VersionUnusable(f"index.arrow of version {meta.digest[:16]} is not an Arrow file") from error
        self._store(meta, rows)
        return int(rows.num_rows)

    def renumber(self, meta: VersionMeta) -> None:
        """A version that is loaded was sealed again: its sequence is another one now."""
        self._store(meta, index_file.SCHEMA.empty_table())

    def _store(self, meta: VersionMeta, rows: pa.Table) -> None:
        connection = self._connect()
        try:
            load_version(connection, meta, rows)
        except IndexRefused as error:
            raise VersionUnusable(str(error)) from error
        finally:
            self._close(connection)

    def close(self) -> None:
        """Ends what is under way: PostgreSQL rolls it back."""
        self._pool.close()
        with self._lock:  # none of these is closed while it is held
            for connection in self._loading:
                cut(connection)

    def _connect(self) -> Connection:
        connection = connect(self._config, application=APPLICATION, statement_timeout_ms=STATEMENT_TIMEOUT_MS)
        with self._lock:
            self._loading.add(connection)
        return connection

    def _close(self, connection: Connection) -> None:
        with self._lock:
            self._loading.discard(connection)
        connection.close()
