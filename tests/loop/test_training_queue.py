"""A run that Kueue holds, on real kopf: told why within seconds, also when Kueue comes later, until it is let go."""

from __future__ import annotations

import asyncio
from typing import Any

from blueno import names
from tests.fakes.api_server import Seen
from tests.fakes.job_controller import JobController
from tests.loop.conftest import World
from tests.loop.runs import RUN, a_run_manifest, completed, said, writes_of
from tests.unit.controllers.training_run.kueue import a_workload, condition

FULL = condition(
    "QuotaReserved", "False", "WaitingForQuota", "insufficient unused quota for nvidia.com/gpu, 2 more needed"
)


async def held(world: World) -> dict[str, Any]:
    """A run whose Job was suspended before it had a pod; its Workload's metadata."""
    world.api.judge = suspend
    world.api.put(a_run_manifest(queueName="team"))
    job = (await world.until(lambda: world.api.all("Job"), "a Job"))[0]
    return {"name": "w", "namespace": "lab", "labels": {names.KUEUE_JOB_LABEL: job["metadata"]["uid"]}}


def suspend(body: Any, _: Any) -> None:
    """As Kueue's webhook does with a new Job that names a queue."""
    if names.KUEUE_QUEUE_LABEL in (body["metadata"].get("labels") or {}):
        body["spec"].setdefault("suspend", True)


def message(world: World) -> str:
    return str((world.api.read(RUN, "train")["status"].get("pending") or {}).get("message"))


async def test_told_why_and_then_let_go(world: World, jobs: JobController) -> None:
    world.api.fail = lambda verb, path: 404 if "kueue" in path else None
    await world.at_work()
    meta = await held(world)
    await world.until(lambda: "Kueue is not installed" in message(world), "no Kueue", 10)
    world.api.put(a_workload(FULL) | {"metadata": meta})
    world.api.fail = lambda verb, path: None
    await world.until(lambda: said(world) == ("Unknown", "WaitingForQuota"), "the reason", 10.5)
    assert "Kueue, queue team: insufficient unused quota for nvidia.com/gpu" in message(world)
    before = len(writes_of(world))
    await asyncio.sleep(6)  # it is asked again, and hears the same
    assert len(writes_of(world)) == before
    assert jobs.pods(world.api.all("Job")[0]) == []
    world.api.update("Job", world.api.all("Job")[0]["metadata"]["name"], {"spec": {"suspend": False}})
    await completed(world)
    assert "pending" not in world.api.read(RUN, "train")["status"]
    asked = len([seen for seen in world.api.requests if "kueue" in seen.path])
    await asyncio.sleep(6)
    assert len([seen for seen in world.api.requests if "kueue" in seen.path]) == asked  # nobody is held any more


async def test_admitted_at_once_costs_no_write_and_no_question(world: World, jobs: JobController) -> None:
    def admit(seen: Seen) -> None:
        if seen.verb == "POST" and seen.path.endswith("/jobs"):
            world.api.update("Job", world.api.all("Job")[0]["metadata"]["name"], {"spec": {"suspend": False}})

    await world.at_work()
    world.api.done = admit  # before the operator hears that it is made: after three seconds it asks why it is held
    await held(world)
    await completed(world)
    assert len(writes_of(world)) <= 3, writes_of(world)
    assert [seen for seen in world.api.requests if "kueue" in seen.path] == []
