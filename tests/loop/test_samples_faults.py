"""Operators, ingest pods and Jobs of Samples that end at the wrong moment: nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
import random
import signal

import pytest

from tests.fakes.api_server import Seen
from tests.loop.conftest import World
from tests.loop.samples import SAMPLE, Lab, a_lab
from tests.loop.sound import sound

COUNT = 12


def add_some(lab: Lab, count: int = COUNT) -> None:
    for number in range(count):
        lab.add(f"s{number}", uri=lab.picture(f"{number}.png", number), label=number)


async def all_in(lab: Lab, count: int = COUNT, seconds: float = 90) -> None:
    def ready() -> bool:
        return all(lab.said(f"s{n}") == ("True", "Available") for n in range(count))

    await lab.world.until(ready, "all are Available", seconds)
    assert {key: record["label"] for key, record in lab.server.records.items()} == {f"s{n}": n for n in range(count)}


def is_a_write_for_samples(seen: Seen) -> bool:
    return seen.is_write and seen.status < 300 and ("/samples/" in seen.path or "ingest" in str(seen.body)[:4000])


@pytest.mark.parametrize("after", [1, 5, COUNT, COUNT + 1, COUNT + 2, 2 * COUNT])
async def test_the_operator_is_killed_after_any_write(world: World, after: int) -> None:
    """The first write of the first, of half of them, the last before the Job, the Job, and statuses."""
    async with a_lab(world) as lab:
        left = after
        killed = asyncio.Event()

        def count(seen: Seen) -> None:
            nonlocal left
            if is_a_write_for_samples(seen):
                left -= 1
                if left == 0:
                    world.operators[0].process.kill()
                    killed.set()

        world.api.done = count
        add_some(lab)
        await asyncio.wait_for(killed.wait(), 60)
        await world.operators[0].process.wait()
        await lab.operate()
        await all_in(lab)
        await world.settled()
        assert lab.server.seq == COUNT  # nothing was written twice
        await sound(world)


async def test_pods_killed_and_jobs_deleted_in_the_middle(world: World) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    async with a_lab(world) as lab:
        add_some(lab, 60)

        def all_ready() -> bool:
            return all(lab.said(f"s{n}")[0] == "True" for n in range(60))

        for _ in range(3):
            await world.until(lambda: lab.pods.running or all_ready(), "a pod runs", 60)
            await asyncio.sleep(chance.random())
            if chance.random() < 0.5:
                lab.pods.kill()
            else:
                for job in lab.pods.jobs:
                    if ("Job", "lab", job) in world.api.objects:
                        world.api.remove("Job", job)
            if all_ready():
                break
        await all_in(lab, 60)
        assert lab.server.seq == 60


async def test_changed_and_deleted_while_the_pod_is_at_it(world: World) -> None:
    async with a_lab(world) as lab:
        add_some(lab)
        await world.until(lambda: lab.pods.running, "a pod runs")
        for number in range(0, COUNT, 3):
            world.api.update(SAMPLE, f"s{number}", {"spec": {"label": 100 + number}})
        for number in range(1, COUNT, 3):
            world.api.remove(SAMPLE, f"s{number}")
        left = [n for n in range(COUNT) if n % 3 != 1]
        wanted = {f"s{n}": 100 + n if n % 3 == 0 else n for n in left}

        def done() -> bool:
            there = all(lab.said(f"s{n}") == ("True", "Available") and lab.is_current(f"s{n}") for n in left)
            return there and {key: record["label"] for key, record in lab.server.records.items()} == wanted

        await world.until(done, "what is asked for is there", 60)
        await lab.until_gone(*(f"s{n}" for n in range(1, COUNT, 3)))


async def test_an_api_server_and_a_data_server_that_are_away(world: World) -> None:
    async with a_lab(world) as lab:
        lab.server.answers = [503] * 12
        add_some(lab)
        await world.until(lambda: lab.pods.running, "a pod runs")
        world.api.fail = lambda verb, path: 503 if "/samples" in path else None
        await asyncio.sleep(1.5)
        world.api.fail = lambda verb, path: None
        await all_in(lab)
        assert len(lab.pods.jobs) == 1


async def test_trouble_is_told_by_a_few_and_heals(world: World) -> None:
    async with a_lab(world) as lab:
        lab.pods.starts = False
        add_some(lab, 30)
        await lab.until_said("s0", "Unschedulable")
        await world.settled()
        told = [n for n in range(30) if lab.said(f"s{n}")[1] == "Unschedulable"]
        assert 1 <= len(told) <= 10
        lab.pods.starts = True
        for pod in world.api.all("Pod"):
            if "ingest" in pod["metadata"]["name"]:
                world.api.update("Pod", pod["metadata"]["name"], {"status": {"phase": "Failed"}})
        await all_in(lab, 30)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_ten_thousand_at_once(world: World) -> None:
    count = 10_000
    async with a_lab(world, BLUENO_WORKERS="16", BLUENO_SWEEP_SECONDS="30") as lab:
        for number in range(count):
            lab.add(f"s{number}", uri=lab.picture(f"{number}.png", number), label=number)
        await world.until(lambda: len(lab.server.records) == count, "all are in", 1200)
        await all_in(lab, count, 600)
        await world.settled(3)
        writes = [line for line in lab.writes() if "samples/" in line]
        print(len(writes), "writes,", len(lab.pods.jobs), "Jobs,", len(lab.pods.started), "pods")
        assert len(writes) == 2 * count
        assert len(lab.pods.jobs) == 1
        world.operators[0].process.send_signal(signal.SIGKILL)
        await world.operators[0].process.wait()
        for number in range(count):
            world.api.remove(SAMPLE, f"s{number}")
        before = len(lab.writes())
        await lab.operate()
        await lab.until_gone(*(f"s{n}" for n in range(count)), seconds=1200)
        assert not lab.server.records
        assert len(lab.writes()) - before <= count + 3
