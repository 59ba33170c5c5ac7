"""A volume a hundred times as slow as any, and one that hangs in a single call: nothing fails, and people are told."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator

import pytest

from blueno.resources.outcome import Progress
from tests.fakes.preparation import Place
from tests.faults.strace import CHANGING, OPENING, Fault, attach, needs_strace
from tests.faults.zygote import Ended
from tests.unit.prep.points import FEW_CALLS, Bench, bench

pytestmark = needs_strace
LATENCY = 0.01  # seconds a call: a hundred times what a fast NFS server takes
HANGS = 1.5  # seconds: thirty reports


@pytest.fixture(scope="module")
def few() -> Iterator[Bench]:
    with bench(FEW_CALLS) as made:
        yield made


def slow(made: Bench, place: Place, fault: Fault) -> tuple[Ended, list[tuple[float, Progress]], float]:
    """How an attempt under `fault` ended, what it told and when, and how long it took."""
    child = made.zygote.prepare(place, made.work, report_url=made.server.url(""))
    made.server.bodies.clear()
    told: list[tuple[float, Progress]] = []
    with attach(child.pid, fault, made.top / "strace.log", f"{CHANGING},{OPENING}") as injection:
        began = time.monotonic()
        child.go()
        while child.runs():
            time.sleep(0.01)
            for _, _, body in made.server.bodies[len(told) :]:
                told.append((time.monotonic() - began, Progress.from_dict(json.loads(body))))
        took = time.monotonic() - began
        ended = child.wait()
    injection.must_have_fired()
    return ended, told, took


def judged(ended: Ended, told: list[tuple[float, Progress]], took: float) -> None:
    """Told all the time, nothing that fails or waits, and never less than before."""
    assert "Traceback" not in ended.text
    moments = [0.0, *(moment for moment, _ in told), took]
    assert max(after - before for before, after in itertools.pairwise(moments)) < took / 2
    assert {(report.waiting_code, report.needed_bytes) for _, report in told} == {("", 0)}
    shares = [report.percentage for _, report in told]
    assert shares == sorted(shares)


def test_a_hundred_times_the_latency_only_takes_longer(few: Bench) -> None:
    place = few.fresh("slow", again=True)
    fault = Fault(f"{CHANGING},{OPENING}", f"delay_enter={LATENCY * 1e6:.0f}", "")
    ended, told, took = slow(few, place, fault)
    few.check(place, ended, again=True)
    judged(ended, told, took)
    assert len({report.percentage for _, report in told}) > 2, "progress is seen"
    few.done_with(place)


HUNG = {  # each before it acts, or when it has acted and does not say so
    "the first file that is opened": ("openat", "delay_enter", ""),
    "a link to a shard of the version before": ("link", "delay_exit", ""),
    "what makes the version durable": ("fsync", "delay_enter", "versions"),
    "what makes the version current": ("rename", "delay_exit", "works/.{work}.json.1-pod.tmp"),
}


@pytest.mark.parametrize("name", HUNG)
def test_one_call_that_hangs_fails_nothing(few: Bench, name: str) -> None:
    """Reports go on meanwhile, from where it was."""
    call, when, path = HUNG[name]
    place = few.fresh("hung", again=True)
    aimed = (str(place.root / path.format(work=few.work.hash)),) if path else ()
    ended, told, took = slow(few, place, Fault(call, f"{when}={HANGS * 1e6:.0f}", "1", aimed))
    assert took > HANGS
    few.check(place, ended, again=True)
    judged(ended, told, took)
    few.done_with(place)
