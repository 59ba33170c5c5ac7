"""PostgreSQL without room, and read-only (row 21): what writes waits, says why, and loses nothing.

That the web process answers 503 then is in tests/web/test_full_disk.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from blueno.db import working_notices
from blueno.db.config import DatabaseConfig
from blueno.db.pool import Pool
from blueno.errors import Unavailable
from tests import pg
from tests.db.mirroring import Mirrored, uid_of, until
from tests.db.recording import a_world, done
from tests.db.recording import until as turned
from tests.db.test_mirror_faults import state
from tests.db.test_recorder_working import Stage
from tests.fakes.working_feed import WorkingFeed
from tests.faults.small_disk import SmallDisk, database_on_a_small_disk, read_only

A, B = uid_of(1), uid_of(2)
SIZED = "m" * 2000

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def small(server: pg.Server) -> Iterator[tuple[DatabaseConfig, SmallDisk]]:
    with database_on_a_small_disk(server) as made:
        yield made


def test_the_mirror_waits_for_room(small: tuple[DatabaseConfig, SmallDisk], caplog: pytest.LogCaptureFixture) -> None:
    database, disk = small
    m = Mirrored(database).start()
    try:
        m.put(A, "Pending")
        m.current()
        disk.fill()
        caplog.clear()
        for number in range(500):  # more than the tables' last pages hold
            m.put(uid_of(100 + number), "Pending", note=SIZED)
        until(lambda: state() == "unavailable")
        assert any("disk is full" in line for line in caplog.messages)
        assert m.reasons()[A] == "Pending", "what is there is read as before"
        m.put(A, "Preparing")
        disk.free()
        m.current()
        until(lambda: state() == "working")
        assert m.history(A) == ["Pending", "Preparing"]
        assert m.history(uid_of(599)) == ["Pending"]
        assert len(caplog.messages) < 10, "said once, not at each try"
    finally:
        m.stop()


async def test_the_recorder_waits_for_room(
    small: tuple[DatabaseConfig, SmallDisk], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database, disk = small
    async with a_world(database, tmp_path) as world:
        world.dataset(A)
        first = world.seal(A, 3)
        async with world.recorder() as recorder:
            await done(world, A, first)
            disk.fill()
            caplog.clear()
            digest = world.seal(A, 4)
            await turned(lambda: recorder.metrics.failures.labels("database")._value.get() >= 5)
            assert recorder.metrics.database_up._value.get() == 0, "what it reads does not make it well"
            assert recorder.trouble() == ""
            assert world.loaded(A) == [(first, 1, 6)], "what is there stays"
            said = [line for line in caplog.messages if "disk is full" in line or "database answers" in line]
            assert len(said) < 4, "said when it changes, not at each try"
            assert any("disk is full" in line for line in said)
            disk.free()
            await done(world, A, digest)
            assert [(digest, rows) for digest, _, rows in world.loaded(A)] == [(first, 6), (digest, 8)]
            await turned(lambda: recorder.metrics.database_up._value.get() == 1)
            assert "Failed" not in world.operator.states(A), "the data set is not to blame"
            assert not recorder.memory.tries


async def test_samples_that_are_added_wait_for_room(small: tuple[DatabaseConfig, SmallDisk], tmp_path: Path) -> None:
    """They wait no longer each time, as for a data server that is away; nor is one woken for them."""
    database, disk = small
    async with a_world(database, tmp_path) as world, WorkingFeed().serving() as feed:
        stage = Stage(world, feed)
        model = stage.dataset(A, spread=1000)
        async with stage.recorder() as recorder:
            await stage.current(A)
            leases = len(world.operator.leases)
            stage.note(working_notices.begin, A)
            disk.fill()
            for number in range(1000):
                model.put(f"k{number}")
            disk_full = recorder.metrics.failures.labels("database")._value
            await turned(lambda: disk_full.get() >= 3)
            assert recorder.metrics.failures.labels("working")._value.get() == 0
            assert len(world.operator.leases) == leases
            disk.free()
            async with asyncio.timeout(30):
                await stage.current(A)


async def test_read_only_is_waited_for(server: pg.Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Mirror, recorder, and whoever else writes: it is not circumvented."""
    with server.database() as database:
        async with a_world(database, tmp_path) as world:
            world.dataset(A)
            first = world.seal(A, 3)
            pool = Pool(database, "test")
            async with world.recorder() as recorder:
                await done(world, A, first)
                with pool.transaction() as cursor:
                    cursor.execute("SELECT 1")
                with read_only(server):
                    digest = world.seal(A, 4)
                    await turned(lambda: state() == "unavailable")
                    with pytest.raises(Unavailable, match="read-only"), pool.transaction() as cursor:
                        cursor.execute("DELETE FROM projection.listing")
                    with pool.transaction(read_only=True) as cursor:
                        cursor.execute("SELECT digest FROM projection.listing")
                        assert cursor.fetchall() == [(first,)]
                    assert any("PostgreSQL is read-only" in line for line in caplog.messages)
                await done(world, A, digest)
                assert [rows for *_, rows in world.loaded(A)] == [6, 8]
                await turned(lambda: recorder.metrics.database_up._value.get() == 1)
                await turned(lambda: state() == "working")
            pool.close()
