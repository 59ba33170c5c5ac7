"""controllers/lease.py: two operators, one Lease, judged by how long it was seen unchanged."""

from __future__ import annotations

import asyncio
import time

import pytest

from blueno import names
from blueno.errors import Unavailable
from blueno.kube import Cluster
from blueno.resources.api import LEASES
from controllers import lease as module
from controllers.lease import DURATION, SURE, Lease
from tests.fakes.api_server import ApiServer
from tests.unit.controllers.waiting import until

SPACE = "blueno-system"


class Clock:
    """Stands for the `time` module."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "RETRY", 0.01)
    monkeypatch.setattr(module, "RENEW", 0.01)
    return clock


def holder(api: ApiServer) -> str:
    return str(api.read("Lease", names.LEASE, SPACE)["spec"]["holderIdentity"])


async def test_the_second_waits_while_the_first_renews(api: ApiServer, cluster: Cluster, clock: Clock) -> None:
    first, second = Lease(cluster, SPACE, "a"), Lease(cluster, SPACE, "b")
    await first.acquire()
    for _ in range(4):
        clock.now += DURATION - 1
        assert await first._try()
        assert not await second._try()
    assert holder(api) == "a"


async def test_a_lease_seen_unchanged_for_long_is_taken(api: ApiServer, cluster: Cluster, clock: Clock) -> None:
    first, second = Lease(cluster, SPACE, "a"), Lease(cluster, SPACE, "b")
    await first.acquire()
    clock.now += 1000  # however old it is: the second has only just seen it
    assert not await second._try()
    clock.now += DURATION
    assert not await second._try()
    clock.now += 0.1
    assert await second._try()
    assert holder(api) == "b"
    assert api.read("Lease", names.LEASE, SPACE)["spec"]["leaseTransitions"] == 1
    assert not await first._try()


async def test_a_released_lease_is_taken_at_once(api: ApiServer, cluster: Cluster, clock: Clock) -> None:
    first, second = Lease(cluster, SPACE, "a"), Lease(cluster, SPACE, "b")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(0.03)
    assert not waiting.done()
    await second.release()  # not its to release
    assert holder(api) == "a"
    await first.release()
    await asyncio.wait_for(waiting, 30)
    assert holder(api) == "b"


async def test_the_same_pod_takes_its_own_lease_back(cluster: Cluster, clock: Clock) -> None:
    await Lease(cluster, SPACE, "a").acquire()
    assert await Lease(cluster, SPACE, "a")._try()


async def test_of_two_at_once_one_wins(api: ApiServer, cluster: Cluster, clock: Clock) -> None:
    pair = [Lease(cluster, SPACE, "a"), Lease(cluster, SPACE, "b")]
    assert sorted(await asyncio.gather(*(lease._try() for lease in pair))) == [False, True]


async def test_hold_ends_when_another_holds(api: ApiServer, cluster: Cluster, clock: Clock) -> None:
    first = Lease(cluster, SPACE, "a")
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    await asyncio.sleep(0.05)
    assert not holding.done()
    api.update("Lease", names.LEASE, {"spec": {"holderIdentity": "b"}}, SPACE)
    await asyncio.wait_for(holding, 30)


async def test_hold_outlives_an_unreachable_api_server(api: ApiServer, cluster: Cluster, clock: Clock) -> None:
    first = Lease(cluster, SPACE, "a")
    await first.acquire()
    api.fail = lambda verb, path: 503
    holding = asyncio.create_task(first.hold())
    await asyncio.sleep(0.05)
    assert not holding.done()
    api.fail = lambda verb, path: None
    before = len(api.requests)
    await until(lambda: len(api.requests) > before + 2)
    assert not holding.done()
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    assert await cluster.get(LEASES, SPACE, names.LEASE) is not None


async def test_a_lease_touched_by_somebody_else_is_not_lost(api: ApiServer, cluster: Cluster, clock: Clock) -> None:
    """A 409 on renewal only says that the Lease has changed, not that it is another's."""
    first = Lease(cluster, SPACE, "a")
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    api.fail = lambda verb, path: 409 if verb == "PUT" else None
    await asyncio.sleep(0.05)
    assert not holding.done()
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


async def test_the_epoch_grows_with_every_holder_and_with_nothing_else(
    api: ApiServer, cluster: Cluster, clock: Clock
) -> None:
    first, second = Lease(cluster, SPACE, "a"), Lease(cluster, SPACE, "b")
    await first.acquire()
    begun = first.epoch
    for _ in range(3):
        assert await first._try()
    again = Lease(cluster, SPACE, "a")  # a restart of the same container
    await again.acquire()
    assert first.epoch == again.epoch == begun
    await first.release()
    await second.acquire()
    assert second.epoch == begun + 1
    await second.release()
    await first.acquire()
    assert first.epoch == begun + 2


async def test_a_lease_made_anew_is_later_than_the_one_before(api: ApiServer, cluster: Cluster, clock: Clock) -> None:
    lease = Lease(cluster, SPACE, "a")
    await lease.acquire()
    spec = {"leaseTransitions": 4711, "holderIdentity": ""}
    api.update("Lease", names.LEASE, {"spec": spec, "metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}}, SPACE)
    assert await lease._try()
    old = lease.epoch
    api.remove("Lease", names.LEASE, SPACE)
    assert await lease._try()
    assert lease.epoch > old


async def test_who_may_have_lost_it_writes_no_more(cluster: Cluster, clock: Clock) -> None:
    """Sooner than another one takes it, and again as soon as it is renewed."""
    lease = Lease(cluster, SPACE, "a")
    with pytest.raises(Unavailable, match="another operator may hold it"):
        async with lease.held():
            pytest.fail("it was never held")
    await lease.acquire()
    clock.now += SURE - 0.1
    async with lease.held():
        pass
    clock.now += 0.1
    with pytest.raises(Unavailable, match="not renewed for 12 s"):
        async with lease.held():
            pytest.fail("another may hold it by now")
    assert SURE < DURATION
    assert await lease._try()
    async with lease.held():
        pass


async def test_a_renewal_that_was_slow_counts_from_its_beginning(
    api: ApiServer, cluster: Cluster, clock: Clock
) -> None:
    """Others have seen it for as long as its answer was on the way."""
    lease = Lease(cluster, SPACE, "a")

    def late(verb: str, path: str) -> float:
        clock.now += SURE if verb == "POST" else 0
        return 0.0

    api.slow = late
    await lease.acquire()
    with pytest.raises(Unavailable):
        async with lease.held():
            pytest.fail("another may hold it by now")


async def test_a_write_under_way_ends_with_the_lease(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the process is stopped while it waits for a connection."""
    lease = Lease(cluster, SPACE, "a")
    await lease.acquire()
    monkeypatch.setattr(module, "SURE", time.monotonic() - lease._renewed + 0.05)
    with pytest.raises(Unavailable, match="nothing is written"):
        async with lease.held():
            await asyncio.sleep(60)


async def test_a_write_waits_a_while_for_the_renewal(
    api: ApiServer, cluster: Cluster, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And for no other: what was planned before another one held the Lease is planned anew."""
    monkeypatch.setattr(module, "RENEW", 30)
    lease, other = Lease(cluster, SPACE, "a"), Lease(cluster, SPACE, "b")
    written: list[int] = []

    async def write() -> None:
        async with lease.held():
            written.append(1)

    async def waiting() -> asyncio.Task[None]:
        clock.now += SURE
        task = asyncio.create_task(write())
        await asyncio.sleep(0.01)
        assert not task.done()
        return task

    await lease.acquire()
    task = await waiting()
    assert await lease._try()
    await asyncio.wait_for(task, 30)
    assert written == [1]
    task = await waiting()
    await lease.release()
    await other.acquire()
    await other.release()
    assert await lease._try()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(task, 30)
    assert written == [1]


async def test_hold_renews_soon_after_the_api_server_is_back(api: ApiServer, cluster: Cluster) -> None:
    """Nothing is written before: every second counts."""
    lease = Lease(cluster, SPACE, "a")
    await lease.acquire()
    lease._renewed -= DURATION
    holding = asyncio.create_task(lease.hold())
    began = time.monotonic()
    await until(lambda: lease._renewed >= began)
    assert time.monotonic() - began < module.RENEW - 1
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
