"""How a run holds its data sets, and that none begins on one that is being deleted."""

from __future__ import annotations

from tests.unit.controllers.training_run.world import DIGEST, World


def a_run_on_mnist() -> World:
    """A run whose first Job was made."""
    world = World(datasets=[{"name": "mnist"}])
    world.dataset("mnist")
    world.settle()
    return world


def test_its_data_sets_are_held_before_its_job_is_made() -> None:
    world = World(datasets=[{"name": "mnist"}, {"name": "cifar"}])
    world.dataset("mnist")
    world.dataset("cifar")
    made = next(step for step in (world.step() for _ in range(3)) if step.apply)
    assert [(ref.resource.kind, ref.name, ref.uid) for ref in made.hold] == [
        ("Dataset", "mnist", "uid-mnist"),
        ("Dataset", "cifar", "uid-cifar"),
    ]


def test_nothing_begins_on_a_data_set_that_is_being_deleted() -> None:
    world = World(datasets=[{"name": "mnist"}])
    dataset = world.dataset("mnist")
    dataset["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:01Z"
    step = world.settle()
    assert (step.apply, step.reason) == ((), "DatasetNotReady")
    assert "it is being deleted" in step.message


def test_a_suspended_run_does_not_resume_on_a_data_set_that_is_being_deleted() -> None:
    world = a_run_on_mnist()
    world.run["spec"]["suspend"] = True
    world.step()
    world.remove(world.job)
    world.settle()
    world.run["spec"]["suspend"] = False
    next(d for (kind, _), d in world.objects.items() if kind == "Dataset")["metadata"]["deletionTimestamp"] = "x"
    assert (world.settle().apply, world.condition("Succeeded")) == ((), ("Unknown", "DatasetNotReady"))


def test_a_run_that_uses_it_already_goes_on_with_its_next_attempt() -> None:
    world = a_run_on_mnist()
    world.run["status"]["conditions"] = [{"type": "Succeeded", "status": "Unknown", "reason": "Restarting"}]
    world.run["status"] |= {"attempt": 1, "datasets": [{"name": "mnist", "digest": DIGEST}]}
    world.remove(world.job)
    next(d for (kind, _), d in world.objects.items() if kind == "Dataset")["metadata"]["deletionTimestamp"] = "x"
    assert [m["metadata"]["name"] for m in world.step().apply] == ["train-11111111-a2"]
