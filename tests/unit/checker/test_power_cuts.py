"""A preparation that is killed at any fsync, rename or link, a second attempt, and then a power cut.

What is judged is the order of the calls of both attempts: nothing has its name before its bytes are durable, and what
was told to be sealed survives, whichever attempt made which part of it.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from tests.checker import Snapshot, assert_sound
from tests.checker.gather.volume import gather_reservations, gather_volume
from tests.checker.recorder import Killed, Recorder
from tests.checker.steps import Named, Synced, Told
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, tar

ARCHIVE = tar(class_folders(3), "")
LARGER = tar(class_folders(4), "")
PACK = {"shardBytes": 65536}


def killed_and_tried_again(place: Place, name: str, archive: bytes, calls: int) -> tuple[bool, Snapshot]:
    """Whether the first attempt was killed, and everything that is known afterwards."""
    work = archive_work(place.put(name, archive), pack=PACK)
    recorder = Recorder(place.volume)
    killed = False
    with recorder.recording(calls):
        try:
            place.sealed(work)
        except Killed:
            killed = True
    with recorder.recording():
        place.sealed(work, attempt=2, host="next")
        recorder.told(place.root, work.hash)
    seen = gather_volume(place.volume)
    reservations = gather_reservations(place.volume)
    return killed, Snapshot(directories=seen, reservations=reservations, trace=recorder.trace)


def test_a_power_cut_after_a_kill_at_any_call_loses_nothing_that_was_told(tmp_path: Path) -> None:
    for calls in count():
        folder = tmp_path / str(calls)
        folder.mkdir()
        killed, snapshot = killed_and_tried_again(Place(folder), "a.tar", ARCHIVE, calls)
        print(f"killed instead of call {calls + 1}" if killed else f"{calls} calls in all")
        assert_sound(snapshot)
        if not killed:
            break
    assert calls > 30  # else the fault has not fired where it should


@pytest.mark.parametrize("calls", [0, 9, 18, 27, 30, 33])
def test_a_second_version_beside_the_first(place: Place, calls: int) -> None:
    """Its shards are links to those of the first one: what is durable already is not written again."""
    first = place.sealed(archive_work(place.put("a.tar", ARCHIVE), pack=PACK))
    killed, snapshot = killed_and_tried_again(place, "b.tar", LARGER, calls)
    assert killed
    assert_sound(snapshot)
    assert {pointer["sequence"] for pointer in snapshot.directories[0].pointers.values()} == {1, 2}
    assert snapshot.directories[0].version(first.digest) is not None


def test_the_trace_shows_all_of_a_preparation(place: Place) -> None:
    _, snapshot = killed_and_tried_again(place, "a.tar", ARCHIVE, 10**6)
    assert snapshot.trace is not None
    kinds = {type(step) for step in snapshot.trace.steps}
    assert kinds == {Synced, Named, Told}
    named = {Path(step.path).parent.name for step in snapshot.trace.steps if isinstance(step, Named)}
    assert {"works", "versions", "shards", "set"} <= named
