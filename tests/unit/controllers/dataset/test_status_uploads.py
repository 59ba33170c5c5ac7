"""controllers/dataset/status.py of Datasets that people add samples to."""

from __future__ import annotations

from blueno.resources.work import Work
from tests.make import (
    OPENING,
    UPLOAD,
    a_claim,
    a_job,
    failed_outcome,
    open_outcome,
    sealed_outcome,
)
from tests.unit.controllers.dataset.test_status import Status, after, conditions

UPLOADS = {"source": UPLOAD}
SEAL = Work(UPLOAD, OPENING.layout, requested_at="t1")


def opened() -> Status:
    started = after(None, **UPLOADS)
    return after(started, seen={"jobs": (a_job(1, OPENING, state="complete", said=open_outcome()),)}, **UPLOADS)


def test_an_upload_is_ready_for_samples_without_a_version() -> None:
    status = opened()
    assert status["work"]["outcome"] == "Open"
    assert status["working"] == {"accepts": True}
    assert status["summary"] == {"source": "upload"}
    assert status["volume"]["claimUID"] == a_claim().uid
    said = conditions(status)
    assert said["Ready"] == ("True", "AcceptingUploads")
    assert said["Prepared"] == ("False", "AcceptingUploads")
    assert said["Indexed"] == ("False", "NoVersion")
    assert (said["Reconciling"][0], said["Stalled"][0]) == ("False", "False")
    assert after(status, **UPLOADS) == status


def test_it_stays_ready_while_it_is_sealed_and_when_that_fails() -> None:
    asked = {**UPLOADS, "requested_at": "t1"}
    sealing = after(opened(), **asked)
    assert conditions(sealing)["Ready"] == ("True", "AcceptingUploads")
    assert conditions(sealing)["Reconciling"][0] == "True"
    failed = after(sealing, seen={"jobs": (a_job(2, SEAL, state="failed", said=failed_outcome("NoSpace")),)}, **asked)
    assert conditions(failed)["Ready"] == ("True", "AcceptingUploads")
    assert conditions(failed)["Stalled"] == ("True", "NoSpace")
    done = sealed_outcome(writable=True, revision=17)
    sealed = after(sealing, seen={"jobs": (a_job(2, SEAL, state="complete", said=done),)}, **asked)
    assert conditions(sealed)["Ready"] == ("True", "Available")
    assert (sealed["version"]["workingRevision"], sealed["working"]) == (17, {"accepts": True})
    assert sealed["lastHandledRequest"] == "t1"


def test_a_volume_that_cannot_be_written_takes_no_samples() -> None:
    """A version that was adopted where the claim is mounted read-only."""
    seen = {"jobs": (a_job(1, state="complete", said=sealed_outcome(writable=False)),)}
    assert after(after(None), seen=seen)["working"] == {"accepts": False}


def test_a_request_from_before_the_loss_is_answered_by_telling_of_it() -> None:
    """A new one, by somebody who was told, begins anew."""
    gone = {"claim": None}
    lost = after(opened(), seen=gone, requested_at="t1", **UPLOADS)
    assert (conditions(lost)["Ready"], lost["lastHandledRequest"]) == (("False", "VolumeLost"), "t1")
    assert after(lost, seen=gone, requested_at="t1", **UPLOADS) == lost
    anew = after(lost, seen=gone, requested_at="t2", **UPLOADS)
    assert conditions(anew)["Ready"] == ("False", "Provisioning")
    assert "working" not in anew


def test_what_was_added_is_forgotten_with_its_claim() -> None:
    """The old Job's words are still there and do not count for the new claim."""
    seen = {"claim": a_claim(uid="another"), "jobs": (a_job(1, OPENING, state="complete", said=open_outcome()),)}
    status = after(opened(), seen=seen, **UPLOADS)
    assert "working" not in status
    assert "claimUID" not in status["volume"]
    assert conditions(status)["Ready"][0] == "False"


def test_more_splits_than_the_schema_has_room_for_are_left_out() -> None:
    splits = tuple((f"s{number}", 1) for number in range(90))
    seen = {"jobs": (a_job(1, state="complete", said=sealed_outcome(splits=splits)),)}
    assert len(after(after(None), seen=seen)["splits"]) == 64
