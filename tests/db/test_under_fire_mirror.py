"""The mirror and the pool when connections are cut, swallowed, exhausted or deadlocked (rows 16, 18, 19, 20)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg2
import pytest

from blueno.db import connect as connect_module
from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection, connect
from blueno.db.pool import Pool
from blueno.errors import Unavailable
from controllers import mirror as module
from tests import pg
from tests.db.mirroring import Mirrored, uid_of, until
from tests.db.test_mirror_faults import state
from tests.proxies.postgres import TO_CLIENT, TO_SERVER, BlackHole, CutAt, CutCommit, PostgresProxy, Reset, Slow

A, B, C = uid_of(1), uid_of(2), uid_of(3)
REASONS = [f"Reason{number}" for number in range(12)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_PAUSE", 0.2)
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(module, "STATEMENT_TIMEOUT_MS", 1500)
    monkeypatch.setattr(connect_module, "GRACE_SECONDS", 0.5)
    monkeypatch.setattr(connect_module, "CONNECT_SECONDS", 2)  # libpq knows nothing shorter


@pytest.fixture
def proxy(shared_server: pg.Server) -> Iterator[PostgresProxy]:
    with PostgresProxy(shared_server.port) as proxy:
        yield proxy


@contextmanager
def mirroring(database: DatabaseConfig, through: DatabaseConfig) -> Iterator[Mirrored]:
    """A mirror that writes by one way and is read by another."""
    m = Mirrored(through)
    m.database = database
    m.start()
    try:
        yield m
    finally:
        m.stop()


@pytest.mark.parametrize("committed", [True, False])
def test_commits_whose_outcome_is_unknown_tell_nothing_twice(
    database: DatabaseConfig, proxy: PostgresProxy, committed: bool
) -> None:
    with mirroring(database, proxy.before(database)) as m:
        m.put(A, "First")
        m.current()
        with proxy.fault(CutCommit(done=committed)) as cut:
            for reason in REASONS:
                before = cut.fired
                m.put(A, reason)
                until(lambda: cut.fired > before)  # noqa: B023
        m.put(B, "Other")
        m.remove(A)
        m.current()
        assert m.history(A) == ["First", *REASONS, "Deleted"]
        lines = [op for uid, op in m.log() if uid == A]
        assert lines.count("delete") == 1
        assert len(lines) <= len(REASONS) + 2


@pytest.mark.parametrize("way", [TO_SERVER, TO_CLIENT])
def test_a_mirror_cut_after_any_number_of_bytes(database: DatabaseConfig, proxy: PostgresProxy, way: str) -> None:
    with mirroring(database, proxy.before(database)) as m:
        for number, reason in enumerate(REASONS):
            with proxy.fault(CutAt(way, 150 + 350 * number)) as cut:
                m.put(A, reason)
                m.put(uid_of(10 + number), "Pending")
                until(lambda: cut.fired)
            m.remove(uid_of(9 + number))
            m.current()
        assert m.history(A) == REASONS
        assert m.history(uid_of(10)) == ["Pending", "Deleted"]


def test_a_black_hole_ends_calls_and_holds_up_nobody(database: DatabaseConfig, proxy: PostgresProxy) -> None:
    """No byte comes, and no error: on the connection that is open, nor on any new one."""
    with mirroring(database, proxy.before(database)) as m:
        m.put(A, "Pending")
        m.current()
        with proxy.fault(BlackHole()) as hole:
            m.put(A, "Preparing")
            until(lambda: state() == "unavailable")
            opened = hole.fired
            until(lambda: hole.fired > opened + 1)  # it tries anew, and each try ends
            for number in range(100):
                m.put(uid_of(10 + number), "Pending")  # returns: the event loop would not wait either
            assert "Preparing" not in m.history(A)
        m.current()
        until(lambda: state() == "working")
        assert m.history(A) == ["Pending", "Preparing"]


async def test_an_event_loop_goes_on_while_calls_sit_in_a_black_hole(
    database: DatabaseConfig, proxy: PostgresProxy
) -> None:
    """As the web process calls: in threads, by a pool whose idle connections have gone silent, too."""
    pool = Pool(proxy.before(database), "test")

    def ask() -> object:
        with pool.transaction(read_only=True) as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone()

    assert await asyncio.to_thread(ask) == (1,)
    with proxy.fault(BlackHole()):
        asked = [asyncio.create_task(asyncio.to_thread(ask)) for _ in range(12)]
        turns = 0
        while not all(task.done() for task in asked):
            turns += 1
            await asyncio.sleep(0.01)
        assert turns > 20, "the loop went round while all of them waited"
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(answer) for answer in answers} == {Unavailable}
    assert await asyncio.to_thread(ask) == (1,)
    pool.close()


def test_resets_and_delays(database: DatabaseConfig, proxy: PostgresProxy) -> None:
    with mirroring(database, proxy.before(database)) as m:
        m.put(A, "Pending")
        m.current()
        with proxy.fault(Reset()):
            m.put(A, "Preparing")
            until(lambda: state() == "unavailable")
        m.current()
        with proxy.fault(Slow(0.05)) as slow:
            m.put(A, "Available")
            m.current()
            assert slow.fired
        assert m.history(A) == ["Pending", "Preparing", "Available"]


def test_connections_are_exhausted() -> None:
    """Others hold every connection that PostgreSQL gives: wait, say so, and go on when there is one."""
    few = {"max_connections": "9", "superuser_reserved_connections": "3", "max_wal_senders": "0"}
    with pg.running(few) as server, server.database() as database, mirroring(database, database) as m:
        m.put(A, "Pending")
        m.current()
        hogs = []
        with pytest.raises(Unavailable, match=r"remaining connection slots|too many clients"):
            while True:
                hogs.append(connect(database, application="hog"))
        pool = Pool(database, "test")
        with pytest.raises(Unavailable) as refused, pool.transaction():
            raise AssertionError("there is no connection")
        assert refused.value.retry_after, "who asks is told when to ask again"
        hogs.append(the_mirrors_own(server, database))
        m.put(A, "Preparing")
        until(lambda: state() == "unavailable")
        for hog in hogs:
            hog.close()
        m.current()
        with pool.transaction() as cursor:
            cursor.execute("SELECT 1")
        pool.close()
        assert m.history(A) == ["Pending", "Preparing"]


def the_mirrors_own(server: pg.Server, database: DatabaseConfig) -> Connection:
    """Its connection is ended and taken by somebody quicker: after each end it pauses, and we do not."""
    while True:
        server.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'blueno-mirror'")
        with suppress(Unavailable):
            return connect(database, application="hog")


def test_a_deadlock_is_lost_and_tried_again(database: DatabaseConfig, shared_server: pg.Server) -> None:
    """Somebody holds a row that the mirror needs and then wants one that the mirror holds."""
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with mirroring(database, database) as m:
        m.put(A, "Pending")
        m.current()
        ((before,),) = m.read(deadlocks)
        name = psycopg2.extensions.parse_dsn(database.url_file.read_text().strip())["dbname"]
        socket = str(shared_server.folder)
        other = psycopg2.connect(host=socket, port=shared_server.port, user="postgres", dbname=name)
        try:
            with other.cursor() as cursor:
                cursor.execute("SET deadlock_timeout = '1min'")  # so that the mirror is the one to lose
                cursor.execute("SELECT 1 FROM projection.dataset FOR UPDATE")
                m.put(A, "Preparing")
                until(lambda: m.read("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
                cursor.execute("SELECT 1 FROM projection.stream FOR UPDATE")  # returns when the mirror has lost
            other.rollback()
        finally:
            other.close()
        m.current()
        assert m.history(A) == ["Pending", "Preparing"]
        until(lambda: m.read(deadlocks) == [(before + 1,)])


def test_a_lock_that_somebody_holds_for_long(database: DatabaseConfig, connection: Connection) -> None:
    with mirroring(database, database) as m:
        m.put(A, "Pending")
        m.current()
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE record.history IN ACCESS EXCLUSIVE MODE")
            m.put(A, "Preparing")
            until(lambda: state() == "unavailable")
        connection.rollback()
        m.current()
        assert m.history(A) == ["Pending", "Preparing"]
