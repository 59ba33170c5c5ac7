"""Working sets come into PostgreSQL by the recorder: at once, after whatever broke, and all of them after a rebuild."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from blueno.db import working_notices
from blueno.db.config import DatabaseConfig
from blueno.db.connect import connect
from blueno.recorder import dataserver, working
from blueno.recorder.recorder import Recorder
from tests import pg
from tests.db.mirroring import uid_of
from tests.db.processes import start_recorder
from tests.db.recording import World, a_world, at_work, until
from tests.db.working_model import Model
from tests.fakes.working_feed import WorkingFeed

A, B = uid_of(1), uid_of(2)

pytestmark = pytest.mark.timeout(120)


@dataclass
class Stage:
    """A cluster with Datasets that take uploads, their feeds, one database."""

    world: World
    feed: WorkingFeed

    def dataset(self, uid: str, seed: int = 1, spread: int = 300) -> Model:
        """An empty one."""
        self.feed.sets[uid] = model = Model(seed, spread)
        self.world.put(uid, working={"accepts": True})
        return model

    def recorder(self, **changes: Any) -> AbstractAsyncContextManager[Recorder]:
        return at_work(self.world.config(data_server_url=lambda ns, name, uid: self.feed.url_of(uid), **changes))

    def note(self, step: Any, uid: str, **more: Any) -> None:
        """What the web process does before or after a write."""
        connection = connect(self.world.database, application="web")
        with connection, connection.cursor() as cursor:
            step(cursor, uid, **more)
        connection.close()

    def rows(self, uid: str) -> dict[str, tuple[int, str]]:
        """key → (seq, sha256) of what is stored."""
        found = self.world.read("SELECT number FROM projection.working_set WHERE dataset_uid = %s::uuid", uid)
        if not found or found[0][0] is None:
            return {}
        rows = self.world.read(
            f"SELECT key || coalesce(rest, ''), seq, encode(sha256, 'hex') FROM projection.working_{found[0][0]}"
        )
        assert len({row[0] for row in rows}) == len(rows)
        return {key: (seq, sha256) for key, seq, sha256 in rows}

    def revision(self, uid: str) -> int | None:
        found = self.world.read("SELECT revision FROM projection.working_set WHERE dataset_uid = %s::uuid", uid)
        return found[0][0] if found else None

    async def current(self, uid: str) -> None:
        """Waits until the rows are those of the model."""
        model: Any = self.feed.sets[uid]
        await until(lambda: self.revision(uid) == model.seq, f"{self.revision(uid)} is not {model.seq}")
        assert self.rows(uid) == {key: (body["seq"], body["sha256"]) for key, body in model.samples.items()}


@pytest_asyncio.fixture
async def stage(database: DatabaseConfig, tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_world(database, tmp_path) as world, WorkingFeed().serving() as feed:
        yield Stage(world, feed)


@pytest_asyncio.fixture
async def fragile(server: pg.Server, tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage whose PostgreSQL is its own."""
    with server.database() as database:
        async with a_world(database, tmp_path) as world, WorkingFeed().serving() as feed:
            yield Stage(world, feed)


async def test_what_is_put_is_there_when_it_was_told(stage: Stage) -> None:
    """Nothing is polled for: without the notification the recorder would look half a minute later."""
    model = stage.dataset(A)
    async with stage.recorder(poll_seconds=30.0):
        await stage.current(A)
        leases = list(stage.world.operator.leases)
        for number in range(3):
            stage.note(working_notices.begin, A)
            model.put(f"k{number}", label="cat")
            stage.note(working_notices.tell, A)
            await stage.current(A)
        assert stage.world.operator.leases == leases, "a server that is up is asked without the operator"
        assert stage.world.read("SELECT number, open FROM projection.working_notice") == [(3, 0)]
        await until(lambda: stage.world.read("SELECT 1 FROM projection.working_set WHERE heard = 3"))
        before = len(stage.feed.asked)
        stage.note(working_notices.tell, B, began=False)  # of nobody we know: looks, and asks nobody
        await asyncio.sleep(1)
        assert len(stage.feed.asked) == before
        changes = stage.world.read("SELECT uid::text FROM projection.change_log WHERE op = 'upsert'")
        assert [uid for (uid,) in changes].count(A) >= 4, "one of the Dataset, one of each page of rows"


async def test_a_notice_that_is_lost_is_only_later(stage: Stage) -> None:
    """The web process died after the data server had acknowledged: its `begin` is what is left of it."""
    model = stage.dataset(A)
    async with stage.recorder():
        await stage.current(A)
        stage.note(working_notices.begin, A)
        await asyncio.sleep(1.5)  # the recorder has looked meanwhile, and found nothing
        model.put("written by a process that died")
        await stage.current(A)
        assert stage.world.read("SELECT open FROM projection.working_notice") == [(1,)]


async def test_a_writer_that_died_is_not_waited_for_for_ever(stage: Stage) -> None:
    model = stage.dataset(A)
    async with stage.recorder():
        await stage.current(A)
        stage.feed.asleep.add(A)
        model.put("while nobody looked")
        stage.note(working_notices.begin, A)
        stage.world.read("UPDATE projection.working_notice SET began_at = now() - interval '1 hour'")
        leases = len(stage.world.operator.leases)
        await until(lambda: len(stage.world.operator.leases) > leases, "its server is asked for")
        stage.feed.asleep.clear()
        await stage.current(A)
        await until(lambda: stage.world.read("SELECT open FROM projection.working_notice") == [(0,)])


async def test_a_sleeping_server_is_woken_when_there_is_something_to_read(stage: Stage) -> None:
    model = stage.dataset(A)
    model.put("a")
    stage.feed.asleep.add(A)
    async with stage.recorder():
        await until(lambda: A in stage.world.operator.leases)
        stage.feed.asleep.clear()
        await stage.current(A)
        await until(lambda: stage.world.operator.returned)


async def test_everything_comes_back_after_the_projection_was_dropped(stage: Stage) -> None:
    models = [stage.dataset(A, 1), stage.dataset(B, 2)]
    for model in models:
        for _ in range(200):
            model.step()
    async with stage.recorder():
        await stage.current(A)
        await stage.current(B)
        stage.world.read("DROP SCHEMA projection CASCADE")
        await until(lambda: stage.revision(A) is not None and stage.revision(B) is not None)
        await stage.current(A)
        await stage.current(B)


async def test_what_a_deleted_data_set_left_goes(stage: Stage) -> None:
    for uid in (A, B):
        stage.dataset(uid).put("a")
    async with stage.recorder():
        await stage.current(A)
        await stage.current(B)
        stage.note(working_notices.tell, A)
        (number,) = stage.world.read("SELECT number FROM projection.working_set WHERE dataset_uid = %s::uuid", A)[0]
        stage.world.mirrored.remove(A)
        await until(lambda: stage.revision(A) is None)
        assert stage.world.read("SELECT to_regclass(%s)::text", f"projection.working_{number}") == [(None,)]
        assert stage.world.read("SELECT 1 FROM projection.working_notice WHERE dataset_uid = %s::uuid", A) == []
        await stage.current(B)


async def test_pages_that_are_short_or_broken_end_in_the_same_rows(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataserver, "LINES", 7)
    model = stage.dataset(A, 5)
    for _ in range(100):
        model.step()
    stage.feed.breaks_off_after = 500
    async with stage.recorder() as recorder:
        await until(lambda: recorder.metrics.failures.labels("working")._value.get() >= 2)
        stage.feed.breaks_off_after = None
        await stage.current(A)
        for _ in range(20):
            model.step()
        monkeypatch.setattr(dataserver, "PART_BYTES", 300)  # an answer is cut where enough of it was read
        stage.note(working_notices.tell, A)
        await stage.current(A)


@pytest.mark.parametrize("folded", [True, False])
async def test_much_at_once_is_made_anew_while_it_changes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, folded: bool
) -> None:
    monkeypatch.setattr(working, "REBUILD_LINES", 100)
    monkeypatch.setattr(dataserver, "LINES", 40)
    model = stage.dataset(A, 6)
    model.folded = folded
    async with stage.recorder():
        await stage.current(A)
        for _ in range(400):
            model.step()
        stage.feed.answering = lambda uid, after: [model.step() for _ in range(5 if model.seq < 420 else 0)]
        stage.note(working_notices.tell, A)
        await until(lambda: model.seq == 420)
        stage.note(working_notices.tell, A)
        await stage.current(A)
        number = stage.world.read("SELECT number FROM projection.working_set")
        stage.note(working_notices.begin, A)
        model.step()
        stage.note(working_notices.tell, A)
        await stage.current(A)
        assert stage.world.read("SELECT number FROM projection.working_set") == number, (
            "a little is added, not made anew"
        )


async def test_a_volume_that_went_back_in_time(stage: Stage) -> None:
    model = stage.dataset(A, 7)
    for _ in range(50):
        model.step()
    async with stage.recorder():
        await stage.current(A)
        older = stage.dataset(A, 8)
        for _ in range(20):
            older.step()
        stage.note(working_notices.tell, A)
        await stage.current(A)


async def test_a_version_that_holds_more_than_is_known_is_reason_to_look(stage: Stage) -> None:
    model = stage.dataset(A)
    async with stage.recorder():
        await stage.current(A)
        model.put("a")
        stage.world.read(
            "INSERT INTO projection.version"
            " (dataset_uid, digest, sequence, sealed_at, samples, bytes, in_order, manifest)"
            ' VALUES (%s, \'00\', 1, now(), 0, 0, true, \'{"source": {"working": {"revision": 1}}}\')',
            A,
        )
        await stage.current(A)


async def test_a_recorder_killed_again_and_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was doing, rows are never doubled and nothing is missing."""
    model = stage.dataset(A, 9, spread=3000)
    config = stage.world.config()
    for _ in range(6):
        for _ in range(1500):
            model.step()
        stage.note(working_notices.tell, A)  # also when the one before had time to read everything
        process = start_recorder(config, {A: int(stage.feed.url.rpartition(":")[2])}, f"/{A}")
        asked = len(stage.feed.asked)
        await until(lambda asked=asked: len(stage.feed.asked) > asked)
        await asyncio.sleep(model.rng.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    stage.note(working_notices.tell, A)
    async with stage.recorder():
        await stage.current(A)


async def test_postgresql_is_killed_while_samples_come(fragile: Stage, server: pg.Server) -> None:
    model = fragile.dataset(A, 10)
    async with fragile.recorder():
        await fragile.current(A)
        for number in range(3):
            fragile.note(working_notices.begin, A)
            for _ in range(200):
                model.step()
            fragile.note(working_notices.tell, A)
            await asyncio.sleep(0.05 * number)
            server.kill()
            server.start()
        await fragile.current(A)


async def test_one_that_fails_does_not_stop_the_others(stage: Stage) -> None:
    stage.feed.asleep.add(A)
    stage.dataset(A).put("a")
    stage.dataset(B).put("b")
    async with stage.recorder(ready_seconds=0.5) as recorder:
        await stage.current(B)
        await until(lambda: recorder.metrics.failures.labels("working")._value.get() >= 2)
        assert stage.revision(A) is None
        await until(lambda: recorder.metrics.working_pending._value.get() == 1)
        stage.feed.asleep.clear()
        await stage.current(A)
