"""Sealed versions become rows: first load, more versions, what is gone, rebuilds. Only the operator is a fake."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import blueno
from blueno.db.config import DatabaseConfig
from tests.db.mirroring import uid_of
from tests.db.recording import World, a_world, until
from tests.ports import free_port

A, B, C = (uid_of(n) for n in (1, 2, 3))

pytestmark = pytest.mark.timeout(120)


@pytest_asyncio.fixture
async def world(database: DatabaseConfig, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(database, tmp_path) as made:
        yield made


async def test_a_sealed_version_is_loaded_and_reported(world: World) -> None:
    world.dataset(A)
    digest = world.seal(A, 20)
    async with world.recorder() as recorder:
        await until(lambda: world.indexed(A) == digest)
        assert world.loaded(A) == [(digest, 1, 40)]
        assert world.operator.states(A) == ["Indexing", "Indexed"]
        assert world.operator.reports[-1].rows == 40
        await until(lambda: world.operator.returned == [A])
        ds = blueno.open_dataset(world.places[A].root)
        rows = world.read("SELECT key, encode(sha256, 'hex'), width, format FROM projection.sample ORDER BY idx")
        assert [key for key, *_ in rows] == ds.keys
        assert rows[3][1] == ds.table()["sha256"][3].as_py().hex()
        before = len(world.operator.leases), len(world.operator.reports)
        await asyncio.sleep(1.5)
        assert (len(world.operator.leases), len(world.operator.reports)) == before, "nothing is left to do"
        text = recorder.metrics
        assert (text.versions._value.get(), text.rows._value.get()) == (1, 40)
        await until(lambda: text.lag._value.get() == 0)


async def test_a_new_version_is_loaded_when_it_is_sealed(world: World) -> None:
    world.dataset(A)
    first = world.seal(A, 5)
    async with world.recorder(poll_seconds=30.0):
        await until(lambda: world.indexed(A) == first)
        second = world.seal(A, 6)
        await until(lambda: world.indexed(A) == second)
        assert world.loaded(A) == [(first, 1, 10), (second, 2, 12)]
        assert world.operator.states(A) == ["Indexing", "Indexed", "Indexing", "Indexed"]


async def test_the_same_samples_sealed_again_are_not_loaded_again(world: World) -> None:
    """The first version comes back as the third: its rows stay, its sequence rises."""
    place = world.dataset(A)
    first, second = world.seal(A, 5), world.seal(A, 6)
    async with world.recorder() as recorder:
        await until(lambda: world.indexed(A) == second)
        await until(lambda: len(world.loaded(A)) == 2)
        (place.volume / "again.tar").write_bytes((place.volume / "5.tar").read_bytes())
        from tests.fakes.preparation import archive_work

        again = place.sealed(archive_work("file:///again.tar"))
        assert (again.digest, again.sequence) == (first, 3)
        world.put(A, version={"digest": first, "sequence": 3})
        await until(lambda: world.indexed(A) == first)
        await until(lambda: world.loaded(A) == [(second, 2, 12), (first, 3, 10)])
        assert recorder.metrics.versions._value.get() == 2


async def test_versions_that_are_gone_from_the_volume_are_dropped(world: World) -> None:
    place = world.dataset(A)
    first, second = world.seal(A, 5), world.seal(A, 6)
    async with world.recorder():
        await until(lambda: len(world.loaded(A)) == 2)
        for path in (place.root / "works").iterdir():
            if first in path.read_text():
                path.unlink()
        third = world.seal(A, 7)
        await until(lambda: [digest for digest, *_ in world.loaded(A)] == [second, third])
        assert world.read("SELECT count(DISTINCT version_id) FROM projection.sample") == [(2,)]


async def test_what_a_deleted_data_set_left_is_dropped(world: World) -> None:
    for uid in (A, B):
        world.dataset(uid)
        world.seal(uid, 4)
    async with world.recorder():
        await until(lambda: world.indexed(A) and world.indexed(B))
        world.delete(A)
        await until(lambda: world.loaded(A) == [])
        assert len(world.loaded(B)) == 1
        await until(lambda: world.read("SELECT dataset_uid::text FROM projection.listing") == [(B,)])


async def test_everything_comes_back_after_the_projection_was_dropped(world: World) -> None:
    for uid, sizes in ((A, (3, 4, 5)), (B, (6,))):
        world.dataset(uid)
        for size in sizes:
            world.seal(uid, size)
    async with world.recorder():
        await until(lambda: len(world.loaded(A)) == 3 and world.indexed(A) and world.indexed(B))
        await until(lambda: len(world.read("SELECT 1 FROM projection.listing")) == 2)
        before = world.contents()
        assert {table: len(rows) > 0 for table, rows in before.items()} == dict.fromkeys(before, True)
        world.read("DROP SCHEMA projection CASCADE")
        await until(lambda: len(world.loaded(A)) == 3 and world.indexed(A) and world.indexed(B))
        await until(lambda: len(world.read("SELECT 1 FROM projection.listing")) == 2)
    assert world.contents() == before


async def test_twenty_versions_step_by_step_and_from_nothing_are_the_same(world: World) -> None:
    """The current version comes first; the rebuild equals what grew step by step."""
    world.dataset(A)
    digests = [world.seal(A, 2)]
    async with world.recorder():
        await until(lambda: world.indexed(A) == digests[0])
        for size in range(3, 24):
            digests.append(world.seal(A, size, classes=("cat", "dog", "fox")[: 1 + size % 3]))
            if size % 5 == 0:
                await until(lambda: world.indexed(A) == digests[-1])
        await until(lambda: len(world.loaded(A)) == 22 and world.indexed(A) == digests[-1])
        await until(lambda: world.read("SELECT 1 FROM projection.listing WHERE digest = %s", digests[-1]))
    grown = world.contents()
    world.read("DROP SCHEMA projection CASCADE")
    async with world.recorder():
        await until(lambda: len(world.loaded(A)) == 22)
        await until(lambda: world.read("SELECT 1 FROM projection.listing WHERE digest = %s", digests[-1]))
        order = [digest for (digest,) in world.read("SELECT digest FROM projection.version ORDER BY id")]
        assert order == [digests[-1], *reversed(digests[:-1])]
    assert world.contents() == grown


async def test_older_versions_are_loaded_though_the_recorder_died_after_the_current_one(world: World) -> None:
    world.dataset(A)
    digests = [world.seal(A, size) for size in (3, 4, 5)]
    config = world.config()
    from blueno.db.ingest import VersionMeta
    from blueno.recorder.store import Store

    place = world.places[A]
    manifest = blueno.open_dataset(place.root).manifest
    body: dict[str, Any] = {"splits": [{"name": n, "samples": s} for n, s in manifest.splits], "classes": []}
    meta = VersionMeta(A, digests[-1], 3, manifest.sealed_at, 10, manifest.bytes, body)
    await until(lambda: world.read("SELECT 1 FROM projection.dataset"))
    store = Store(config)
    store.load(meta, place.root / "versions" / digests[-1][:16] / "index.arrow")
    store.close()
    world.put(A, index={"digest": digests[-1], "rows": 10})
    async with world.recorder():
        await until(lambda: len(world.loaded(A)) == 3)


@pytest.mark.timeout(300)
async def test_four_data_sets_at_a_time_and_none_is_forgotten(world: World) -> None:
    uids = [uid_of(n) for n in range(1, 8)]
    for uid in uids:
        world.dataset(uid, serve=False)
        world.seal(uid, 2)
    async with world.recorder() as recorder:
        await until(lambda: len(set(world.operator.leases)) == 4)
        await asyncio.sleep(0.5)
        assert len(recorder._busy) == 4
        assert len(set(world.operator.leases)) == 4
        for uid in uids:
            world.servers[uid].start()
        await until(lambda: all(world.indexed(uid) for uid in uids), patience=180)  # seven processes start at once


async def test_the_operator_decides_when(world: World) -> None:
    world.dataset(A)
    digest = world.seal(A, 3)
    world.operator.granting = False
    async with world.recorder():
        await until(lambda: len(world.operator.leases) >= 2)
        assert world.loaded(A) == []
        assert world.operator.reports == [], "being asked to wait is no failure"
        world.operator.granting = True
        await until(lambda: world.indexed(A) == digest)


async def test_leases_are_renewed_while_it_takes_long(world: World) -> None:
    world.dataset(A, serve=False)
    digest = world.seal(A, 3)
    async with world.recorder(renew_seconds=0.2):
        await until(lambda: len(world.operator.leases) >= 4)
        world.servers[A].start()
        await until(lambda: world.indexed(A) == digest)
        await until(lambda: world.operator.returned == [A])
        count = len(world.operator.leases)
        await asyncio.sleep(0.6)
        assert len(world.operator.leases) == count


async def test_health_and_metrics(world: World) -> None:
    port = free_port()
    world.dataset(A)
    digest = world.seal(A, 3)

    def get(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    async with world.recorder(http_port=port):
        await until(lambda: world.indexed(A) == digest)
        assert await asyncio.to_thread(get, "/healthz") == "ok"
        text = await asyncio.to_thread(get, "/metrics")
    for line in (
        "blueno_recorder_versions_loaded_total 1.0",
        "blueno_recorder_rows_loaded_total 6.0",
        "blueno_recorder_database_up 1.0",
        "blueno_recorder_lag_seconds",
    ):
        assert line in text
