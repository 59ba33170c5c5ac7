"""blueno/resources/outcome.py: what a pod says, also when it lies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.resources.outcome import FAILURE_CODES, MESSAGE_LIMIT, Outcome, Progress
from blueno.resources.reasons import DATASET_REASONS, DatasetReason
from tests.make import a_report, failed_outcome, sealed_outcome

bad = st.lists(st.tuples(st.text(max_size=150), st.just("BadImage")), max_size=5).map(tuple)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(bad, st.integers(0, 10**6))
def test_a_sealed_outcome_comes_through(first: Any, count: int) -> None:
    outcome = sealed_outcome(bad_first=first, bad_samples=count)
    assert Outcome.from_json(outcome.to_json()) == outcome


@given(st.text(max_size=300), st.sampled_from(sorted(FAILURE_CODES)), st.booleans(), bad)
def test_a_failed_outcome_comes_through(message: str, code: str, permanent: bool, first: Any) -> None:
    outcome = failed_outcome(code, message, permanent=permanent, owner="u", bad_first=first)
    assert Outcome.from_json(outcome.to_json()) == outcome


def test_an_open_outcome_comes_through() -> None:
    outcome = Outcome(sealed=False, opened=True, writable=True, capacity_bytes=10, free_bytes=5)
    assert Outcome.from_json(outcome.to_json()) == outcome
    assert outcome.done


@given(st.integers(0, 300), st.text(min_size=1, max_size=128), bad, st.text(max_size=9000))
def test_many_splits_with_long_names_are_cut_never_the_json(count: int, name: str, first: Any, owner: str) -> None:
    """Splits, keys and owners are named by anybody; what kubelet cuts off would be a seal that nobody hears of."""
    splits = tuple((f"{number}{name}"[:128], number) for number in range(count))
    for outcome in (sealed_outcome(splits=splits, bad_first=first), failed_outcome(owner=owner, bad_first=first)):
        text = outcome.to_json()
        assert len(text.encode()) <= MESSAGE_LIMIT
        said = Outcome.from_json(text)
        assert said is not None
        assert (said.sealed, said.digest) == (outcome.sealed, outcome.digest)
        assert said.splits == outcome.splits[: len(said.splits)]


@given(st.text(min_size=1, max_size=20), st.integers(200, 6000))
def test_a_long_message_is_cut_never_the_json(message: str, times: int) -> None:
    text = failed_outcome("NoSpace", message * times).to_json()
    assert len(text.encode()) <= MESSAGE_LIMIT
    said = Outcome.from_json(text)
    assert said is not None
    assert said.code == "NoSpace"


def test_a_code_of_the_future_is_a_failure_all_the_same() -> None:
    body = json.loads(failed_outcome("NoSpace").to_json()) | {"code": "NewFangled"}
    said = Outcome.from_json(json.dumps(body))
    assert said is not None
    assert said.code == "PrepFailed"


@pytest.mark.parametrize("missing", json.loads(sealed_outcome().to_json()))
def test_a_seal_with_a_hole_is_no_seal(missing: str) -> None:
    body = json.loads(sealed_outcome().to_json())
    del body[missing]
    said = Outcome.from_json(json.dumps(body))
    assert said is None or not said.sealed


@given(json_values)
def test_anything_else_is_no_outcome(value: Any) -> None:
    assert Outcome.from_json(json.dumps(value)) is None
    assert Outcome.from_json(f"{value}") is None


@given(json_values | st.dictionaries(st.sampled_from(sorted(a_report().to_dict())), json_values))
def test_a_hostile_report_is_a_value_error(value: Any) -> None:
    try:
        report = Progress.from_dict(value)
    except (ValueError, TypeError, AttributeError):
        return
    assert 0 <= report.percentage <= 100


@given(st.integers(0, 100), st.integers(0, 1 << 60), st.none() | st.integers(0, 10**9))
def test_a_report_comes_through(percentage: int, count: int, remaining: int | None) -> None:
    report = a_report(percentage=percentage, bytes_done=count, estimated_remaining_seconds=remaining)
    assert Progress.from_dict(report.to_dict()) == report


def test_every_code_of_a_pod_is_a_documented_reason() -> None:
    assert set(FAILURE_CODES) <= {str(reason) for reason in DATASET_REASONS}
    assert set(DATASET_REASONS) == set(DatasetReason)
    for reason, doc in DATASET_REASONS.items():
        assert not (doc.stalled and doc.healable), reason
