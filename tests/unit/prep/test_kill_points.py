"""SIGKILL at an exact system call of a preparation: nobody sees half of anything, the next attempt seals the same.

The default form takes points evenly over all calls; `-m soak` takes every one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.fakes.full_volume import until
from tests.fakes.preparation import Place
from tests.faults.strace import CHANGING, OPENING, Fault, attach, needs_strace, spread
from tests.faults.volume import torn
from tests.faults.zygote import Ended
from tests.unit.prep.points import FEW_CALLS, MANY_CALLS, Bench, bench, census, struck, upload_bench

POINTS, POINTS_AGAIN, POINTS_ADDED, POINTS_ERASING = 25, 8, 8, 5
pytestmark = needs_strace


@pytest.fixture(scope="module")
def few() -> Iterator[Bench]:
    with bench(FEW_CALLS) as made:
        yield made


@pytest.fixture(scope="module")
def many() -> Iterator[Bench]:
    with bench(MANY_CALLS) as made:
        yield made


@pytest.fixture(scope="module")
def added() -> Iterator[Bench]:
    with upload_bench(FEW_CALLS) as made:
        yield made


def killed(made: Bench, start: Callable[[], Place], point: tuple[str, int], *, erase: bool = False) -> Place:
    """A place where one attempt died at this call."""
    place, ended = struck(made, start, point, "signal=SIGKILL", erase=erase)
    assert ended.code == -signal.SIGKILL, ended.text
    return place


def kill_and_go_on(made: Bench, point: tuple[str, int], hosts: list[str], *, again: bool) -> None:
    """After the kill nothing is torn; a pod that is restarted (`pod`) and one of a new attempt (`next`) both seal."""
    place = killed(made, lambda: made.fresh("killed", again=again), point)
    assert torn(place.root) == []
    copies = [made.fresh_copy(place, f"killed-{host}") for host in hosts[1:]]
    for host, volume in zip(hosts, [place, *copies], strict=True):
        ended = made.zygote.run(volume, made.work, 1 if host == "pod" else 2, host)
        made.check(volume, ended, again=again)
    made.done_with(place, *copies)


def kill_and_erase(made: Bench, point: tuple[str, int]) -> None:
    """An erasure that dies can be repeated: what is left is always known to be ours."""
    place = killed(made, lambda: made.fresh("erased", again=True), point, erase=True)
    ended = made.zygote.run(place, None, 2, "next")
    assert ended.code == 0, ended.text
    assert list(place.volume.iterdir()) == []
    made.done_with(place)


@pytest.mark.parametrize("number", range(POINTS))
def test_a_preparation_that_is_killed_seals_the_same_afterwards(few: Bench, number: int) -> None:
    points = spread(census(few), POINTS)
    kill_and_go_on(few, points[number], ["pod", "next"] if number % 5 == 0 else ["pod"], again=False)


@pytest.mark.parametrize("number", range(POINTS_AGAIN))
def test_a_second_version_that_is_killed_seals_the_same_afterwards(few: Bench, number: int) -> None:
    """Its shards are hard links to those of the first, which nothing may touch."""
    kill_and_go_on(few, spread(census(few, again=True), POINTS_AGAIN)[number], ["next"], again=True)


@pytest.mark.parametrize("number", range(POINTS_ADDED))
def test_a_seal_of_added_samples_that_is_killed_seals_the_same_afterwards(added: Bench, number: int) -> None:
    """And loses nothing of what was added, which nobody could make again."""
    kill_and_go_on(added, spread(census(added, again=True), POINTS_ADDED)[number], ["next"], again=True)


@pytest.mark.parametrize("number", range(POINTS_ERASING))
def test_an_erasure_of_added_samples_that_is_killed_ends_afterwards(added: Bench, number: int) -> None:
    kill_and_erase(added, spread(census(added, erase=True), POINTS_ERASING)[number])


@pytest.mark.parametrize("number", range(POINTS_ERASING))
def test_an_erasure_that_is_killed_ends_afterwards(few: Bench, number: int) -> None:
    kill_and_erase(few, spread(census(few, erase=True), POINTS_ERASING)[number])


def stop_while_another_one_seals(made: Bench, fault: Fault) -> Ended:
    """SIGSTOP, then SIGCONT: a node that was given up comes back."""
    place = made.fresh("stopped")
    child = made.zygote.prepare(place, made.work)
    with attach(child.pid, fault, made.top / "strace.log", f"{CHANGING},{OPENING}") as injection:
        child.go()
        until(lambda: injection.fired)
        assert torn(place.root) == []
        made.check(place, made.zygote.run(place, made.work, 2, "next"))
        os.kill(child.pid, signal.SIGCONT)
        ended = child.wait()
    injection.must_have_fired()
    assert torn(place.root) == []
    assert [p.name for p in (place.root / "works").iterdir() if p.suffix == ".json"] == [f"{made.work.hash}.json"]
    made.check(place, made.zygote.run(place, made.work, 3, "third"))
    made.done_with(place)
    return ended


@pytest.mark.parametrize("number", [1, 4, "last"])
def test_an_attempt_that_hangs_while_another_one_seals_changes_nothing_afterwards(
    few: Bench, number: int | str
) -> None:
    """Before a rename; the last one is the pointer's."""
    renames = [at for call, at in census(few) if call == "rename"]
    at = str(renames[-1] if number == "last" else number)
    ended = stop_while_another_one_seals(few, Fault("rename", "signal=SIGSTOP", at))
    assert ended.code in (0, 1), ended.text


def test_an_attempt_that_hangs_while_it_looks_for_the_owner_knows_its_own_directory(few: Bench) -> None:
    """It saw no owner.json, and then a directory that is not empty."""
    owner = str(few.top / "stopped" / "volume" / "ns" / "set" / "owner.json")
    ended = stop_while_another_one_seals(few, Fault("openat", "signal=SIGSTOP", "1", (owner,)))
    assert ended.code == 0, ended.text


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("part", range(8))
def test_every_call_of_a_preparation(many: Bench, part: int, again: bool) -> None:
    points = census(many, again=again)
    for point in points[part::8]:
        kill_and_go_on(many, point, ["pod", "next"], again=again)
    print(f"{len(points[part::8])} of {len(points)} points")


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_every_call_of_an_erasure(many: Bench) -> None:
    for point in census(many, erase=True):
        kill_and_erase(many, point)
