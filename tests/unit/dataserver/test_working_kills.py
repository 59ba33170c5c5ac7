"""SIGKILL of a data server at an exact system call: nothing acknowledged is lost, nothing is doubled, nothing is torn.

The default form takes points evenly over all calls; `-m soak` takes every one. What a kill cannot show, since the
kernel still has what was written, is looked up in the order of calls: what is synced before what is answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.faults.strace import Fault, needs_strace, spread
from tests.unit.dataserver.working_bench import TRACED, Bench, bench
from tests.unit.dataserver.working_story import Story

POINTS = 16
pytestmark = needs_strace
_CALL = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)")
_PACK = re.compile(r"[0-9a-f]{64}")


@pytest.fixture(scope="module")
def made() -> Iterator[Bench]:
    with bench() as found:
        yield found


def kill_and_go_on(made: Bench, point: tuple[str, int]) -> None:
    place, story = made.fresh(), Story()
    with made.traced(place, Fault(point[0], "signal=SIGKILL", str(point[1]))) as (server, injection):
        reached = story.play(server)
    injection.must_have_fired()
    made.go_on(place, story, reached)


@pytest.mark.parametrize("number", range(POINTS))
def test_a_data_server_that_is_killed_has_lost_nothing(made: Bench, number: int) -> None:
    kill_and_go_on(made, spread(made.points, POINTS)[number])


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(8))
def test_every_call_of_a_data_server(made: Bench, part: int) -> None:
    for point in made.points[part::8]:
        kill_and_go_on(made, point)
    print(f"{len(made.points[part::8])} of {len(made.points)} points")


def test_everything_is_synced_before_it_is_relied_on(made: Bench) -> None:
    """A pack before its name, its name before the journal, the journal before the answer, a chunk before its offset."""
    place, story = made.fresh(), Story()
    with made.traced(place, None, f"{TRACED},sendto") as (server, injection):
        assert story.play(server) == len(story.steps)
    dirty: set[str] = set()  # written or renamed, and not synced since
    named = answers = 0
    root = re.escape(str(place.root))
    for line in injection.lines:
        match = _CALL.match(line)
        if match is None:
            continue
        paths = re.findall(rf"<({root}[^>]*)>", line)
        call = match[1]
        if '.gone"' in line:  # of a purge, which the journal knows of
            continue
        if call in ("write", "pwrite64") and paths:
            if "/working/" in paths[0]:
                assert not [path for path in dirty if "/objects/" in path], (dirty, line)
            dirty.add(paths[0])
        elif call == "fsync" and paths:
            dirty.discard(paths[0])
        elif call.startswith("rename") and len(paths) == 2:
            assert not [path for path in dirty if path.startswith(paths[0])], (dirty, line)
            named += bool(_PACK.search(line))
            dirty.add(paths[1])
        elif call == "sendto" and "HTTP/1.1 20" in line and "Upload-Offset: " not in line:
            answers += 1
            assert not dirty, (dirty, line)
    assert (named >= 4, answers >= 6) == (True, True), (named, answers)
