"""controllers/dataset/decide.py: what its Steps write into status, and its finer words."""

from __future__ import annotations

from typing import Any

import pytest

from blueno.resources.dataset import Storage
from controllers.dataset.case import Case
from controllers.dataset.decide import decide
from controllers.dataset.work import wanted_work
from controllers.step import Step
from tests.make import (
    NOW,
    WORK,
    a_claim,
    a_dataset,
    a_job,
    a_status,
    a_world,
    before,
    failed_outcome,
    observed,
    sealed_outcome,
)

HOST = Storage("hostPath", {"path": "/data"})
RUNNING = a_status()
SEALED = a_status("Sealed")
CLAIM_SOURCE = {"source": {"claim": {"name": "photos"}}}


def decided(changes: dict[str, Any], seen: dict[str, Any], **config: Any) -> Step:
    dataset, known = a_dataset(**changes), observed(**seen)
    return decide(Case(dataset, known, wanted_work(dataset, known.jobs), a_world(**config), NOW))


@pytest.mark.parametrize("modes", [[], ["ReadWriteOnce"]], ids=["a template without access modes", "one with them"])
def test_advice_on_access_modes(modes: list[str]) -> None:
    storage = Storage("claimTemplate", {"accessModes": modes} if modes else {})
    claim = a_claim(phase="Pending", created=before(600))
    step = decided({"status": RUNNING}, {"jobs": (a_job(pods=()),), "claim": claim, "storage": storage})
    assert ("accessModes" in step.message) is not bool(modes)


def test_a_pending_claim_of_the_source_is_not_blamed_on_our_template() -> None:
    dataset = a_dataset(**CLAIM_SOURCE)
    work = wanted_work(dataset, ()).work
    pending = a_claim("photos", phase="Pending", created=before(600))
    seen = {"jobs": (a_job(1, work, pods=()),), "source_claim": pending}
    step = decided({"status": a_status(work=work), **CLAIM_SOURCE}, seen)
    assert step.reason == "WaitingForVolume"
    assert "claim photos is still Pending" in step.message
    assert "claimTemplate" not in step.message


def test_a_seal_writes_work_and_version_together() -> None:
    step = decided({"status": RUNNING, "requested_at": "t1"}, {"jobs": (a_job(said=sealed_outcome()),)})
    assert step.status["work"] == {"hash": WORK.hash, "attempt": 1, "outcome": "Sealed", "requestedAt": None}
    assert step.status["lastHandledRequest"] == "t1"
    assert step.status["version"]["digest"] == sealed_outcome().digest
    assert step.status["splits"] == [{"name": "train", "samples": 60000}, {"name": "test", "samples": 10000}]
    assert step.status["progress"] is None


def test_a_final_failure_writes_its_outcome() -> None:
    step = decided({"status": RUNNING}, {"jobs": (a_job(state="failed", said=failed_outcome()),)})
    assert step.status["work"]["outcome"] == "Failed"
    assert step.status["progress"] is None


@pytest.mark.parametrize("storage", ["claimTemplate", "hostPath"])
def test_a_new_claim_on_request_begins_without_a_version(storage: str) -> None:
    kinds = {"claimTemplate": Storage("claimTemplate", {}), "hostPath": HOST}
    seen = {"claim": None, "storage": kinds[storage]}
    step = decided({"status": SEALED, "requested_at": "t1"}, seen, allow_host_path=True)
    assert step.status["version"] is None


def test_a_vanished_persistent_volume_leaves_the_version_known() -> None:
    seen = {"storage": HOST, "volume": None}
    step = decided({"status": SEALED}, seen, allow_host_path=True)
    assert "version" not in step.status
