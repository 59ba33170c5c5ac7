"""Errors of the volume at exact system calls: the named code comes out, nothing is torn, the next one seals the same.

The default form takes a few calls of each kind; `-m soak` takes every one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.fakes.full_volume import until
from tests.faults.strace import CHANGING, OPENING, Fault, Injection, attach, needs_strace, spread
from tests.faults.volume import torn
from tests.faults.zygote import Ended
from tests.unit.prep.points import FEW_CALLS, Bench, bench, census, struck, traced

pytestmark = needs_strace
CODES = {  # that an attempt may end with; it may also have gone on without what failed
    "EIO": {"PrepFailed", "WaitingForVolume"},
    "ESTALE": {"WaitingForVolume"},
    "EROFS": {"VolumePermissionDenied"},
    "EACCES": {"VolumePermissionDenied"},
}
CALLS = ("fsync", "link", "mkdir", "openat", "rename", "write")
FULL_CALLS = ("fsync", "link", "mkdir", "rename", "write")
TRIES = 3  # calls without room after which it is taken for waiting


@pytest.fixture(scope="module")
def few() -> Iterator[Bench]:
    with bench(FEW_CALLS) as made:
        yield made


def points(made: Bench, calls: Sequence[str], most: int = 1 << 30) -> list[tuple[str, int]]:
    """Some calls of these kinds, in the run that follows an earlier version: it makes all kinds."""
    return spread([point for point in census(made, again=True, opening=True) if point[0] in calls], most)


def fail_once(made: Bench, error: str, point: tuple[str, int]) -> str:
    """The code that the attempt ended with, "" when it sealed all the same. The next one seals in any case."""
    place, ended = struck(made, lambda: made.fresh("failing", again=True), point, f"error={error}")
    assert torn(place.root) == []
    code = code_of(ended)
    if not code and ended.outcome is not None:
        made.check(place, ended, again=True)
    made.check(place, made.zygote.run(place, made.work, 2, "next"), again=True)
    made.done_with(place)
    return code


def code_of(ended: Ended) -> str:
    """Checked: an outcome was told, unless it was the telling that failed."""
    assert ended.code in (0, 1), ended.text
    if ended.outcome is None:
        assert "the termination message cannot be written" in ended.text
        return "" if ended.code == 0 else "untold"
    assert (ended.outcome.sealed, ended.outcome.permanent) == (ended.code == 0, False)
    assert "Traceback" not in ended.outcome.message
    return ended.outcome.code


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", CODES)
def test_an_error_has_its_code_and_the_next_attempt_seals_the_same(few: Bench, error: str, call: str) -> None:
    """At one call of each kind, another one for each error."""
    found = points(few, [call])
    code = fail_once(few, error, found[(1 + list(CODES).index(error)) * (len(found) - 1) // len(CODES)])
    assert code in CODES[error] | {""}


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("error", CODES)
def test_every_call_may_fail(few: Bench, error: str) -> None:
    found = Counter(fail_once(few, error, point) for point in points(few, CALLS))
    print(f"{error}: {dict(found)}")
    assert set(found) <= CODES[error] | {"", "untold"}


def fill_up(made: Bench, error: str, point: tuple[str, int]) -> None:
    """From this call on there is no room, until it heals: the attempt waits, holds no temporary file, and goes on."""
    place = made.fresh("full", again=True)
    child = made.zygote.prepare(place, made.work)
    fault = Fault(point[0], f"error={error}", f"{point[1]}+")
    with attach(child.pid, fault, made.top / "strace.log", f"{CHANGING},{OPENING}") as injection:
        child.go()
        until(lambda: len(injection.fired) > TRIES or not child.runs())
        seen = torn(place.root)
        injection.heal()
        ended = child.wait()
    made_calls = injection.counts[point[0]]
    if not injection.fired and made_calls < point[1]:  # see `struck`
        made.done_with(place)
        fill_up(made, error, (point[0], made_calls))
        return
    injection.must_have_fired()
    assert not seen, seen
    if ended.outcome is None:  # it had sealed when it began, and only the telling failed
        assert ended.code == 0, ended.text
        ended = made.zygote.run(place, made.work, 2, "next")
    made.check(place, ended, again=True)
    made.done_with(place)


@pytest.mark.parametrize("call", FULL_CALLS)
@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT"])
def test_a_volume_that_is_full_from_some_call_on_is_waited_for(few: Bench, error: str, call: str) -> None:
    found = points(few, [call])
    fill_up(few, error, found[len(found) // (2 if error == "ENOSPC" else 3)])


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT"])
def test_every_call_may_be_the_first_without_room(few: Bench, error: str) -> None:
    for point in points(few, FULL_CALLS):
        fill_up(few, error, point)


@pytest.mark.parametrize("folder", ["works", "versions"])
@pytest.mark.parametrize("effect", ["error=EIO", "signal=SIGKILL"])
def test_nothing_is_called_sealed_before_its_directory_was_synced(few: Bench, folder: str, effect: str) -> None:
    """The rename is done and its fsync is not: whoever comes next sees it, and must not rely on it."""
    place = few.fresh("unsynced")
    fault = Fault("fsync", effect, "1", (str(place.root / folder),))
    ended, injection = traced(few, place, fault)
    injection.must_have_fired()
    if ended.code == 0:  # it tried once more itself
        assert synced(injection, place.root / folder)
    ended, injection = traced(few, place, None, host="next")
    assert synced(injection, place.root / folder)
    few.check(place, ended)
    few.done_with(place)


def synced(injection: Injection, folder: Path) -> bool:
    """Whether an fsync of `folder` succeeded."""
    return any(re.search(rf"fsync\(\d+<{re.escape(str(folder))}>\) += 0$", line) for line in injection.lines)


def test_a_pointer_that_cannot_be_read_now_is_not_overlooked(few: Bench) -> None:
    """Else the new version would get the number of the one before, and either of them be the newest."""
    place = few.fresh("pointer", again=True)
    (pointer,) = (place.root / "works").iterdir()
    ended, injection = traced(few, place, Fault("openat", "error=EIO", "", (str(pointer),)))
    injection.must_have_fired()
    assert code_of(ended) == "PrepFailed"
    few.check(place, few.zygote.run(place, few.work, 2, "next"), again=True)
    few.done_with(place)


def test_a_version_that_cannot_be_read_now_is_not_replaced(few: Bench) -> None:
    """Somebody may be reading it, and it may be whole."""
    place = few.fresh("version", again=True)
    (version,) = (place.root / "versions").iterdir()
    inode = version.stat().st_ino
    manifest = str(version / "manifest.json")
    child = few.zygote.prepare(place, few.earlier_work)
    with attach(child.pid, Fault("openat", "error=ESTALE", "", (manifest,)), few.top / "strace.log", OPENING) as found:
        child.go()
        ended = child.wait()
    found.must_have_fired()
    assert code_of(ended) == "WaitingForVolume"
    assert few.zygote.run(place, few.earlier_work, 2, "next").code == 0
    assert version.stat().st_ino == inode
    few.done_with(place)


def test_an_error_while_staging_is_cleared_leaves_nothing_of_a_work_that_is_sealed(few: Bench) -> None:
    """Nobody comes back to it: what stayed would stay until another work looks for what is a week old."""

    def opened(number: int) -> Injection:
        place = few.fresh("cleared", again=True)
        staging = str(place.root / "staging" / few.work.hash)
        ended, injection = traced(few, place, Fault("openat", "error=EIO", str(number), (staging,)))
        if ended.code == 0:
            few.check(place, ended, again=True)
        few.done_with(place)
        return injection

    last = opened(1 << 15).counts["openat"]
    for number in range(last - 2, last + 1):  # the directory itself, and two that are in it
        opened(number).must_have_fired()
