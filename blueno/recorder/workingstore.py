"""Working sets in PostgreSQL: small transactions on a pool, writes on connections of their own.

Called by working.py, in threads. Raises errors of ours only: what is about one data set StoreTrouble or Conflict.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection, connect, cut
from blueno.db.migrate import check
from blueno.db.pool import Pool
from blueno.db.working import select_working_set
from blueno.db.working_lines import Part
from blueno.db.working_pending import PendingSet, note_heard, select_orphan_sets, select_pending_sets
from blueno.db.working_write import STATEMENT_TIMEOUT_MS, Whose, apply_part, drop_sets, rebuild
from blueno.errors import BluenoError, Conflict
from blueno.recorder.store import StoreTrouble

APPLICATION = "blueno-recorder-working"


class WorkingStore:
    """Thread-safe."""

    def __init__(self, config: DatabaseConfig) -> None:
        self._config = config
        self._pool = Pool(replace(config, pool_size=2), APPLICATION)
        self._lock = threading.Lock()
        self._writing: set[Connection] = set()

    def look(self) -> tuple[list[PendingSet], list[str]]:
        """(what is pending, uids of data sets that are gone and have left something)."""
        with self._pool.transaction(read_only=True) as cursor:
            check(cursor)
            return select_pending_sets(cursor), select_orphan_sets(cursor)

    def known(self, uid: str) -> tuple[int, int]:
        """(revision, samples) of what is stored."""
        with _to_blame(), self._pool.transaction(read_only=True) as cursor:
            found = select_working_set(cursor, uid)
            return found.revision, found.samples

    def heard(self, uid: str, number: int, took: float) -> None:
        """All was read that was there when `number` was the notice's, `took` seconds ago."""
        with _to_blame(), self._pool.transaction() as cursor:
            note_heard(cursor, uid, number, took)

    def apply(self, whose: Whose, after: int, part: Part, revision: int) -> None:
        """A part of the feed. Raises Conflict when what is stored is not what there was at `after`."""
        with _to_blame(), self._connected() as connection:
            apply_part(connection, whose, after, part, revision)

    def rebuild(self, whose: Whose, parts: Iterable[Part], revision: int) -> int:
        """Everything anew; how many samples it is."""
        with _to_blame(), self._connected() as connection:
            return rebuild(connection, whose, parts, revision)

    def drop(self, uids: list[str]) -> None:
        """What data sets that are gone have left."""
        with self._connected() as connection:
            drop_sets(connection, uids)

    def close(self) -> None:
        """Ends what is under way: PostgreSQL rolls it back."""
        self._pool.close()
        with self._lock:  # none of these is closed while it is held
            for connection in self._writing:
                cut(connection)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        connection = connect(self._config, application=APPLICATION, statement_timeout_ms=STATEMENT_TIMEOUT_MS)
        with self._lock:
            self._writing.add(connection)
        try:
            yield connection
        finally:
            with self._lock:
                self._writing.discard(connection)
            connection.close()


@contextmanager
def _to_blame() -> Iterator[None]:
    """The database, for whatever goes wrong but that somebody else was faster."""
    try:
        yield
    except Conflict:
        raise
    except BluenoError as error:
        raise StoreTrouble(str(error)) from error
