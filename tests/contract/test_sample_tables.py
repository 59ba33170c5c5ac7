"""How Samples read in `kubectl get`, and what waiting tools see, for every reason; on the real API server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from blueno.resources.conditions import parse_conditions
from blueno.resources.sample_reasons import SAMPLE_REASONS
from blueno.resources.sample_reasons import SampleReason as R
from tests.contract.apiserver import ROOT
from tests.contract.crd import ScratchKind
from tests.contract.sample_states import STATES, name_of
from tests.contract.tables import LABEL, assert_reads_well
from tests.fakes.kstatus import KStatus, evaluate

GOLDEN = ROOT / "tests" / "golden" / "sample" / "tables.txt"


@pytest.fixture(scope="module")
def shown(samples: ScratchKind) -> ScratchKind:
    """The scratch kind with one object for every reason; the schema takes what the operator would write."""
    for reason, make in STATES.items():
        state = make()
        meta = {"name": name_of(reason), "labels": LABEL}
        code, answer = samples.create(samples.own({"kind": "Sample", "metadata": meta, "spec": state.body["spec"]}))
        assert code == 201, answer["message"]
        if "conditions" in state.body["status"]:
            status = {**state.body["status"], "observedGeneration": answer["metadata"]["generation"]}
            samples.write_status(name_of(reason), status)
    return samples


def objects(shown: ScratchKind) -> dict[R, dict[str, Any]]:
    return {reason: shown.api.must("GET", f"{shown.path}/{name_of(reason)}") for reason in STATES}


def test_a_new_sample_is_pending_before_anybody_wrote(samples: ScratchKind) -> None:
    spec = {"datasetRef": {"name": "digits"}, "uri": "file:///a.png", "label": {"any": ["JSON", 1, 0.5, None]}}
    code, answer = samples.create(samples.own({"kind": "Sample", "metadata": {"name": "new"}, "spec": spec}))
    assert code == 201, answer["message"]
    assert {(c["type"], c["status"], c["reason"]) for c in answer["status"]["conditions"]} == {
        ("Ready", "False", R.PENDING),
        ("Reconciling", "True", R.PENDING),
    }
    assert parse_conditions(answer["status"]["conditions"]) == ()
    assert evaluate(answer) is KStatus.IN_PROGRESS
    for label in (7, "cat", 0.5, True, [1], {"a": 1}):
        changed = samples.own({"kind": "Sample", "metadata": {"name": "new"}, "spec": {**spec, "label": label}})
        code, answer = samples.replace_spec(changed)
        assert (code, answer["spec"]["label"]) == (200, label)


def test_samples_of_one_dataset_can_be_selected(shown: ScratchKind) -> None:
    found = shown.api.must("GET", f"{shown.path}?fieldSelector=spec.datasetRef.name%3Dmnist")
    assert len(found["items"]) == len(STATES)
    assert shown.api.must("GET", f"{shown.path}?fieldSelector=spec.datasetRef.name%3Dother")["items"] == []


def test_every_reason_reads_well(shown: ScratchKind) -> None:
    waiting = "".join(f"{name_of(reason):<28}{evaluate(body)}\n" for reason, body in sorted(objects(shown).items()))
    assert_reads_well(shown, "samples", waiting, GOLDEN)


def test_waiting_tools_see_what_is_meant(shown: ScratchKind) -> None:
    for reason, body in objects(shown).items():
        failed = evaluate(body) is KStatus.FAILED
        assert failed == SAMPLE_REASONS[reason].stalled, reason
        assert len(json.dumps(body["status"])) < 8192, reason
