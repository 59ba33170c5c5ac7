"""How long a start may take before a run says that it is starting: each thing told costs a write."""

from __future__ import annotations

from controllers.training_run.running import UNMADE
from tests.unit.controllers.training_run.world import World


def test_a_slow_start_is_told() -> None:
    world = World()
    world.step()
    world.later(UNMADE + 1)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Starting")


def test_a_job_that_waits_for_the_job_controller_costs_no_write() -> None:
    """Among 200 at once it takes more than 20 s until each has its pod."""
    world = waited_for_its_pod(30)
    world.later(10)
    assert world.plan()[1] == {}
    world.later(11)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Starting"), "a pod that does not start is told"


def test_pods_that_are_made_again_and_again_do_not_keep_a_run_silent() -> None:
    world = waited_for_its_pod(int(UNMADE) - 5)
    world.later(6)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Starting")


def test_a_refusal_of_the_scheduler_is_told_after_three_seconds() -> None:
    world = World()
    world.step()
    world.later(30)
    refused = {"reason": "Unschedulable", "message": "1 Insufficient cpu", "lastTransitionTime": "2026-11-24T12:00:30Z"}
    pod = world.pod(world.job, phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", **refused}])
    pod["spec"] = {}
    step, changes = world.plan()
    assert (changes, step.again_in) == ({}, 3)
    world.later(3)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Unschedulable")


def test_a_pod_that_no_scheduler_looks_at_is_told() -> None:
    world = World()
    world.step()
    world.pod(world.job, phase="Pending")["spec"] = {}
    world.later(UNMADE - 1)
    assert world.plan()[1] == {}
    world.later(1)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Starting")


def waited_for_its_pod(seconds: int) -> World:
    """A run whose Job got its pod after so long; nothing was told."""
    world = World()
    world.step()
    world.later(seconds)
    assert world.plan()[1] == {}
    pod = world.pod(world.job, phase="Pending")
    pod["metadata"]["creationTimestamp"] = f"2026-11-24T12:{seconds // 60:02}:{seconds % 60:02}Z"
    assert world.plan()[1] == {}
    return world
