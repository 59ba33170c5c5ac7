"""How long a start may take before a run says that it is starting: each thing told costs a write."""

from __future__ import annotations

from tests.unit.controllers.training_run.world import World


def test_a_slow_start_is_told() -> None:
    world = World()
    world.step()
    world.later(61)
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
    world = waited_for_its_pod(55)
    world.later(6)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Starting")


def waited_for_its_pod(seconds: int) -> World:
    """A run whose Job got its pod after so long; nothing was told."""
    world = World()
    world.step()
    world.later(seconds)
    assert world.plan()[1] == {}
    pod = world.pod(world.job, phase="Pending")
    pod["metadata"]["creationTimestamp"] = f"2026-11-24T12:00:{seconds}Z"
    assert world.plan()[1] == {}
    return world
