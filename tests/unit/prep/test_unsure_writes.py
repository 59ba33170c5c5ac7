"""Writes of which nobody knows whether they are done: fsync or close says EIO once, what is there is not seen yet.

What strace saw is read back: nothing got its final name whose bytes had not been fsynced since they were written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.preparation import Place
from tests.faults.strace import CHANGING, OPENING, Fault, Injection, attach, needs_strace
from tests.faults.volume import torn
from tests.faults.zygote import Ended
from tests.unit.prep.points import FEW_CALLS, Bench, bench, traced

pytestmark = needs_strace
_LINE = re.compile(r"(?P<pid>\d+) +(?P<text>.*)")
_HANDLE = re.compile(r"(?P<call>\w+)\(\d+<(?P<path>[^>]+)>.* = (?P<value>-?\d+)")
_RENAME = re.compile(r'rename\("(?P<path>[^"]+)", "[^"]+"\) += 0')
KINDS = {  # the file that is hit, as a pattern of its temporary name below the data set's directory
    "download": r"staging/\w+/download/[^/]*\.part",
    "shard": r"staging/\w+/shards/\.\w+\.arrow\.\S+\.tmp",
    "pixels": r"staging/\w+/shards/\.\w+\.npy\.\S+\.tmp",
    "record": r"staging/\w+/shards/\.\w+\.record\.\S+\.tmp",
    "index": r"staging/\w+/version-\S+/\.index\.arrow\.\S+\.tmp",
    "manifest": r"staging/\w+/version-\S+/\.manifest\.json\.\S+\.tmp",
    "pointer": r"works/\.\w+\.json\.\S+\.tmp",
    "owner": r"\.owner\.json\.\S+\.tmp",
}


@pytest.fixture(scope="module")
def few() -> Iterator[Bench]:
    with bench(FEW_CALLS) as made:
        yield made


def calls(injection: Injection) -> list[str]:
    """Whole calls in the order of their ends; strace splits one during which another thread makes one, too."""
    begun: dict[str, str] = {}
    found = []
    for line in injection.lines:
        match = _LINE.match(line)
        assert match is not None, line
        pid, text = match["pid"], match["text"]
        if text.endswith("<unfinished ...>"):
            begun[pid] = text.removesuffix("<unfinished ...>").rstrip()
        elif text.startswith("<... "):
            found.append(begun.pop(pid) + text.partition(" resumed>")[2])
        else:
            found.append(text)
    return found


def unsynced(injection: Injection) -> list[str]:
    """Files that got their final name although what was written to them last had not been fsynced."""
    synced: dict[str, bool] = {}
    found = []
    for text in calls(injection):
        match, renamed = _HANDLE.match(text), _RENAME.match(text)
        if match is not None and match["call"] in ("write", "pwrite64", "ftruncate"):
            synced[match["path"]] = False
        elif match is not None and match["call"] in ("fsync", "fdatasync") and match["value"] == "0":
            synced[match["path"]] = True
        elif renamed is not None and not synced.get(renamed["path"], True):
            found.append(renamed["path"])
    return found


@pytest.fixture(scope="module")
def written(few: Bench) -> dict[str, str]:
    """The first file of each kind that an attempt writes and fsyncs, below the data set's directory."""
    place = few.fresh("hit")
    ended, injection = traced(few, place, None)
    few.check(place, ended)
    few.done_with(place)
    assert unsynced(injection) == []
    names = [match["path"] for text in calls(injection) if (match := _HANDLE.match(text)) and match["call"] == "fsync"]
    inner = [str(Path(name).relative_to(place.root)) for name in names if Path(name).is_relative_to(place.root)]
    found = {kind: next((n for n in inner if re.fullmatch(pattern, n)), "") for kind, pattern in KINDS.items()}
    assert all(found.values()), (found, inner)
    return found


def goes_on(made: Bench, place: Place, ended: Ended) -> None:
    """Sealed, or an error that may pass; in any case nothing is torn and the next attempt seals the same."""
    assert ended.outcome is not None, ended.text
    assert ended.outcome.sealed or (ended.outcome.code, ended.outcome.permanent) == ("PrepFailed", False), ended.text
    assert torn(place.root) == []
    made.check(place, made.zygote.run(place, made.work, 2, "next"))
    made.done_with(place)


@pytest.mark.parametrize("call", ["fsync", "close"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_whose_writing_is_unsure_is_not_taken_for_written(
    few: Bench, written: dict[str, str], kind: str, call: str
) -> None:
    place = few.fresh("hit")
    ended, injection = traced(few, place, Fault(call, "error=EIO", "1", (str(place.root / written[kind]),)))
    injection.must_have_fired()
    # Only calls on that file are seen: it has its final name when it was fsynced after all, and not before.
    assert unsynced(injection) == []
    goes_on(few, place, ended)


@pytest.mark.parametrize("seen", ["nothing", "the pointer only"])
def test_a_version_that_is_not_seen_yet_is_not_sealed_twice(few: Bench, seen: str) -> None:
    """Another node has sealed it, and this one's NFS client still says from its cache that it is not there."""
    place = few.fresh("late")
    few.check(place, few.zygote.run(place, few.work))
    (version,) = (place.root / "versions").iterdir()
    inode = version.stat().st_ino
    pointer = str(place.root / "works" / f"{few.work.hash}.json")
    hidden = (str(version / "manifest.json"), *(() if seen == "the pointer only" else (pointer,)))
    child = few.zygote.prepare(place, few.work, 2, "late")
    with attach(child.pid, Fault("openat", "error=ENOENT", "", hidden), few.top / "log", f"{CHANGING},{OPENING}") as at:
        child.go()
        ended = child.wait()
    at.must_have_fired()
    assert (place.root / "versions" / version.name).stat().st_ino == inode, "nobody has replaced what was sealed"
    assert ended.outcome is not None
    assert (ended.outcome.sealed, ended.outcome.permanent) == (False, False), ended.text
    assert torn(place.root) == []
    few.check(place, few.zygote.run(place, few.work, 3, "next"))
    few.done_with(place)
