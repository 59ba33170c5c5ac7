"""The data server of what runs wrote, on real kopf: up while wanted, down after it, never in a run's or claim's way."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

from blueno import names
from tests.fakes.job_controller import JobController
from tests.loop.conftest import Operator, World
from tests.loop.runs import a_run_manifest, completed, said, writes_of

UNBOUND = "no volume"
SERVER = names.outputs_server_name(names.OUTPUTS_CLAIM)


def replicas(world: World) -> list[tuple[str, int]]:
    return [(body["metadata"]["name"], body["spec"]["replicas"]) for body in world.api.all("Deployment")]


async def look(world: World, operator: Operator, claim: str = names.OUTPUTS_CLAIM) -> str:
    """Somebody looks at the outputs; why they cannot be read."""
    claims = [{"namespace": "lab", "name": claim}]
    answer: Any = await world.say(operator, names.WEB, "looked", {"datasets": [], "claims": claims})
    (found,) = answer["claims"]
    assert (found["namespace"], found["name"]) == ("lab", claim)
    return str(found["message"])


async def look_until_past(text: str, world: World, operator: Operator, claim: str = names.OUTPUTS_CLAIM) -> str:
    """Looks until the answer is another than this one: the operator hears of a claim in its own time, and is silent."""
    end = time.monotonic() + 45
    while text in (found := await look(world, operator, claim)):
        assert time.monotonic() < end, f"it still says: {found}"
        await asyncio.sleep(0.05)
    return found


async def test_up_after_a_look_and_down_after_a_while(world: World, jobs: JobController) -> None:
    operator = await world.at_work(BLUENO_SERVE_SECONDS="3")
    assert "does not exist" in await look(world, operator)
    world.api.put(a_run_manifest())
    await completed(world)
    await world.settled()
    assert UNBOUND in await look(world, operator)
    assert replicas(world) == []
    before = len(writes_of(world, ("trainingruns",)))
    world.bind()
    assert await look_until_past(UNBOUND, world, operator) == ""
    async with asyncio.timeout(45):
        while replicas(world) != [(SERVER, 1)]:  # the operator comes back to an unbound claim after a while
            assert await look(world, operator) == ""
            await asyncio.sleep(0.05)
    await world.until(lambda: [s["metadata"]["name"] for s in world.api.all("Service")].count(SERVER), "its Service")
    await world.until(lambda: replicas(world) == [(SERVER, 0)], "nobody looks any more")
    assert await look(world, operator) == ""
    await world.until(lambda: replicas(world) == [(SERVER, 1)], "somebody looks again")
    assert len(writes_of(world, ("trainingruns",))) == before, "it costs the run nothing"
    await operator.stop(signal.SIGKILL)
    world.api.requests.clear()
    await world.at_work(BLUENO_SERVE_SECONDS="60")
    await world.settled(1.5)
    assert world.api.writes() == []
    assert replicas(world) == [(SERVER, 1)], "after a restart it counts as looked at"


async def test_it_steps_aside_for_a_run_that_needs_the_claim_alone(world: World, jobs: JobController) -> None:
    operator = await world.at_work(BLUENO_OUTPUTS='{"accessModes": ["ReadWriteOnce"]}')
    world.api.put(a_run_manifest("first"))
    await completed(world, "first")
    world.bind()
    await look_until_past(UNBOUND, world, operator)
    await world.until(lambda: replicas(world) == [(SERVER, 1)], "the data server")
    jobs.runs_for = 3600
    world.api.put(a_run_manifest("second"))
    await world.until(lambda: replicas(world) == [(SERVER, 0)], "it steps aside")
    await world.until(lambda: said(world, "second") == ("Unknown", "Running"), "the run runs")
    assert "second writes to it" in await look(world, operator)
    world.api.update(names.TRAINING_RUN_KIND, "second", {"spec": {"cancel": True}})
    await world.until(lambda: said(world, "second") == ("False", "Cancelled"), "it is over")
    await world.until(lambda: replicas(world) == [(SERVER, 1)], "it comes back by itself")


async def test_a_claim_that_is_deleted_is_let_go(world: World, jobs: JobController) -> None:
    operator = await world.at_work()
    world.api.put(a_run_manifest())
    await completed(world)
    world.bind()
    await look_until_past(UNBOUND, world, operator)
    await world.until(lambda: replicas(world) == [(SERVER, 1)], "the data server")
    # Kubernetes keeps a claim that a pod uses, by a finalizer.
    world.api.update("PersistentVolumeClaim", names.OUTPUTS_CLAIM, {"metadata": {"finalizers": ["x/protection"]}})
    world.api.remove("PersistentVolumeClaim", names.OUTPUTS_CLAIM)
    await world.until(lambda: replicas(world) == [(SERVER, 0)], "its pod goes")
    assert "being deleted" in await look(world, operator)


async def test_claims_of_others_are_not_served(world: World, jobs: JobController) -> None:
    operator = await world.at_work()
    meta = {"name": "private", "namespace": "lab"}
    spec, status = {"accessModes": ["ReadWriteMany"]}, {"phase": "Bound"}
    world.api.put({"kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec, "status": status})
    said = await look_until_past("does not exist", world, operator, "private")
    assert "no run in this cluster writes to claim private" in said
    await world.settled()
    assert replicas(world) == []


async def test_a_data_server_that_cannot_be_made_costs_an_event_on_the_claim(world: World, jobs: JobController) -> None:
    operator = await world.at_work()
    world.api.put(a_run_manifest())
    await completed(world)
    world.bind()
    world.api.fail = lambda verb, path: 403 if verb == "POST" and path.endswith("/deployments") else None
    await look_until_past(UNBOUND, world, operator)
    events = await world.until(lambda: world.api.all("Event"), "a Warning Event")
    assert (events[0]["reason"], events[0]["involvedObject"]["kind"]) == ("DataServerRefused", "PersistentVolumeClaim")
    assert said(world) == ("True", "Completed")
