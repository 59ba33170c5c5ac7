"""A Job that somebody deletes before status has named it: the run ends, and no Job is made again under its name."""

from __future__ import annotations

import pytest

from tests.unit.controllers.training_run.test_run import RUNNING, ended
from tests.unit.controllers.training_run.world import World

NAME = "train-11111111-a1"


def untold() -> World:
    """A run whose first Job and pod were made, and nothing was written yet."""
    world = World()
    world.settle()
    world.pod(world.job, phase="Pending")
    assert world.plan()[1] == {}
    return world


def take(world: World, kind: str) -> None:
    world.remove(next(body for (known, _), body in world.objects.items() if known == kind))


@pytest.mark.parametrize("foreground", [False, True], ids=["background", "foreground"])
def test_it_is_a_cancelled_run(foreground: bool) -> None:
    world = untold()
    if foreground:
        world.job["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:30Z"
    else:
        take(world, "Job")
    step = world.settle()
    assert (step.apply, step.confirm is None) == ((), foreground)  # a pod alone is not believed without asking
    assert world.condition("Succeeded") == ("Unknown", "Cancelled")
    assert (world.run["status"]["attempt"], world.run["status"]["jobRef"]) == (1, {"name": NAME})
    if foreground:
        take(world, "Job")
    world.settle()
    take(world, "Pod")
    step = world.settle()
    assert step.confirm is not None
    assert step.confirm.name == NAME
    assert world.condition("Succeeded") == ("False", "Cancelled")
    assert not [kind for kind, _ in world.objects if kind == "Job"]


def test_nobody_knows_how_a_pod_has_ended_whose_job_is_gone() -> None:
    world = untold()
    take(world, "Pod")
    world.pod(world.job, "pod-2", **ended(0, "Completed"))
    take(world, "Job")
    step = world.settle()
    assert step.confirm is not None
    assert world.condition("Succeeded") == ("False", "OutcomeLost")
    assert NAME in step.message


def test_a_run_that_was_suspended_meanwhile_does_not_use_the_name_again() -> None:
    world = untold()
    take(world, "Job")
    world.run["spec"]["suspend"] = True
    world.settle()
    take(world, "Pod")
    world.settle()
    assert world.condition("Suspended")[0] == "True"
    world.run["spec"]["suspend"] = False
    world.settle()
    assert world.job["metadata"]["name"] == "train-11111111-a2"


def test_a_later_attempt_whose_job_goes_before_status_names_it() -> None:
    world = untold()
    world.run["spec"]["suspend"] = True
    world.settle()
    take(world, "Job")
    take(world, "Pod")
    world.settle()
    world.run["spec"]["suspend"] = False
    before = dict(world.run["status"])
    world.step()
    world.run["status"] = before  # the operator is killed before it writes
    world.pod(world.job, "pod-2", **RUNNING)
    take(world, "Job")
    world.settle()
    assert world.run["status"]["jobRef"] == {"name": "train-11111111-a2"}
    assert world.condition("Succeeded") == ("Unknown", "Cancelled")
