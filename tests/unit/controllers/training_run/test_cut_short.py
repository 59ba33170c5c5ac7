"""Programs that save their state when they are asked to end, and end with exit code 0: that is no completion."""

from __future__ import annotations

from typing import Any

import pytest

from blueno import names
from tests.unit.controllers.training_run.test_run import RUNNING, ended, started
from tests.unit.controllers.training_run.world import World

EVICTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "lastTransitionTime": "2026-11-24T12:05:00Z",
}
# Asked for at 12:05:00, as the last moment of its grace period is what the API server writes.
DELETED = {"deletionTimestamp": "2026-11-24T12:05:30Z", "deletionGracePeriodSeconds": 30}


def done(at: str) -> dict[str, Any]:
    """The status of a pod that ended well at this time of the day."""
    status = ended(0, "Completed")
    status["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = f"2026-11-24T{at}Z"
    return status


def a_world_at_work(**spec: Any) -> tuple[World, list[dict[str, Any]]]:
    world = started(**spec)
    pods = [world.pod(world.job, f"pod-{number}", **RUNNING) for number in range(spec.get("numNodes", 1))]
    world.settle()
    world.later(310)
    return world, pods


def attempt(world: World) -> tuple[int, dict[str, str] | None]:
    return world.run["status"]["attempt"], world.run["status"].get("jobRef")


@pytest.mark.parametrize("by_eviction", [True, False])
@pytest.mark.parametrize("job_first", [True, False])
def test_the_next_attempt_goes_on(by_eviction: bool, job_first: bool) -> None:
    world, (pod,) = a_world_at_work(gpus={"count": 2})
    world.run["status"]["checkpoint"] = {"path": "/workspace/output/checkpoints/step-000000000040", "step": 40}
    pod["status"] = {**done("12:05:03"), "startTime": "2026-11-24T12:00:03Z"}
    pod["metadata"]["labels"][names.ATTEMPT_LABEL] = "1"
    if by_eviction:
        pod["status"]["conditions"] = [EVICTED]
    else:
        pod["metadata"] |= DELETED
    if job_first:
        world.end_job("Complete")
    first = world.job
    step = world.step()
    assert (step.reason, attempt(world)) == ("Restarting", (1, None))
    assert ("had to leave node node1" if by_eviction else "was told to end") in step.message
    world.step()
    assert ("deletionTimestamp" in first["metadata"]) is not job_first
    world.remove(pod)
    world.settle()
    assert attempt(world) == (2, {"name": "train-11111111-a2"})
    assert world.run["status"]["usage"]["gpuSeconds"] == 600
    environment = world.job["spec"]["template"]["spec"]["containers"][0]["env"]
    assert "step-000000000040" in next(e["value"] for e in environment if e["name"] == "BLUENO_RESUME_FROM")


def test_a_job_that_is_complete_before_its_pods_end_is_seen() -> None:
    world, (pod,) = a_world_at_work()
    pod["status"] = {**RUNNING, "conditions": [EVICTED]}
    assert world.step().reason == "Running"
    world.end_job("Complete")
    world.settle()
    assert attempt(world) == (1, None)
    pod["status"] = {**done("12:05:03"), "conditions": [EVICTED]}
    world.settle()
    assert attempt(world) == (2, {"name": "train-11111111-a2"})


@pytest.mark.parametrize("by_eviction", [True, False])
def test_what_was_done_before_is_complete(by_eviction: bool) -> None:
    """Drains remove pods that are over, too."""
    world, (pod,) = a_world_at_work()
    pod["status"] = done("12:04:59")
    if by_eviction:
        pod["status"]["conditions"] = [EVICTED]
    else:
        pod["metadata"] |= DELETED
    world.settle()
    assert world.condition("Succeeded") == ("True", "Completed")


def test_what_was_replaced_and_done_is_complete() -> None:
    world, (pod,) = a_world_at_work()
    pod["status"] = {**ended(143), "conditions": [EVICTED]}
    world.settle()
    world.pod(world.job, "pod-1", **done("12:20:00"))
    world.end_job("Complete")
    world.settle()
    assert world.condition("Succeeded") == ("True", "Completed")


def test_of_several_nodes_all_start_again() -> None:
    """The rank that is left would wait for ever for the one that has ended well."""
    world, pods = a_world_at_work(numNodes=2)
    pods[0]["status"] = {**done("12:05:03"), "conditions": [EVICTED]}
    assert world.step().delete == ()  # an operator that dies here still knows that the attempt is given up
    assert attempt(world) == (1, None)
    (ref,) = world.step().delete
    assert ref.name == "train-11111111-a1"
    first = world.job
    assert world.settle().apply == ()
    assert world.condition("Succeeded")[0] == "Unknown"
    for body in (first, *pods):
        world.remove(body)
    world.settle()
    assert attempt(world) == (2, {"name": "train-11111111-a2"})
    assert world.run["status"].get("failures", 0) == 0


def test_suspended_it_is_suspended() -> None:
    world, (pod,) = a_world_at_work()
    world.run["spec"]["suspend"], world.run["metadata"]["generation"] = True, 2
    world.settle()
    pod["status"], pod["metadata"] = done("12:05:03"), pod["metadata"] | DELETED
    world.settle()
    for body in (world.job, pod):
        world.remove(body)
    world.settle()
    assert world.condition("Suspended") == ("True", "Suspended")


def test_a_rank_that_ends_because_another_has_failed_is_a_failure() -> None:
    world, pods = a_world_at_work(numNodes=2)
    pods[1]["status"] = ended(3)
    pods[0]["status"], pods[0]["metadata"] = done("12:05:03"), pods[0]["metadata"] | DELETED
    world.settle()
    assert attempt(world) == (1, {"name": "train-11111111-a1"})
    world.end_job("Failed", "BackoffLimitExceeded")
    world.settle()
    assert world.condition("Succeeded") == ("False", "UserError")


def test_a_job_whose_time_is_over_is_not_tried_again() -> None:
    world, (pod,) = a_world_at_work(activeDeadlineSeconds=300)
    pod["status"], pod["metadata"] = done("12:05:03"), pod["metadata"] | DELETED
    world.job["status"] = {"startTime": "2026-11-24T12:00:00Z"}
    world.settle()
    assert attempt(world) == (1, {"name": "train-11111111-a1"})
    world.end_job("Failed", "DeadlineExceeded")
    world.settle()
    assert world.condition("Succeeded") == ("False", "DeadlineExceeded")
