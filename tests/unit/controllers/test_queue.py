"""controllers/queue.py: each key at most once at a time, none lost."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from controllers.queue import RESYNC, WorkQueue
from tests.unit.controllers.waiting import until

A, B, C = ("Dataset", "a"), ("Dataset", "b"), ("Dataset", "c")


class Clock:
    """Seconds, moved by the test."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def drain(queue: WorkQueue) -> list[tuple[str, str]]:
    """What can be taken now, each key done at once."""
    taken = []
    while True:
        try:
            taken.append(await asyncio.wait_for(queue.take(), 0.01))
        except TimeoutError:
            return taken
        queue.done(taken[-1])


async def test_a_key_added_twice_is_taken_once() -> None:
    queue = WorkQueue(Clock())
    queue.add(A)
    queue.add(A)
    queue.add(B)
    assert len(queue) == 2
    assert await drain(queue) == [A, B]


async def test_a_key_in_work_is_not_taken_again_before_it_is_done() -> None:
    queue = WorkQueue(Clock())
    queue.add(A)
    assert await queue.take() == A
    queue.add(A)
    queue.add(B)
    assert await drain(queue) == [B]
    queue.done(A)
    assert await drain(queue) == [A]


async def test_a_waiting_worker_wakes_up() -> None:
    queue = WorkQueue(Clock())
    worker = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add(A)
    assert await asyncio.wait_for(worker, 30) == A


async def test_delays_and_that_the_earlier_date_stays() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(A, delay=10)
    queue.add(A, delay=60)
    queue.add(B, delay=60)
    queue.add(B, delay=5)
    assert await drain(queue) == []
    clock.now += 5
    assert await drain(queue) == [B]
    clock.now += 5
    assert await drain(queue) == [A]
    clock.now += 100
    assert await drain(queue) == []


async def test_a_real_delay_passes_by_itself() -> None:
    queue = WorkQueue(asyncio.get_running_loop().time)
    queue.add(A, delay=0.02)
    assert await asyncio.wait_for(queue.take(), 30) == A


async def test_news_goes_before_looking_again() -> None:
    queue = WorkQueue(Clock())
    queue.add(A, priority=RESYNC)
    queue.add(B, priority=RESYNC)
    queue.add(C)
    queue.add(B)  # now news
    assert await drain(queue) == [C, B, A]


async def test_a_key_added_while_in_work_keeps_its_delay() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(A)
    await queue.take()
    queue.add(A, delay=10)
    queue.done(A)
    assert await drain(queue) == []
    clock.now += 10
    assert await drain(queue) == [A]


def test_backoff_doubles_to_twenty_seconds_with_jitter_and_is_forgotten_on_success() -> None:
    queue = WorkQueue(Clock(), jitter=lambda: 1.0)
    assert [queue.failed(A) for _ in range(9)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20.0, 20.0]
    queue.succeeded(A)
    assert queue.failed(A) == 0.2
    least = WorkQueue(Clock(), jitter=lambda: 0.0)
    assert least.failed(A) == 0.1
    assert least.failed(B, at_least=7.0) == 7.0


async def test_news_ends_a_backoff() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add(A)
    await queue.take()
    for _ in range(8):
        queue.failed(A)
    queue.done(A)
    queue.add(A)
    assert await drain(queue) == [A]


async def test_a_storm_on_many_workers_loses_nothing_and_never_doubles() -> None:
    queue = WorkQueue(asyncio.get_running_loop().time)
    chance = random.Random(7)
    keys = [("Dataset", str(number)) for number in range(20)]
    active: Counter[tuple[str, str]] = Counter()
    dirty: set[tuple[str, str]] = set()

    async def work() -> None:
        while True:
            key = await queue.take()
            active[key] += 1
            assert active[key] == 1, "two workers on one key"
            dirty.discard(key)
            await asyncio.sleep(chance.random() / 500)
            active[key] -= 1
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(8)]
    for _ in range(600):
        key = chance.choice(keys)
        dirty.add(key)
        queue.add(key, delay=chance.choice([0, 0, 0.002]), priority=chance.choice([0, 1]))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() / 1000)
    await until(lambda: not (dirty or len(queue)) or any(worker.done() for worker in workers))
    assert not any(worker.done() for worker in workers)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


@given(st.floats(0, 3600), st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_whatever_is_away_all_is_tried_again_soon_after_it_is_back(away: float, dice: list[float]) -> None:
    """A PATCH that fails for a minute, or an hour: within 30 s of its healing it is made up for."""
    clock, rolls = Clock(), itertools.cycle(dice)
    queue = WorkQueue(clock, jitter=lambda: next(rolls))
    healed = clock.now + away
    while clock.now < healed:
        clock.now += queue.failed(A)
    assert clock.now - healed < 30
