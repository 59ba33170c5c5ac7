"""Errors of the volume at exact system calls of a data server: said, not acknowledged, and gone when they are gone.

The default form takes a few calls of each kind; `-m soak` takes every one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.strace import Fault, needs_strace, spread
from tests.unit.dataserver.working_bench import Bench, bench
from tests.unit.dataserver.working_story import Story, seen

pytestmark = needs_strace
ERRORS = ("EIO", "ENOSPC", "ESTALE", "EDQUOT")
TRIES = 6


@pytest.fixture(scope="module")
def made() -> Iterator[Bench]:
    with bench() as found:
        yield found


def insist(story: Story, server: object, reached: int, tries: int = TRIES) -> int:
    """Sends what was not answered again, a few times."""
    for _ in range(tries):
        reached = story.play(server, reached)  # type: ignore[arg-type]
    return reached


def fail_once(made: Bench, error: str, point: tuple[str, int]) -> None:
    """Whoever sends it again gets through, on the same server."""
    place, story = made.fresh(), Story()
    with made.traced(place, Fault(point[0], f"error={error}", str(point[1]))) as (server, injection):
        reached = story.play(server)
        assert seen(place.root) in story.possible(reached)
        assert insist(story, server, reached) == len(story.steps)
    injection.must_have_fired()
    made.go_on(place, story, len(story.steps))


def fail_until_healed(made: Bench, error: str, point: tuple[str, int]) -> None:
    """From that call on; afterwards the same server goes on."""
    place, story = made.fresh(), Story()
    with made.traced(place, Fault(point[0], f"error={error}", f"{point[1]}+")) as (server, injection):
        reached = insist(story, server, story.play(server), 2)
        assert seen(place.root) in story.possible(reached)
        injection.heal()
        assert insist(story, server, reached) == len(story.steps)
    injection.must_have_fired()
    made.go_on(place, story, len(story.steps))


def some(made: Bench, most: int) -> list[tuple[str, int]]:
    return spread(made.points, most)


@pytest.mark.parametrize("number", range(12))
def test_a_call_that_fails_once(made: Bench, number: int) -> None:
    fail_once(made, ERRORS[number % len(ERRORS)], some(made, 12)[number])


def test_a_stale_handle_does_not_say_that_nothing_is_there(made: Bench) -> None:
    """ESTALE from a name that is looked up: when it was taken for ENOENT, purged bytes stayed and clients got 410."""
    lookups = [point for point in made.points if point[0] == "openat"]
    for point in lookups[:: max(1, len(lookups) // 10)]:
        fail_once(made, "ESTALE", point)


@pytest.mark.parametrize("number", range(8))
def test_a_volume_that_fails_from_some_call_on(made: Bench, number: int) -> None:
    fail_until_healed(made, ERRORS[number % len(ERRORS)], some(made, 8)[number])


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("error", ERRORS)
def test_every_call_may_fail_once(made: Bench, error: str) -> None:
    for point in made.points:
        fail_once(made, error, point)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("error", ERRORS)
def test_every_call_may_be_the_first_of_many_that_fail(made: Bench, error: str) -> None:
    for point in made.points:
        fail_until_healed(made, error, point)
