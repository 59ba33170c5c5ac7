"""PATCH fails for a while and heals (row 6), calls that arrive twice or whose answers are lost, Retry-After."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from blueno import names
from tests.fakes.job_controller import JobController
from tests.loop.conftest import a_dataset_manifest
from tests.loop.fire.conftest import UnderFire
from tests.loop.fire.prep_controller import PrepController
from tests.loop.runs import RUN, a_run_manifest, said
from tests.loop.sound import sound
from tests.proxies.rules import Answer, Call, CutAfter, CutBefore, Delay, Fault, Twice

pytestmark = pytest.mark.timeout(300)

STATUSES = (403, 409, 422, 429, 500, 503)
FAULTS: tuple[Fault, ...] = (Twice(), CutAfter(), CutBefore(), Delay(0.3))
OURS = ("datasets", "datasets/status", "trainingruns", "trainingruns/status")


REFUSED = 60.0  # seconds for which a PATCH fails
RECOVERED = 30.0  # seconds after that within which all is handled


async def both_end(world: UnderFire, name: str, seconds: float = 60) -> None:
    def ended() -> bool:
        ready = world.condition("Ready", name) == ("True", "Available")
        return ready and said(world, name) == ("True", "Completed")

    await world.until(ended, f"the Dataset {name} is Ready and the run Completed", seconds)


def both(world: UnderFire, name: str) -> None:
    world.api.put(a_dataset_manifest(name, reclaimPolicy="Delete"))
    world.api.put(a_run_manifest(name))


async def nothing_is_double(world: UnderFire, prep: PrepController, jobs: JobController, count: int) -> None:
    """One Job for each object, its first attempt, and one claim for each Dataset."""
    await sound(world)
    assert len(prep.made) == len(jobs.made) == len(set(jobs.made)) == count
    claims = [c for c in world.api.all("PersistentVolumeClaim") if c["metadata"]["name"] != names.OUTPUTS_CLAIM]
    assert len(claims) == len(world.api.all("Dataset"))
    for run in world.api.all(RUN):
        assert run["status"]["attempt"] == 1
    for dataset in world.api.all("Dataset"):
        assert dataset["status"]["work"]["attempt"] == 1


async def test_patches_that_fail_for_a_while_are_made_up_for(
    world: UnderFire, prep: PrepController, jobs: JobController
) -> None:
    """From before the objects come until their writes were refused again and again; by one kind of refusal after
    the other, and by one operator, which stays.
    """
    operator = await world.at_work()
    for status in STATUSES:
        name = f"one-{status}"
        fault = Answer(status, retry_after=1 if status == 429 else None)
        with world.proxy.fault(fault, "PATCH", kinds=OURS, where=lambda call: call.name == name) as refused:  # noqa: B023
            both(world, name)
            await world.until(lambda: refused.fired >= 6, f"{status} again and again")
        await both_end(world, name)
        assert refused.fired < 200, "no storm of retries"
    assert operator.process.returncode is None
    await nothing_is_double(world, prep, jobs, len(STATUSES))


async def test_a_minute_of_refused_patches_is_made_up_for_in_half_a_minute(
    world: UnderFire, prep: PrepController, jobs: JobController
) -> None:
    """Whatever kopf would have given up meanwhile: no event comes after the healing, the operator has to try again."""
    operator = await world.at_work(BLUENO_SWEEP_SECONDS="600")
    with world.proxy.fault(Answer(500), "PATCH") as refused:
        both(world, "early")
        await asyncio.sleep(REFUSED)
        assert world.condition("Ready", "early") == said(world, "early") == ("", "")
        assert refused.fired < 100, "no storm of retries"
    await both_end(world, "early", RECOVERED)
    assert operator.process.returncode is None
    await nothing_is_double(world, prep, jobs, 1)


async def test_every_other_try_of_each_write_is_disturbed(
    world: UnderFire, prep: PrepController, jobs: JobController
) -> None:
    """Each POST, PATCH, PUT and DELETE, the Lease's included: sent twice, late, or cut before or after it acted."""
    await world.at_work()
    tries: Counter[tuple[str, str, str]] = Counter()

    def odd(call: Call) -> bool:
        tries[call.verb, call.kind, call.name] += 1
        return tries[call.verb, call.kind, call.name] % 2 == 1

    for fault in FAULTS:
        name = f"one-{type(fault).__name__.lower()}"
        with world.proxy.fault(fault, "POST", "PATCH", "PUT", "DELETE", where=odd) as disturbed:
            both(world, name)
            await both_end(world, name)
            world.api.remove("Dataset", name)
            await world.until(lambda: not world.api.all("Dataset"), "erased and gone")
            assert disturbed.fired >= 8, "each write met the fault"
    await nothing_is_double(world, prep, jobs, len(FAULTS))
