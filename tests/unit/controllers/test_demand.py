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
