"""What kopf does not survive by itself, and restarts, and two operators."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import aiohttp

from blueno import names
from controllers.source import WATCHED
from tests.checker import assert_sound
from tests.fakes.api_server import Seen
from tests.loop.conftest import World, a_dataset_manifest
from tests.loop.sound import picture, sound


async def test_events_missed_by_a_broken_watch_are_found_by_the_sweep(world: World) -> None:
    await world.at_work()
    world.api.put(a_dataset_manifest())
    job = await world.job()

    def attempt() -> Any:
        return (world.api.read("Dataset", "mnist").get("status") or {}).get("work", {}).get("attempt")

    await world.until(lambda: attempt() == 1, "the attempt is noted")

    world.api.watches_down = True
    world.api.cut_watches()
    world.api.remove("Job", job["metadata"]["name"])  # DELETED: kopf never tells
    world.api.put(a_dataset_manifest("cifar"))
    world.api.forget()
    await world.job(2)
    await world.until(lambda: world.condition("Ready", "cifar") != ("", ""), "the new Dataset is worked on")

    watches = len([r for r in world.api.requests if r.verb == "WATCH"])
    world.api.watches_down = False
    await world.until(
        lambda: len([r for r in world.api.requests if r.verb == "WATCH"]) >= watches + len(WATCHED), "watches again"
    )
    world.api.put(a_dataset_manifest("fashion"))
    await world.until(lambda: world.condition("Ready", "fashion") != ("", ""), "the watch works again")
    attempts = sorted(j["metadata"]["name"][-3:] for j in world.api.all("Job") if "mnist" in j["metadata"]["name"])
    assert attempts == ["-a2"]
    await sound(world)


async def test_a_deleted_dataset_that_no_watch_told_of_is_forgotten(world: World) -> None:
    operator = await world.at_work()
    await world.ready()

    async def shown(wanted: bool) -> bool:
        url, metric = f"http://localhost:{operator.http}/metrics", 'blueno_dataset_ready{dataset="mnist"'
        async with aiohttp.ClientSession() as client:
            for _ in range(300):
                async with client.get(url) as answer:
                    if (metric in await answer.text()) is wanted:
                        return True
                await asyncio.sleep(0.1)
        return False

    assert await shown(True)
    before = await sound(world)
    world.api.watches_down = True
    world.api.cut_watches()
    world.api.remove("Dataset", "mnist")
    world.api.forget()
    assert await shown(False)
    await sound(world, before)


async def test_an_api_server_that_answers_nothing_for_a_while(world: World) -> None:
    operator = await world.at_work()
    world.api.put(a_dataset_manifest())
    await world.job()
    world.api.fail = lambda verb, path: 503
    world.api.watches_down = True
    world.api.cut_watches()
    await asyncio.sleep(2.5)
    world.api.put(a_dataset_manifest("cifar"))
    world.api.fail = lambda verb, path: None
    world.api.watches_down = False
    await world.until(lambda: world.condition("Ready", "cifar") != ("", ""), "work after healing")
    assert operator.process.returncode is None
    await sound(world)


async def test_a_restart_writes_nothing_when_nothing_changed(world: World) -> None:
    first = await world.at_work()
    await world.ready()
    before = await sound(world)
    await first.stop(signal.SIGKILL)
    state = {key: body["metadata"]["resourceVersion"] for key, body in world.api.objects.items() if key[0] != "Lease"}
    world.api.requests.clear()
    second = await world.at_work()
    await world.settled(2.5)  # two sweeps
    assert world.api.writes() == []
    again = {key: body["metadata"]["resourceVersion"] for key, body in world.api.objects.items() if key[0] != "Lease"}
    assert again == state
    assert_sound(picture(world, before))
    await second.stop()
    assert second.process.returncode == 0


async def test_the_second_operator_waits_for_the_lease(world: World) -> None:
    first = await world.at_work("operator-a")
    second = await world.start("operator-b")
    await world.until(lambda: second.said("another operator holds lease"), "the second waits")
    world.api.put(a_dataset_manifest())
    await world.job()
    await world.settled(0.3)
    assert not second.said("is at work")
    assert world.api.read("Lease", names.LEASE, names.SYSTEM_NAMESPACE)["spec"]["holderIdentity"] == "operator-a"

    holders: list[str] = []

    def look(seen: Seen) -> None:
        if seen.is_write and "/leases" in seen.path:
            holders.append(world.api.read("Lease", names.LEASE, names.SYSTEM_NAMESPACE)["spec"]["holderIdentity"])

    world.api.done = look
    await first.stop()
    assert first.process.returncode == 0
    await world.until(lambda: second.said("is at work"), "the second takes over")
    assert "" in holders, "the first gave it back: the second did not wait until it had run out"
    assert len(world.api.all("Job")) == 1
    await sound(world)


async def test_an_operator_that_lost_its_lease_ends(world: World) -> None:
    first = await world.at_work("operator-a")
    world.api.update("Lease", names.LEASE, {"spec": {"holderIdentity": "operator-b"}}, names.SYSTEM_NAMESPACE)
    await asyncio.wait_for(first.process.wait(), 45)
    assert first.said("lease taken by another operator: stopping")
    lease = world.api.read("Lease", names.LEASE, names.SYSTEM_NAMESPACE)
    assert lease["spec"]["holderIdentity"] == "operator-b"
