"""An operator that is stopped and goes on when another one has taken over (row 2): it writes nothing any more."""

from __future__ import annotations

import asyncio
import signal

import pytest

from controllers.lease import RENEW
from tests.fakes.job_controller import JobController
from tests.loop.conftest import a_dataset_manifest
from tests.loop.fire.conftest import UnderFire
from tests.loop.fire.prep_controller import PrepController
from tests.loop.runs import RUN, a_run_manifest, completed, said
from tests.loop.sound import sound
from tests.proxies.api import ApiProxy, Upstream
from tests.proxies.rules import Delay

pytestmark = pytest.mark.timeout(400)

NEWS_FOR = RENEW + 10  # seconds in which the stopped one does not hear that its Lease is gone
WRITES = ("POST", "PATCH", "PUT", "DELETE")


async def ready(world: UnderFire, name: str) -> None:
    await world.until(lambda: world.condition("Ready", name) == ("True", "Available"), f"{name} is Ready")


# As long as the other needs to take over; and as long as a machine may be gone.
@pytest.mark.parametrize("seconds", [0, pytest.param(120, marks=pytest.mark.soak)])
async def test_who_was_stopped_and_has_lost_the_lease_writes_nothing(
    world: UnderFire, prep: PrepController, jobs: JobController, seconds: float
) -> None:
    """Each operator has a proxy of its own, which tells who wrote what."""
    its_calls = world.proxy.calls
    its_proxy = world.proxy
    stale = await world.at_work()
    prep.prepares = False
    world.api.put(a_dataset_manifest("under-way"))
    await world.until(lambda: prep.pods, "its preparation runs")
    async with ApiProxy(Upstream(world.api.url)).serving() as world.proxy:
        successor = await world.start("operator-1")
        await world.until(lambda: successor.said("another operator holds lease"), "the second one waits")
        stale.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        await world.until(lambda: successor.said("operator-1 is at work"), "the second one takes over")
        prep.prepares = True
        await ready(world, "under-way")
        written = [call for call in its_calls if call.verb in WRITES]
        assert written, "it was at work before"
        with its_proxy.fault(Delay(NEWS_FOR), "GET", kinds=("leases",)):
            world.api.put(a_dataset_manifest("news", reclaimPolicy="Delete"))
            world.api.put(a_run_manifest("news"))
            stale.process.send_signal(signal.SIGCONT)
            await ready(world, "news")
            world.api.remove("Dataset", "news")
            await world.until(lambda: stale.process.returncode is not None, "it learns of it and ends")
        assert [call for call in its_calls if call.verb in WRITES] == written
        assert stale.said("nothing is written until it is renewed"), "there was something to write: this is a test"
        await completed(world, "news")
        assert said(world, "news") == ("True", "Completed")
        assert [run["status"]["attempt"] for run in world.api.all(RUN)] == [1]
        await sound(world)
