"""A Dataset that people upload to, on real kopf: opened, served, sealed when asked; the operator dies between."""

from __future__ import annotations

import signal
from typing import Any

from blueno import names
from tests.loop.conftest import Operator, World, a_dataset_manifest
from tests.make import open_outcome, sealed_outcome


def a_run() -> dict[str, Any]:
    return {
        "kind": "TrainingRun",
        "metadata": {"name": "train", "namespace": "lab"},
        "spec": {"image": "example.org/train:1", "datasets": [{"name": "mnist"}]},
    }


def status(world: World) -> dict[str, Any]:
    return dict(world.api.read("Dataset", "mnist")["status"])


def ask(world: World, request: str) -> None:
    """What `blueno dataset seal` does."""
    world.api.update("Dataset", "mnist", {"metadata": {"annotations": {names.REQUESTED_AT: request}}})


async def opened(world: World) -> Operator:
    """An operator, and a Dataset that takes uploads."""
    operator = await world.at_work()
    world.api.put(a_dataset_manifest(source={"upload": {}}))
    job = await world.job()
    world.bind()
    world.run_pod(job)
    world.end_pod(job, open_outcome())
    await world.until(lambda: world.condition("Ready") == ("True", "AcceptingUploads"), "it accepts uploads")
    return operator


async def sealed(world: World, attempt: int, **outcome: Any) -> None:
    """The Job of a seal does its work."""
    job = await world.job(attempt)
    world.run_pod(job)
    world.end_pod(job, sealed_outcome(writable=True, **outcome))


async def test_from_the_first_sample_to_a_run(world: World) -> None:
    operator = await opened(world)
    world.api.put(a_run())

    def waits() -> Any:
        told = world.api.read("TrainingRun", "train").get("status", {}).get("conditions", ())
        return next((c["reason"] for c in told if c["type"] == "Succeeded"), "") == "NoSealedVersion"

    await world.until(waits, "the run waits for a seal")
    uid = world.api.read("Dataset", "mnist")["metadata"]["uid"]
    asked = await world.say(operator, names.RECORDER, "index", {"dataset": uid})
    assert asked["granted"] is True
    await world.until(lambda: world.api.all("Deployment"), "the data server, before any version")
    (server,) = world.api.all("Deployment")
    mounts = server["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert [m["mountPath"] for m in mounts if m["name"] == "volume" and not m["readOnly"]] == [names.SERVED_ROOT]

    ask(world, "t1")
    await sealed(world, 2, revision=17)
    await world.until(lambda: world.condition("Ready") == ("True", "Available"), "the first version")
    assert status(world)["lastHandledRequest"] == "t1"
    assert status(world)["version"]["workingRevision"] == 17
    role = names.ROLE_TRAIN

    def trains() -> bool:
        return any(job["metadata"]["labels"].get(names.ROLE_LABEL) == role for job in world.api.all("Job"))

    await world.until(trains, "the run starts by itself")


async def test_a_seal_that_is_asked_for_while_another_one_runs_follows_it(world: World) -> None:
    await opened(world)
    ask(world, "t1")
    job = await world.job(2)
    world.run_pod(job)
    await world.until(lambda: status(world).get("lastHandledRequest") == "t1", "the first seal runs")
    ask(world, "t2")
    await world.settled(0.5)
    assert status(world)["lastHandledRequest"] == "t1"
    world.end_pod(job, sealed_outcome(writable=True, revision=3))
    await sealed(world, 3, revision=5, sequence=2, digest="ab" * 32)
    await world.until(lambda: status(world).get("lastHandledRequest") == "t2", "the second one")
    await world.until(lambda: status(world)["version"]["workingRevision"] == 5, "what came meanwhile is in it")


async def test_an_operator_that_dies_at_any_time_begins_nothing_twice(world: World) -> None:
    operator = await opened(world)
    await operator.stop(signal.SIGKILL)
    ask(world, "t1")
    await world.at_work()
    await world.job(2)
    await world.operators[-1].stop(signal.SIGKILL)
    await world.at_work()
    await sealed(world, 2)
    await world.until(lambda: world.condition("Ready") == ("True", "Available"), "the first version")
    await world.settled(0.5)
    jobs = [job["metadata"]["name"] for job in world.api.all("Job")]
    assert len(jobs) == 2, jobs
    world.api.requests.clear()
    await world.operators[-1].stop()
    await world.at_work()
    await world.settled(1.5)
    assert world.api.writes() == []


async def test_a_seal_of_nothing_changes_nothing(world: World) -> None:
    await opened(world)
    ask(world, "t1")
    job = await world.job(2)
    world.run_pod(job)
    world.end_pod(job, open_outcome())
    await world.until(lambda: status(world)["work"]["outcome"] == "Open" and "found none" in str(status(world)), "said")
    assert world.condition("Ready") == ("True", "AcceptingUploads")
    assert world.condition("Stalled")[0] == "False"
