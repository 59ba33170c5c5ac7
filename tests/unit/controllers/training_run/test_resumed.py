"""A run that is resumed while it is still being suspended, at any moment and whoever of us was killed meanwhile."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.unit.controllers.training_run.test_places import environment
from tests.unit.controllers.training_run.test_run import RUNNING, started
from tests.unit.controllers.training_run.world import World

STEPS = 3  # of a suspension: said, deleted, waiting for the pod


def being_suspended(steps: int, killed: bool) -> World:
    """A run that trained, after so many steps of its suspension; `killed`: the status of the last was not written."""
    world = started()
    world.pod(world.job, **RUNNING)
    world.settle()
    suspend(world, True)
    for number in range(steps):
        before = copy.deepcopy(world.run["status"])
        world.step()
        if killed and number == steps - 1:
            world.run["status"] = before
    return world


def suspend(world: World, wanted: bool) -> None:
    world.run["spec"]["suspend"] = wanted
    world.run["metadata"]["generation"] += 1


@pytest.mark.parametrize("killed", [False, True], ids=["", "killed"])
@pytest.mark.parametrize(
    ("steps", "gone"),
    [(1, ()), *((steps, gone) for steps in range(2, STEPS + 1) for gone in ((), ("Job",), ("Job", "Pod")))],
)
def test_the_next_attempt_starts_when_the_pod_has_ended(steps: int, killed: bool, gone: tuple[str, ...]) -> None:
    world = being_suspended(steps, killed)
    assert ("deletionTimestamp" in world.job["metadata"]) == (steps > 1)
    for kind in gone:
        world.remove(next(body for (known, _), body in world.objects.items() if known == kind))
    suspend(world, False)
    world.settle()
    if killed and steps == 1:
        assert world.condition("Succeeded") == ("Unknown", "Running")  # nothing was begun: it trains on
        return
    if "Pod" not in gone:
        assert world.condition("Succeeded") == ("Unknown", "Pending")
        assert "an earlier attempt's pod is stopping" in world.run["status"]["pending"]["message"]
        assert world.plan()[1] == {}  # and that is said once
        for body in [body for (kind, _), body in world.objects.items() if kind in ("Job", "Pod")]:
            world.remove(body)
        world.settle()
    assert world.run["status"]["attempt"] == 2
    assert world.run["status"]["jobRef"] == {"name": "train-11111111-a2"}
    world.pod(world.job, "pod-2", **RUNNING)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Running")


def test_its_job_is_deleted_although_it_was_resumed_and_no_earlier_than_status_says_so() -> None:
    world = being_suspended(1, killed=False)
    assert "deletionTimestamp" not in world.job["metadata"]
    assert world.condition("Succeeded") == ("Unknown", "Suspended")
    suspend(world, False)
    world.settle()
    assert world.job["metadata"]["deletionTimestamp"]


def test_suspended_again_while_it_waits_for_the_pod() -> None:
    world = being_suspended(STEPS, killed=False)
    suspend(world, False)
    world.settle()
    suspend(world, True)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Suspended")
    assert world.condition("Suspended")[0] == "False"
    for body in [body for (kind, _), body in world.objects.items() if kind in ("Job", "Pod")]:
        world.remove(body)
    assert world.settle().apply == ()
    assert world.condition("Suspended") == ("True", "Suspended")


def test_a_suspension_is_written_twice() -> None:
    """That it stops, and that it has stopped."""
    world = being_suspended(1, killed=False)
    world.step()
    assert world.plan()[1] == {}
    world.remove(world.job)
    assert world.plan()[1] == {}


def test_its_gpu_seconds_are_counted_before_its_job_is_deleted() -> None:
    world = started(gpus={"count": 2})
    world.pod(world.job, **RUNNING, startTime="2026-11-24T12:00:00Z")
    world.settle()
    world.later(100)
    suspend(world, True)
    world.step()
    assert world.run["status"]["usage"]["gpuSeconds"] == 200


def on_a_lost_node(**spec: Any) -> World:
    """A run that is being suspended; its pod has its deletion, and nobody there to carry it out."""
    world = started(**spec)
    pod = world.pod(world.job, **RUNNING)
    world.settle()
    suspend(world, True)
    world.settle()
    world.remove(world.job)
    pod["metadata"]["deletionTimestamp"] = "2026-11-24T12:01:00Z"
    world.settle()
    return world


def writes_to(world: World) -> str:
    """Where the newest attempt keeps its checkpoints: as its pod has it, below its outputs."""
    return str(environment(world)["BLUENO_CHECKPOINT_DIR"]).removeprefix("/workspace/output/")


@pytest.mark.parametrize(
    ("rests", "forgotten"),
    [
        pytest.param(False, False, id="at-once"),
        pytest.param(True, False, id="rested"),
        pytest.param(True, True, id="forgotten"),
    ],
)
def test_a_pod_on_a_lost_node_does_not_share_its_checkpoints(rests: bool, forgotten: bool) -> None:
    world = on_a_lost_node()
    if rests:
        world.later(81)
        world.settle()
        assert world.condition("Suspended") == ("True", "Suspended")
    if forgotten:  # its node was removed, and with it the pod; but the process may be there
        world.remove(next(body for (kind, _), body in world.objects.items() if kind == "Pod"))
    suspend(world, False)
    world.settle()
    world.later(81)
    world.settle()
    assert world.run["status"]["attempt"] == 2
    assert (writes_to(world), world.run["status"]["outputs"]["checkpoints"]) == ("checkpoints-a2", "checkpoints-a2")


def test_an_operator_killed_before_the_attempt_is_told_has_told_where_it_writes() -> None:
    world = on_a_lost_node()
    suspend(world, False)
    world.later(81)
    while not (step := world.plan()[0]).apply:
        world.step()
    assert world.run["status"]["outputs"]["checkpoints"] == "checkpoints-a2"
    assert step.apply[0]["metadata"]["name"] == "train-11111111-a2"


def test_what_was_apart_once_stays_one_directory() -> None:
    """The pod on the lost node is there for days: attempts 2 and 3 share their checkpoints all the same."""
    world = on_a_lost_node()
    world.later(81)
    world.settle()
    for number in (2, 3):
        suspend(world, False)
        world.settle()
        assert world.run["status"]["attempt"] == number
        assert writes_to(world) == "checkpoints-a2"
        suspend(world, True)
        world.settle()
        world.remove(world.job)
        world.settle()


def test_a_pod_that_has_ended_shares_its_checkpoints() -> None:
    world = on_a_lost_node()
    world.remove(next(body for (kind, _), body in world.objects.items() if kind == "Pod"))
    world.later(81)
    world.settle()
    suspend(world, False)
    world.settle()
    assert writes_to(world) == "checkpoints"
