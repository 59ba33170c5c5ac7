"""controllers/demand.py: who keeps a data server up, and how long."""

from __future__ import annotations

from datetime import timedelta

from controllers.demand import LEASE_SECONDS, LEASES, Demand
from tests.make import NOW


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_a_look_lasts_and_is_renewed() -> None:
    demand = Demand(900)
    assert demand.until("a", NOW) is None
    assert demand.look(["a", "b"], NOW) == ["a", "b"]
    assert demand.look(["a"], NOW + after(600)) == []
    assert demand.until("a", NOW + after(901)) == NOW + after(1500)
    assert demand.until("b", NOW + after(899)) == NOW + after(900)
    assert demand.until("b", NOW + after(900)) is None
    assert demand.look(["b"], NOW + after(900)) == ["b"]


def test_a_lease_is_short_and_renewed_by_asking_again() -> None:
    demand = Demand(900)
    assert demand.lease("a", NOW) == 0
    assert demand.lease("a", NOW + after(50)) == 0
    assert demand.until("a", NOW + after(60)) == NOW + after(50 + LEASE_SECONDS)
    demand.give_back("a")
    demand.give_back("never asked")
    assert demand.until("a", NOW + after(60)) is None


def test_only_so_many_leases_at_a_time() -> None:
    demand = Demand(900)
    for number in range(LEASES):
        assert demand.lease(str(number), NOW + after(number)) == 0
    assert demand.lease("late", NOW + after(10)) == LEASE_SECONDS - 10
    assert demand.until("late", NOW + after(10)) is None
    assert demand.lease("1", NOW + after(10)) == 0  # whoever has one keeps it
    demand.give_back("3")
    assert demand.lease("late", NOW + after(10)) == 0
    assert demand.lease("later", NOW + after(LEASE_SECONDS + 1)) == 0  # the first was not renewed


def test_a_look_and_a_lease_keep_up_whichever_lasts_longer() -> None:
    demand = Demand(30)
    demand.look(["a"], NOW)
    demand.lease("a", NOW)
    assert demand.until("a", NOW) == NOW + after(LEASE_SECONDS)
    demand.give_back("a")
    assert demand.until("a", NOW) == NOW + after(30)


def test_what_is_over_can_be_forgotten() -> None:
    demand = Demand(10)
    demand.look(["a"], NOW)
    demand.look(["b"], NOW + after(5))
    demand.forget(NOW + after(12))
    assert len(demand) == 1
    assert demand.until("b", NOW + after(12)) is not None


def test_what_runs_by_no_wish_of_ours_is_left_alone_for_a_while() -> None:
    demand = Demand(900)
    assert demand.keep_until("a", True, NOW) == NOW + after(900)
    assert demand.keep_until("a", True, NOW + after(600)) == NOW + after(900), "looking at it does not prolong it"
    assert demand.keep_until("a", True, NOW + after(900)) is None
    assert demand.keep_until("a", True, NOW + after(901)) is None, "until it rests"
    assert demand.keep_until("a", False, NOW + after(902)) is None
    assert demand.keep_until("a", True, NOW + after(903)) == NOW + after(903 + 900), "somebody woke it again"


def test_what_rests_is_not_woken_by_having_been_found() -> None:
    demand = Demand(900)
    demand.keep_until("a", True, NOW)
    assert demand.keep_until("a", False, NOW + after(1)) is None


def test_what_runs_by_a_wish_of_ours_ends_with_it() -> None:
    demand = Demand(900)
    demand.lease("a", NOW)
    assert demand.keep_until("a", False, NOW) == NOW + after(LEASE_SECONDS)
    assert demand.keep_until("a", True, NOW) == NOW + after(LEASE_SECONDS)
    demand.give_back("a")
    assert demand.keep_until("a", True, NOW + after(1)) is None
    assert demand.keep_until("a", True, NOW + after(2)) is None, "a write that failed is made again"
    assert demand.keep_until("a", False, NOW + after(3)) is None
    assert demand.keep_until("a", True, NOW + after(4)) == NOW + after(4 + 900), "that is somebody else's"
    demand.look(["a"], NOW + after(5))
    assert demand.keep_until("a", True, NOW + after(5)) == NOW + after(905)
    assert demand.keep_until("a", True, NOW + after(906)) is None


def test_nothing_is_remembered_of_what_is_gone() -> None:
    demand = Demand(10)
    demand.look(["a"], NOW)
    demand.keep_until("a", True, NOW)
    demand.keep_until("b", True, NOW)
    demand.look(["c"], NOW + after(5))
    assert demand.keep_until("c", True, NOW + after(5)) is not None
    assert len(demand) == 3
    demand.forget(NOW + after(12))
    assert len(demand) == 1
    assert demand.keep_until("c", True, NOW + after(16)) is None, "still ours to end"
