"""controllers/dataset/status.py: what a Step makes of the status."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.resources.outcome import Progress
from controllers.dataset import words
from controllers.dataset.case import Case
from controllers.dataset.decide import decide
from controllers.dataset.status import PROGRESS_SECONDS, project_status, source_text
from controllers.dataset.work import wanted_work
from controllers.diff import difference
from tests.fakes.merge_patch import merge
from tests.make import (
    NOW,
    OTHER,
    WORK,
    a_claim,
    a_dataset,
    a_job,
    a_report,
    a_status,
    a_world,
    failed_outcome,
    observed,
    sealed_outcome,
    stalled,
)

Status = dict[str, Any]


def after(status: Status | None = None, seconds: float = 0, seen: Status | None = None, **changes: Any) -> Status:
    """The status that one reconcile leaves behind."""
    now = NOW + timedelta(seconds=seconds)
    dataset, known = a_dataset(status=status, **changes), observed(**(seen or {}))
    wanted = wanted_work(dataset, known.jobs)
    step = decide(Case(dataset, known, wanted, a_world(), now))
    return merge(dataset.status, difference(dataset.status, project_status(dataset, known, wanted, step, now)))


def conditions(status: Status) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def since(status: Status, kind: str) -> str:
    return next(c["lastTransitionTime"] for c in status["conditions"] if c["type"] == kind)


def running(percentage: int, stage: str = "Preparing", **more: Any) -> Status:
    return {"jobs": (a_job(),), "progress": a_report(stage, percentage, **more)}


# conditions ---------------------------------------------------------------------------------------


def test_the_first_write_carries_every_condition() -> None:
    status = after(None, seen={"claim": None})
    assert conditions(status) == {
        "Indexed": ("False", "NoVersion"),
        "Prepared": ("False", "Provisioning"),
        "Ready": ("False", "Provisioning"),
        "Reconciling": ("True", "Provisioning"),
        "Stalled": ("False", "Working"),
        "VolumeReady": ("False", "ClaimMissing"),
    }
    assert {c["lastTransitionTime"] for c in status["conditions"]} == {"2026-03-01T12:00:00Z"}
    assert {c["observedGeneration"] for c in status["conditions"]} == {1}


def test_a_condition_keeps_its_time_until_its_status_flips() -> None:
    first = after(None, seen={"claim": None})
    second = after(first, 60)
    assert conditions(second)["Ready"] == ("False", "Pending")
    assert since(second, "Ready") == "2026-03-01T12:00:00Z"
    assert since(second, "VolumeReady") == "2026-03-01T12:01:00Z"


def test_a_seal_turns_everything() -> None:
    status = after(a_status(), seen={"jobs": (a_job(state="complete", said=sealed_outcome()),)})
    assert conditions(status) == {
        "Indexed": ("False", "Waiting"),
        "Prepared": ("True", "Sealed"),
        "Ready": ("True", "Available"),
        "Reconciling": ("False", "Settled"),
        "Stalled": ("False", "Working"),
        "VolumeReady": ("True", "Bound"),
    }
    assert status["summary"] == {"source": "tfds:mnist", "size": "52 MiB", "version": "1 (1a2b3c4d)"}
    assert status["volume"]["freeBytes"] == 9 << 30
    assert status["resolved"] == {"storage": "claimTemplate", "storageClassName": "standard"}


def test_the_old_version_stays_ready_while_the_next_is_made() -> None:
    status = after(a_status("Sealed", work=OTHER))
    assert conditions(status)["Ready"] == ("True", "Available")
    assert conditions(status)["Reconciling"] == ("True", "Preparing")


def test_the_old_version_stays_ready_when_the_next_fails() -> None:
    old = a_status("Sealed") | {"work": {"hash": WORK.hash, "attempt": 1, "outcome": ""}}
    status = after(old, seen={"jobs": (a_job(state="failed", said=failed_outcome()),)})
    assert conditions(status)["Ready"] == ("True", "Available")
    assert conditions(status)["Stalled"] == ("True", "ChecksumMismatch")


@pytest.mark.parametrize("claim", [None, a_claim(phase="Lost"), a_claim(deleting=True)])
def test_data_out_of_reach_is_not_ready(claim: Any) -> None:
    status = after(a_status("Sealed"), seen={"claim": claim})
    assert conditions(status)["Ready"] == ("False", "VolumeLost")


def test_a_dataset_without_a_readable_spec_says_so() -> None:
    dataset = a_dataset(status=None)
    step = decide(Case(dataset, observed(), wanted_work(dataset, ()), a_world(), NOW))
    stalled_step = replace(step, reason="InvalidSpec", message="spec.x: y", reconciling=False, stalled=True)
    status = project_status(dataset, None, None, stalled_step, NOW)
    assert conditions(status)["Stalled"] == ("True", "InvalidSpec")


def test_a_long_message_is_cut_to_what_the_schema_allows() -> None:
    job = a_job(state="failed", said=failed_outcome(message="x" * 3000))
    status = after(a_status(), seen={"jobs": (job,)})
    assert max(len(c["message"]) for c in status["conditions"]) == 1024


@pytest.mark.parametrize(
    "seen",
    [
        {"claim": None},
        {"jobs": (a_job(),)},
        running(40),
        {"jobs": (a_job(state="complete", said=sealed_outcome(bad_samples=2, bad_first=(("a.png", "X"),))),)},
        {"jobs": (a_job(state="failed", said=failed_outcome()),)},
        {"claim": a_claim(phase="Lost")},
        {"claim": a_claim(phase="Pending"), "jobs": (a_job(pods=()),)},
    ],
    ids=["claim", "job", "report", "seal", "failure", "lost", "pending"],
)
def test_a_second_look_a_moment_later_has_nothing_to_write(seen: Status) -> None:
    settled = after(after(None, seen=seen), seen=seen)
    for _ in range(4):
        again = after(settled, 0.5, seen)
        if again == settled:
            return
        settled = again
    pytest.fail("the status never settles")


# work ---------------------------------------------------------------------------------------------


def test_a_job_that_status_does_not_know_is_adopted() -> None:
    status = after(None, seen={"jobs": (a_job(1),)})
    assert status["work"] == {"hash": WORK.hash, "attempt": 1, "outcome": ""}


def test_an_idle_request_is_acknowledged() -> None:
    status = after(a_status(), seen={"jobs": (a_job(),)}, requested_at="t1")
    assert status["lastHandledRequest"] == "t1"
    assert status["work"]["attempt"] == 1


def test_a_request_is_not_acknowledged_before_its_job_is_made() -> None:
    status = after(a_status("Failed"), seen={"claim": None}, requested_at="t1")
    assert "lastHandledRequest" not in status


def test_a_changed_spec_is_not_forgotten_while_its_retry_has_to_wait() -> None:
    source = {"source": {"claim": {"name": "photos"}}}
    work = wanted_work(a_dataset(**source), ()).work
    failed = a_status("Failed", work=work, conditions=[stalled("NoSpace", "full")])
    waiting = after(failed, meta={"generation": 2}, **source)
    assert conditions(waiting)["Ready"] == ("False", "WaitingForVolume")
    there = {"source_claim": a_claim("photos")}
    started = after(waiting, 10, there, meta={"generation": 2}, **source)
    assert started["work"]["attempt"] == 2
    assert started["observedGeneration"] == 2


# progress -----------------------------------------------------------------------------------------


def test_progress_is_written_at_most_every_five_seconds() -> None:
    first = after(a_status(), 0, running(10))
    assert first["progress"]["percentage"] == 10
    assert after(first, PROGRESS_SECONDS - 1, running(11))["progress"] == first["progress"]
    assert after(first, PROGRESS_SECONDS, running(11))["progress"]["percentage"] == 11


def test_a_new_stage_is_written_at_once() -> None:
    first = after(a_status(), 0, running(10, "Downloading"))
    second = after(first, 1, running(11, "Preparing"))
    assert second["progress"]["stage"] == "Preparing"


def test_progress_never_runs_backwards_within_a_work() -> None:
    first = after(a_status(), 0, running(60))
    second = after(first, 10, running(20))
    assert second["progress"]["percentage"] == 60


def test_another_work_begins_at_its_own_percentage() -> None:
    first = after(a_status(), 0, running(60)) | {"work": {"hash": OTHER.hash, "attempt": 1, "outcome": ""}}
    second = {"jobs": (a_job(2),), "progress": a_report("Preparing", 20, attempt=2)}
    assert after(first, 10, second)["progress"]["percentage"] == 20


def test_another_attempts_report_changes_nothing() -> None:
    first = after(a_status(), 0, running(60))
    assert after(first, 10, running(90, attempt=2))["progress"] == first["progress"]


@pytest.mark.parametrize("said", [sealed_outcome(), failed_outcome()], ids=["sealed", "failed"])
def test_progress_ends_with_the_work(said: Any) -> None:
    first = after(a_status(), 0, running(60))
    state = "complete" if said.sealed else "failed"
    second = after(first, 1, {"jobs": (a_job(state=state, said=said),), "progress": a_report(percentage=60)})
    assert "progress" not in second
    assert "progress" not in second["summary"]


def test_summary_of_progress() -> None:
    assert after(a_status(), 0, running(43, estimated_remaining_seconds=130))["summary"]["progress"] == "43% 2m10s"
    assert after(a_status(), 0, running(43))["summary"]["progress"] == "43%"


# words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"tfds": {"name": "mnist"}}, "tfds:mnist"),
        ({"tfds": {"name": "mnist", "config": "small"}}, "tfds:mnist/small"),
        ({"archive": {"files": [{"url": "https://x.org/a/digits.tar.gz?token=s3cret"}]}}, "archive:digits.tar.gz"),
        ({"archive": {"files": [{"url": "https://x.org/a.zip"}, {"url": "b"}]}}, "archive:a.zip +1"),
        ({"claim": {"name": "photos", "path": "2019"}}, "claim:photos/2019"),
        ({"claim": {"name": "photos"}}, "claim:photos"),
    ],
)
def test_source_text(source: Status, text: str) -> None:
    assert source_text(source) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (52 << 20, "52 MiB"), (5 << 50, "5120 TiB")],
)
def test_size(count: int, text: str) -> None:
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5s"), (60, "1m"), (130, "2m10s"), (1799, "29m"), (3600, "1h"), (5400, "1h30m"), (90000, "25h")],
)
def test_duration(seconds: int, text: str) -> None:
    assert words.duration(seconds) == text


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 20)), max_size=8))
def test_whatever_pods_report_progress_only_grows(reports: list[tuple[int, float]]) -> None:
    status, clock, shown = a_status(), 0.0, 0
    for percentage, wait in reports:
        clock += wait
        status = after(status, clock, {"jobs": (a_job(),), "progress": Progress(WORK.hash, 1, "Preparing", percentage)})
        assert shown <= status["progress"]["percentage"] <= 100
        shown = status["progress"]["percentage"]
