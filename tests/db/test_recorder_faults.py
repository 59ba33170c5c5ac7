"""Whatever breaks, and whenever: the recorder waits, says why, heals, and ends with the same rows."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from blueno.db import ingest
from blueno.db.config import DatabaseConfig
from blueno.db.connect import connect
from blueno.recorder import dataserver
from blueno.recorder.store import Store
from tests import pg
from tests.db.mirroring import uid_of
from tests.db.recording import World, a_world, done, until

A, B = uid_of(1), uid_of(2)

pytestmark = pytest.mark.timeout(180)


@pytest_asyncio.fixture
async def world(database: DatabaseConfig, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(database, tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def fragile(server: pg.Server, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose PostgreSQL is its own."""
    with server.database() as database:
        async with a_world(database, tmp_path) as made:
            yield made


@pytest.fixture
def slow_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A COPY of 70,000 rows takes some two seconds."""
    pieces = ingest.pieces

    def slow(part: Any) -> Iterator[bytes]:
        for piece in pieces(part):
            time.sleep(0.4)
            yield piece

    monkeypatch.setattr(ingest, "pieces", slow)


def copying(world: World) -> bool:
    """Whether a COPY is under way."""
    return bool(world.read("SELECT 1 FROM pg_stat_progress_copy WHERE tuples_processed > 1000"))


async def same_as_a_rebuild(world: World) -> None:
    """What is there now is what a rebuild from nothing makes."""
    grown = world.contents()
    assert grown["sample"]
    world.read("DROP SCHEMA projection CASCADE")
    async with world.recorder():
        await until(lambda: len(world.read("SELECT 1 FROM projection.listing")) == len(grown["listing"]))
        assert world.contents() == grown


async def test_postgresql_killed_in_the_middle_of_a_copy(fragile: World, server: pg.Server, slow_copy: None) -> None:
    fragile.dataset(A)
    digest = fragile.seal_mnist(A)
    async with fragile.recorder() as recorder:
        await until(lambda: copying(fragile))
        server.kill()
        await until(lambda: recorder.metrics.database_up._value.get() == 0)
        assert recorder.trouble() == ""
        await asyncio.sleep(1)
        server.start()
        await done(fragile, A, digest)
        assert fragile.loaded(A) == [(digest, 1, 70_000)]
        assert "Failed" not in fragile.operator.states(A), "the data set is not to blame"
        await until(lambda: not recorder.memory.tries, "the attempt ends well, a moment after what it noted")
    await same_as_a_rebuild(fragile)


async def test_postgresql_silent_in_the_middle_of_a_copy(fragile: World, server: pg.Server, slow_copy: None) -> None:
    fragile.dataset(A)
    digest = fragile.seal_mnist(A)
    async with fragile.recorder() as recorder:
        await until(lambda: copying(fragile))
        server.pause()
        await asyncio.sleep(8)
        assert recorder.trouble() == ""
        server.resume()
        await done(fragile, A, digest)
        assert fragile.loaded(A) == [(digest, 1, 70_000)]
        assert "Failed" not in fragile.operator.states(A)


async def test_postgresql_away_from_the_start(fragile: World, server: pg.Server) -> None:
    fragile.dataset(A)
    digest = fragile.seal(A, 3)
    await until(lambda: fragile.read("SELECT 1 FROM projection.dataset"))
    server.stop()
    async with fragile.recorder() as recorder:
        await asyncio.sleep(2)
        assert recorder.metrics.database_up._value.get() == 0
        assert fragile.operator.leases == [], "without a database no data server is woken"
        looks = recorder.metrics.failures.labels("database")._value.get()
        assert looks < 20, "no busy loop"
        server.start()
        await done(fragile, A, digest)
        assert recorder.metrics.database_up._value.get() == 1


async def test_the_operator_is_away(world: World) -> None:
    world.dataset(A)
    digest = world.seal(A, 3)
    world.operator.down = True
    async with world.recorder() as recorder:
        await until(lambda: recorder.memory.tries and recorder.memory.tries[A].failures >= 2)
        assert world.loaded(A) == []
        world.operator.down = False
        await done(world, A, digest)


@pytest.mark.timeout(300)
async def test_the_operator_goes_away_before_it_is_told(world: World) -> None:
    """The rows are there; the status follows when the operator is back, without reading the volume again."""
    world.dataset(A, serve=False)
    digest = world.seal(A, 3)
    async with world.recorder() as recorder:
        await until(lambda: world.operator.leases)
        world.operator.down = True
        world.servers[A].start()
        await until(lambda: world.read("SELECT 1 FROM projection.listing"), patience=120)
        await until(lambda: world.read("SELECT 1 FROM projection.working_set"))  # read last of all, while it is up
        assert world.operator.reports == []
        world.servers[A].kill()
        leases = len(world.operator.leases)
        world.operator.down = False
        await done(world, A, digest)
        assert len(world.operator.leases) == leases
        assert recorder.metrics.versions._value.get() == 1


async def test_a_data_server_that_does_not_come_up_is_told_in_words(world: World) -> None:
    world.dataset(A, serve=False)
    digest = world.seal(A, 3)
    async with world.recorder(ready_seconds=0.3):
        await until(lambda: "Failed" in world.operator.states(A))
        (report,) = {report for report in world.operator.reports if report.state == "Failed"}
        assert report.message == "the data server was not ready within 0.3 s: it does not answer"
        assert report.digest == digest
        world.servers[A].start()
        await until(world.servers[A].answers)
        await done(world, A, digest)
        assert world.operator.states(A)[-1] == "Indexed"


async def test_a_data_server_killed_in_the_middle_of_a_download(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read between the first piece and the kill: what the kernel has in hand is then less than the file."""
    taken = []
    killed = threading.Event()

    def slow(file: Any, hasher: Any, chunk: bytes) -> None:
        taken.append(len(chunk))
        killed.wait(30)
        file.write(chunk)
        hasher.update(chunk)

    monkeypatch.setattr(dataserver, "_take", slow)
    monkeypatch.setattr(dataserver, "CHUNK", 4096)
    world.dataset(A)
    digest = world.seal_mnist(A)
    async with world.recorder() as recorder:
        await until(lambda: taken)
        world.servers[A].kill()
        killed.set()
        await until(lambda: recorder.memory.tries)
        assert world.loaded(A) == []
        world.servers[A].start()
        await done(world, A, digest)
        assert world.loaded(A) == [(digest, 1, 70_000)]
        assert "Failed" not in world.operator.states(A), "one break is a hiccup"


async def test_a_data_set_deleted_while_it_is_loaded(world: World, slow_copy: None) -> None:
    for uid in (A, B):
        world.dataset(uid)
    world.seal_mnist(A)
    other = world.seal(B, 3)
    async with world.recorder() as recorder:
        await until(lambda: copying(world))
        world.delete(A)
        await until(lambda: world.read("SELECT 1 FROM projection.dataset WHERE deleted_at IS NOT NULL"))
        await until(lambda: not recorder._busy)
        await until(lambda: world.loaded(A) == [])
        await done(world, B, other)
        assert world.read("SELECT count(*) FROM projection.sample") == [(6,)]
        await until(lambda: world.read("SELECT dataset_uid::text FROM projection.listing") == [(B,)])


def drop_patiently(world: World) -> None:
    """Waits for the COPY to end, however long that takes: world.read gives up after five seconds."""
    connection = connect(world.database, application="vandal", statement_timeout_ms=90_000)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '90s'; DROP SCHEMA projection CASCADE")
        connection.commit()
    finally:
        connection.close()


@pytest.mark.timeout(300)
async def test_the_projection_dropped_while_it_is_loaded(world: World, slow_copy: None) -> None:
    for uid in (A, B):
        world.dataset(uid)
    other = world.seal(B, 3)
    async with world.recorder():
        await done(world, B, other)
        digest = world.seal_mnist(A)
        await until(lambda: copying(world))
        await asyncio.to_thread(drop_patiently, world)
        await done(world, A, digest)
        await done(world, B, other)
        assert (len(world.loaded(A)), len(world.loaded(B))) == (1, 1)


async def test_what_was_loaded_before_the_drop_is_not_noted_after_it(world: World) -> None:
    """Else the versions before the current one would be missing for good."""
    world.dataset(A)
    first, digest = world.seal(A, 3), world.seal(A, 4)
    async with world.recorder():
        await done(world, A, digest)
    store = Store(world.config())
    world.read("DELETE FROM projection.listing")
    store.note_listing(A, digest, [digest, first, "0" * 64])
    assert world.read("SELECT 1 FROM projection.listing") == []
    store.note_listing(A, digest, [digest, first])
    assert world.read("SELECT digest FROM projection.listing") == [(digest,)]
    store.close()


async def test_killed_at_any_moment_a_new_recorder_finishes(world: World) -> None:
    for uid in (A, B):
        world.dataset(uid)
    digest = world.seal_mnist(A)
    sizes = (3, 4, 5, 6, 7)
    others = [world.seal(B, size) for size in sizes]
    for seconds in (0.9, 1.1, 1.3, 1.6, 2.0):
        process = world.recorder_process()
        try:
            await asyncio.sleep(seconds)
            assert process.poll() is None, "it is there to be killed"
        finally:
            process.kill()
            process.wait(10)
    process = world.recorder_process()
    try:
        others.append(world.seal(B, 8))
        await done(world, A, digest)
        await done(world, B, others[-1])
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0
    finally:
        process.kill()
    assert world.loaded(A) == [(digest, 1, 70_000)]
    assert [digest for digest, *_ in world.loaded(B)] == others
    await same_as_a_rebuild(world)


async def test_two_recorders_do_no_harm(world: World) -> None:
    for uid in (A, B):
        world.dataset(uid)
    digests = {A: [world.seal(A, n) for n in (3, 4, 5)], B: [world.seal(B, n) for n in (4, 5)]}
    async with world.recorder(), world.recorder():
        for uid, sealed in digests.items():
            await done(world, uid, sealed[-1])
            assert [digest for digest, *_ in world.loaded(uid)] == sealed


async def test_ending_does_not_wait_for_a_load(world: World, slow_copy: None) -> None:
    world.dataset(A)
    world.seal_mnist(A)
    async with world.recorder():
        await until(lambda: copying(world))
    await until(lambda: not copying(world))
    assert world.loaded(A) == []
    assert world.read("SELECT 1 FROM pg_class WHERE relname ~ '^sample_[0-9]+$' AND relkind = 'r'") == []
