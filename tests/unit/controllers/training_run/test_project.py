"""controllers/training_run/project.py: from a body to a row, whatever is in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.db.tables import TRAINING_RUNS
from blueno.resources.conditions import SCHEMA_MADE
from blueno.resources.row import said
from blueno.resources.run_row import METRICS, STATES
from controllers.training_run.project import project_row
from tests.runs import DIGEST, a_run, run_uid

SPEC = {
    "datasets": [{"name": "digits"}, {"name": "mnist", "version": "ab" * 32}],
    "parameters": {"lr": "0.001"},
    "gpus": {"count": 2},
    "numNodes": 3,
    "queueName": "team-a",
    "metrics": {"objective": {"name": "accuracy", "direction": "maximize"}},
}
STATUS = {
    "attempt": 2,
    "restarts": 1,
    "nodes": ["node1", "node2"],
    "datasets": [{"name": "digits", "digest": DIGEST}],
    "startTime": "2026-03-01T12:00:05Z",
    "trainerStatus": {
        "progressPercentage": 43,
        "estimatedRemainingSeconds": 120,
        "metrics": [{"name": "loss", "value": "0.31"}, {"name": "accuracy", "value": 0.9}],
    },
    "usage": {"gpuSeconds": 360.9, "wallSeconds": 180.9},
}


def test_every_column_has_its_value() -> None:
    body = a_run(spec=SPEC, status=STATUS, meta={"resourceVersion": "4711", "generation": 3})
    row = project_row(body)
    assert set(row) == set(TRAINING_RUNS.columns)
    assert json.loads(row.pop("document")) == {"spec": body["spec"], "status": body["status"]}
    found = {name: json.loads(row.pop(name)) for name in ("metrics", "objective", "datasets", "parameters", "nodes")}
    assert found == {
        "metrics": [{"name": "loss", "value": "0.31"}, {"name": "accuracy", "value": "0.9"}],
        "objective": {"name": "accuracy", "direction": "maximize"},
        "datasets": [{"name": "digits", "digest": DIGEST}, {"name": "mnist", "digest": "ab" * 32}],
        "parameters": {"lr": "0.001"},
        "nodes": ["node1", "node2"],
    }
    assert row == {
        "uid": run_uid("train"),
        "namespace": "lab",
        "name": "train",
        "rv": 4711,
        "generation": 3,
        "created_at": "2026-03-01T12:00:00Z",
        "state": "running",
        "reason": "Running",
        "message": "m",
        "stalled": False,
        "suspended": False,
        "percentage": 43,
        "remaining_seconds": 120,
        "gpus": 6,
        "num_nodes": 3,
        "gpu_seconds": 360,
        "wall_seconds": 180,
        "running_since": datetime(2026, 3, 1, 12, 1, tzinfo=UTC),  # of PodsReady
        "attempt": 2,
        "restarts": 1,
        "queue": "team-a",
        "started_at": datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC),
        "ended_at": None,
        "managed_by": None,
    }


@pytest.mark.parametrize("state", STATES)
def test_the_state_follows_from_the_conditions(state: str) -> None:
    row = project_row(a_run(state=state))
    assert (row["state"], row["stalled"], row["suspended"]) == (state, state == "failed", state == "suspended")


def test_an_ending_says_more_than_a_pod_that_is_still_there() -> None:
    body = a_run(state="succeeded")
    for condition in body["status"]["conditions"]:
        condition["status"] = "True"
    assert project_row(body)["state"] == "succeeded"


def test_a_run_that_nobody_has_looked_at_yet() -> None:
    bare = {"metadata": {"uid": run_uid("train"), "namespace": "lab", "name": "train"}}
    row = project_row(bare)
    assert set(row) == set(TRAINING_RUNS.columns)
    assert (row["state"], row["reason"], row["gpus"], row["num_nodes"], row["gpu_seconds"]) == ("pending", "", 0, 1, 0)
    assert (row["objective"], row["datasets"], row["started_at"]) == (None, "[]", None)
    assert said(bare, "Succeeded") is None


@pytest.mark.parametrize("time", ["", "yesterday", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", 7, None])
def test_a_time_that_is_none(time: Any) -> None:
    assert project_row(a_run(status={"startTime": time, "completionTime": time}))["started_at"] is None


def test_only_so_many_last_values_are_in_a_line() -> None:
    many = [{"name": f"m{n}", "value": "1"} for n in range(METRICS + 9)]
    row = project_row(a_run(status={"trainerStatus": {"metrics": many}}))
    assert len(json.loads(row["metrics"])) == METRICS


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)
SPEC_FIELDS = ("datasets", "parameters", "gpus", "numNodes", "queueName", "metrics")
STATUS_FIELDS = (
    *("attempt", "restarts", "nodes", "datasets", "startTime", "completionTime", "trainerStatus", "usage"),
    "conditions",
)


@given(
    st.fixed_dictionaries(dict.fromkeys(SPEC_FIELDS, json_values)),
    st.fixed_dictionaries(dict.fromkeys(STATUS_FIELDS, json_values)),
)
def test_whatever_is_in_it_there_is_a_row_that_can_be_stored(spec: dict[str, Any], status: dict[str, Any]) -> None:
    row = project_row(a_run(spec=spec, status=status))
    for item in row.values():
        if isinstance(item, str):
            assert "\0" not in item
            item.encode()
            assert "\\u0000" not in item.replace("\\\\", "")
        elif isinstance(item, int):
            assert 0 <= item < 1 << 63


def test_a_condition_that_the_schema_made_is_as_old_as_the_object() -> None:
    made = {"type": "Succeeded", "status": "Unknown", "reason": "Pending", "lastTransitionTime": SCHEMA_MADE}
    body = {"metadata": {"creationTimestamp": "2026-11-24T12:00:00Z"}, "status": {"conditions": [made]}}
    assert said(body, "Succeeded") == ("Unknown", "Pending", "", "2026-11-24T12:00:00Z")
