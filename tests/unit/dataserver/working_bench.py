"""Data servers under strace that play a story. Used by test_working_kills.py and test_working_errors.py."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.preparation import Place
from tests.fakes.working import new_place
from tests.faults.servers import Server, Servers, servers
from tests.faults.strace import CHANGING, OPENING, Fault, Injection, attach
from tests.unit.dataserver.working_story import SECRET, Story, holds, seen, told
from tests.unit.prep.points import in_memory

TRACED = f"{CHANGING},{OPENING}"
_THREAD = re.compile(r"^(\d+) +(\w+)\(")


@dataclass
class Bench:
    """Volumes in memory, and who serves them."""

    top: Path
    forks: Servers
    number: int = 0
    known: list[tuple[str, int]] = field(default_factory=list)

    def fresh(self) -> Place:
        """A volume to break."""
        self.number += 1
        folder = self.top / str(self.number)
        folder.mkdir()
        return new_place(folder)

    @contextmanager
    def traced(self, place: Place, fault: Fault | None, calls: str = TRACED) -> Iterator[tuple[Server, Injection]]:
        """A server that begins under strace, and is killed at the end if it still lives."""
        server = self.forks.serve(place)
        try:
            with attach(server.pid, fault, self.top / "strace.log", calls) as injection:
                server.go()
                yield server, injection
                if injection.process.poll() is None and not server.runs():
                    injection.process.wait()
        finally:
            server.end()

    @property
    def points(self) -> list[tuple[str, int]]:
        """(call, number) of a server that nobody disturbs; strace counts each thread on its own."""
        if not self.known:
            place, story = self.fresh(), Story()
            with self.traced(place, None) as (server, injection):
                assert story.play(server) == len(story.steps)
            self.check(place, story)
            counts: Counter[tuple[str, str]] = Counter()
            for line in injection.lines:
                if (match := _THREAD.match(line)) is not None and not line.endswith("unfinished ...>"):
                    counts[match[1], match[2]] += 1
            most: dict[str, int] = {}
            for (_, call), count in counts.items():
                most[call] = max(most.get(call, 0), count)
            self.known = [(call, number) for call in sorted(most) for number in range(1, most[call] + 1)]
        return self.known

    def go_on(self, place: Place, story: Story, reached: int) -> None:
        """A server that follows has what there is, takes the rest, and tells the same as one that follows it."""
        found = seen(place.root)
        assert found in story.possible(reached), (reached, sorted(found), sorted(story.model))
        with self.forks.served(place) as server:
            assert seen(place.root) == found, "looking changed something"
            before = server.send("GET", "").json()
            assert before["samples"] == len(found)
            assert before["revision"] >= story.revision
            assert story.play(server, reached) == len(story.steps)
            self.check(place, story)
            last = told(server)
            assert sorted(last) == sorted(story.model)
            assert server.send("GET", "").json()["samples"] == len(story.model)
        with self.forks.served(place) as server:
            assert told(server) == last
        self.check(place, story)
        shutil.rmtree(place.volume.parent)

    def check(self, place: Place, story: Story) -> None:
        """Everything that was acknowledged is there as it was sent; what was purged is nowhere."""
        assert seen(place.root) == story.model
        assert holds(place.root, SECRET) == []


@contextmanager
def bench() -> Iterator[Bench]:
    """Everything the tests need."""
    with in_memory() as top, servers() as forks:
        yield Bench(top, forks)
