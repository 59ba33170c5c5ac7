"""Watches that freeze, lose, repeat and reorder events, or end in errors; lists that expire (rows 7 to 10)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from blueno import names
from controllers.source import WATCHED
from tests.fakes.job_controller import JobController
from tests.loop.conftest import Operator, World, a_dataset_manifest
from tests.loop.fire.conftest import UnderFire
from tests.loop.fire.prep_controller import PrepController
from tests.loop.hearing import events_of, heard_of
from tests.loop.runs import RUN, a_run_manifest, said
from tests.loop.sound import sound
from tests.proxies.rules import Answer, EndStream, Freeze, Garble, StreamError

pytestmark = pytest.mark.timeout(300)

KINDS = ("datasets", "trainingruns", "jobs", "pods", "persistentvolumeclaims")


def watches(world: World) -> int:
    return sum(1 for request in world.api.requests if request.verb == "WATCH")


async def ready(world: World, name: str) -> None:
    await world.until(lambda: world.condition("Ready", name) == ("True", "Available"), f"{name} is Ready")


async def completed(world: World, name: str) -> None:
    await world.until(lambda: said(world, name) == ("True", "Completed"), f"{name} is Completed")


async def test_changes_are_seen_while_every_watch_is_frozen(
    world: UnderFire, prep: PrepController, jobs: JobController
) -> None:
    operator = await world.at_work()
    with world.proxy.fault(Freeze()) as frozen:
        world.api.put(a_dataset_manifest(reclaimPolicy="Delete"))
        world.api.put(a_run_manifest())
        await ready(world, "mnist")
        world.api.remove("Dataset", "mnist")
        await world.until(lambda: not world.api.all("Dataset"), "it is erased and gone")
        await world.until(lambda: said(world) == ("True", "Completed"), "Completed")
        await world.until(lambda: frozen.fired >= len(WATCHED), "a line of each watch is held up")
    await heard(world, operator)
    await sound(world)


@pytest.mark.parametrize("seed", [7, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(8, 40))])
async def test_lost_repeated_and_reordered_events_end_as_no_fault_does(
    world: UnderFire, prep: PrepController, jobs: JobController, seed: int
) -> None:
    """Three in ten events are disturbed while ten objects come, are changed and go; then the same without a fault."""
    await world.at_work()
    jobs.runs_for = 0.1
    with world.proxy.fault(Garble(seed)) as garbled:
        await a_life(world, "one")
        assert garbled.fired >= 10, "events were disturbed"
    await a_life(world, "two")

    def differs() -> list[tuple[str, str]]:  # both are asked: 30 s after its last run a Dataset's mark is taken off
        lines = itertools.zip_longest(left_of(world, "one"), left_of(world, "two"), fillvalue="")
        return [(one, two) for one, two in lines if one.replace("one", "two") != two]

    await world.until(lambda: not differs(), "what there is after sweeps, as without a fault")
    assert not differs()
    await sound(world)


async def a_life(world: World, prefix: str) -> None:
    """Datasets and runs come, are changed and go."""
    for number in range(4):
        world.api.put(a_dataset_manifest(f"{prefix}-{number}", reclaimPolicy="Delete"))
        world.api.put(a_run_manifest(f"{prefix}-{number}", datasets=[{"name": f"{prefix}-{number}"}]))
    for number in range(4):
        await ready(world, f"{prefix}-{number}")
        await completed(world, f"{prefix}-{number}")
    world.api.update("Dataset", f"{prefix}-0", {"spec": {"displayName": "another"}})
    for kind in ("Dataset", RUN):
        world.api.remove(kind, f"{prefix}-3")
    await world.until(
        lambda: not [key for key in world.api.objects if f"{prefix}-3" in str(world.api.objects[key])], "3 is gone"
    )
    generation = world.api.read("Dataset", f"{prefix}-0")["metadata"]["generation"]
    await world.until(
        lambda: world.api.read("Dataset", f"{prefix}-0")["status"]["observedGeneration"] == generation, "the change"
    )
    await world.settled(1.5)


def left_of(world: World, prefix: str) -> list[str]:
    """Everything that is there now, in words."""
    return sorted(in_words(body) for body in world.api.objects.values() if prefix in body["metadata"]["name"])


def in_words(body: dict[str, Any]) -> str:
    """What does not depend on when it happened, or on which uid it happened to."""
    conditions = (body.get("status") or {}).get("conditions") or ()
    said = sorted((c["type"], c["status"], c.get("reason", "")) for c in conditions)
    name = body["metadata"]["name"]
    name = name if body["kind"] in ("Dataset", RUN) else name.split("-")[0]
    return f"{body['kind']} {name} {sorted(body['metadata'].get('finalizers') or ())} {said}"


async def test_an_error_in_a_stream_loses_nothing(world: UnderFire, prep: PrepController, jobs: JobController) -> None:
    """Each watch in turn ends in an ERROR; the process stays, and what comes afterwards is heard."""
    operator = await world.at_work()
    for kind in KINDS:
        before = watches(world)
        errors = [world.proxy.add(StreamError(code), kinds=(kind,), times=1) for code in (410, 500)]
        world.api.put(a_dataset_manifest(f"d-{kind}"))
        world.api.put(a_run_manifest(f"r-{kind}", datasets=[{"name": f"d-{kind}"}]))
        await completed(world, f"r-{kind}")
        await world.until(lambda: all(error.healed.is_set() for error in errors), f"both errors of {kind}")  # noqa: B023
        await world.until(lambda: watches(world) >= before + 2, f"the watch of {kind} is back")  # noqa: B023
    assert operator.process.returncode is None
    await heard(world, operator)
    await sound(world)


async def test_every_watch_ends_for_a_while(world: UnderFire, prep: PrepController) -> None:
    """As when etcd is slow, the API server opens each stream and ends it with a 500; then it only breaks them."""
    operator = await world.at_work()
    for fault in (StreamError(500), EndStream()):
        name = type(fault).__name__.lower()
        with world.proxy.fault(fault) as broken:
            world.api.put(a_dataset_manifest(name))
            await ready(world, name)
            await world.until(lambda: broken.fired >= 3 * len(WATCHED), "each watch has ended again and again")
        assert operator.process.returncode is None
        assert broken.fired < 2000, "no busy loop"
    await heard(world, operator)
    await sound(world)


async def test_a_list_that_expires_between_two_pages(world: UnderFire, prep: PrepController) -> None:
    """At the start, in a sweep, and when a watch begins anew: 410 in the middle means from the beginning."""
    for number in range(501):  # a page holds 500
        claim = {"name": f"theirs-{number}", "namespace": "lab"}
        world.api.put({"kind": "PersistentVolumeClaim", "metadata": claim, "spec": {}, "status": {"phase": "Bound"}})
    rule = world.proxy.add(Answer(410), "LIST", where=lambda call: "continue" in call.query, times=4)
    operator = await world.at_work()
    await world.until(rule.healed.is_set, "lists have expired")
    with world.proxy.fault(StreamError(410), kinds=("persistentvolumeclaims",), times=1) as gone:
        again = world.proxy.add(Answer(410), "LIST", where=lambda call: "continue" in call.query, times=2)
        await world.until(again.healed.is_set, "lists have expired again")
        assert gone.fired
    world.api.put(a_dataset_manifest())
    await ready(world, "mnist")
    assert operator.process.returncode is None
    await heard(world, operator)
    await sound(world)


async def heard(world: World, operator: Operator) -> None:
    """Each watch brings what happens from now on, and not only the sweep finds it."""

    before = await events_of(operator)
    selected = [b for b in world.api.objects.values() if names.MANAGED in b["metadata"].get("labels", {})]
    for kind, body in {b["kind"]: b for b in (*world.api.all("Dataset"), *world.api.all(RUN), *selected)}.items():
        world.api.update(kind, body["metadata"]["name"], {"metadata": {"annotations": {"touched": "again"}}})
        await heard_of(operator, kind, before)
