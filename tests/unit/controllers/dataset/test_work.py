"""controllers/dataset/work.py: which work, which attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from blueno.resources.work import Work
from controllers.dataset.observe import JobView
from controllers.dataset.work import wanted_work
from tests.make import OPENING, OTHER, UPLOAD, WORK, a_dataset, a_job, a_status, an_open_status

FIRST_SEAL = Work(UPLOAD, OPENING.layout, requested_at="t1")
AGAIN = Work(WORK.source, WORK.layout, requested_at="t1")
EDITED = {"meta": {"generation": 2}}


@dataclass(frozen=True)
class Row:
    """A Dataset, its Jobs, and what is wanted: the work, the attempt, the outcome known of it."""

    when: str
    dataset: dict[str, Any]
    jobs: tuple[JobView, ...]
    work: Work
    attempt: int
    outcome: str = ""


ROWS = [
    Row("a fresh object", {}, (), WORK, 1),
    Row("a request on a fresh object changes nothing", {"requested_at": "t1"}, (), WORK, 1),
    Row("the operator died between Job and status", {}, (a_job(1),), WORK, 1),
    Row("it died and the Job ended meanwhile", {}, (a_job(1, state="complete"),), WORK, 1),
    Row("running", {"status": a_status(attempt=3)}, (a_job(3),), WORK, 3),
    Row("a request while it runs changes nothing", {"status": a_status(), "requested_at": "t1"}, (a_job(),), WORK, 1),
    Row("a changed display name while it runs changes nothing", {"status": a_status(), **EDITED}, (a_job(),), WORK, 1),
    Row("sealed", {"status": a_status("Sealed")}, (), WORK, 1, "Sealed"),
    Row("a changed display name after the seal changes nothing", {"status": a_status("Sealed"), **EDITED}, (), WORK, 1,
        "Sealed"),
    Row("a request after the seal reads the source again", {"status": a_status("Sealed"), "requested_at": "t1"}, (),
        AGAIN, 2),
    Row("the same request twice does nothing more",
        {"status": a_status("Sealed", work=AGAIN, lastHandledRequest="t1"), "requested_at": "t1"}, (), AGAIN, 1,
        "Sealed"),
    Row("the annotation may go again", {"status": a_status("Sealed", work=AGAIN, lastHandledRequest="t1")}, (), AGAIN,
        1, "Sealed"),
    Row("the operator died after the Job of a request",
        {"status": a_status("Sealed"), "requested_at": "t1"}, (a_job(2, AGAIN),), AGAIN, 2),
    Row("failed", {"status": a_status("Failed")}, (a_job(state="failed"),), WORK, 1, "Failed"),
    Row("a request after a failure is the next attempt", {"status": a_status("Failed"), "requested_at": "t1"}, (),
        WORK, 2),
    Row("so is a changed spec", {"status": a_status("Failed"), **EDITED}, (), WORK, 2),
    Row("a handled request is not",
        {"status": a_status("Failed", lastHandledRequest="t1"), "requested_at": "t1"}, (), WORK, 1, "Failed"),
    Row("a retry of a request's work keeps its identity",
        {"status": a_status("Failed", work=AGAIN, lastHandledRequest="t1"), "requested_at": "t2"}, (), AGAIN, 2),
    Row("a changed source is another work, and numbers go on", {"status": a_status("Sealed", work=OTHER)}, (), WORK, 2),
    Row("also after a failure", {"status": a_status("Failed", 4, OTHER), **EDITED}, (), WORK, 5),
    Row("A, B, A again: a finished Job of A is an old one", {"status": a_status(attempt=2, work=OTHER)},
        (a_job(1, state="complete"), a_job(2, OTHER)), WORK, 3),
    Row("A, B, A again: so is one in deletion", {"status": a_status(attempt=3, work=OTHER)},
        (a_job(2, state="deleting"), a_job(3, OTHER)), WORK, 4),
    Row("A, B, A again: a Job that status does not know of", {"status": a_status(attempt=2, work=OTHER)},
        (a_job(3), a_job(2, OTHER)), WORK, 3),
]  # fmt: skip


UPLOADS = [
    Row("the first work of an upload opens its volume", {}, (), OPENING, 1),
    Row("a request beside it waits", {"requested_at": "t1"}, (), OPENING, 1),
    Row("open", {"status": an_open_status()}, (), OPENING, 1, "Open"),
    Row("a request is the first seal", {"status": an_open_status(), "requested_at": "t1"}, (), FIRST_SEAL, 2),
    Row("a seal that found nothing is over",
        {"status": an_open_status(FIRST_SEAL, 2, lastHandledRequest="t1"), "requested_at": "t1"}, (), FIRST_SEAL, 2,
        "Open"),
    Row("a request while it is sealed waits",
        {"status": a_status("", 2, FIRST_SEAL, working={"accepts": True}, lastHandledRequest="t1"),
         "requested_at": "t2"}, (a_job(2, FIRST_SEAL),), FIRST_SEAL, 2),
    Row("a request after a failed seal tries it again, and takes what was added since",
        {"status": a_status("Failed", 2, FIRST_SEAL, working={"accepts": True}, lastHandledRequest="t1"),
         "requested_at": "t2"}, (), FIRST_SEAL, 3),
]  # fmt: skip


@pytest.mark.parametrize("row", UPLOADS, ids=lambda row: row.when)
def test_wanted_work_of_uploads(row: Row) -> None:
    test_wanted_work(Row(row.when, {"source": UPLOAD, **row.dataset}, row.jobs, row.work, row.attempt, row.outcome))


WAITING = [
    ({}, {}, "t2"),
    ({}, {"source": UPLOAD}, None),
    (a_status(), {}, "t2"),
    (a_status(work=AGAIN, working={"accepts": True}, lastHandledRequest="t1"), {}, "t1"),
    (a_status("", 2, FIRST_SEAL, working={"accepts": True}, lastHandledRequest="t1"), {"source": UPLOAD}, "t1"),
    (a_status("Sealed", working={"accepts": True}, lastHandledRequest="t1"), {}, "t2"),
]


@pytest.mark.parametrize(("status", "spec", "handled"), WAITING)
def test_a_request_is_not_swallowed_where_samples_may_have_come_since_the_work_began(
    status: dict[str, Any], spec: dict[str, Any], handled: str | None
) -> None:
    """Who asks for a seal gets everything that was added before, so a seal that runs already is not enough."""
    dataset = a_dataset(status=status or None, requested_at="t2", **spec)
    assert wanted_work(dataset, ()).handled_request == handled


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.when)
def test_wanted_work(row: Row) -> None:
    wanted = wanted_work(a_dataset(**row.dataset), row.jobs)
    assert (wanted.work, wanted.attempt, wanted.outcome) == (row.work, row.attempt, row.outcome)
    assert wanted.hash == row.work.hash


def test_the_next_attempt_is_of_the_same_work_and_open() -> None:
    wanted = wanted_work(a_dataset(status=a_status("Failed", 2)), ())
    following = wanted.following()
    assert (following.work, following.attempt, following.outcome) == (WORK, 3, "")


def test_what_does_not_change_samples_makes_no_new_work() -> None:
    plain = wanted_work(a_dataset(), ()).hash
    for spec in (
        {"displayName": "Digits", "metadata": {"a": 1}},
        {"prepare": {"backoffLimit": 1, "onBadSample": "Fail"}},
        {"storage": {"existingClaim": {"name": "x"}}},
        {"suspend": True, "reclaimPolicy": "Delete"},
        {"layout": {"type": "auto"}},
    ):
        assert wanted_work(a_dataset(**spec), ()).hash == plain, spec
    assert wanted_work(a_dataset(layout={"type": "csv"}), ()).hash != plain
