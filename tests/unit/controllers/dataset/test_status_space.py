"""Progress reports of a pod that waits for space: the reason, the numbers, and how often they are written."""

from __future__ import annotations

from typing import Any

from controllers.dataset.status import PROGRESS_SECONDS
from tests.make import a_job, a_pod, a_report, a_status, an_ended_pod, failed_outcome, sealed_outcome
from tests.unit.controllers.dataset.test_status import after, conditions, running


def no_room(free: int) -> dict[str, Any]:
    text = f"the data set needs 1.2 GiB, {free} MiB are free"
    sizes = {"needed_bytes": 1288490188, "free_bytes": free << 20, "capacity_bytes": 2 << 30}
    return {"jobs": (a_job(),), "progress": a_report("WaitingForSpace", 40, waiting_message=text, **sizes)}


def test_waiting_for_space_is_a_reason_that_goes_away_by_itself() -> None:
    first = after(a_status(), 0, no_room(300))
    assert conditions(first)["Ready"] == ("False", "WaitingForSpace")
    assert conditions(first)["Reconciling"][0] == "True"
    assert conditions(first)["Stalled"][0] == "False"
    assert first["progress"]["stage"] == "WaitingForSpace"
    assert (first["volume"]["freeBytes"], first["volume"]["capacityBytes"]) == (300 << 20, 2 << 30)
    assert "needs 1.2 GiB, 300 MiB are free" in str(first["conditions"])
    on = after(first, 1, running(41))
    assert conditions(on)["Ready"] == ("False", "Preparing")


def test_free_bytes_that_change_every_moment_are_written_no_oftener_than_progress() -> None:
    first = after(a_status(), 0, no_room(300))
    assert after(first, PROGRESS_SECONDS - 1, no_room(299)) == first
    later = after(first, PROGRESS_SECONDS, no_room(298))
    assert later["volume"]["freeBytes"] == 298 << 20
    assert "298 MiB are free" in str(later["conditions"])


def test_counts_in_the_message_wait_for_the_next_write_of_progress() -> None:
    def at(done: int) -> dict[str, Any]:
        return {"jobs": (a_job(),), "progress": a_report("Preparing", 40, samples_done=done, samples_total=900)}

    first = after(a_status(), 0, at(10))
    assert after(first, 1, at(20)) == first
    assert "30 of 900" in str(after(first, PROGRESS_SECONDS, at(30))["conditions"])


def test_what_an_earlier_pod_saw_does_not_come_back_while_one_works() -> None:
    failed = an_ended_pod(failed_outcome("PrepFailed", free_bytes=1 << 20, capacity_bytes=2 << 30))
    before = after(a_status(), 0, {"jobs": (a_job(pods=(failed,)),)})
    assert before["volume"]["freeBytes"] == 1 << 20
    works = {**no_room(300), "jobs": (a_job(pods=(failed, a_pod("pod-2"))),)}
    first = after(before, 1, works)
    assert first["volume"]["freeBytes"] == 300 << 20
    assert after(first, 2, works) == first


def test_the_seal_brings_them_while_the_pods_phase_is_still_running() -> None:
    """The kubelet shows the termination message before it changes the phase; Ready is written then."""
    outcome = sealed_outcome(free_bytes=5 << 30, capacity_bytes=9 << 30)
    sealed = after(a_status(), 0, {"jobs": (a_job(pods=(a_pod(outcome=outcome),)),)})
    assert conditions(sealed)["Ready"][0] == "True"
    assert sealed["volume"]["freeBytes"] == 5 << 30
