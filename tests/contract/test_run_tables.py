"""How TrainingRuns read in `kubectl get`, and what waiting tools see, for every reason; on the real API server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from blueno.resources.conditions import parse_conditions
from blueno.resources.run_reasons import RUN_REASONS
from blueno.resources.run_reasons import RunReason as R
from tests.contract.apiserver import ROOT
from tests.contract.crd import ScratchKind
from tests.contract.run_states import STATES, name_of
from tests.contract.tables import LABEL, assert_reads_well
from tests.fakes.kstatus import KStatus, evaluate

GOLDEN = ROOT / "tests" / "golden" / "trainingrun" / "tables.txt"


@pytest.fixture(scope="module")
def shown(training_runs: ScratchKind) -> ScratchKind:
    """The scratch kind with one object for every reason; the schema takes what the operator would write."""
    for reason, make in STATES.items():
        world = make()
        assert world.condition("Succeeded")[1] == reason
        body = {
            "kind": "TrainingRun",
            "metadata": {"name": name_of(reason), "labels": LABEL},
            "spec": world.run["spec"],
        }
        code, answer = training_runs.create(training_runs.own(body))
        assert code == 201, answer["message"]
        status = {**world.run["status"], "observedGeneration": answer["metadata"]["generation"]}
        training_runs.write_status(name_of(reason), status)
    return training_runs


def objects(shown: ScratchKind) -> dict[R, dict[str, Any]]:
    return {reason: shown.api.must("GET", f"{shown.path}/{name_of(reason)}") for reason in STATES}


def test_a_new_run_is_pending_before_anybody_wrote(training_runs: ScratchKind) -> None:
    body = {"kind": "TrainingRun", "metadata": {"name": "new"}, "spec": {"image": "train"}}
    code, answer = training_runs.create(training_runs.own(body))
    assert code == 201, answer["message"]
    (told,) = answer["status"]["conditions"]
    assert (told["type"], told["status"], told["reason"]) == ("Succeeded", "Unknown", R.PENDING)
    assert parse_conditions(answer["status"]["conditions"]) == ()
    assert evaluate(answer) is KStatus.IN_PROGRESS


def test_every_reason_reads_well(shown: ScratchKind) -> None:
    waiting = "".join(f"{name_of(reason):<28}{evaluate(body)}\n" for reason, body in sorted(objects(shown).items()))
    assert_reads_well(shown, "trainingruns", waiting, GOLDEN)


def test_waiting_tools_see_what_is_meant(shown: ScratchKind) -> None:
    for reason, body in objects(shown).items():
        failed = evaluate(body) is KStatus.FAILED
        assert failed == RUN_REASONS[reason].stalled, reason
        assert len(json.dumps(body["status"])) < 8192, reason


def test_every_reason_has_a_state_and_a_sentence() -> None:
    assert set(STATES) == set(R) == set(RUN_REASONS)
    for reason, doc in RUN_REASONS.items():
        assert not (doc.stalled and doc.healable), reason
        assert doc.meaning[0].isupper(), reason
        assert doc.meaning.endswith("."), reason
