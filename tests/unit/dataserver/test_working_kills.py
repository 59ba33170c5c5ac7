"""SIGKILL of a data server at an exact system call: nothing acknowledged is lost, nothing is doubled, nothing is torn.

The default form takes points evenly over all calls; `-m soak` takes every one.
"""

from __future__ import annotations

import re
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.preparation import Place
from tests.fakes.working import new_place
from tests.faults.servers import Servers, servers
from tests.faults.strace import CHANGING, OPENING, Fault, Injection, attach, needs_strace, spread
from tests.unit.dataserver.working_story import SECRET, Story, holds, seen, told
from tests.unit.prep.points import in_memory

POINTS = 24
pytestmark = needs_strace
_THREAD = re.compile(r"^(\d+) +(\w+)\(")


class Bench:
    """Volumes in memory, and who serves them."""

    def __init__(self, top: Path, forks: Servers) -> None:
        self.top, self.forks, self.number = top, forks, 0
        self._points: list[tuple[str, int]] = []

    def fresh(self) -> Place:
        self.number += 1
        folder = self.top / str(self.number)
        folder.mkdir()
        return new_place(folder)

    def traced(self, place: Place, fault: Fault | None) -> tuple[Story, int, Injection]:
        """The story as far as it goes: (what was acknowledged, the step that was not answered, what strace saw)."""
        server = self.forks.serve(place)
        with attach(server.pid, fault, self.top / "strace.log", f"{CHANGING},{OPENING}") as injection:
            server.go()
            story = Story()
            reached = story.play(server) if server.connection is not None else 0
            code = server.end()
        assert code == -signal.SIGKILL
        return story, reached, injection

    @property
    def points(self) -> list[tuple[str, int]]:
        """(call, number) of a server that nobody disturbs; strace counts each thread on its own."""
        if not self._points:
            place = self.fresh()
            story, reached, injection = self.traced(place, None)
            assert reached == len(story.steps)
            assert seen(place.root) == story.model
            counts: Counter[tuple[str, str]] = Counter()
            for line in injection.lines:
                if (match := _THREAD.match(line)) is not None and not line.endswith("unfinished ...>"):
                    counts[match[1], match[2]] += 1
            most: dict[str, int] = {}
            for (_, call), count in counts.items():
                most[call] = max(most.get(call, 0), count)
            self._points = [(call, number) for call in sorted(most) for number in range(1, most[call] + 1)]
        return self._points


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with in_memory() as top, servers() as forks:
        yield Bench(top, forks)


def kill_and_go_on(bench: Bench, point: tuple[str, int]) -> None:
    place = bench.fresh()
    story, reached, injection = bench.traced(place, Fault(point[0], "signal=SIGKILL", str(point[1])))
    injection.must_have_fired()
    found = seen(place.root)
    assert found in story.possible(reached), (reached, sorted(found), sorted(story.model))
    with bench.forks.served(place) as server:
        assert seen(place.root) == found, "looking changed something"
        before = server.send("GET", "").json()
        assert (before["samples"], before["revision"] >= story.revision) == (len(found), True)
        assert story.play(server, reached) == len(story.steps)
        check(place, story)
        last = told(server)
        assert sorted(last) == sorted(story.model)
        assert server.send("GET", "").json()["samples"] == len(story.model)
    with bench.forks.served(place) as server:  # and once more from what lies on the volume
        assert told(server) == last
    check(place, story)
    shutil.rmtree(place.volume.parent)


def check(place: Place, story: Story) -> None:
    """Everything that was acknowledged is there as it was sent; what was purged is nowhere."""
    assert seen(place.root) == story.model
    assert holds(place.root, SECRET) == []


@pytest.mark.parametrize("number", range(POINTS))
def test_a_data_server_that_is_killed_has_lost_nothing(bench: Bench, number: int) -> None:
    kill_and_go_on(bench, spread(bench.points, POINTS)[number])


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(8))
def test_every_call_of_a_data_server(bench: Bench, part: int) -> None:
    for point in bench.points[part::8]:
        kill_and_go_on(bench, point)
    print(f"{len(bench.points[part::8])} of {len(bench.points)} points")
