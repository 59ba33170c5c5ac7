"""Users who delete, recreate and change their minds while the operator is at work (rows 41, 42, 45)."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from blueno import names
from tests import pg
from tests.db.mirroring import Mirrored
from tests.fakes.job_controller import JobController
from tests.loop.conftest import a_dataset_manifest
from tests.loop.fire.conftest import UnderFire
from tests.loop.fire.prep_controller import PrepController
from tests.loop.runs import RUN, a_run_manifest, said
from tests.loop.sound import sound
from tests.loop.test_nfs import EXPORT, SITE
from tests.proxies.rules import Call, Meanwhile

pytestmark = pytest.mark.timeout(300)

MOST_CALLS = 40
CHILDREN = ("Job", "Pod", "PersistentVolumeClaim", "PersistentVolume", "Service", "Deployment")
SEED = 20260307


@pytest.fixture(scope="module")
def server() -> Iterator[pg.Server]:
    with pg.running() as started:
        yield started


def left(world: UnderFire, *needles: str) -> list[tuple[str, str, str]]:
    """Objects that were made for an object of that name or uid."""
    bodies = [(key, str(body)) for key, body in world.api.objects.items() if key[0] in CHILDREN]
    return [key for key, text in bodies if any(needle in text for needle in needles)]


async def at_each_call(
    world: UnderFire, begin: Callable[[str], dict[str, Any]], strike: Callable[[str], Any], ended: Callable[[str], Any]
) -> int:
    """Something is done right after the k-th call about an object, for every k that there is; how many they are."""
    for k in range(1, MOST_CALLS):
        name = f"one-{k:02}"
        needles = (name, begin(name)["metadata"]["uid"])

        def about(call: Call, needles: tuple[str, ...] = needles) -> bool:
            return call.is_about(*needles)

        def act(name: str = name) -> None:
            strike(name)

        rule = world.proxy.add(Meanwhile(act), where=about, first=k, times=1)
        await world.until(lambda: rule.fired or ended(name), f"the end of {name}, or its {k}. call")  # noqa: B023
        if not rule.fired:
            await world.settled(0.5)
        if not rule.fired:
            world.proxy.rules.remove(rule)
            return k - 1
        await world.until(lambda: ended(name), f"{name}, struck at its {k}. call")  # noqa: B023
    raise AssertionError(f"{MOST_CALLS} calls about one object, and still more")


@pytest.mark.parametrize(
    "storage",
    [pytest.param({}, id="claim", marks=pytest.mark.soak), pytest.param({"storage": EXPORT}, id="nfs")],
)
async def test_a_dataset_deleted_after_any_call_leaves_nothing(
    world: UnderFire, prep: PrepController, storage: dict[str, Any]
) -> None:
    await world.at_work(**SITE)
    deleted: list[str] = []

    def delete(name: str) -> None:
        deleted.append(name)
        if ("Dataset", "lab", name) in world.api.objects:
            world.api.remove("Dataset", name)

    def ended(name: str) -> bool:
        known = ("Dataset", "lab", name) in world.api.objects
        if name not in deleted:
            return world.condition("Ready", name) == ("True", "Available")
        return not known and not left(world, name)

    calls = await at_each_call(
        world, lambda name: world.api.put(a_dataset_manifest(name, reclaimPolicy="Delete", **storage)), delete, ended
    )
    assert calls >= (6 if storage else 5)
    await world.settled(2.5)  # two sweeps: nothing comes back
    assert not [key for name in deleted for key in left(world, name)]
    await sound(world)


async def test_a_run_deleted_after_any_call_leaves_nothing(world: UnderFire, jobs: JobController) -> None:
    jobs.heard = True  # else none of the calls may be the one that says Running
    await world.at_work()
    deleted: list[str] = []

    def delete(name: str) -> None:
        deleted.append(name)
        world.api.remove(RUN, name)

    def ended(name: str) -> bool:
        if name not in deleted:
            return said(world, name) == ("True", "Completed")
        return (RUN, "lab", name) not in world.api.objects and not left(world, name)

    calls = await at_each_call(world, lambda name: world.api.put(a_run_manifest(name)), delete, ended)
    assert calls >= 3
    await world.settled(2.5)
    assert not [key for name in deleted for key in left(world, name)]
    assert len(jobs.made) == len(set(jobs.made))
    await sound(world)


async def test_a_source_changed_and_changed_back_after_any_call(world: UnderFire, prep: PrepController) -> None:
    """A → B → A while A is prepared: the end is that of a Dataset whose source was never touched."""
    await world.at_work()
    world.api.put(a_dataset_manifest("reference"))
    await world.until(lambda: world.condition("Ready", "reference") == ("True", "Available"), "the reference")
    struck: list[str] = []

    def to(name: str, source: str) -> None:
        world.api.update("Dataset", name, {"spec": {"source": {"tfds": {"name": source}}}})

    def change(name: str) -> None:
        struck.append(name)
        to(name, "cifar10")
        asyncio.get_running_loop().call_later(0.02 * len(struck), to, name, "mnist")

    def ended(name: str) -> bool:
        dataset = world.api.read("Dataset", name)
        changes = dataset["metadata"]["generation"] - 1
        there = dataset["status"].get("observedGeneration") == dataset["metadata"]["generation"]
        done = changes == (2 if name in struck else 0)
        return done and there and world.condition("Ready", name) == ("True", "Available")

    calls = await at_each_call(world, lambda name: world.api.put(a_dataset_manifest(name)), change, ended)
    assert calls >= 5
    await world.settled(2.5)
    wanted = world.api.read("Dataset", "reference")["status"]
    for name in struck:
        status = world.api.read("Dataset", name)["status"]
        assert ended(name), name
        assert status["version"]["digest"] == wanted["version"]["digest"]
        assert status["work"]["hash"] == wanted["work"]["hash"], f"{name} ends with the work of another source"
        assert len([key for key in left(world, name) if key[0] == "PersistentVolumeClaim"]) == 1
    await sound(world)


async def recreated(world: UnderFire, prep: PrepController, jobs: JobController, reader: Mirrored, times: int) -> None:
    """One name again and again, each time at another moment of the operator's work; what is there belongs to the last.

    No object ever shows what was made for a namesake, and the database knows one live row of each kind.
    """
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    await world.at_work(BLUENO_DATABASE_URL_FILE=str(reader.database.url_file))
    kinds = {"Dataset": a_dataset_manifest, RUN: a_run_manifest}
    last: dict[str, dict[str, Any]] = {}
    for number in range(times):
        for kind, manifest in kinds.items():
            if number:
                check(world.api.read(kind, "one"))
                world.api.remove(kind, "one")
            last[kind] = world.api.put(manifest("one"))["metadata"]
        await asyncio.sleep(dice.choice((0, 0, 0.01, 0.02, 0.05)))
    await world.until(lambda: world.condition("Ready", "one") == ("True", "Available"), "the last Dataset is Ready")
    await world.until(lambda: said(world, "one") == ("True", "Completed"), "the last run is Completed")
    await world.settled(2.5)
    uids = {meta["uid"] for meta in last.values()}
    for kind in kinds:
        assert check(world.api.read(kind, "one")), "it names what was made for it"
    owners = {body["metadata"].get("labels", {}).get(names.OWNER_UID) for body in world.api.all("Job")}
    assert owners == uids, "nothing of a namesake is left"
    live = "SELECT uid::text FROM projection.{} WHERE deleted_at IS NULL"
    for table in ("dataset", "training_run"):
        kind = "Dataset" if table == "dataset" else RUN
        await world.until(lambda: reader.read(live.format(table)) == [(last[kind]["uid"],)], f"one live {table}")  # noqa: B023
    await sound(world)


def check(body: dict[str, Any]) -> set[str]:
    """A status that names something made for a uid names its own: which it names. Words may tell of kept claims."""
    mine = names.uid8(body["metadata"]["uid"])
    told = set(re.findall(r"\bone-([0-9a-f]{8})\b", str({**body["status"], "conditions": ()})))
    assert told <= {mine}, f"{body['kind']} of {mine} shows {told}: {body['status']}"
    return told


async def test_recreated_two_hundred_times(
    world: UnderFire, prep: PrepController, jobs: JobController, server: pg.Server
) -> None:
    with server.database() as database:
        await recreated(world, prep, jobs, Mirrored(database), 200)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_recreated_a_thousand_times(
    world: UnderFire, prep: PrepController, jobs: JobController, server: pg.Server
) -> None:
    with server.database() as database:
        await recreated(world, prep, jobs, Mirrored(database), 1000)
