"""Pods that their node does not take: the kubelet knows better than the scheduler, for a moment or for ever."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.pods import view_pod
from tests.unit.controllers.training_run.test_run import RUNNING, ended, started
from tests.unit.controllers.training_run.world import World

SAYS = "Pod was rejected: Predicate NodeAffinity failed"
REFUSED: dict[str, Any] = {"phase": "Failed", "reason": "NodeAffinity", "message": SAYS}


def refuse(world: World, name: str, **status: Any) -> None:
    """The newest Job's pod is refused and the Job gives up, now."""
    world.pod(world.job, name, **REFUSED | status)
    world.end_job("Failed", "BackoffLimitExceeded")
    world.job["status"]["conditions"][0]["lastTransitionTime"] = world.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_next_attempt_follows_after_a_rest() -> None:
    world = started()
    refuse(world, "pod-1")
    step = world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Restarting")
    assert step.message == f"node node1 did not take pod pod-1 (NodeAffinity: {SAYS}); attempt 2 follows"
    assert step.again_in == 10.0
    assert "completionTime" not in world.run["status"]
    world.later(10)
    world.settle()
    assert world.run["status"]["jobRef"] == {"name": "train-11111111-a2"}
    world.pod(world.job, "pod-2", **ended(0, "Completed"))
    world.end_job("Complete")
    world.settle()
    assert world.condition("Succeeded") == ("True", "Completed")
    assert world.run["status"]["attempt"] == 2


def test_the_third_refusal_in_a_row_ends_the_run() -> None:
    world = started()
    for number, rest in ((1, 10), (2, 20)):
        refuse(world, f"pod-{number}")
        assert world.settle().again_in == rest
        world.later(rest)
        world.settle()
    refuse(world, "pod-3")
    message = world.settle().message
    assert world.condition("Succeeded") == ("False", "UserError")
    assert message.startswith(
        f"node node1 would not take the pod, again and again (NodeAffinity: {SAYS}); see `kubectl"
    )
    assert world.run["status"]["failure"] == {"reason": "UserError", "pod": "pod-3"}


def test_an_attempt_that_ran_makes_the_count_begin_anew() -> None:
    world = started()
    for number in (1, 2):
        refuse(world, f"pod-{number}")
        world.settle()
        world.later(30)
        world.settle()
    run = world.run["spec"]
    world.pod(world.job, "pod-3", **RUNNING)
    run["suspend"], world.run["metadata"]["generation"] = True, 2
    world.settle()
    world.remove(world.job)
    world.objects = {key: body for key, body in world.objects.items() if body["metadata"]["name"] != "pod-3"}
    world.settle()
    run["suspend"], world.run["metadata"]["generation"] = False, 3
    world.settle()
    assert world.run["status"]["attempt"] == 4
    refuse(world, "pod-4")
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Restarting")


def test_suspended_while_it_rests() -> None:
    world = started()
    refuse(world, "pod-1")
    world.settle()
    world.run["spec"]["suspend"], world.run["metadata"]["generation"] = True, 2
    world.settle()
    world.remove(world.job)
    world.later(60)
    assert world.settle().apply == ()
    assert world.condition("Suspended") == ("True", "Suspended")


def test_of_several_nodes_one_that_refuses_is_no_failure() -> None:
    world = started(numNodes=2)
    killed = ended(143)
    killed["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = "2026-11-24T12:01:30Z"
    world.pod(world.job, "pod-0", **killed)
    refuse(
        world, "pod-1", conditions=[{"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-24T12:00:40Z"}]
    )
    world.settle()
    world.later(10)
    world.settle()
    assert world.run["status"]["attempt"] == 2
    assert "failures" not in world.run["status"]


@pytest.mark.parametrize("before", [0, 1])
def test_a_job_known_to_have_failed_before_its_pod_is_waited_for(before: int) -> None:
    world = started(backoffLimit=before)
    if before:  # how the first one ended says nothing of the second
        world.pod(world.job, "pod-0", **ended(3))
    world.pod(world.job, "pod-1", phase="Pending")
    world.end_job("Failed", "BackoffLimitExceeded")
    world.job["status"]["conditions"][0]["lastTransitionTime"] = world.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert world.settle().again_in == 1
    assert world.condition("Succeeded")[0] == "Unknown"
    world.later(5)  # it was deleted, perhaps: nobody will ever tell
    world.settle()
    assert world.condition("Succeeded") == ("False", "BackoffLimitExceeded" if before else "UserError")


@pytest.mark.parametrize(
    ("status", "refused"),
    [
        (REFUSED, True),
        ({"phase": "Failed", "reason": "OutOfcpu"}, True),
        (REFUSED | {"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, True),
        (REFUSED | {"phase": "Pending"}, False),
        (REFUSED | {"reason": "Evicted"}, False),
        (REFUSED | {"reason": "DeadlineExceeded"}, False),
        ({"phase": "Failed"}, False),
        (REFUSED | ended(137), False),
        (REFUSED | {"initContainerStatuses": [{"state": {"terminated": {"exitCode": 0}}}]}, False),
    ],
)
def test_what_counts_as_refused(status: dict[str, Any], refused: bool) -> None:
    pod = {"metadata": {"name": "pod", "creationTimestamp": ""}, "spec": {}, "status": status}
    assert view_pod(pod).refused is refused
