"""A run that Kueue holds: reason and sentence for every condition of its Workload, and none when it is let go."""

from __future__ import annotations

from typing import Any

import pytest

from blueno import names
from blueno.resources.workload import Admission, Workload
from tests.unit.controllers.training_run.kueue import a_workload, condition, says
from tests.unit.controllers.training_run.test_run import RUNNING, started
from tests.unit.controllers.training_run.world import World

FULL = "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor a100, 2 more"
TOO_MUCH = (
    "couldn't assign flavors to pod set main: insufficient quota for nvidia.com/gpu in flavor a100, "
    "previously considered podsets requests (0) + current podset request (16) > maximum capacity (8)"
)


def held(admission: Admission | None = None, queue: str | None = "team") -> World:
    """A run whose Job Kueue holds."""
    world = started(**({"queueName": queue} if queue else {}))
    world.job["spec"]["suspend"] = True  # what Kueue's webhook does
    world.later(4)
    world.admission = admission
    world.settle()
    return world


def pending(world: World) -> tuple[str, str]:
    found = world.run["status"]["pending"]
    assert world.condition("Succeeded") == ("Unknown", found["reason"])
    assert world.condition("Stalled")[0] == "False"
    return found["reason"], found["message"]


def quota(reason: str, message: str) -> dict[str, Any]:
    return condition("QuotaReserved", "False", reason, message)


QUEUES = "kubectl get localqueues"
STOPPED = "has to start it"
NEVER = "can never start like this"


@pytest.mark.parametrize(
    ("reason", "message", "shown", "hint"),
    [
        ("WaitingForQuota", FULL, "WaitingForQuota", ""),
        ("Pending", FULL, "WaitingForQuota", ""),  # as Kueue said it before it had words for it
        ("ExceedsMaxQuota", TOO_MUCH, "WaitingForQuota", NEVER),
        ("Pending", TOO_MUCH, "WaitingForQuota", NEVER),
        ("WaitingForPreemptedWorkloads", "Pending the preemption of 1 workload(s)", "WaitingForQuota", ""),
        ("Misconfigured", "LocalQueue team doesn't exist", "Queued", QUEUES),
        ("Inadmissible", "LocalQueue team doesn't exist", "Queued", QUEUES),
        ("Misconfigured", "ClusterQueue all doesn't exist", "Queued", QUEUES),
        ("Inadmissible", "LocalQueue team is terminating or missing", "Queued", QUEUES),
        ("Suspended", "LocalQueue team is stopped", "Queued", STOPPED),
        ("Inadmissible", "ClusterQueue all is inactive", "Queued", STOPPED),
        ("Inadmissible", "ClusterQueue all is stopped", "Queued", STOPPED),
        ("NoMatchingFlavor", "flavor a100 doesn't match node affinity", "Queued", "spec.nodeSelector"),
        ("TopologyPlacementFailed", 'topology "rack" allows to fit only 1 out of 2 pod(s)', "Queued", ""),
        ("WaitingForPodsReady", "waiting for all admitted workloads to be in PodsReady condition", "Queued", ""),
        ("PendingEvaluation", "Workload is pending evaluation in the scheduling queue", "Queued", ""),
        ("SomethingNew", "", "Queued", ""),
    ],
)
def test_why_it_has_no_quota(reason: str, message: str, shown: str, hint: str) -> None:
    said = pending(held(says(quota(reason, message))))
    assert said[0] == shown
    assert f"Kueue, queue team: {message or reason}" in said[1]
    assert hint in said[1]
    assert (";" in said[1]) == bool(hint)


def test_no_word_of_kueues_yet() -> None:
    assert pending(held(says())) == ("Queued", "Kueue has not looked at it yet in queue team")
    assert "no Workload yet" in pending(held(Admission(True)))[1]


def test_quota_but_not_admitted_names_the_check() -> None:
    checks = [
        {"name": "budget", "state": "Ready", "message": "fine"},
        {"name": "nodes", "state": "Pending", "message": "asking the autoscaler for 2 nodes"},
        {"name": "approval", "state": "Retry", "message": ""},
    ]
    reserved = condition("QuotaReserved", "True", "QuotaReserved", "Quota reserved in ClusterQueue all")
    not_yet = condition("Admitted", "False", "UnsatisfiedAdmissionChecks", "The workload has not all checks ready")
    reason, message = pending(held(says(reserved, not_yet, admissionChecks=checks)))
    assert reason == "Queued"
    assert message.endswith(
        "an admission check: nodes is Pending (asking the autoscaler for 2 nodes); approval is Retry"
    )
    assert "not all checks ready" in pending(held(says(reserved, not_yet)))[1]


def test_admitted_and_about_to_start_then_running() -> None:
    done = (
        condition("QuotaReserved", "True", "QuotaReserved"),
        condition("Admitted", "True", "Admitted", "The workload is admitted"),
        condition("PodsReady", "False", "WaitForStart", "Not all pods are ready or succeeded"),
    )
    world = held(says(quota("WaitingForQuota", FULL)))
    assert pending(world)[0] == "WaitingForQuota"
    world.admission = says(*done)
    world.settle()
    assert pending(world)[0] == "Starting"
    world.job["spec"]["suspend"] = False
    world.pod(world.job, **RUNNING)
    world.settle()
    assert world.condition("Succeeded") == ("Unknown", "Running")
    assert "pending" not in world.run["status"]
    assert "Kueue" not in str(world.run["status"])


def test_preempted_says_by_what_and_what_it_waits_for_now() -> None:
    away = "Preempted to accommodate a workload (UID: 1) due to prioritization in the ClusterQueue"
    world = started(queueName="team")
    pod = world.pod(world.job, **RUNNING)
    world.settle()
    world.job["spec"]["suspend"] = True
    world.remove(pod)
    world.admission = says(
        condition("Evicted", "True", "Preempted", away),
        condition("Preempted", "True", "InClusterQueue", away),
        quota("Pending", away),
    )
    world.settle()
    said = pending(world)
    assert said == ("Preempted", f"Kueue took its place away: {away}; Kueue admits it when the queue has room")
    world.admission = says(
        condition("Evicted", "True", "Preempted", away),
        condition("Preempted", "True", "InClusterQueue", away),
        quota("WaitingForQuota", FULL),
    )
    world.settle()
    assert f"{away}; now: {FULL}; Kueue admits it" in pending(world)[1]
    world.admission = says(  # quota is reserved anew: the eviction is over
        condition("Evicted", "False", "QuotaReserved", f"Previously: {away}"),
        condition("Preempted", "False", "QuotaReserved", f"Previously: {away}"),
        condition("QuotaReserved", "True", "QuotaReserved"),
        condition("Admitted", "True", "Admitted"),
    )
    world.settle()
    assert pending(world)[0] == "Starting"
    assert world.run["status"]["attempt"] == 1  # the same Job goes on


@pytest.mark.parametrize("why", ["PodsReadyTimeout", "ClusterQueueStopped", "AdmissionCheck", "NodeFailures"])
def test_evicted_and_tried_again_at_a_time(why: str) -> None:
    state = {"count": 3, "requeueAt": "2026-11-24T12:05:00Z"}
    gone = condition("Evicted", "True", why, "Exceeded the PodsReady timeout lab/job-train")
    reason, message = pending(held(says(gone, quota("Pending", ""), requeueState=state)))
    assert reason == "Queued"
    assert f"Kueue evicted it ({why}): Exceeded the PodsReady timeout" in message
    assert message.endswith("Kueue tries it again at 2026-11-24T12:05:00Z (tried again 3 times so far)")


def test_preempted_by_its_reason_alone() -> None:
    assert pending(held(says(condition("Evicted", "True", "Preempted", "by lab/other"))))[0] == "Preempted"


def test_switched_off_says_how_to_switch_it_on() -> None:
    gone = condition("Evicted", "True", "DeactivatedDueToRequeuingLimitExceeded", "exceeding the requeuing limit")
    reason, message = pending(held(says(gone, active=False)))
    assert reason == "Queued"
    assert "switched off (exceeding the requeuing limit)" in message
    assert "kubectl patch workload job-train-11111111-a1-3f1c2 --type=merge" in message


def test_blocked_by_a_gate_and_finished() -> None:
    gate = condition("BlockedOnPreemptionGates", "True", "PreemptionGated", "waits for gate tenant-a")
    assert "waits for gate tenant-a" in pending(held(says(gate, quota("WaitingForQuota", FULL))))[1]
    over = condition("Finished", "True", "OutOfSync", "The prebuilt workload is out of sync with its user job")
    assert "finished (OutOfSync): The prebuilt" in pending(held(says(over)))[1]


def test_without_kueue_and_when_it_cannot_be_asked() -> None:
    reason, message = pending(held(Admission(installed=False)))
    assert reason == "Queued"
    assert "waits for queue team, but Kueue is not installed" in message
    assert "suspended, not by Blueno" in pending(held(Admission(installed=False), queue=None))[1]
    assert "suspended, not by Blueno" in pending(held(Admission(True), queue=None))[1]
    reason, message = pending(held(Admission(None, trouble="LIST workloads: 403 forbidden")))
    assert "to queue team yet" in message
    assert "403 forbidden" in message


def test_a_queue_that_kueue_gave_it_is_shown_as_such() -> None:
    """Kueue may manage Jobs that name no queue."""
    said = pending(held(says(quota("WaitingForQuota", FULL)), queue=None))
    assert said == ("WaitingForQuota", f"Kueue, its queue: {FULL}")


def test_a_moment_of_holding_is_not_worth_a_word() -> None:
    world = started(queueName="team")
    assert world.job["metadata"]["labels"][names.KUEUE_QUEUE_LABEL] == "team"
    assert "suspend" not in world.job["spec"]
    world.job["spec"]["suspend"] = True
    step, changes = world.plan()
    assert (step.quiet, step.queue, changes) == (True, None, {})
    assert 0 < (step.again_in or 0) <= 3
    world.later(4)
    step, changes = world.plan()
    assert step.queue is not None
    assert (step.queue.name, step.queue.uid) == (world.job["metadata"]["name"], world.job["metadata"]["uid"])
    assert step.again_in == 5
    assert changes


def test_the_job_is_never_resumed_by_us() -> None:
    world = held(says(condition("Admitted", "True", "Admitted")))
    step = world.step()
    assert (step.apply, step.patch, step.delete) == ((), (), ())
    assert world.job["spec"]["suspend"] is True


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metadata": None, "spec": [], "status": "x"},
        {"status": {"conditions": [None, 3, {"type": 4}], "admissionChecks": {}, "requeueState": {"count": "x"}}},
        {"status": {"conditions": {"type": "Admitted"}, "requeueState": []}},
    ],
)
def test_nonsense_is_no_error(body: dict[str, Any]) -> None:
    assert pending(held(Admission(True, Workload.parse(body))))[0] == "Queued"


def test_hostile_words_stay_one_bounded_line() -> None:
    evil = quota("WaitingForQuota", "line\n\x1b[31mred\x00 " + "x" * 40_000)
    message = pending(held(says(evil)))[1]
    assert message.isprintable()
    assert len(message) < 500
    assert "line [31mred" in message
    assert Workload.parse(a_workload(evil)).conditions[0].message.endswith("…")
