"""From `kubectl apply` of a TrainingRun to its end, on real kopf; what it costs, and what becomes of it in faults."""

from __future__ import annotations

import asyncio
import signal

import pytest

from blueno import names
from tests.fakes.job_controller import JobController
from tests.loop.conftest import World
from tests.loop.runs import RUN, a_run_manifest, completed, said, writes_of
from tests.loop.sound import picture, sound

WRITES_PER_RUN = 3  # Job, status Running, status at the end


async def test_apply_to_completed_costs_three_writes(world: World, jobs: JobController) -> None:
    await world.at_work()
    jobs.runs_for = 3600  # else a busy operator may find it ended already
    applied = world.api.put(a_run_manifest())
    await world.until(lambda: said(world) == ("Unknown", "Running"), "Running")
    jobs.runs_for = 0
    await completed(world)
    await world.settled()
    run = world.api.read(RUN, "train")
    assert run["spec"] == applied["spec"]
    assert set(run["metadata"]) == set(applied["metadata"])  # no annotation, no finalizer
    assert len(jobs.made) == 1
    assert len(writes_of(world)) <= WRITES_PER_RUN, writes_of(world)


async def test_an_idle_run_costs_nothing(world: World, jobs: JobController) -> None:
    first = await world.at_work()
    jobs.runs_for = 0.1
    world.api.put(a_run_manifest("ends"))
    await completed(world, "ends")
    jobs.runs_for = 3600
    world.api.put(a_run_manifest("runs"))
    await world.until(lambda: said(world, "runs") == ("Unknown", "Running"), "Running")
    await world.settled()
    world.api.requests.clear()
    for body in (*world.api.all("Job"), *world.api.all("Pod")):  # events that say nothing new
        world.api.update(body["kind"], body["metadata"]["name"], {"metadata": {"labels": {"touched": "x"}}})
    await world.settled(2.5)  # two sweeps
    await first.stop(signal.SIGKILL)
    await world.at_work()
    await world.settled(2.5)
    assert world.api.writes() == []


async def test_a_late_running_never_overwrites_the_end(world: World, jobs: JobController) -> None:
    """Pods and Jobs come by streams of their own: the pod's last change may come after the Job is over, or never."""
    await world.at_work()
    jobs.runs_for = 3600
    world.api.put(a_run_manifest())
    await world.until(lambda: said(world) == ("Unknown", "Running"), "Running")
    (job,), (pod,) = world.api.all("Job"), world.api.all("Pod")
    over = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-24T12:00:00Z"}
    world.api.update("Job", job["metadata"]["name"], {"status": {"conditions": [over]}})
    await completed(world)
    end = world.api.read(RUN, "train")["status"]
    before = await sound(world)
    for number in range(3):
        world.api.update("Pod", pod["metadata"]["name"], {"metadata": {"labels": {"late": str(number)}}})
        await asyncio.sleep(0.1)
    world.api.remove("Job", job["metadata"]["name"])  # as its TTL does
    await world.settled(2.5)
    assert world.api.read(RUN, "train")["status"] == end
    assert len(jobs.made) == 1
    await sound(world, before)


@pytest.mark.parametrize("code", [0, 1])
async def test_an_api_server_that_is_away_when_the_pod_ends(world: World, jobs: JobController, code: int) -> None:
    operator = await world.at_work()
    jobs.runs_for, jobs.exit_code = 3600, code
    world.api.put(a_run_manifest())
    await world.until(lambda: said(world) == ("Unknown", "Running"), "Running")
    world.api.fail = lambda verb, path: 503
    world.api.watches_down = True
    world.api.cut_watches()
    jobs.runs_for = 0
    await world.until(lambda: world.api.all("Job")[0].get("status", {}).get("conditions"), "the Job is over")
    await asyncio.sleep(2)
    world.api.forget()  # the events are lost, too
    world.api.fail = lambda verb, path: None
    world.api.watches_down = False
    wanted = ("False", "UserError") if code else ("True", "Completed")
    await world.until(lambda: said(world) == wanted, f"{wanted} after healing", 40)
    assert operator.process.returncode is None
    assert len(jobs.made) == 1
    await sound(world)


async def test_a_namesake_made_at_once_is_a_run_of_its_own(world: World, jobs: JobController) -> None:
    await world.at_work()
    jobs.runs_for = 3600
    world.api.put(a_run_manifest())
    await world.until(lambda: said(world) == ("Unknown", "Running"), "Running")
    before = picture(world)
    world.api.remove(RUN, "train")
    second = world.api.put(a_run_manifest(parameters={"lr": "0.1"}))
    await world.until(lambda: said(world) == ("Unknown", "Running"), "the second runs")
    jobs.runs_for = 0
    await completed(world)
    await sound(world, before)
    status = world.api.read(RUN, "train")["status"]
    assert names.uid8(second["metadata"]["uid"]) in status["jobRef"]["name"]
    assert status["attempt"] == 1
    assert len(jobs.made) == 2
    assert [job["metadata"]["ownerReferences"][0]["uid"] for job in world.api.all("Job")] == [second["metadata"]["uid"]]


async def test_two_operators_at_once_make_no_second_job_and_do_not_quarrel(world: World, jobs: JobController) -> None:
    """With one identity both believe that the Lease is theirs."""
    await world.at_work()
    await world.at_work()
    count = 8
    for number in range(count):
        world.api.put(a_run_manifest(f"run-{number}"))
    for number in range(count):
        await completed(world, f"run-{number}")
    await world.settled(2.5)
    world.api.requests.clear()
    await world.settled(2.5)
    assert writes_of(world) == []
    assert len(jobs.made) == len(set(jobs.made)) == count
    await sound(world)
