"""The decision table of the recorder: what is loaded, reported and waited for, given what is known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.db.listings import Pending
from blueno.recorder.decide import (
    AT_ONCE,
    DAMAGED_FIRST,
    DAMAGED_LONGEST,
    FIRST_WAIT,
    LONGEST_WAIT,
    REPORT_SECONDS,
    Memory,
    Plan,
    decide,
    failed,
    forget,
    lag,
    postponed,
    succeeded,
)

NOW = 1000.0
D1, D2 = "1" * 64, "2" * 64


def a(
    uid: str = "a", *, digest: str = D1, indexed: bool = False, listed: bool = False, rows: int | None = None
) -> Pending:
    return Pending(uid, "lab", f"set-{uid}", digest, indexed, listed, rows)


TABLE = {
    "nothing is loaded": (a(), "load"),
    "the status says indexed, but the projection was dropped": (a(indexed=True), "load"),
    "the current version is loaded, others may be missing": (a(rows=5), "load"),
    "the same, and the status says indexed": (a(rows=5, indexed=True), "load"),
    "compared once, but its rows are gone": (a(listed=True), "load"),
    "all is loaded, the status does not say so": (a(rows=5, listed=True), "report"),
    "an empty version is a version": (a(rows=0, listed=True), "report"),
}


@pytest.mark.parametrize(("one", "expected"), TABLE.values(), ids=TABLE)
def test_what_is_to_be_done(one: Pending, expected: str) -> None:
    plan = decide([one], {}, Memory(), NOW)
    assert plan == (Plan(load=(one,)) if expected == "load" else Plan(report=(one,)))
    assert decide([one], {"a": 1}, Memory(), NOW) == Plan(), "it is being worked on"


def test_four_at_a_time_those_that_never_failed_first() -> None:
    memory = Memory()
    many = [a(f"{n}") for n in range(9)]
    assert decide(many, {}, memory, NOW).load == tuple(many[:AT_ONCE])
    assert decide(many, dict.fromkeys("012"), memory, NOW).load == (many[3],)
    assert decide(many, dict.fromkeys("0123"), memory, NOW).load == ()
    assert decide(many, dict.fromkeys("012345"), memory, NOW).load == ()
    for uid in (0, 1):
        failed(memory, many[uid], NOW - 100)
    assert decide(many, {}, memory, NOW).load == tuple(many[2:6])
    assert decide(many[:3], {}, memory, NOW).load == (
        many[2],
        *sorted(many[:2], key=lambda m: memory.tries[m.uid].not_before),
    )


def test_failures_wait_longer_each_time_up_to_a_limit() -> None:
    for damaged, first, longest in ((False, FIRST_WAIT, LONGEST_WAIT), (True, DAMAGED_FIRST, DAMAGED_LONGEST)):
        memory, one, waits = Memory(), a(), []
        for number in range(1, 60):
            assert failed(memory, one, NOW, damaged=damaged) == number
            waits.append(memory.tries["a"].not_before - NOW)
            assert decide([one], {}, memory, NOW + waits[-1] - 0.001).load == ()
            assert decide([one], {}, memory, NOW + waits[-1]).load == (one,)
        assert waits == sorted(waits)
        assert first <= waits[0] <= first * 1.2
        assert longest <= waits[-1] <= longest * 1.2
        assert waits[1] == pytest.approx(2 * waits[0])


def test_those_that_failed_together_do_not_come_back_together() -> None:
    memory = Memory()
    for n in range(50):
        failed(memory, a(f"{n}"), NOW)
    assert len({one.not_before for one in memory.tries.values()}) > 40


def test_a_new_version_and_a_success_have_a_clean_slate() -> None:
    memory = Memory()
    for _ in range(5):
        failed(memory, a(), NOW)
    assert decide([a()], {}, memory, NOW).load == ()
    assert decide([a(digest=D2)], {}, memory, NOW).load == (a(digest=D2),)
    assert failed(memory, a(digest=D2), NOW) == 1
    succeeded(memory, a(digest=D2))
    succeeded(memory, a(digest=D2))
    assert failed(memory, a(digest=D2), NOW) == 1


def test_waiting_because_the_operator_says_so_is_no_failure() -> None:
    memory, one = Memory(), a()
    failed(memory, one, NOW)
    postponed(memory, one, NOW + 30)
    assert decide([one], {}, memory, NOW + 29.9).load == ()
    assert decide([one], {}, memory, NOW + 30).load == (one,)
    assert failed(memory, one, NOW) == 2


def test_reports_are_repeated_until_the_status_follows_but_not_too_often() -> None:
    memory, one = Memory(), a(rows=5, listed=True)
    assert decide([one], {}, memory, NOW).report == (one,)
    memory.reported["a"] = (D1, NOW)
    assert decide([one], {}, memory, NOW + REPORT_SECONDS - 0.1).report == ()
    assert decide([one], {}, memory, NOW + REPORT_SECONDS).report == (one,)
    other = a(digest=D2, rows=5, listed=True)
    assert decide([other], {}, memory, NOW).report == (other,)


def test_lag_is_that_of_the_version_waiting_longest() -> None:
    memory = Memory()
    assert lag([], memory, NOW) == 0
    assert lag([a()], memory, NOW) == 0
    assert lag([a(), a("b")], memory, NOW + 5) == 5
    assert lag([a(digest=D2), a("b")], memory, NOW + 8) == 3
    assert lag([a(digest=D2), a("b", rows=1, listed=True)], memory, NOW + 9) == 1
    assert lag([], memory, NOW + 10) == 0
    assert memory.waiting_since == {}


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["fail", "damage", "postpone", "succeed", "report"])),
        max_size=60,
    ),
    states=st.dictionaries(
        st.sampled_from("abcdefgh"), st.tuples(st.booleans(), st.booleans(), st.sampled_from([None, 0, 7])), max_size=8
    ),
    busy=st.sets(st.sampled_from("abcdefgh")),
)
def test_whatever_happened_the_plan_is_sound(
    steps: list[tuple[str, str]], states: dict[str, Any], busy: set[str]
) -> None:
    memory, now = Memory(), NOW
    for uid, what in steps:
        now += 1
        if what in ("fail", "damage"):
            failed(memory, a(uid), now, damaged=what == "damage")
        elif what == "postpone":
            postponed(memory, a(uid), now + 30)
        elif what == "succeed":
            succeeded(memory, a(uid))
        else:
            memory.reported[uid] = (D1, now)
    pending = [a(uid, indexed=i, listed=li, rows=rows) for uid, (i, li, rows) in states.items()]
    working = dict.fromkeys(busy)
    plan = decide(pending, working, memory, now)
    assert len(plan.load) + len(busy) <= max(AT_ONCE, len(busy))
    chosen = [one.uid for one in (*plan.load, *plan.report)]
    assert len(set(chosen)) == len(chosen)
    assert not set(chosen) & busy
    assert set(chosen) <= states.keys()
    later = decide(pending, {}, memory, now + 2 * DAMAGED_LONGEST)
    waiting = {one.uid for one in pending if not (one.listed and one.rows is not None)}
    assert len(later.load) == min(AT_ONCE, len(waiting)), "nothing waits for ever"
    assert {one.uid for one in later.report} == states.keys() - waiting
    forget(pending, working, memory)
    assert memory.tries.keys() | memory.reported.keys() <= states.keys() | busy
