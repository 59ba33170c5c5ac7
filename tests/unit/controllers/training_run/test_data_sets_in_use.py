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


def resumed_on(world: World, **status: object) -> World:
    """The run, suspended and resumed after its data set was made anew with this status."""
    world.run["spec"]["suspend"] = True
    world.settle()
    world.remove(world.job)
    world.settle()
    world.remove(next(body for (kind, _), body in world.objects.items() if kind == "Dataset"))
    world.dataset("mnist")["status"] |= status
    world.run["spec"]["suspend"] = False
    world.settle()
    return world


def attempts(world: World) -> int:
    return int(world.run["status"]["attempt"])


OTHER = "cd" * 32


def test_the_version_that_a_run_began_with_has_to_be_there_when_it_is_resumed() -> None:
    world = resumed_on(a_run_on_mnist(), version={"digest": OTHER}, volume={"claimName": "new", "path": "lab/new"})
    assert (world.condition("Succeeded"), attempts(world)) == (("Unknown", "DatasetVersionNotFound"), 1)
    assert f"data set mnist has no version {DIGEST[:16]}" in world.run["status"]["pending"]["message"]
    dataset = next(body for (kind, _), body in world.objects.items() if kind == "Dataset")
    dataset["status"]["version"] = {"digest": DIGEST}  # the same content again
    world.settle()
    assert attempts(world) == 2


def test_while_it_is_prepared_anew_that_is_waited_for() -> None:
    ready = {"type": "Ready", "status": "False", "reason": "Preparing", "message": ""}
    world = resumed_on(a_run_on_mnist(), version=None, conditions=[ready])
    assert (world.condition("Succeeded"), attempts(world)) == (("Unknown", "DatasetNotReady"), 1)


def test_a_run_goes_on_with_a_version_so_old_that_status_does_not_name_it() -> None:
    newer = [f"{number:02}" * 32 for number in range(10)]
    world = resumed_on(a_run_on_mnist(), version={"digest": OTHER}, earlierVersions=newer)
    assert attempts(world) == 2


def test_a_run_goes_on_while_a_further_version_is_prepared() -> None:
    ready = {"type": "Ready", "status": "False", "reason": "Preparing", "message": ""}
    world = resumed_on(a_run_on_mnist(), conditions=[ready])
    assert attempts(world) == 2
