"""Dead connections are never handed out, every wait ends, only errors of ours come out."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg2
import pytest

from blueno.db import connect as connect_module
from blueno.db import pool as pool_module
from blueno.db.config import DatabaseConfig
from blueno.db.connect import connect
from blueno.db.errors import QueryRefused, QueryTooCostly, SchemaMismatch, SchemaMissing
from blueno.db.pool import Pool
from blueno.errors import Conflict, Unavailable
from tests import pg
from tests.db.mirroring import until

MakePool = Callable[..., Pool]


@pytest.fixture
def make_pool(database: DatabaseConfig) -> Iterator[MakePool]:
    """Pools on `database` unless told otherwise, closed after the test."""
    made: list[Pool] = []

    def make(config: DatabaseConfig = database, **changes: int) -> Pool:
        made.append(Pool(replace(config, **changes), "test-pool"))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def answer(pool: Pool, statement: str = "SELECT pg_backend_pid()") -> object:
    with pool.transaction() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    assert row is not None
    return row[0]


def test_a_connection_is_kept_and_used_again(make_pool: MakePool) -> None:
    pool = make_pool()
    assert answer(pool) == answer(pool)


def test_a_block_that_ends_commits_and_one_that_raises_does_not(make_pool: MakePool) -> None:
    pool = make_pool(pool_size=1)
    answer(pool, "CREATE TABLE seen (n integer); INSERT INTO seen VALUES (1); SELECT 1")
    with pytest.raises(LookupError), pool.transaction() as cursor:
        cursor.execute("INSERT INTO seen VALUES (2)")
        raise LookupError
    assert answer(pool, "SELECT array_agg(n) FROM seen") == [1]


def test_a_read_only_transaction_writes_nothing(make_pool: MakePool) -> None:
    pool = make_pool(pool_size=1)
    with pytest.raises(Unavailable, match="read-only"), pool.transaction(read_only=True) as cursor:
        cursor.execute("CREATE TABLE seen ()")
    answer(pool, "CREATE TABLE seen (); SELECT 1")


def test_an_error_that_was_passed_over_is_told_at_the_end(make_pool: MakePool) -> None:
    """COMMIT would answer ROLLBACK, and the caller would believe that the work was done."""
    pool = make_pool()
    refused = pytest.raises(QueryRefused, match="passed over")
    with refused, pool.transaction() as cursor, contextlib.suppress(psycopg2.Error):
        cursor.execute("SELECT 1 / 0")


def test_connections_ended_by_the_server_are_never_handed_out(make_pool: MakePool, shared_server: pg.Server) -> None:
    pool = make_pool()
    with pool.transaction(), pool.transaction(), pool.transaction():
        pass  # three are idle now
    for _ in range(3):
        shared_server.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name='test-pool'")
        assert isinstance(answer(pool), int)


def test_an_end_that_is_not_to_be_seen_yet_shows_at_begin(
    make_pool: MakePool, shared_server: pg.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_silent", lambda connection: True)
    pool = make_pool()
    first = answer(pool)
    shared_server.admin("SELECT pg_terminate_backend(%s)", first)
    assert answer(pool) != first


def test_a_server_that_restarts_is_found_again(make_pool: MakePool, server: pg.Server) -> None:
    with server.database() as config:
        pool = make_pool(config)
        before = answer(pool)
        server.stop()
        with pytest.raises(Unavailable, match="PostgreSQL does not answer") as raised:
            answer(pool)
        assert raised.value.retry_after == 1.0
        server.start()
        assert answer(pool) != before
        server.kill()
        server.start()
        assert isinstance(answer(pool), int)


def test_a_silent_server_is_cut_off(make_pool: MakePool, server: pg.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped processes, living kernel: neither statement_timeout nor keepalives nor tcp_user_timeout help."""
    monkeypatch.setattr(connect_module, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(connect_module, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(pool_module, "PROOF_SECONDS", 0.2)
    with server.database() as config:
        pool = make_pool(config, statement_timeout_ms=300)
        with pytest.raises(Unavailable), pool.transaction() as cursor:
            server.pause()
            cursor.execute("SELECT 1")
        with pytest.raises(Unavailable):
            answer(pool)
        server.resume()
        assert isinstance(until(lambda: answer(pool)), int)  # 300 ms may be too short at first
        server.pause()
        with pytest.raises(Unavailable):  # an idle connection that does not answer BEGIN, then a connect
            answer(pool)
        server.resume()
        assert isinstance(until(lambda: answer(pool)), int)


def test_when_all_are_busy_the_wait_has_an_end(make_pool: MakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "WAIT_SECONDS", 0.05)
    pool = make_pool(pool_size=2)
    busy = pytest.raises(Unavailable, match="all 2 connections to PostgreSQL are busy")
    with pool.transaction(), pool.transaction(), busy:
        answer(pool)
    assert isinstance(answer(pool), int)


def test_many_threads_share_few_connections(make_pool: MakePool) -> None:
    pool = make_pool(pool_size=3)
    pids: list[object] = []
    threads = [threading.Thread(target=lambda: pids.append(answer(pool))) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 30
    assert 1 <= len(set(pids)) <= 3


def test_a_failed_connect_gives_its_place_back(make_pool: MakePool, server: pg.Server) -> None:
    with server.database() as config:
        pool = make_pool(config, pool_size=1)
        server.stop()
        for _ in range(3):
            with pytest.raises(Unavailable, match="does not answer"):
                answer(pool)
        server.start()
        assert isinstance(answer(pool), int)


def test_a_closed_pool_refuses_and_keeps_nothing(make_pool: MakePool, shared_server: pg.Server) -> None:
    pool = make_pool()
    with pool.transaction() as cursor:
        answer(pool)
        pool.close()
        cursor.execute("SELECT 1")  # who is inside may finish
    with pytest.raises(Unavailable, match="about to end"):
        answer(pool)
    left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'test-pool'"
    deadline = time.monotonic() + 10
    while shared_server.admin(left) != [(0,)]:
        assert time.monotonic() < deadline, "a connection is still open"
        time.sleep(0.01)


def test_an_old_connection_is_not_kept(make_pool: MakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make_pool()
    first = answer(pool)
    monkeypatch.setattr(pool_module, "AGE_SECONDS", 0.0)
    assert answer(pool) == first, "it is used once more, and then thrown away"
    assert answer(pool) != first


@pytest.mark.parametrize(
    ("statement", "kind", "said"),
    [
        ("SELECT pg_sleep(5)", QueryTooCostly, "narrower filter"),
        ("SELECT * FROM projection.nothing", SchemaMissing, "nothing"),
        ("SELECT * FROM nowhere.nothing", SchemaMissing, "nowhere"),
        ("SELECT nothing FROM projection.stream", SchemaMismatch, "nothing"),
        ("INSERT INTO projection.stream (id) VALUES ('x')", Conflict, "duplicate key"),
        ("SELECT 'x'::integer", QueryRefused, "22P02"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", Unavailable, "does not answer"),
        ("COPY projection.stream TO '/tmp/x'", QueryRefused, "42501"),
    ],
)
def test_what_postgresql_refuses_is_an_error_of_ours(
    make_pool: MakePool, statement: str, kind: type[Exception], said: str
) -> None:
    pool = make_pool(statement_timeout_ms=200 if kind is QueryTooCostly else 5000)
    with pytest.raises(kind, match=said) as raised:
        answer(pool, statement)
    assert type(raised.value) is kind
    assert "\n" not in str(raised.value)
    assert isinstance(answer(pool), int)


def test_waiting_for_a_lock_has_an_end(make_pool: MakePool) -> None:
    pool = make_pool()
    with pool.transaction() as holder:
        holder.execute("LOCK TABLE projection.stream")
        with pytest.raises(Unavailable, match="cannot do this now"), pool.transaction() as cursor:
            cursor.execute("SET LOCAL lock_timeout = 50")
            cursor.execute("SELECT * FROM projection.stream")


def test_limits_and_names_of_a_session(database: DatabaseConfig) -> None:
    database.url_file.write_text(database.url_file.read_text().strip() + "?options=-c%20work_mem%3D5MB")
    connection = connect(database, application="who", statement_timeout_ms=1234)
    try:
        with connection.cursor() as cursor:
            shown = {}
            for name in (
                "application_name", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
                "TimeZone", "client_encoding", "work_mem",
            ):  # fmt: skip
                cursor.execute(f"SHOW {name}")
                shown[name] = (cursor.fetchone() or ("",))[0]
    finally:
        connection.close()
    assert shown == {
        "application_name": "who", "statement_timeout": "1234ms", "lock_timeout": "2s",
        "idle_in_transaction_session_timeout": "30s", "TimeZone": "UTC", "client_encoding": "UTF8", "work_mem": "5MB",
    }  # fmt: skip


def test_a_changed_url_file_is_read_at_the_next_connect(
    make_pool: MakePool, shared_server: pg.Server, database: DatabaseConfig
) -> None:
    pool = make_pool(pool_size=2)
    right = database.url_file.read_text()
    database.url_file.write_text(right.replace(pg.PASSWORD, "wrong-canary"))
    with pytest.raises(Unavailable, match="password authentication failed") as raised:
        answer(pool)
    assert "canary" not in str(raised.value)
    database.url_file.write_text(right)
    assert isinstance(answer(pool), int)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "does not hold a database URL"),
        (b"  \n", "does not hold a database URL"),
        (b"\xff\xfe", "not text"),
        (b"postgres//blueno:canary@host/db", "does not hold a database URL"),
        (b"postgresql://blueno:canary@host:port:canary/db", "does not hold a database URL"),
        (b"postgresql://blueno:can/canary@host/db", "percent-encoded"),
        (b"postgresql://blueno:c@canary@host/db", "percent-encoded"),
        (b"postgresql://blueno:canary@127.0.0.1:1/db", "does not answer"),
        (b"postgresql://blueno:canary@127.0.0.1:99999/db", "does not answer"),
        (b"postgresql://blueno:canary@127.0.0.1:1/db?sslmode=canary", "does not answer"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_without_the_password(
    database: DatabaseConfig, content: bytes | None, said: str
) -> None:
    database.url_file.unlink()
    if content is not None:
        database.url_file.write_bytes(content)
    with pytest.raises(Unavailable, match=said) as raised:
        connect(database, application="test")
    if b"sslmode" not in (content or b""):
        assert "canary" not in str(raised.value)


def test_settings_come_from_the_environment() -> None:
    from blueno.errors import InvalidSpec

    config = DatabaseConfig.from_env({"BLUENO_DATABASE_URL_FILE": "/run/url", "BLUENO_DATABASE_POOL": "7"})
    assert (str(config.url_file), config.pool_size) == ("/run/url", 7)
    assert DatabaseConfig.from_env({"BLUENO_DATABASE_URL_FILE": "/run/url"}).pool_size == 4
    for size in ("0", "-1", "x", "", "1001", "٣", "9" * 30):
        with pytest.raises(InvalidSpec, match="BLUENO_DATABASE_POOL"):
            DatabaseConfig.from_env({"BLUENO_DATABASE_URL_FILE": "/run/url", "BLUENO_DATABASE_POOL": size})
    with pytest.raises(InvalidSpec, match="BLUENO_DATABASE_URL_FILE"):
        DatabaseConfig.from_env({})
