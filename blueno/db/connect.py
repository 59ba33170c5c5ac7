"""Connections to PostgreSQL on which nothing waits for ever.

Called by pool.py, the mirror, the recorder and whoever listens; calls psycopg2 and watch.py. Limits, from the inside
out: lock_timeout, statement_timeout (both the server's), watch.py's limit a little later, keepalives and
tcp_user_timeout for a peer that is gone. The password is in the URL file only; no message of ours repeats the URL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg2
import psycopg2.extensions

from blueno.db.config import DatabaseConfig
from blueno.db.errors import RETRY_SECONDS, as_blueno_error, first_line
from blueno.db.watch import Watch, shut_down
from blueno.errors import Unavailable

Connection = psycopg2.extensions.connection
Cursor = psycopg2.extensions.cursor

CONNECT_SECONDS = 5
GRACE_SECONDS = 5.0  # how much later than the server we end a call ourselves
URL_BYTES = 4096
_SESSION = "-c lock_timeout=2000 -c idle_in_transaction_session_timeout=30000 -c timezone=UTC -c jit=off"
_watch = Watch()


class BoundedCursor(psycopg2.extensions.cursor):
    """Every call ends within the statement's limit and some grace."""

    def execute(self, query: Any, values: Any = None) -> None:
        with _limit(self.connection):
            super().execute(query, values)

    def executemany(self, query: Any, values: Any) -> None:
        with _limit(self.connection):
            super().executemany(query, values)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        """The limit is for each piece that `file` gives, not for the whole."""
        with _limit(self.connection) as renew:
            super().copy_expert(sql, _Renewing(file, renew), size)


class _Renewing:
    """A file of copy_expert, to be read from or written to; every call shows that the server is at work."""

    def __init__(self, file: Any, renew: Callable[[], None]) -> None:
        self._file = file
        self._renew = renew

    def read(self, size: int) -> Any:
        self._renew()
        return self._file.read(size)

    def write(self, data: Any) -> Any:
        self._renew()
        return self._file.write(data)


class BoundedConnection(psycopg2.extensions.connection):
    """Its cursors and its own calls are bounded; `limit` is in seconds."""

    limit: float = CONNECT_SECONDS + GRACE_SECONDS

    def cursor(self, *arguments: Any, **more: Any) -> Any:
        return super().cursor(*arguments, **{"cursor_factory": BoundedCursor, **more})

    def commit(self) -> None:
        with _limit(self):
            super().commit()

    def rollback(self) -> None:
        with _limit(self):
            super().rollback()


def _limit(connection: Any) -> Any:
    if connection.closed:
        raise psycopg2.InterfaceError("connection already closed")
    return _watch.limit(connection.fileno(), connection.limit)


def cut(connection: Connection) -> None:
    """Ends a call that another thread has under way, as if the server had gone; it sees that and rolls back.

    Never waits, as `connection.cancel()` does: for a server that may be silent, without a limit, and with the
    interpreter's lock held (seen: the whole process stood still). Nobody may close the connection at the same time.
    """
    with suppress(psycopg2.Error):
        shut_down(connection.fileno())


def connect(config: DatabaseConfig, *, application: str, statement_timeout_ms: int | None = None) -> Connection:
    """An open connection in psycopg2's usual mode (a transaction begins with the first statement).

    `statement_timeout_ms` is 1 or more: there is no "without limit". Raises Unavailable when there is no URL, no
    server, or no login.
    """
    timeout = max(1, config.statement_timeout_ms if statement_timeout_ms is None else statement_timeout_ms)
    parts = _read_url(config)
    parts |= {
        "application_name": application,
        "connect_timeout": CONNECT_SECONDS,
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "client_encoding": "UTF8",
        "options": f"{parts.get('options', '')} {_SESSION} -c statement_timeout={timeout}".strip(),
    }
    try:
        connection: BoundedConnection = psycopg2.connect(connection_factory=BoundedConnection, **parts)
    except psycopg2.Error as error:
        raise as_blueno_error(error) from error
    connection.limit = timeout / 1000 + GRACE_SECONDS
    return connection


def _read_url(config: DatabaseConfig) -> dict[str, Any]:
    try:
        with config.url_file.open("rb") as file:
            text = file.read(URL_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "not text"
        raise Unavailable(f"{config.url_file}, which is to hold the database's URL: {what}", RETRY_SECONDS) from None
    try:
        parts: dict[str, Any] = psycopg2.extensions.parse_dsn(text)
    except psycopg2.Error:  # its message would repeat the password
        parts = {}
    # An unescaped "/" or "@" in the password makes its end a port or a host, which libpq would quote.
    port = str(parts.get("port", "")).replace(",", "")
    if not parts or "@" in parts.get("host", "") or not (port == "" or port.isdecimal()):
        form = "postgresql://user:password@host:5432/database"
        raise Unavailable(
            f"{config.url_file} does not hold a database URL of the form {form} (special characters percent-encoded)",
            RETRY_SECONDS,
        )
    return parts


__all__: Sequence[str] = ("Connection", "Cursor", "as_blueno_error", "connect", "first_line")
