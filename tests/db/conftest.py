"""A real PostgreSQL per session, a fresh migrated database per test, a server of its own for a test that harms it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection, connect
from tests import pg

Connect = Callable[..., Connection]


@pytest.fixture(scope="session")
def shared_server() -> Iterator[pg.Server]:
    """One for the whole session: to be left running and whole."""
    with pg.running() as started:
        yield started


@pytest.fixture
def database(shared_server: pg.Server) -> Iterator[DatabaseConfig]:
    """A fresh database with both schemas."""
    with shared_server.database() as config:
        yield config


@pytest.fixture
def empty_database(shared_server: pg.Server) -> Iterator[DatabaseConfig]:
    """A fresh database without a schema of ours."""
    with shared_server.database(migrated=False) as config:
        yield config


@pytest.fixture
def server() -> Iterator[pg.Server]:
    """A server of one's own, to be stopped, killed and paused."""
    with pg.running() as started:
        yield started


@pytest.fixture
def impatient() -> Callable[[DatabaseConfig], DatabaseConfig]:
    """The same database with short limits."""

    def shorten(config: DatabaseConfig) -> DatabaseConfig:
        return replace(config, statement_timeout_ms=300)

    return shorten


@pytest.fixture
def connected(database: DatabaseConfig) -> Iterator[Connect]:
    """Opens connections (to `database` unless told otherwise) and closes them after the test."""
    opened: list[Connection] = []

    def open_one(config: DatabaseConfig = database, **more: int) -> Connection:
        opened.append(connect(config, application="test", **more))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def connection(connected: Connect) -> Connection:
    """One connection to `database`."""
    return connected()
