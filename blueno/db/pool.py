"""A few connections for many threads. Used by webui/ and wherever a process asks more than one question at a time.

A connection is handed out with a transaction begun on it in this very moment: BEGIN is the proof of life, and costs
nothing, since it had to be sent anyway. One that fails it is thrown away and replaced by a new connection.
"""

from __future__ import annotations

import contextlib
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from blueno.db.config import DatabaseConfig
from blueno.db.connect import BoundedConnection, Connection, Cursor, connect
from blueno.db.errors import READ_ONLY, RETRY_SECONDS, QueryRefused, as_blueno_error
from blueno.errors import Unavailable

WAIT_SECONDS = 5.0  # for a connection that others use
PROOF_SECONDS = 2.0  # for an idle connection to answer BEGIN; then a new one is made
AGE_SECONDS = 1800.0  # a rotated password reaches every connection within this time


@dataclass(frozen=True)
class _Kept:
    connection: Connection
    born: float


class Pool:
    """Bounded and thread-safe. Connections are made when they are needed."""

    def __init__(self, config: DatabaseConfig, application: str) -> None:
        self._config = config
        self._application = application
        self._slots = threading.BoundedSemaphore(config.pool_size)
        self._guard = threading.Lock()
        self._idle: list[_Kept] = []
        self._closed = False

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Cursor]:
        """A cursor in a transaction that commits at the end of the block and rolls back when the block raises.

        psycopg2's errors become ours (see errors.py); Unavailable also when no connection gets free within 5 s.
        """
        if not self._slots.acquire(timeout=WAIT_SECONDS):
            message = f"all {self._config.pool_size} connections to PostgreSQL are busy: try again"
            raise Unavailable(message, RETRY_SECONDS)
        try:
            kept = self._begun("BEGIN READ ONLY" if read_only else "BEGIN")
            try:
                with kept.connection.cursor() as cursor:
                    yield cursor
                    _commit(cursor)
            except psycopg2.Error as error:
                if error.pgcode == READ_ONLY:  # the next one may lead to a server that takes writes
                    _close(kept.connection)
                raise as_blueno_error(error) from error
            finally:
                self._take_back(kept)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Closes what is idle now, and the others when they come back. For good: a new transaction is refused."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        for kept in idle:
            _close(kept.connection)

    def _begun(self, statement: str) -> _Kept:
        """A connection on which `statement` has just been answered."""
        while (kept := self._pop()) is not None:
            try:
                _begin(kept.connection, statement, PROOF_SECONDS)
            except psycopg2.Error:
                _close(kept.connection)
            else:
                return kept
        connection = connect(self._config, application=self._application)
        try:
            connection.autocommit = True  # BEGIN and COMMIT are ours
            _begin(connection, statement, None)
        except psycopg2.Error as error:
            _close(connection)
            raise as_blueno_error(error) from error
        return _Kept(connection, time.monotonic())

    def _pop(self) -> _Kept | None:
        """The idle connection used last, unless its end can be seen already (the server's farewell lies unread)."""
        while True:
            with self._guard:
                if self._closed:
                    raise Unavailable("this process is about to end", RETRY_SECONDS)
                kept = self._idle.pop() if self._idle else None
            if kept is None or _silent(kept.connection):
                return kept
            _close(kept.connection)

    def _take_back(self, kept: _Kept) -> None:
        """Keeps the connection when it is whole, young, and outside a transaction."""
        connection = kept.connection
        try:
            if not connection.closed and connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
                with connection.cursor() as cursor:
                    cursor.execute("ROLLBACK")
        except psycopg2.Error:
            _close(connection)
        with self._guard:
            keep = not self._closed and not connection.closed and time.monotonic() - kept.born < AGE_SECONDS
            if keep:
                self._idle.append(kept)
        if not keep:
            _close(connection)


def _begin(connection: Connection, statement: str, seconds: float | None) -> None:
    bounded = connection if isinstance(connection, BoundedConnection) else None
    usual = bounded.limit if bounded else 0.0
    if bounded and seconds is not None:
        bounded.limit = seconds
    with connection.cursor() as cursor:
        cursor.execute(statement)
    if bounded:
        bounded.limit = usual


def _commit(cursor: Cursor) -> None:
    """COMMIT of a transaction that has failed answers ROLLBACK, without an error: that is one for us."""
    cursor.execute("COMMIT")
    if cursor.statusmessage != "COMMIT":
        raise QueryRefused("nothing was stored: a statement failed, and its error was passed over")


def _silent(connection: Connection) -> bool:
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    return not poll.poll(0)


def _close(connection: Connection) -> None:
    with contextlib.suppress(psycopg2.Error):
        connection.close()
