"""Logs and points of training runs, from a kubelet's bytes and an operator's ring to rows. Real but for these two."""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from blueno import names
from blueno.db.config import DatabaseConfig
from blueno.db.run_logs_write import Budget
from blueno.resources.training_report import TrainingPoint
from controllers.points import Points
from tests import pg
from tests.db.recording import PATIENCE, until
from tests.db.recording_runs import RUN, World, a_world, lines, status
from tests.fakes.pod_logs import PodLog

SMALL = Budget(head=1 << 20, kept=4 << 20)

pytestmark = pytest.mark.timeout(120)


@pytest_asyncio.fixture
async def world(database: DatabaseConfig, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(database, tmp_path) as made:
        yield made


async def test_a_log_is_followed_to_its_end(world: World) -> None:
    log = world.pod("p", state="waiting")
    async with world.recorder() as recorder:
        await asyncio.sleep(0.3)
        assert world.parts() == {}
        world.api.update("Pod", "p", {"status": status("running")})
        await log.write(lines(0, 10) + b"\xff\0 binary\nhalf")
        await until(lambda: world.text("p") == lines(0, 10).decode() + "\ufffd\0 binary\n")
        assert not world.complete("p")
        await log.write(b" and whole\nthe last without an end")
        await world.ended("p")
        await until(lambda: world.complete("p"))
        assert world.text("p").endswith("half and whole\nthe last without an end")
        assert recorder.metrics.log_bytes._value.get() == len(log.data)
        await until(lambda: recorder.metrics.following._value.get() == 0)


async def test_secrets_do_not_reach_the_database(world: World) -> None:
    world.pod("p", PodLog(b"HF_TOKEN=hf_abcdefghijklmnopqrstuvwx\nok\n", ended=True), "terminated")
    async with world.recorder():
        await until(lambda: world.complete("p"))
    assert world.text("p") == "HF_TOKEN=***\nok\n"


async def test_pods_that_ended_while_nobody_was_there_are_read(world: World) -> None:
    for n in range(30):
        world.pod(f"p{n}", PodLog(lines(n, n + 3), ended=True), "terminated")
    async with world.recorder():
        await until(lambda: len(world.parts()) == 30 and all(part.complete for part in world.parts().values()))
    for n in range(30):
        assert world.text(f"p{n}") == lines(n, n + 3).decode()


async def test_a_recorder_that_comes_again_goes_on_where_it_was(world: World) -> None:
    log = world.pod("p", PodLog(lines(0, 1000)))
    async with world.recorder():
        await until(lambda: world.text("p") == lines(0, 1000).decode())
    await log.write(lines(1000, 1500))
    async with world.recorder():
        await until(lambda: world.text("p") == lines(0, 1500).decode())
        await log.cut()
        await log.write(lines(1500, 1600))
        world.api.cut_watches()
        await until(lambda: world.text("p") == lines(0, 1600).decode())
    await world.ended("p")
    async with world.recorder():
        await until(lambda: world.complete("p"))
    assert world.text("p") == lines(0, 1600).decode()


async def test_a_log_that_was_rotated_meanwhile_is_neither_doubled_nor_lost(world: World) -> None:
    log = world.pod("p", PodLog(lines(0, 1000)))
    async with world.recorder():
        await until(lambda: world.text("p") == lines(0, 1000).decode())
    await log.write(lines(1000, 1500))
    log.rotate(len(lines(0, 400)))
    async with world.recorder():
        await until(lambda: world.text("p") == lines(0, 1500).decode())
    log.rotate(len(lines(0, 1500)))
    await log.write(lines(1500, 1600))
    async with world.recorder():
        await until(lambda: world.text("p") == lines(0, 1600).decode())
        await world.ended("p")
        await until(lambda: world.complete("p"))
    assert world.text("p") == lines(0, 1600).decode()


async def test_a_recorder_killed_again_and_again_stores_every_byte_once(world: World) -> None:
    log = world.pod("p", **{names.METRICS_STDOUT: "true"})
    written, points = b"", 0
    for _ in range(4):
        process = world.process()
        try:
            began = time.monotonic()
            before = len(world.text("p"))
            while time.monotonic() - began < 1.0 or len(world.text("p")) <= before:
                piece = lines(points, points + 50) + b'{"step": %d, "loss": 0.5}\n' % points
                points += 1
                written += piece
                await log.write(piece)
                await asyncio.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
    await world.ended("p")
    async with world.recorder():
        await until(lambda: world.complete("p"))
    assert world.text("p").encode() == written
    (series,) = world.series()
    assert [step for step, _, _ in series.points] == list(range(points))


async def test_sixty_megabytes_are_kept_whole(world: World) -> None:
    line = b"x" * 120 + b" step\n"
    data = lines(0, 200_000) + line * ((54 << 20) // len(line)) + (b"y" * 300_000 + b"\n") * 2
    world.pod("p", PodLog(data, ended=True), "terminated")
    async with world.recorder():
        await until(lambda: world.complete("p"), patience=4 * PATIENCE)  # 17 s beside a build
    part = world.parts()["p"]
    assert (part.bytes, part.gap) == (len(data), None)
    assert len(data) > 60_000_000
    assert world.text("p").encode() == data


async def test_a_flood_is_bounded_here_and_in_the_database(world: World) -> None:
    data = lines(0, 400_000)
    world.pod("p", PodLog(data, ended=True), "terminated")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with world.recorder(budget=SMALL):
        await until(lambda: world.complete("p"))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 60_000, f"{grown} KiB"
    part = world.parts()["p"]
    assert part.bytes == len(data)
    assert part.gap is not None
    assert part.gap[0] == SMALL.head
    text = world.text("p").encode()
    assert text == data[: part.gap[0]] + data[part.gap[1] :]
    assert SMALL.kept - (256 << 10) <= len(text) <= SMALL.kept


async def test_postgres_may_be_away_for_a_while(server: pg.Server, tmp_path: Path) -> None:
    with server.database() as database:
        async with a_world(database, tmp_path) as world:
            log = world.pod("p", PodLog(lines(0, 100)))
            async with world.recorder():
                await until(lambda: world.text("p") == lines(0, 100).decode())
                await asyncio.to_thread(server.kill)
                await log.write(lines(100, 200))
                world.ring.add(RUN, 1, [TrainingPoint(1, datetime.now(UTC), {"loss": 1.0})])
                await asyncio.sleep(1.0)
                await asyncio.to_thread(server.start)
                await until(lambda: world.text("p") == lines(0, 200).decode())
                await until(world.series)


async def test_a_pod_that_is_gone_is_complete_as_far_as_it_was_read(world: World) -> None:
    world.pod("p", PodLog(lines(0, 100)))
    async with world.recorder() as recorder:
        await until(lambda: world.text("p") == lines(0, 100).decode())
        world.api.remove("Pod", "p")
        await world.api.logs["lab", "p"].cut()
        await until(lambda: world.complete("p"))
        await until(lambda: recorder.metrics.following._value.get() == 0)
    assert world.text("p") == lines(0, 100).decode()


async def test_a_pod_that_claims_another_namespaces_run_is_not_stored(world: World, connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO record.history (kind, uid, namespace, name, at, condition, status, reason, message) "
            "VALUES ('TrainingRun', %s, 'elsewhere', 'r', now(), 'Succeeded', 'Unknown', 'Running', '')", (RUN,)
        )  # fmt: skip
    connection.commit()
    world.pod("p", PodLog(lines(0, 100), ended=True), "terminated")
    async with world.recorder() as recorder:
        await until(lambda: recorder.metrics.registry.get_sample_value("blueno_recorder_logs_followed") == 0)
        await asyncio.sleep(0.5)
    assert world.parts() == {}


async def test_points_go_from_the_ring_to_rows_once(world: World) -> None:
    now = datetime.now(UTC)
    async with world.recorder() as recorder:
        for n in range(20):
            world.ring.add(RUN, 1, [TrainingPoint(n, now, {"loss": float(n), "acc": 0.5})])
            await asyncio.sleep(0.01)
        await until(lambda: sum(len(series.points) for series in world.series()) == 40)
    world.ring.add(RUN, 1, [TrainingPoint(20, now, {"loss": 20.0})])
    async with world.recorder():
        await until(lambda: sum(len(series.points) for series in world.series()) == 41)
        world.ring = Points("life-2")
        world.ring.add(RUN, 2, [TrainingPoint(21, now, {"loss": 21.0})])
        await until(lambda: sum(len(series.points) for series in world.series()) == 42)
    loss = next(series for series in world.series() if series.name == "loss")
    assert [step for step, _, _ in loss.points] == list(range(22))
    assert recorder.metrics.points._value.get() == 20
