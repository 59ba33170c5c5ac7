"""blueno/resources/conditions.py: the clock moves only when a status flips."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.resources.conditions import (
    Condition,
    advance,
    find,
    is_true,
    parse_conditions,
    parse_time,
    rfc3339,
    shorten,
)

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
T1 = T0 + timedelta(minutes=5)

statuses = st.sampled_from(["True", "False", "Unknown"])
conditions = st.builds(Condition, st.sampled_from(["Ready", "Stalled", "Prepared"]), statuses, st.sampled_from("AB"))


def test_a_new_condition_begins_now() -> None:
    (ready,) = advance((), [Condition("Ready", "False", "Pending", generation=3)], T0)
    assert (ready.since, ready.generation) == ("2026-03-01T12:00:00Z", 3)


def test_reason_and_message_change_without_moving_the_clock() -> None:
    old = advance((), [Condition("Ready", "False", "Pending")], T0)
    (ready,) = advance(old, [Condition("Ready", "False", "Preparing", "now this")], T1)
    assert (ready.reason, ready.message, ready.since) == ("Preparing", "now this", rfc3339(T0))


def test_a_flip_moves_it() -> None:
    old = advance((), [Condition("Ready", "False", "Pending")], T0)
    (ready,) = advance(old, [Condition("Ready", "True", "Available")], T1)
    assert ready.since == rfc3339(T1)


def test_what_is_not_mentioned_stays_and_all_are_sorted() -> None:
    old = advance((), [Condition("Stalled", "False", "Working"), Condition("Indexed", "True", "X")], T0)
    both = advance(old, [Condition("Ready", "True", "Available")], T1)
    assert [c.type for c in both] == ["Indexed", "Ready", "Stalled"]
    assert is_true(both, "Ready")
    assert not is_true(both, "Missing")
    assert find(both, "Missing") is None


@given(st.lists(conditions, unique_by=lambda c: c.type), st.lists(conditions, unique_by=lambda c: c.type))
def test_advancing_twice_is_advancing_once(old: list[Condition], new: list[Condition]) -> None:
    first = advance(advance((), old, T0), new, T1)
    assert advance(first, new, T1 + timedelta(days=1)) == first
    assert parse_conditions(c.to_dict() for c in first) == first


@pytest.mark.parametrize(("text", "cut"), [("", ""), ("12345", "12345"), ("123456", "1234…")])
def test_shorten(text: str, cut: str) -> None:
    assert shorten(text, 5) == cut


def test_times() -> None:
    elsewhere = T0.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert rfc3339(elsewhere) == "2026-03-01T12:00:00Z"
    assert parse_time("2026-03-01T12:00:00Z") == T0
    assert parse_time("2026-03-01T12:00:00") == T0
    assert parse_time("2026-03-01T12:00:00.123456Z") is not None
    assert parse_time("") is None
    assert parse_time("yesterday") is None
