"""Loading versions: once, whole or not at all, whatever they hold and whatever happens meanwhile."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg2
import pytest

from blueno.db import connect as connect_module
from blueno.db import ingest
from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection, connect
from blueno.db.ingest import IndexRefused, load_version
from blueno.db.samples import Filter, select_version
from blueno.db.versions import select_loaded, select_versions
from blueno.errors import Unavailable
from tests import pg
from tests.db.conftest import Connect
from tests.db.loading import SAMPLES, nothing_is_there, partitions, total, version_of
from tests.db.sample_model import a_meta, a_table


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "BATCH_ROWS", 10)


def test_a_version_is_loaded_once(connection: Connection) -> None:
    meta = a_meta(SAMPLES)
    first = load_version(connection, meta, a_table(SAMPLES))
    assert load_version(connection, replace(meta, sequence=3), a_table(SAMPLES)) == first
    assert load_version(connection, replace(meta, sequence=2), a_table(SAMPLES)) == first
    version = version_of(connection, meta)
    assert version is not None
    assert (version.id, version.sequence, version.samples, version.in_order) == (first, 3, 100, True)
    assert len(partitions(connection)) == 1


def test_two_loaders_at_once_make_one_version(connected: Connect) -> None:
    meta = a_meta(SAMPLES)
    start = threading.Barrier(2)
    ids: list[int] = []

    def one(connection: Connection) -> None:
        start.wait()
        ids.append(load_version(connection, meta, a_table(SAMPLES)))

    threads = [threading.Thread(target=one, args=(connected(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert len(partitions(connected())) == 1


def test_versions_are_listed_and_found(connection: Connection) -> None:
    uid = str(uuid.uuid4())
    digests = ["a" * 16 + "0" * 48, "a" * 16 + "1" * 48, "b" * 64]
    ids = []
    for sequence, digest in enumerate(digests, 1):
        meta = a_meta(SAMPLES, dataset_uid=uid, digest=digest, sequence=sequence)
        ids.append(load_version(connection, meta, a_table(SAMPLES)))
    load_version(connection, a_meta(SAMPLES), a_table(SAMPLES))
    with connection.cursor() as cursor:
        assert [version.id for version in select_versions(cursor, uid)] == ids[::-1]
        assert [loaded.digest for loaded in select_loaded(cursor) if loaded.dataset_uid == uid] == digests
        for digest, found in (
            (None, ids[2]), ("b" * 16, ids[2]), ("b" * 64, ids[2]), ("a" * 16 + "0", ids[0]), ("a" * 16, ids[1]),
        ):  # fmt: skip
            version = select_version(cursor, uid, digest)
            assert version is not None
            assert version.id == found
        for unknown in ("", "a", "b" * 15, "b" * 65, "c" * 64, "B" * 64, "%" * 16, "b" * 63 + "%", "b\n" * 16):
            assert select_version(cursor, uid, unknown) is None
        assert select_version(cursor, str(uuid.uuid4()), None) is None


@pytest.fixture
def strike(monkeypatch: pytest.MonkeyPatch, small_batches: None) -> Callable[[Callable[[], object]], list[bool]]:
    """Do something in the middle of the next COPY; the list tells that it was done."""

    def arm(do: Callable[[], object]) -> list[bool]:
        done: list[bool] = []
        usual = ingest.pieces

        def pieces(part: Any) -> Iterator[bytes]:
            if int(part.given["idx"][0]) == 50 and not done:
                done.append(True)
                do()
            yield from usual(part)

        monkeypatch.setattr(ingest, "pieces", pieces)
        return done

    return arm


@pytest.mark.parametrize("statement", ["terminate", "cancel"])
def test_a_backend_that_ends_in_the_middle_leaves_nothing(
    database: DatabaseConfig, shared_server: pg.Server, connected: Connect, strike: Any, statement: str
) -> None:
    end = f"SELECT pg_{statement}_backend(pid) FROM pg_stat_activity WHERE application_name = 'loader'"
    done = strike(lambda: shared_server.admin(end))
    meta = a_meta(SAMPLES)
    connection = connect(database, application="loader")
    try:
        with pytest.raises(Exception, match=r"PostgreSQL|took too long") as raised:
            load_version(connection, meta, a_table(SAMPLES))
    finally:
        connection.close()
    assert done == [True]
    assert not isinstance(raised.value, psycopg2.Error)
    whole = connected()
    assert nothing_is_there(whole)
    load_version(whole, meta, a_table(SAMPLES))
    assert version_of(whole, meta) is not None


def test_a_server_killed_in_the_middle_leaves_nothing(server: pg.Server, strike: Any) -> None:
    with server.database() as config:
        meta = a_meta(SAMPLES)
        done = strike(server.kill)
        connection = connect(config, application="loader")
        with pytest.raises(Unavailable):
            load_version(connection, meta, a_table(SAMPLES))
        assert done == [True]
        connection.close()
        server.start()
        connection = connect(config, application="loader")
        assert nothing_is_there(connection)
        load_version(connection, meta, a_table(SAMPLES))
        server.kill()
        connection.close()
        server.start()
        connection = connect(config, application="loader")
        version = version_of(connection, meta)
        assert version is not None, "what was committed is there after a kill"
        assert total(connection, version, Filter(label='"1"')) == 33
        connection.close()


def test_a_silent_server_does_not_hold_a_loader(
    server: pg.Server, strike: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect_module, "GRACE_SECONDS", 0.2)
    with server.database() as config:
        strike(server.pause)
        connection = connect(config, application="loader", statement_timeout_ms=800)
        with pytest.raises(Unavailable):
            load_version(connection, a_meta(SAMPLES), a_table(SAMPLES))
        server.resume()
        connection.close()


def test_a_copy_may_take_longer_than_a_statement(database: DatabaseConfig, strike: Any) -> None:
    """Its limit is for each piece."""
    connection = connect(database, application="loader", statement_timeout_ms=2000)
    try:
        strike(lambda: threading.Event().wait(4))
        load_version(connection, a_meta(SAMPLES), a_table(SAMPLES))
    finally:
        connection.close()


def test_an_error_of_ours_in_the_middle_is_told_as_it_is(connection: Connection, strike: Any) -> None:
    def fail() -> None:
        raise IndexRefused("because")

    strike(fail)
    with pytest.raises(IndexRefused, match="because"):
        load_version(connection, a_meta(SAMPLES), a_table(SAMPLES))
    assert nothing_is_there(connection)
