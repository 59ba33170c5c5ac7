"""controllers/engine.py: gather, decide, act, report, on a fake API server and a kind that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from blueno import names
from blueno.errors import Conflict, Unavailable
from blueno.resources.api import DATASETS, JOBS, PODS
from controllers.cache import Body, Cache
from controllers.engine import ASKERS, Engine
from controllers.heard import NOTHING, Heard
from controllers.queue import WorkQueue
from controllers.step import Patch, Ref, Step
from controllers.writer import Writer
from tests.fakes.api_server import ApiServer
from tests.make import a_body, stalled
from tests.unit.controllers.waiting import until

CLAIM = {"kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "lab", "labels": {}}, "spec": {}}


def claim(owner: str) -> dict[str, Any]:
    return {**CLAIM, "metadata": {**CLAIM["metadata"], "labels": {names.OWNER_UID: owner}}}  # type: ignore[dict-item]


class Scripted:
    """A kind that plans what the test says."""

    resource = DATASETS

    def __init__(self) -> None:
        self.plans: list[tuple[Step, Mapping[str, Any]]] = []
        self.planned: list[Body] = []

    def plan(self, body: Body, heard: Heard, now: datetime, told: str = "") -> tuple[Step, Mapping[str, Any]]:
        self.planned.append(body)
        return self.plans.pop(0) if self.plans else (Step("", ""), {})

    def conflict(self, body: Body, message: str, now: datetime) -> Mapping[str, Any]:
        return {"conditions": [stalled("NameConflict", message)]}


class Bench:
    """An engine with its parts."""

    def __init__(self, api: ApiServer, cache: Cache, writer: Writer) -> None:
        self.api, self.cache, self.kind = api, cache, Scripted()
        self.queue = WorkQueue(asyncio.get_running_loop().time)
        self.engine = Engine(cache, self.queue, writer, lambda uid: NOTHING)
        self.engine.register(self.kind)
        self.body = api.put(a_body())
        self.uid = self.body["metadata"]["uid"]
        self.key = (DATASETS.kind, self.uid)
        cache.upsert(DATASETS.kind, self.body)

    async def once(self, step: Step, changes: Mapping[str, Any] | None = None) -> None:
        self.kind.plans.append((step, changes or {}))
        await self.engine.reconcile(self.key)

    def verbs(self) -> list[str]:
        return [f"{seen.verb} {seen.path.rpartition('/')[2]}" for seen in self.api.requests]


@pytest.fixture
async def bench(api: ApiServer, cache: Cache, writer: Writer) -> Bench:
    return Bench(api, cache, writer)


async def test_the_order_of_a_step(bench: Bench) -> None:
    job = bench.api.put({"kind": "Job", "metadata": {"name": "j", "namespace": "lab"}, "spec": {}})
    bench.api.put({"kind": "Job", "metadata": {"name": "k", "namespace": "lab"}, "spec": {}})
    step = Step(
        "Pending",
        "",
        finalizer=True,
        delete=(Ref(JOBS, "lab", "j", job["metadata"]["uid"]),),
        apply=(claim(bench.uid),),
        patch=(Patch(Ref(JOBS, "lab", "k"), {"spec": {"suspend": True}}),),
        again_in=0,
    )
    await bench.once(step, {"samples": 1})
    assert bench.verbs() == ["PATCH mnist", "DELETE j", "POST persistentvolumeclaims", "PATCH k", "PATCH status"]
    assert bench.api.read("Dataset", "mnist")["status"]["samples"] == 1
    assert len(bench.queue) == 1


async def test_nothing_to_do_is_nothing_written(bench: Bench) -> None:
    await bench.once(Step("Available", "", ready=True))
    assert bench.verbs() == []
    assert len(bench.queue) == 0


async def test_an_object_that_is_gone_is_nothing_to_do(bench: Bench) -> None:
    bench.cache.remove(DATASETS.kind, bench.uid)
    await bench.once(Step("Pending", "", apply=(claim(bench.uid),)))
    assert bench.verbs() == []


async def test_a_name_conflict_goes_to_the_status_and_is_looked_at_again(bench: Bench) -> None:
    bench.api.put(claim("somebody-else"))
    await bench.once(Step("Provisioning", "", apply=(claim(bench.uid),), again_in=0), {"samples": 1})
    status = bench.api.read("Dataset", "mnist")["status"]
    assert status["conditions"][0]["reason"] == "NameConflict"
    assert "samples" not in status
    assert len(bench.queue) == 1  # whoever removes the namesake tells nobody


async def test_a_terminating_namespace_is_waited_out(bench: Bench) -> None:
    bench.api.terminating.add("lab")
    with pytest.raises(Unavailable, match="namespace is being deleted"):
        await bench.once(Step("Provisioning", "", apply=(claim(bench.uid),)))


async def test_a_terminating_namespace_releases_what_cannot_be_erased(bench: Bench) -> None:
    await bench.once(Step("", "", finalizer=True))
    bench.api.terminating.add("lab")
    await bench.once(Step("Erasing", "", apply=(claim(bench.uid),), release_if_refused=True))
    assert bench.api.read("Dataset", "mnist")["metadata"]["finalizers"] == []


async def test_a_doubt_is_settled_by_the_api_server(bench: Bench) -> None:
    step = Step("PrepFailed", "", apply=(claim(bench.uid),), confirm=Ref(JOBS, "lab", "j"))
    bench.kind.plans += [(step, {})]
    await bench.once(step)
    assert "POST persistentvolumeclaims" in bench.verbs()
    assert len(bench.queue) == 0


async def test_a_doubt_that_is_dispelled_acts_on_nothing(bench: Bench) -> None:
    """Though nothing is new to the cache: a watch may bring a pod's last words while we ask for them."""
    bench.kind.plans += [(Step("PrepFailed", "", apply=(claim(bench.uid),), confirm=Ref(JOBS, "lab", "j")), {})]
    await bench.once(Step("Available", ""), {"samples": 1})
    assert [verb for verb in bench.verbs() if not verb.startswith("GET")] == []
    assert len(bench.queue) == 1


async def test_a_doubt_that_comes_up_while_events_are_asked_is_settled_first(bench: Bench) -> None:
    about = {"kind": "Pod", "name": "pod-1", "namespace": "lab"}
    event = {"kind": "Event", "metadata": {"name": "e", "namespace": "lab"}, "involvedObject": about}
    bench.api.put({**event, "type": "Warning", "reason": "FailedMount", "message": "no"})
    bench.kind.plans += [(Step("Pending", "", ask=Ref(PODS, "lab", "pod-1")), {})]
    await bench.once(Step("Preparing", "", apply=(claim(bench.uid),), confirm=Ref(JOBS, "lab", "j")), {"samples": 1})
    assert [verb for verb in bench.verbs() if not verb.startswith("GET")] == []
    assert len(bench.queue) == 1


async def test_an_edit_that_our_own_write_brought_back_is_worked_on(bench: Bench) -> None:
    edited = bench.api.update("Dataset", "mnist", {"metadata": {"annotations": {names.REQUESTED_AT: "t1"}}})
    await bench.once(Step("Available", ""), {"samples": 1})
    assert not bench.cache.upsert(DATASETS.kind, edited)  # the edit's own event: older than our write
    assert len(bench.queue) == 1


async def test_a_warning_event_once_when_a_dataset_stalls(bench: Bench) -> None:
    failed = {"conditions": [stalled("NoSpace", "full")]}
    await bench.once(Step("NoSpace", "full", stalled=True), failed)
    await bench.once(Step("NoSpace", "full", stalled=True), {**failed, "samples": 2})
    assert [event["reason"] for event in bench.api.all("Event")] == ["NoSpace"]


async def test_a_refused_wish_is_told_and_not_retried(bench: Bench) -> None:
    bench.api.fail = lambda verb, path: 403 if verb == "PATCH" and path.endswith("/j") else None
    wish = Patch(Ref(JOBS, "lab", "j"), {"spec": {}})
    await bench.once(Step("Available", "", wish=(wish,)), {"samples": 1})
    assert [event["reason"] for event in bench.api.all("Event")] == ["ChangeRefused"]
    assert bench.api.read("Dataset", "mnist")["status"]["samples"] == 1


async def test_a_dataset_deleted_meanwhile_needs_no_status(bench: Bench) -> None:
    bench.api.remove("Dataset", "mnist")
    await bench.once(Step("Available", ""), {"samples": 1})


@pytest.mark.parametrize("status", [500, 409, 403])
async def test_whatever_fails_the_key_comes_back_and_the_worker_lives(bench: Bench, status: int) -> None:
    bench.api.fail = lambda verb, path: status if verb == "PATCH" else None
    bench.kind.plans += [(Step("", ""), {"samples": 1})] * 9
    worker = asyncio.create_task(bench.engine.work())
    bench.queue.add(bench.key)
    await until(lambda: len(bench.kind.planned) >= 2)
    bench.api.fail = lambda verb, path: None
    await until(lambda: "samples" in bench.api.read("Dataset", "mnist")["status"])
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


async def test_a_bug_of_ours_is_retried_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def plan(*_: Any) -> Any:
        tries.append(1)
        raise ZeroDivisionError

    monkeypatch.setattr(bench.kind, "plan", plan)
    monkeypatch.setattr(bench.queue, "failed", lambda key, at_least: bench.queue.add(key, 0.01) or 0.01)
    worker = asyncio.create_task(bench.engine.work())
    bench.queue.add(bench.key)
    await until(lambda: len(tries) >= 3)
    assert not worker.done()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


async def test_a_data_set_is_held_before_the_job_is_made(bench: Bench) -> None:
    ref = Ref(DATASETS, "lab", "mnist", bench.uid)
    await bench.once(Step("Pending", "", hold=(ref,), apply=(claim(bench.uid),)))
    assert bench.verbs() == ["PATCH mnist", "POST persistentvolumeclaims"]
    assert bench.api.read("Dataset", "mnist")["metadata"]["finalizers"] == [names.IN_USE_FINALIZER]
    await bench.once(Step("Pending", "", hold=(ref,)))
    assert len(bench.verbs()) == 2  # it is there already


async def test_nothing_is_made_on_a_data_set_that_is_being_deleted(bench: Bench) -> None:
    ref = Ref(DATASETS, "lab", "mnist", bench.uid)
    gone = bench.api.update("Dataset", "mnist", {"metadata": {"finalizers": ["example.org/theirs"]}})
    bench.api.remove("Dataset", "mnist")
    with pytest.raises(Conflict):  # our cache does not know of the deletion
        await bench.once(Step("Pending", "", hold=(ref,), apply=(claim(bench.uid),)))
    bench.cache.upsert(DATASETS.kind, bench.api.read("Dataset", "mnist"))
    with pytest.raises(Conflict, match="being deleted"):
        await bench.once(Step("Pending", "", hold=(ref,), apply=(claim(bench.uid),)))
    bench.cache.remove(DATASETS.kind, gone["metadata"]["uid"])
    with pytest.raises(Conflict, match="is gone"):
        await bench.engine._hold((ref,))
    assert bench.api.all("PersistentVolumeClaim") == []


async def test_a_run_that_comes_meanwhile_keeps_the_finalizer_on(bench: Bench) -> None:
    """The Dataset has decided to take it off, and a run holds it before that is written."""
    held = {"metadata": {"finalizers": [names.IN_USE_FINALIZER]}}
    bench.cache.upsert(DATASETS.kind, bench.api.update("Dataset", "mnist", held))
    bench.kind.plans.append((Step("Available", "", in_use=False), {}))
    bench.kind.plans.append((Step("Available", ""), {}))  # planned anew under the lock
    async with bench.engine._holds.lock:
        working = asyncio.create_task(bench.engine.reconcile(bench.key))
        await asyncio.sleep(0.05)
        assert not working.done()
    await working
    assert bench.api.read("Dataset", "mnist")["metadata"]["finalizers"] == [names.IN_USE_FINALIZER]
    bench.kind.plans += [(Step("Available", "", in_use=False), {})] * 2
    await bench.engine.reconcile(bench.key)
    assert bench.api.read("Dataset", "mnist")["metadata"]["finalizers"] == []


async def test_a_run_counts_as_starting_until_its_job_is_known(bench: Bench) -> None:
    bench.cache.upsert(DATASETS.kind, bench.api.put(a_body("d1")))
    ref = Ref(DATASETS, "lab", "d1", bench.api.read("Dataset", "d1")["metadata"]["uid"])
    bench.api.fail = lambda verb, path: 503 if verb == "POST" else None
    with pytest.raises(Unavailable):
        await bench.once(Step("Pending", "", hold=(ref,), apply=(claim(bench.uid),)))
    assert bench.engine._holds.is_starting(bench.uid, str(ref.uid))  # it may have been made all the same
    bench.api.fail = lambda verb, path: None
    await bench.once(Step("Pending", "", hold=(ref,), apply=(claim(bench.uid),)))
    assert not bench.engine._holds.is_starting(bench.uid, str(ref.uid))


async def test_a_wait_that_ends_while_events_are_asked_is_not_told(bench: Bench) -> None:
    """On a busy API server the answer takes seconds: what was to be said before would be a write too many."""
    bench.kind.plans.append((Step("Starting", "", ask=Ref(PODS, "lab", "pod")), {"samples": 1}))
    await bench.once(Step("Running", ""), {"samples": 2})
    assert bench.api.read("Dataset", "mnist")["status"]["samples"] == 2
    assert bench.verbs().count("PATCH status") == 1


async def test_few_ask_about_events_at_the_same_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds no place comes back, with nothing written meanwhile, and takes no worker."""
    answer, asked = asyncio.Event(), []

    async def last_warning(about: Ref) -> str:
        asked.append(about)
        await answer.wait()
        return ""

    monkeypatch.setattr(bench.engine._writer, "last_warning", last_warning)
    bodies = [bench.api.put(a_body(f"d-{n}", uid=f"uid-{n}")) for n in range(ASKERS + 3)]
    for body in bodies:
        bench.cache.upsert(DATASETS.kind, body)
        bench.kind.plans.append((Step("Pending", "", ask=Ref(PODS, "lab", "pod")), {"samples": 1}))
    keys = [(DATASETS.kind, body["metadata"]["uid"]) for body in bodies]
    working = [asyncio.create_task(bench.engine.reconcile(key)) for key in keys]
    await until(lambda: sum(task.done() for task in working) == 3)
    assert len(asked) == ASKERS
    assert bench.verbs() == []
    assert len(bench.queue) == 3
    bench.kind.plans += [(Step("Pending", "", ask=Ref(PODS, "lab", "pod")), {"samples": 1})] * ASKERS  # as before
    answer.set()
    await asyncio.gather(*working)
    assert bench.verbs() == ["PATCH status"] * ASKERS
    bench.kind.plans.append((Step("Pending", "", ask=Ref(PODS, "lab", "pod")), {}))
    await bench.engine.reconcile(keys[-1])
    assert len(asked) == ASKERS + 1
