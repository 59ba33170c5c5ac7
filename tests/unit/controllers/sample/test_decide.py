"""The rules of a Sample: what is written when, and what is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from blueno import names
from blueno.resources.ingest import ENDS
from blueno.resources.sample_reasons import SAMPLE_REASONS
from blueno.resources.sample_reasons import SampleReason as R
from tests.unit.controllers.sample.world import SAMPLE, World


def test_the_first_write_guards_it_and_gives_it_to_its_dataset() -> None:
    world = World()
    world.dataset()
    body = world.sample()
    step = world.step(body)
    assert (step.finalizer, step.quiet, step.apply) == (True, True, ())
    assert step.owner is not None
    assert (step.owner["uid"], step.owner["controller"]) == ("uid-mnist", False)
    assert world.roster.first(("lab", "mnist"), 9, world.now) == ("uid-one",)


def test_the_first_in_line_makes_one_job_for_all_and_nobody_writes_a_status() -> None:
    world = World()
    world.dataset()
    bodies = [world.guarded(f"s{number}") for number in range(50)]
    for _ in range(2):
        for body in reversed(bodies):
            world.step(body)
    (job,) = world.jobs()
    assert job["metadata"]["name"] == "mnist-uidmnist-ingest-1"
    assert all(body["status"] == {"observedGeneration": -1} for body in bodies)


def test_what_a_pod_says_becomes_the_status_and_it_leaves_the_line() -> None:
    world = World()
    world.dataset()
    body = world.guarded()
    world.tell(body, samples=1, key="one", digest="ab" * 32, shape="8x8x3", dtype="uint8", bytes=99)
    world.step(body)
    assert world.ready(body) == ("True", "Available")
    status = body["status"]
    assert (status["datasetUID"], status["digest"], status["samples"]) == ("uid-mnist", "ab" * 32, 1)
    assert status["summary"] == {"source": "file:a.png", "shape": "8x8x3 uint8"}
    assert world.roster.first(("lab", "mnist"), 9, world.now) == ()
    world.results.clear()
    assert world.step(body).quiet


@pytest.mark.parametrize("reason", [R(reason) for reason in ENDS if reason != R.REMOVING])
def test_flags_follow_the_reason(reason: R) -> None:
    world = World()
    world.dataset()
    body = world.guarded()
    world.tell(body, reason, samples=int(reason in (R.AVAILABLE, R.PARTLY_AVAILABLE)))
    if not ENDS[reason]:
        world.roster.rest("uid-one", world.now + timedelta(seconds=15))
    step = world.step(body)
    doc = SAMPLE_REASONS[reason]
    said = {c["type"]: c["status"] for c in body["status"]["conditions"]}
    assert said["Stalled"] == str(doc.stalled)
    assert said["Reconciling"] == str(doc.healable)
    assert said["Ready"] == str(not doc.stalled and not doc.healable)
    assert step.again_in == (15 if doc.healable else None)


def test_what_failed_and_may_heal_waits_and_is_then_in_line_again() -> None:
    world = World()
    world.dataset()
    body = world.guarded()
    world.tell(body, R.SOURCE_UNAVAILABLE, message="it does not answer")
    world.roster.rest("uid-one", world.now + timedelta(seconds=15))
    world.step(body)
    assert world.ready(body) == ("False", "SourceUnavailable")
    assert world.roster.first(("lab", "mnist"), 9, world.now) == ()
    world.later(14)
    assert not world.step(body).apply
    world.later(2)
    assert world.step(body).apply
    assert world.ready(body) == ("False", "SourceUnavailable")  # said already


def test_a_change_or_a_request_ends_the_rest() -> None:
    world = World()
    world.dataset()
    for change in ({"generation": 2}, {"annotations": {names.REQUESTED_AT: "now"}}):
        body = world.guarded()
        world.tell(body, R.SOURCE_UNAVAILABLE)
        world.roster.rest("uid-one", world.now + timedelta(seconds=1000))
        world.step(body)
        assert world.roster.first(("lab", "mnist"), 9, world.now) == ()
        body["metadata"] |= change
        world.put(SAMPLE, body)
        assert world.roster.first(("lab", "mnist"), 9, world.now) == ("uid-one",)
        world.cache.remove(SAMPLE, "uid-one")
        world.cache._gone.clear()  # the next one has the same uid


def test_a_result_about_an_older_spec_says_nothing() -> None:
    world = World()
    world.dataset()
    body = world.guarded()
    world.tell(body, samples=1)
    body["metadata"]["generation"] = 2
    world.put(SAMPLE, body)
    world.step(body)
    assert world.ready(body) == ("", "")


def test_without_its_dataset_it_waits_and_carries_nothing() -> None:
    world = World()
    body = world.sample()
    body["metadata"]["creationTimestamp"] = world.stamp()
    world.put(SAMPLE, body)
    step = world.step(body)
    assert (step.quiet, step.again_in) == (True, 3.0)  # it may come in the same breath
    world.later(4)
    world.step(body)
    assert world.ready(body) == ("False", "DatasetNotFound")
    assert "finalizers" not in body["metadata"]
    dataset = world.dataset(ready=False)
    world.step(body)
    assert world.ready(body) == ("False", "DatasetNotReady")
    dataset["status"]["conditions"][0]["status"] = "True"
    world.put("Dataset", dataset)
    assert list(world.kind.interested("Dataset", dataset)) == [(SAMPLE, "uid-one")]
    assert world.step(body).finalizer


def test_a_deleted_one_goes_only_when_the_pod_has_removed_it() -> None:
    world = World()
    world.dataset()
    body = world.guarded()
    world.tell(body, samples=1, key="one")
    world.step(body)
    world.delete(body)
    step = world.step(body)
    assert step.apply
    assert step.finalizer is None
    world.tell(body, R.AVAILABLE)  # of a pod that was still bringing it in
    assert world.step(body).finalizer is None
    world.tell(body, R.REMOVING)
    assert world.step(body).finalizer is False


@pytest.mark.parametrize("how", ["gone", "going", "another"])
def test_with_its_dataset_it_is_released_at_once(how: str) -> None:
    world = World()
    dataset = world.dataset()
    body = world.guarded()
    world.tell(body, samples=1, key="one")
    world.step(body)
    world.delete(body)
    if how == "going":
        dataset["metadata"]["deletionTimestamp"] = world.stamp()
        world.put("Dataset", dataset)
    else:
        world.cache.remove("Dataset", "uid-mnist")
    if how == "another":
        dataset = world.dataset("uid-second")
    else:
        assert (SAMPLE, "uid-one") in list(world.kind.interested("Dataset", dataset))
    assert world.step(body).finalizer is False


def test_a_dataset_of_the_same_name_gets_them_anew() -> None:
    world = World()
    world.dataset()
    body = world.guarded()
    world.tell(body, samples=1, key="one")
    world.step(body)
    world.results.clear()
    world.cache.remove("Dataset", "uid-mnist")
    assert world.step(body).quiet
    world.dataset("uid-second")
    assert world.roster.first(("lab", "mnist"), 9, world.now) == ("uid-one",)
    step = world.step(body)
    assert step.finalizer
    assert step.owner is not None
    assert step.owner["uid"] == "uid-second"


def test_a_job_that_does_nothing_is_followed_later_and_later() -> None:
    world = World()
    world.dataset()
    body = world.guarded()
    pauses = []
    for _ in range(5):
        world.step(body)
        world.end_job("Failed")
        step = world.step(body)
        assert step.again_in is not None
        pauses.append(step.again_in)
        world.later(step.again_in)
    assert pauses == [5, 10, 20, 40, 80]
    assert world.ready(body) == ("False", "IngestFailed")
    world.step(body)
    world.end_job(said={"settled": 3})
    assert world.step(body).apply
    numbers = [job["metadata"]["labels"][names.ATTEMPT_LABEL] for job in world.jobs()]
    assert numbers == [str(number) for number in range(1, 8)]


def test_no_second_pod_while_the_first_may_write() -> None:
    world = World()
    world.dataset()
    body = world.guarded()
    world.step(body)
    (job,) = world.jobs()
    world.pod(job, {"running": {}})
    world.cache.remove("Job", job["metadata"]["uid"])
    step = world.step(body)
    assert (step.apply, step.again_in) == ((), 5.0)


def test_trouble_is_said_by_the_first_ten_in_line() -> None:
    world = World()
    world.dataset()
    bodies = [world.guarded(f"s{number}") for number in range(30)]
    world.step(bodies[0])
    (job,) = world.jobs()
    waits = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    pod = world.pod(job, {}, "Pending", conditions=[waits])
    assert len(list(world.kind.interested("Pod", pod))) == 10
    for body in bodies:
        world.step(body)
    assert [world.ready(body)[1] for body in bodies] == ["Unschedulable"] * 10 + [""] * 20


def test_a_spec_that_cannot_be_understood_is_settled_until_it_changes() -> None:
    world = World()
    world.dataset()
    body = world.sample(label={"a": "x" * 5000})
    world.step(body)
    assert world.ready(body) == ("False", "InvalidSpec")
    assert "spec.label" in body["status"]["conditions"][0]["message"]
    assert "finalizers" not in body["metadata"]
    assert world.step(body).quiet or not world.step(body).apply


def test_a_terminating_namespace_lets_the_first_go() -> None:
    world = World()
    world.dataset()
    body = world.guarded()
    world.delete(body)
    assert world.step(body).release_if_refused
