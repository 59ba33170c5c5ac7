"""controllers/dataset/project.py: from a body to a row, whatever is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno import names
from blueno.db.tables import DATASETS
from blueno.resources.row import clean, managed_by, said
from controllers.dataset.project import project_row
from tests.make import UID, VERSION, a_body, a_status

CONDITIONS = [
    {"type": "Ready", "status": "True", "reason": "Available", "message": "m", "lastTransitionTime": "t"},
    {"type": "Reconciling", "status": "True", "reason": "Preparing"},
    {"type": "Stalled", "status": "False", "reason": "Working"},
]
FULL = a_status(
    "Sealed",
    conditions=CONDITIONS,
    classes=10,
    progress={"stage": "Preparing", "percentage": 43, "estimatedRemainingSeconds": 120},
    index={"digest": VERSION["digest"], "rows": 70000},
)


def test_every_column_has_its_value() -> None:
    body = a_body(status=FULL, displayName="Digits", meta={"resourceVersion": "4711", "generation": 3})
    row = project_row(body)
    assert set(row) == set(DATASETS.columns)
    document = json.loads(row.pop("document"))
    assert document == {"spec": body["spec"], "status": body["status"]}
    assert row == {
        "uid": UID,
        "namespace": "lab",
        "name": "mnist",
        "rv": 4711,
        "generation": 3,
        "created_at": "2026-03-01T11:59:50Z",
        "display_name": "Digits",
        "ready": True,
        "reconciling": True,
        "stalled": False,
        "reason": "Available",
        "message": "m",
        "stage": "Preparing",
        "percentage": 43,
        "remaining_seconds": 120,
        "samples": 70000,
        "bytes": 54525952,
        "classes": 10,
        "version_digest": VERSION["digest"],
        "version_sequence": 1,
        "indexed_digest": VERSION["digest"],
        "managed_by": None,
    }


def test_an_object_that_nobody_has_looked_at_yet() -> None:
    row = project_row(a_body())
    assert (row["ready"], row["reason"], row["message"], row["version_digest"]) == (False, "", "", None)
    bare = {"metadata": {"uid": UID, "namespace": "lab", "name": "mnist"}}
    assert set(project_row(bare)) == set(DATASETS.columns)
    assert said(bare, "Ready") is None


def test_the_turn_of_the_ready_condition() -> None:
    assert said(a_body(status=FULL), "Ready") == ("True", "Available", "m", "t")


@pytest.mark.parametrize(
    ("labels", "annotations", "tool"),
    [
        ({}, {}, None),
        ({}, {names.ARGOCD_TRACKING: "app:blueno.dev/Dataset:lab/mnist"}, "Argo CD"),
        ({names.INSTANCE_LABEL: "app", "argocd.argoproj.io/instance": "app"}, {}, "Argo CD"),
        ({names.INSTANCE_LABEL: "app"}, {}, None),
        ({}, {"argocd.argoproj.io/sync-wave": "1"}, None),
        ({"kustomize.toolkit.fluxcd.io/name": "apps"}, {}, "Flux"),
        ({"helm.toolkit.fluxcd.io/name": "apps", names.MANAGED_BY_LABEL: "Helm"}, {}, "Flux"),
        ({names.MANAGED_BY_LABEL: "Helm"}, {}, "Helm"),
        ({names.MANAGED_BY_LABEL: "somebody"}, {}, None),
    ],
)
def test_who_keeps_the_object(labels: dict[str, str], annotations: dict[str, str], tool: str | None) -> None:
    assert managed_by({"labels": labels, "annotations": annotations}) == tool
    assert managed_by({}) is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("\ud800", "\ufffd"),
        ("\udfff x", "\ufffd x"),
        ("8×8 😀", "8×8 😀"),
        ("\\u0000", "\\u0000"),
    ],
)
def test_what_cannot_be_stored_is_replaced_and_nothing_else(text: str, kept: str) -> None:
    assert clean(text) == kept
    row = project_row(a_body(displayName=text, metadata={text: [text, {"x": text}]}))
    assert row["display_name"] == kept
    spec = json.loads(row["document"])["spec"]
    assert (spec["displayName"], spec["metadata"]) == (kept, {kept: [kept, {"x": kept}]})


@pytest.mark.parametrize("number", [-1, 1 << 80, True, 1.5, "7", None, [1]])
def test_numbers_stay_within_their_columns(number: Any) -> None:
    status = {
        "samples": number,
        "classes": number,
        "progress": {"percentage": number, "estimatedRemainingSeconds": number},
        "version": {"bytes": number, "sequence": number, "digest": number},
    }
    row = project_row(a_body(status=status))
    bounds = {"samples": 63, "classes": 31, "percentage": 15, "remaining_seconds": 63, "version_sequence": 31}
    for column, bits in bounds.items():
        assert row[column] is None or (type(row[column]) is int and 0 <= row[column] < 1 << bits), column


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(json_values, st.text(st.characters(codec=None), max_size=8))
def test_whatever_is_in_it_the_row_can_be_stored(value: Any, text: str) -> None:
    body = a_body(status={"conditions": [{"type": "Ready", "reason": text, "message": text}]}, metadata={"x": value})
    for item in project_row(body).values():
        if isinstance(item, str):
            assert "\0" not in item
            item.encode()
            assert "\\u0000" not in item.replace("\\\\", "")
