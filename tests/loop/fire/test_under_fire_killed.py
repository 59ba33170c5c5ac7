"""The operator gone between any two of its calls (fault-matrix row 1): nothing is lost, nothing is done twice."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.job_controller import JobController
from tests.loop.conftest import Operator, a_dataset_manifest
from tests.loop.fire.conftest import UnderFire
from tests.loop.fire.prep_controller import PrepController
from tests.loop.runs import RUN, a_run_manifest, said
from tests.loop.sound import sound
from tests.loop.test_nfs import EXPORT, SITE
from tests.proxies.rules import Call, CutAfter

MOST_CALLS = 40
LEFT = ("Job", "Pod", "PersistentVolumeClaim", "PersistentVolume")

pytestmark = pytest.mark.timeout(300)


async def killed_after_each_call(
    world: UnderFire, begin: Callable[[str], dict[str, Any]], ended: Callable[[str], Any], **env: str
) -> int:
    """Every operator dies right after its k-th call about an object took effect, before it hears so; the next goes on.

    `begin` makes the object of that name, `ended` says that it has come to its end. How many calls there are.
    """
    operator = await world.at_work(**env)
    for k in range(1, MOST_CALLS):
        name = f"one-{k:02}"
        needles = (name, begin(name)["metadata"]["uid"])

        def kill(victim: Operator = operator) -> None:
            victim.process.send_signal(signal.SIGKILL)

        def is_about(call: Call, needles: tuple[str, ...] = needles) -> bool:
            return call.is_about(*needles)

        rule = world.proxy.add(CutAfter(kill), where=is_about, first=k, times=1)
        await world.until(lambda: rule.fired or ended(name), f"the end of {name}, or its {k}. call")  # noqa: B023
        if not rule.fired:
            await world.settled(0.5)  # a call after the end may kill it, too
        if not rule.fired:
            world.proxy.rules.remove(rule)  # there is no k-th call
            return k - 1
        await world.killed_at(operator)
        operator = await world.at_work(**env)
        await world.until(lambda: ended(name), f"{name}, whose operator was killed at its {k}. call")  # noqa: B023
    raise AssertionError(f"{MOST_CALLS} calls about one object, and still more")


async def test_a_training_run_survives_its_operator(world: UnderFire, jobs: JobController) -> None:
    jobs.heard = True  # else none of the calls may be the one that says Running
    calls = await killed_after_each_call(
        world,
        lambda name: world.api.put(a_run_manifest(name)),
        lambda name: said(world, name) == ("True", "Completed"),
    )
    assert calls >= 3, "it has been killed after each write at least: Job, Running, Completed"
    await sound(world)
    assert len(jobs.made) == len(set(jobs.made)) == calls + 1
    assert [run["status"]["attempt"] for run in world.api.all(RUN)] == [1] * (calls + 1)


@pytest.mark.parametrize("rests", [False, True], ids=["while-it-stops", "when-it-rests"])
async def test_a_run_that_is_suspended_and_resumed_survives_it(
    world: UnderFire, jobs: JobController, rests: bool
) -> None:
    jobs.stops_in = 0.2

    def begin(name: str) -> dict[str, Any]:
        jobs.runs_for = 3600
        return world.api.put(a_run_manifest(name))

    def ended(name: str) -> bool:
        """Suspends it when it trains, resumes it when it says that it is suspended."""
        run, reason = world.api.read(RUN, name), said(world, name)
        suspended = run["spec"].get("suspend")
        if run["status"].get("attempt") == 2:
            jobs.runs_for = 0.1  # its first attempt never ends by itself
        elif reason == ("Unknown", "Running") and suspended is None:
            world.api.update(RUN, name, {"spec": {"suspend": True}})
        elif suspended and said(world, name, "Suspended" if rests else "Succeeded")[1] == "Suspended":
            world.api.update(RUN, name, {"spec": {"suspend": False}})
        assert reason[0] != "False", f"{name} is {reason}"
        return reason == ("True", "Completed")

    calls = await killed_after_each_call(world, begin, ended)
    assert calls >= 6, "after each write at least: Job, Running, Suspended, the Job's deletion, Job, Completed"
    await world.settled()
    assert len(jobs.made) == len(set(jobs.made)) == 2 * (calls + 1)
    assert [run["status"]["attempt"] for run in world.api.all(RUN)] == [2] * (calls + 1)


@pytest.mark.parametrize(
    ("spec", "attempts"),
    [
        pytest.param({"backoffLimit": 1}, 1, id="one-node"),
        pytest.param({"backoffLimit": 1, "numNodes": 2}, 2, id="two"),
    ],
)
async def test_a_run_that_fails_once_survives_it(
    world: UnderFire, jobs: JobController, spec: dict[str, Any], attempts: int
) -> None:
    """On one node the Job replaces the pod; on several, the operator makes the next attempt."""

    def begin(name: str) -> dict[str, Any]:
        jobs.failures = 1
        return world.api.put(a_run_manifest(name, **spec))

    calls = await killed_after_each_call(world, begin, lambda name: said(world, name) == ("True", "Completed"))
    assert calls >= 4, "after each write at least: Job, Running, Restarting, Completed"
    await world.settled()
    runs = [run["status"] for run in world.api.all(RUN)]
    assert len(jobs.made) == len(set(jobs.made)) == attempts * (calls + 1)
    assert [(run["attempt"], run.get("failures", 0)) for run in runs] == [(attempts, attempts - 1)] * (calls + 1)


async def test_a_run_on_two_nodes_survives_it(world: UnderFire, jobs: JobController) -> None:
    jobs.heard = True
    calls = await killed_after_each_call(
        world,
        lambda name: world.api.put(a_run_manifest(name, numNodes=2)),
        lambda name: said(world, name) == ("True", "Completed"),
    )
    assert calls >= 4, "after each write at least: Service, Job, Running, Completed"
    await world.settled()
    assert len(jobs.made) == len(set(jobs.made)) == calls + 1
    assert len([service for service in world.api.all("Service") if "one-" in service["metadata"]["name"]]) == calls + 1


@pytest.mark.parametrize(
    "storage",
    # The path of a claim's data set is a part of that of one on NFS.
    [pytest.param({}, id="claim", marks=pytest.mark.soak), pytest.param({"storage": EXPORT}, id="nfs")],
)
async def test_a_dataset_survives_its_operator(world: UnderFire, prep: PrepController, storage: dict[str, Any]) -> None:
    """From `kubectl apply` to Ready, and from `kubectl delete` until its data are erased and nothing is left."""

    def gone(name: str) -> bool:
        known = world.api.objects.get(("Dataset", "lab", name))
        if known is None:
            return not [key for key in world.api.objects if key[0] in LEFT and name in str(world.api.objects[key])]
        if world.condition("Ready", name) == ("True", "Available"):
            world.api.remove("Dataset", name)
        return False

    def begin(name: str) -> dict[str, Any]:
        return world.api.put(a_dataset_manifest(name, reclaimPolicy="Delete", **storage))

    calls = await killed_after_each_call(world, begin, gone, **SITE)
    assert calls >= (10 if storage else 7), "it has been killed after each write at least"
    await sound(world)
    assert len(prep.made) == calls + 1, "each was prepared once"
