"""A run in a queue of Kueue's, on the real API server: why it waits, within ten seconds, until it is let go.

Kueue itself is not here: the test writes what it would write (tests/e2e/kueue.py).
"""

from __future__ import annotations

import pytest

from tests.e2e.kube import Kube
from tests.e2e.kueue import hold, kueue_installed, make_workload, say, suspend
from tests.e2e.runs import status_of, wait_reason
from tests.e2e.test_training_waits import WITHIN, healed, named

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

FULL = "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor a100, 2 more"
AWAY = "Preempted to accommodate a workload (UID: 77) due to prioritization in the ClusterQueue"
TWICE = """
    import pathlib, time
    seen = pathlib.Path("/workspace/output/seen")
    if not seen.exists():
        seen.touch()
        time.sleep(300)
"""
ADMITTED = (
    ("QuotaReserved", "True", "QuotaReserved", "Quota reserved in ClusterQueue all"),
    ("Evicted", "False", "QuotaReserved", f"Previously: {AWAY}"),
    ("Preempted", "False", "QuotaReserved", f"Previously: {AWAY}"),
    ("Admitted", "True", "Admitted", "The workload is admitted"),
)


def test_from_the_queue_to_the_end_with_a_preemption(kube: Kube) -> None:
    job = hold(kube, "queued", program=TWICE)
    named(kube, "queued", "Queued", "team", "Kueue is not installed in this cluster")
    with kueue_installed(kube):  # later than the operator, which is not restarted
        named(kube, "queued", "Queued", "no Workload yet", "team")
        make_workload(kube, job)
        say(kube, job, ("QuotaReserved", "False", "WaitingForQuota", FULL))
        named(kube, "queued", "WaitingForQuota", f"Kueue, queue team: {FULL}")
        say(kube, job, *ADMITTED)
        suspend(kube, job, held=False)
        wait_reason(kube, "queued", "Running")
        assert "pending" not in status_of(kube, "queued")
        suspend(kube, job, held=True)
        preempted = (("Evicted", "True", "Preempted", AWAY), ("Preempted", "True", "InClusterQueue", AWAY))
        say(kube, job, *preempted, ("QuotaReserved", "False", "WaitingForQuota", FULL))
        named(kube, "queued", "Preempted", AWAY, f"now: {FULL}")
        assert status_of(kube, "queued")["jobRef"]["name"] == job
        say(kube, job, *ADMITTED)
        suspend(kube, job, held=False)
        healed(kube, "queued")
        assert status_of(kube, "queued")["attempt"] == 1


def test_queues_that_are_not_there_or_stand_still(kube: Kube) -> None:
    with kueue_installed(kube):
        job = hold(kube, "lost", queue="nowhere")
        named(kube, "lost", "Queued", "no Workload yet", "nowhere")
        make_workload(kube, job, "nowhere")
        say(kube, job, ("QuotaReserved", "False", "Inadmissible", "LocalQueue nowhere doesn't exist"))

        def says(word: str) -> None:
            kube.wait(word, lambda: word in status_of(kube, "lost").get("pending", {}).get("message", ""), WITHIN)
            named(kube, "lost", "Queued")

        says("LocalQueue nowhere doesn't exist; `kubectl get localqueues`")
        say(kube, job, ("QuotaReserved", "False", "Suspended", "ClusterQueue all is stopped"))
        says("ClusterQueue all is stopped; whoever manages the queues")
        reserved = ("QuotaReserved", "True", "QuotaReserved", "Quota reserved in ClusterQueue all")
        check = {"name": "nodes", "state": "Pending", "message": "two nodes were asked for"}
        at = {"lastTransitionTime": "2026-11-24T12:00:00Z"}
        say(kube, job, reserved, admissionChecks=[check | at])
        says("admission check: nodes is Pending (two nodes were asked for)")
        suspend(kube, job, held=False)
        healed(kube, "lost")
