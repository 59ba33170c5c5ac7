"""A Dataset does not go while runs use it, none starts on one that goes, and nothing waits for ever; on real kopf."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from typing import Any

import pytest

from blueno import names
from tests.fakes.api_server import Seen
from tests.fakes.job_controller import JobController
from tests.loop.conftest import World, a_dataset_manifest
from tests.loop.runs import RUN, a_run_manifest, completed, said, writes_of

READS = [{"name": "mnist"}]
DATASET_PATH = "/datasets/mnist"


@pytest.fixture
def violations(world: World) -> list[str]:
    """Training Jobs that were made while the Dataset was gone, or carried no finalizer to hold it."""
    found: list[str] = []

    def look(seen: Seen) -> None:
        if seen.verb == "POST" and seen.path.endswith("/jobs") and seen.status == 201 and _trains(seen.body):
            held = [
                d for d in world.api.all("Dataset") if names.IN_USE_FINALIZER in d["metadata"].get("finalizers", ())
            ]
            found.extend([] if held else [seen.body["metadata"]["name"]])

    world.api.done = look
    return found


def _trains(body: Any) -> bool:
    return bool(body["metadata"]["labels"][names.ROLE_LABEL] == names.ROLE_TRAIN)


def finalizers(world: World) -> list[str]:
    return list(world.api.read("Dataset", "mnist")["metadata"].get("finalizers") or ())


def used_by(world: World) -> list[str] | None:
    found = world.api.read("Dataset", "mnist")["status"].get("usedBy")
    return None if found is None else list(found["names"])


async def runs(world: World, name: str = "train") -> None:
    await world.until(lambda: said(world, name) == ("Unknown", "Running"), f"{name} is Running")


async def settled(world: World, name: str) -> None:
    ends = ("Completed", "DatasetNotReady")
    await world.until(lambda: said(world, name)[1] in ends, f"{name} has ended or waits")


async def gone(world: World, seconds: float = 20) -> None:
    await world.until(lambda: not world.api.all("Dataset"), "the Dataset is gone", seconds)


async def test_a_run_on_a_data_set_costs_no_more_and_holds_it(
    world: World, jobs: JobController, violations: list[str]
) -> None:
    await world.at_work()
    await world.ready()
    assert finalizers(world) == []  # an idle one goes at once, operator or not
    await world.settled()
    world.api.requests.clear()
    world.api.put(a_run_manifest(datasets=READS))
    await completed(world)
    await world.settled(6)  # usedBy is written at most every five seconds
    mine = [f"{seen.verb} {seen.path.rpartition('/')[2]}" for seen in world.api.writes() if "mnist" in seen.path]
    assert mine == ["PATCH mnist", "PATCH status", "PATCH status"]  # finalizer, used by it, used by nobody
    assert len(writes_of(world)) <= 3, writes_of(world)
    assert used_by(world) == []
    assert violations == []
    world.api.remove("Dataset", "mnist")  # the finalizer waits for the next run; it does not hold up a deletion
    await gone(world)


async def test_a_deletion_waits_for_the_runs_and_goes_on_by_itself(
    world: World, jobs: JobController, violations: list[str]
) -> None:
    await world.at_work()
    world.api.put(a_dataset_manifest(reclaimPolicy="Delete"))
    await world.ready()
    jobs.runs_for = 3600
    world.api.put(a_run_manifest("one", datasets=READS))
    world.api.put(a_run_manifest("two", datasets=READS))
    await runs(world, "one")
    await runs(world, "two")
    await world.until(lambda: used_by(world) == ["one", "two"], "both are named")
    world.api.remove("Dataset", "mnist")
    await world.until(lambda: world.condition("Ready") == ("False", "InUse"), "InUse")
    (event,) = [e for e in world.api.all("Event") if e["reason"] == "InUse"]
    assert (event["type"], event["involvedObject"]["name"]) == ("Warning", "mnist")
    assert "one, two" in event["message"]

    world.api.put(a_run_manifest("late", datasets=READS))
    await world.until(lambda: said(world, "late") == ("Unknown", "DatasetNotReady"), "no new run starts on it")
    assert "being deleted" in world.api.read(RUN, "late")["status"]["pending"]["message"]
    await world.settled(2.5)
    assert world.api.all("PersistentVolumeClaim")  # nothing was erased meanwhile
    assert len([e for e in world.api.all("Event") if e["reason"] == "InUse"]) == 1  # said once

    world.api.update(RUN, "one", {"spec": {"suspend": True}})  # a run at rest holds nothing
    jobs.runs_for = 0
    await completed(world, "two")
    await gone(world)
    await world.until(lambda: not [c for c in world.api.all("PersistentVolumeClaim") if "mnist" in str(c)], "erased")
    assert violations == []


async def test_many_runs_at_once_cost_a_data_set_a_few_writes(
    world: World, jobs: JobController, violations: list[str]
) -> None:
    await world.at_work()
    await world.ready()
    await world.settled()
    world.api.requests.clear()
    jobs.runs_for, started = 2, time.monotonic()
    for number in range(30):
        world.api.put(a_run_manifest(f"run-{number:02}", datasets=READS))
    for number in range(30):
        await completed(world, f"run-{number:02}", 40)
    await world.until(lambda: used_by(world) == [], "nobody uses it")
    writes = [seen for seen in world.api.writes() if DATASET_PATH in seen.path]
    assert len([seen for seen in writes if not seen.path.endswith("/status")]) == 1  # the finalizer
    shown = [seen.body["status"]["usedBy"]["count"] for seen in writes if "usedBy" in seen.body.get("status", {})]
    assert len(shown) <= 2 + (time.monotonic() - started) / 5, shown  # at most one in five seconds
    assert len(writes_of(world)) <= 3 * 30
    assert violations == []


@pytest.mark.timeout(300)
async def test_whatever_the_moment_of_the_deletion(world: World, jobs: JobController, violations: list[str]) -> None:
    """A run that starts, and its Dataset deleted within the same few milliseconds: either wins, never both."""
    await world.at_work()
    dice, ended = random.Random(5), {"ran": 0, "waited": 0}
    for number in range(20):
        name = f"run-{number}"
        await world.ready()
        world.api.put(a_run_manifest(name, datasets=READS))
        if number % 4 == 1:
            await world.until(lambda: names.IN_USE_FINALIZER in finalizers(world), "the run holds it")
        elif number % 4:  # else before anybody can have heard of the run
            await asyncio.sleep(dice.random() * 0.06)
        world.api.remove("Dataset", "mnist")
        await gone(world)
        await settled(world, name)
        ended["ran" if said(world, name)[1] == "Completed" else "waited"] += 1
        world.api.remove(RUN, name)
    assert violations == []
    assert ended["ran"] and ended["waited"], f"the moments were all alike: {ended}"


async def test_deleted_just_before_the_job_is_made(world: World, jobs: JobController, violations: list[str]) -> None:
    """The run has put the finalizer on, its Job is under way: the Dataset knows of no Job, and stays all the same."""
    await world.at_work()
    await world.ready()
    await world.settled()
    look = world.api.done

    def delete(seen: Seen) -> None:
        look(seen)
        if seen.verb == "PATCH" and names.IN_USE_FINALIZER in seen.body["metadata"].get("finalizers", ()):
            world.api.remove("Dataset", "mnist")

    world.api.done = delete
    world.api.slow = lambda verb, path: 1.0 if verb == "POST" and path.endswith("/jobs") else 0.0
    jobs.runs_for = 3600
    world.api.put(a_run_manifest(datasets=READS))
    await world.until(lambda: world.condition("Ready") == ("False", "InUse"), "InUse")
    jobs.runs_for = 0
    await completed(world)
    await gone(world)
    assert violations == []


async def test_a_namespace_that_is_deleted_is_never_held(world: World, jobs: JobController) -> None:
    """The namespace controller deletes in any order: the Dataset first; and one run stays for ever, by a finalizer."""
    await world.at_work()
    await world.ready()
    jobs.runs_for = 3600
    world.api.put(a_run_manifest(datasets=READS))
    await runs(world)
    world.api.put(a_run_manifest("kept", datasets=READS))
    await runs(world, "kept")
    world.api.update(RUN, "kept", {"metadata": {"finalizers": ["example.org/never-goes"]}})
    world.api.terminating.add("lab")
    world.api.remove("Dataset", "mnist")
    await world.until(lambda: world.condition("Ready") == ("False", "InUse"), "InUse")
    for name in ("train", "kept"):
        world.api.remove(RUN, name)
    for job in world.api.all("Job"):
        world.api.remove("Job", job["metadata"]["name"])
    await gone(world)
    assert [run["metadata"]["name"] for run in world.api.all(RUN)] == ["kept"]  # not ours to release


async def test_an_operator_killed_between_finalizer_and_job(world: World, jobs: JobController) -> None:
    first = await world.at_work()
    await world.ready()
    await world.settled()

    def cut(seen: Seen) -> None:
        if seen.verb == "PATCH" and seen.path.endswith(DATASET_PATH):
            os.kill(first.process.pid, signal.SIGKILL)

    world.api.done = cut
    world.api.put(a_run_manifest(datasets=READS))
    await first.process.wait()
    world.api.done = lambda seen: None
    assert finalizers(world) == [names.IN_USE_FINALIZER]
    assert jobs.made == []
    world.api.put(a_run_manifest("other", datasets=[*READS, {"name": "not-there"}]))
    world.api.remove(RUN, "train")
    await world.at_work()
    world.api.remove("Dataset", "mnist")  # held by nobody: the run is gone, the other one waits for its data
    await gone(world)
    assert jobs.made == []
