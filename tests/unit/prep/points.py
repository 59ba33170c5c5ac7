"""What the tests of exact system calls share: sources, volumes in memory, and how a preparation must have ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import blueno
from blueno.resources.outcome import Outcome
from blueno.resources.work import Work
from tests.fakes.people import People
from tests.fakes.preparation import Place, archive_work
from tests.fakes.source_server import Served, SourceServer, source_server
from tests.fakes.sources import class_folders, tar
from tests.faults.strace import CHANGING, OPENING, Fault, Injection, attach, every
from tests.faults.volume import leftovers, torn
from tests.faults.zygote import Ended, Zygote, zygote

FILES = class_folders(100)  # 200 samples
EARLIER = dict(list(FILES.items())[:160])
ARCHIVE, EARLIER_ARCHIVE = tar(FILES), tar(EARLIER)
FEW_CALLS, MANY_CALLS = {"shardBytes": 262144}, {"shardBytes": 65536}


@contextmanager
def in_memory() -> Iterator[Path]:
    """A directory where fsync costs nothing: what is tested is which calls are made, not the disk."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="blueno-test-", dir=memory) as folder:
        yield Path(folder)


def place_at(top: Path) -> Place:
    """A place in a directory that is made for it."""
    top.mkdir(parents=True)
    return Place(top)


def copied(place: Place, top: Path) -> Place:
    """The same volume once more, hard links and times as they are."""
    copy = place_at(top)
    subprocess.run(["cp", "-a", f"{place.volume}/.", str(copy.volume)], check=True)
    return copy


@dataclass
class Bench:
    """One work of 200 samples and what comes out of it undisturbed. `earlier`: a volume with the version before."""

    top: Path
    zygote: Zygote
    server: SourceServer
    work: Work
    earlier_work: Work
    reference: dict[str, Any]  # the manifest
    earlier: Place
    reference_again: dict[str, Any]  # the manifest when it follows the earlier version
    known: dict[str, list[tuple[str, int]]] = field(default_factory=dict)  # points of undisturbed attempts

    def fresh(self, name: str, *, again: bool = False) -> Place:
        """A volume to break: empty, or with the version before."""
        shutil.rmtree(self.top / name, ignore_errors=True)
        return copied(self.earlier, self.top / name) if again else place_at(self.top / name)

    def fresh_copy(self, place: Place, name: str) -> Place:
        """The same volume, once more."""
        shutil.rmtree(self.top / name, ignore_errors=True)
        return copied(place, self.top / name)

    def done_with(self, *places: Place) -> None:
        for place in places:
            shutil.rmtree(place.volume.parent)

    def check(self, place: Place, ended: Ended, *, again: bool = False) -> Outcome:
        """It sealed what it had to, whole, once, and left nothing else."""
        outcome = ended.outcome
        assert ended.code == 0, ended.text
        assert outcome is not None
        assert outcome.sealed
        assert outcome.sequence == (2 if again else 1), outcome.sequence
        assert without_time(place, outcome) == (self.reference_again if again else self.reference)
        seen, left = torn(place.root), leftovers(place.volume)
        assert not seen, seen
        assert not left, left
        data = blueno.open_dataset(place.root, verify=True)
        assert data.digest == outcome.digest
        assert {key: data.raw(i) for i, key in enumerate(data.keys)} == FILES
        assert len(data) == len(FILES)
        assert len(list((place.root / "versions").iterdir())) == (2 if again else 1)
        assert len(list((place.root / "works").iterdir())) == (2 if again else 1)
        return outcome


def without_time(place: Place, outcome: Outcome) -> dict[str, Any]:
    """A manifest but for the moment of sealing."""
    manifest = place.manifest(outcome)
    del manifest["sealedAt"]
    return manifest


@contextmanager
def bench(pack: dict[str, int]) -> Iterator[Bench]:
    """Everything the tests need, for shards of this size."""
    with in_memory() as top, zygote() as forks, source_server() as server:
        server.paths["/a.tar.gz"], server.paths["/b.tar.gz"] = Served(ARCHIVE), Served(EARLIER_ARCHIVE)
        works = [archive_work(server.url(path), pack=pack) for path in ("/a.tar.gz", "/b.tar.gz")]
        found: list[dict[str, Any]] = []
        earlier = place_at(top / "earlier")
        assert forks.run(earlier, works[1]).code == 0
        for place in (place_at(top / "reference"), copied(earlier, top / "reference-again")):
            outcome = forks.run(place, works[0]).outcome
            assert outcome is not None
            found.append(without_time(place, outcome))
        yield Bench(top, forks, server, works[0], works[1], found[0], earlier, found[1])


@contextmanager
def upload_bench(pack: dict[str, int]) -> Iterator[Bench]:
    """The same for samples that people have added: `earlier` holds the first seal, and what was added since."""
    with in_memory() as top, zygote() as forks, source_server() as server:
        opening = Work({"upload": {}}, {"type": "auto"}, pack)
        first, second = replace(opening, requested_at="t1"), replace(opening, requested_at="t2")
        earlier = place_at(top / "earlier")
        assert forks.run(earlier, opening).code == 0
        people = People(earlier.root)
        people.add(EARLIER)
        assert forks.run(earlier, first).code == 0
        people.add({key: data for key, data in FILES.items() if key not in EARLIER})
        reference = copied(earlier, top / "reference")
        outcome = forks.run(reference, second).outcome
        assert outcome is not None
        yield Bench(top, forks, server, second, first, {}, earlier, without_time(reference, outcome))


def traced(
    made: Bench, place: Place, fault: Fault | None, *, erase: bool = False, host: str = "pod"
) -> tuple[Ended, Injection]:
    """One attempt under `fault`, the second one when its pod is not called `pod`."""
    child = made.zygote.prepare(place, None if erase else made.work, 1 if host == "pod" else 2, host)
    with attach(child.pid, fault, made.top / "strace.log", f"{CHANGING},{OPENING}") as injection:
        child.go()
        ended = child.wait()
    return ended, injection


def census(made: Bench, *, again: bool = False, erase: bool = False, opening: bool = False) -> list[tuple[str, int]]:
    """Every call that changes or opens a file, of an attempt that nothing disturbs; kills leave out the latter."""
    key = f"points-{again}-{erase}"
    if key not in made.known:
        place = made.fresh("census", again=again or erase)
        ended, injection = traced(made, place, None, erase=erase)
        assert ended.code == 0, ended.text
        made.done_with(place)
        made.known[key] = every(injection.counts)
    return [point for point in made.known[key] if opening or point[0] != OPENING]


def struck(
    made: Bench, start: Callable[[], Place], point: tuple[str, int], effect: str, *, erase: bool = False
) -> tuple[Place, Ended]:
    """A place in which the fault fired at this call, or at the last of its kind when there were fewer this time.

    How many writes a download takes depends on how much of it has come each time the attempt looks.
    """
    call, number = point
    for _ in range(5):
        place = start()
        ended, injection = traced(made, place, Fault(call, effect, str(number)), erase=erase)
        if injection.fired:
            break
        number = injection.counts[call]
        made.done_with(place)
    injection.must_have_fired()
    return place, ended
