"""How Datasets read in `kubectl get`, and what waiting tools make of them, for every reason; on the real API server."""

from __future__ import annotations

import json
import os

import pytest

from blueno.resources.reasons import DATASET_REASONS, DatasetReason
from tests.contract.apiserver import ROOT
from tests.contract.crd import ScratchKind
from tests.contract.dataset_states import LEAVING, STATES, State
from tests.contract.tables import LABEL, table
from tests.fakes.kstatus import KStatus, evaluate

GOLDEN = ROOT / "tests" / "golden" / "dataset" / "tables.txt"
FINALIZER = "blueno.dev/erase"


@pytest.fixture(scope="module")
def shown(datasets: ScratchKind) -> ScratchKind:
    """The scratch kind with one object for every state."""
    leaving = [state for state in STATES if state.reason in LEAVING]
    for state in STATES:
        body = datasets.own(state.body)
        body["metadata"] |= {"labels": LABEL} | ({"finalizers": [FINALIZER]} if state in leaving else {})
        code, answer = datasets.create(body)
        assert code == 201, answer["message"]
        if state in leaving:
            answer = datasets.api.must("DELETE", f"{datasets.path}/{state.name}")
        datasets.write_status(state.name, state.status(answer))
    return datasets


def test_every_reason_reads_well(shown: ScratchKind) -> None:
    narrow, wide = table(shown), table(shown, "-o", "wide")
    text = f"$ kubectl get datasets\n{narrow}\n$ kubectl get datasets -o wide\n{wide}"
    if os.environ.get("UPDATE_GOLDEN"):  # UPDATE_GOLDEN=1 python -m pytest tests/contract
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text(), "if the new table is right: UPDATE_GOLDEN=1, and read the difference"


def test_a_new_dataset_shows_blank_cells_only(datasets: ScratchKind) -> None:
    """Between create and the operator's first write."""
    datasets.create(
        datasets.own({"kind": "Dataset", "metadata": {"name": "fresh"}, "spec": {"source": STATES[0].source}})
    )
    got = datasets.api.kubectl("get", datasets.full_name, "fresh", "-n", datasets.namespace, "--no-headers")
    name, _age = got.stdout.split()
    assert name == "fresh"


@pytest.mark.parametrize("state", STATES, ids=lambda s: s.name)
def test_waiting_tools_see_what_is_meant(shown: ScratchKind, state: State) -> None:
    body = shown.api.must("GET", f"{shown.path}/{state.name}")
    assert evaluate(body) is state.kstatus
    true = {c["type"] for c in body["status"]["conditions"] if c["status"] == "True"}
    assert not {"Reconciling", "Stalled"} <= true
    assert len(json.dumps(body["status"])) < 8192


def test_kstatus_follows_the_flags() -> None:
    """What api.md promises, spelled out: moving, usable, usable while updating, and given up."""
    seen = {state.name: state.kstatus for state in STATES}
    assert seen["preparing"] is seen["source-unavailable"] is seen["unschedulable"] is KStatus.IN_PROGRESS
    assert seen["waiting-for-volume"] is seen["image-pull-failed"] is seen["suspended"] is KStatus.IN_PROGRESS
    assert seen["available"] is KStatus.CURRENT
    assert seen["available-updating"] is KStatus.IN_PROGRESS
    assert seen["available-update-failed"] is seen["source-not-found"] is seen["prep-failed"] is KStatus.FAILED
    assert seen["erasing"] is KStatus.TERMINATING


def test_every_reason_has_a_state_and_a_sentence() -> None:
    assert {state.reason for state in STATES} == set(DatasetReason) == set(DATASET_REASONS)
    for reason, doc in DATASET_REASONS.items():
        assert not (doc.stalled and doc.healable), reason
        assert doc.meaning[0].isupper(), reason
        assert doc.meaning.endswith("."), reason
