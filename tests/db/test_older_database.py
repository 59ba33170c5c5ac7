"""PostgreSQL lacks what was written last (rows 17, 57): a standby that was behind took over, or an older copy is there.

What comes from custom resources, volumes and pods comes back by itself; what does not is said.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from blueno.db import older, working_notices
from blueno.db.config import DatabaseConfig
from blueno.db.run_logs_write import Budget, Place
from blueno.recorder.logtext import Batch
from blueno.recorder.runstore import RunStore
from blueno.recorder.trainpod import TrainPod
from controllers import mirror as module
from controllers.metrics import MIRROR_LOST
from tests import pg
from tests.db import recording_runs
from tests.db.mirroring import Mirrored, uid_of
from tests.db.mirroring import until as until_now
from tests.db.recording import World, a_world, done, until
from tests.db.recording_runs import lines
from tests.db.test_recorder_working import Stage
from tests.fakes.working_feed import WorkingFeed

A, B, C = uid_of(1), uid_of(2), uid_of(3)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_PAUSE", 0.5)
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr("blueno.recorder.pods.LOST_SECONDS", 0.5)


def life(world: World) -> str:
    """The id that events carry."""
    ((found,),) = world.read("SELECT id FROM projection.stream")
    return str(found)


def times_older() -> float:
    return float(MIRROR_LOST._value.get())


async def test_what_comes_from_objects_and_volumes_comes_back(
    server: pg.Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A standby takes over."""
    with server.database() as database:
        async with a_world(database, tmp_path) as world:
            for uid in (A, C):
                world.dataset(uid)
            first = {uid: world.seal(uid, 3) for uid in (A, C)}
            async with world.recorder():
                for uid, digest in first.items():
                    await done(world, uid, digest)
                copy = await asyncio.to_thread(server.keep_copy)
                second = world.seal(A, 4)
                world.dataset(B)
                other = world.seal(B, 5)
                world.delete(C)
                await done(world, A, second)
                await done(world, B, other)
                await until(lambda: world.loaded(C) == [])
                before, said, contents = await until(lambda: life(world)), times_older(), world.contents()
                await asyncio.to_thread(server.put_back, copy, promoted=True)
                async with asyncio.timeout(90):
                    await until(lambda: world.read("SELECT 1 FROM projection.dataset WHERE uid = %s::uuid", B))
                    await done(world, A, second)
                    await done(world, B, other)
                    await until(lambda: world.loaded(C) == [])
                    await until(lambda: world.contents() == contents)
                assert world.mirrored.history(B)[-1] == "Available"
                assert world.mirrored.history(C)[-1] == "Deleted"
                assert life(world) != before, "numbers of changes come again: pages are to begin anew"
                assert times_older() == said + 1
                assert sum("audit rows and records of runs" in line for line in caplog.messages) == 1


async def test_samples_that_were_added_come_back(server: pg.Server, tmp_path: Path) -> None:
    """A copy of files says nothing of itself. Nobody writes to the sets any more, and notices are lost with rows."""
    with server.database() as database:
        async with a_world(database, tmp_path) as world, WorkingFeed().serving() as feed:
            stage = Stage(world, feed)
            model, other = stage.dataset(A), stage.dataset(B)
            async with stage.recorder():
                for number in range(5):
                    model.put(f"before{number}")
                stage.note(working_notices.tell, A, began=False)
                await stage.current(A)
                await stage.current(B)
                copy = await asyncio.to_thread(server.keep_copy)
                for uid, changed in ((A, model), (B, other)):
                    stage.note(working_notices.begin, uid)
                    for number in range(5):
                        changed.put(f"after{number}")
                    stage.note(working_notices.tell, uid)
                    await stage.current(uid)
                await asyncio.to_thread(server.put_back, copy)
                async with asyncio.timeout(90):
                    await stage.current(A)
                    await stage.current(B)


async def test_logs_that_were_complete_are_read_again(server: pg.Server, tmp_path: Path) -> None:
    with server.database() as database:
        async with recording_runs.a_world(database, tmp_path) as world, world.recorder():
            world.pod("long")
            short = world.pod("short")
            await short.write(lines(0, 10))
            await until(lambda: world.text("short") == lines(0, 10).decode())
            copy = await asyncio.to_thread(server.keep_copy)
            await short.write(lines(10, 20))
            await world.ended("short")
            await until(lambda: world.complete("short"))
            await asyncio.to_thread(server.put_back, copy)
            async with asyncio.timeout(90):
                await until(lambda: world.complete("short"))
            assert world.text("short") == lines(0, 20).decode()


def test_neither_a_restart_nor_a_dropped_projection_is_an_older_database(
    database: DatabaseConfig, shared_server: pg.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one that does not tell which server it is."""
    ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'blueno-mirror'"
    said = times_older()
    m = Mirrored(database).start()
    try:
        m.put(A, "Pending")
        m.current()
        for statement in (older._SERVER, "SELECT no_such_function()", older._SERVER):
            monkeypatch.setattr(older, "_SERVER", statement)
            ((copies,),) = m.read("SELECT resync FROM projection.stream")
            shared_server.admin(ends)
            until_now(lambda: m.read("SELECT 1 FROM projection.stream WHERE resync > %s", copies))  # noqa: B023
        m.read("DROP SCHEMA projection CASCADE")
        m.current()
        assert m.read("SELECT 1 FROM projection.stream WHERE server IS NOT NULL")
        assert times_older() == said
    finally:
        m.stop()


async def test_a_number_of_a_log_that_is_another_pods_now(database: DatabaseConfig) -> None:
    """Numbers that were given in what was lost are given again: nobody's text goes into another one's log."""
    store = RunStore(database, Budget())
    one, other = (TrainPod(name, "lab", name, A, 1, "train", False, True, False) for name in ("one", "other"))
    log = await store.open(one)
    batch = Batch((b"text\n",), b"text\n", Place(taken=5))
    assert not await store.append(other, log, Place(), batch, ())
    await store.complete(other, log)
    assert not (await store.open(one)).complete
    assert await store.append(one, log, Place(), batch, ())
    store.close()
