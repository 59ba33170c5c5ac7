"""controllers/source.py, quiet.py and http.py: whom an event concerns, how kopf is kept quiet, what the probes say."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import aiohttp
import kopf
import pytest

from blueno import names
from blueno.config import OperatorConfig
from blueno.resources.api import CLAIMS, DATASETS, JOBS, PODS
from controllers import http, quiet
from controllers.cache import Cache
from controllers.queue import WorkQueue
from controllers.source import WATCHED, Source, watch, watched
from tests.make import UID, a_body


def a_thing(version: int = 1, **labels: str) -> dict[str, Any]:
    meta = {"name": "x", "namespace": "lab", "uid": "x-uid", "resourceVersion": str(version), "labels": labels}
    return {"metadata": meta, "spec": {}, "status": {}}


@pytest.fixture
async def source() -> Source:
    queue = WorkQueue(asyncio.get_running_loop().time)
    return Source(Cache(), queue, lambda kind, body: [("Dataset", "user")] if kind == CLAIMS.kind else [])


async def test_whom_an_event_concerns(source: Source) -> None:
    assert list(source.concerned(DATASETS, a_body())) == [("Dataset", UID)]
    child = a_thing(**{names.OWNER_UID: "owner"})
    assert list(source.concerned(JOBS, child)) == [("Dataset", "owner")]
    assert list(source.concerned(CLAIMS, child)) == [("Dataset", "owner"), ("Dataset", "user")]
    assert list(source.concerned(PODS, a_thing())) == []
    of_a_run = a_thing(**{names.OWNER_UID: "owner", names.OWNER_KIND: names.TRAINING_RUN_KIND})
    assert list(source.concerned(JOBS, of_a_run)) == [("TrainingRun", "owner")]


@pytest.mark.parametrize(
    ("config", "more"),
    [
        ({}, []),
        ({"allow_host_path": True}, ["PersistentVolume"]),
        ({"allow_nfs_volumes": True}, ["PersistentVolume", "StatefulSet"]),
    ],
)
def test_what_the_operator_has_no_right_to_is_not_watched(config: dict[str, bool], more: list[str]) -> None:
    kinds = [resource.kind for resource, _ in watched(OperatorConfig(**config))]
    assert kinds == [*(resource.kind for resource, _ in WATCHED), *more]
    assert all(selector for resource, selector in watched(OperatorConfig(**config)) if resource.kind in more)


async def test_events_of_one_object_through_kopfs_registry(source: Source) -> None:
    registry = kopf.OperatorRegistry()
    watch(registry, lambda: source, WATCHED)
    handlers = registry._watching._handlers
    assert [handler.selector.any_name for handler in handlers] == [resource.plural for resource, _ in WATCHED]
    pods = next(handler for handler in handlers if handler.id == "pods")
    child = a_thing(5, **{names.OWNER_UID: "owner"})
    await pods.fn(event={"type": "ADDED", "object": child})  # type: ignore[call-arg]
    await pods.fn(event={"type": None, "object": child})  # type: ignore[call-arg]
    assert await source._queue.take() == ("Dataset", "owner")
    assert len(source._queue) == 0
    await pods.fn(event={"type": "DELETED", "object": child})  # type: ignore[call-arg]
    assert source._cache.get("Pod", "x-uid") is None
    assert len(source._queue) == 1


def test_kopf_is_told_to_keep_quiet() -> None:
    settings = kopf.OperatorSettings()
    quiet.configure(settings)
    assert settings.scanning.disabled
    assert settings.peering.standalone
    assert not settings.posting.enabled
    assert settings.persistence.finalizer == names.KOPF_UNUSED_FINALIZER != names.ERASE_FINALIZER
    assert settings.persistence.diffbase_storage.build(body=kopf.Body(a_body())) == {}


def test_backoffs_never_end_and_never_grow_beyond_a_cap() -> None:
    delays = list(itertools.islice(quiet.EndlessBackoffs(), 500))
    assert 0.1 <= delays[0] <= 0.2
    assert all(7.5 <= delay <= 15 for delay in delays[10:])
    assert len(set(delays)) > 400  # jitter


async def test_probes_and_metrics() -> None:
    trouble = ""

    async def alive() -> str:
        return trouble

    runner = await http.serve_health(0, alive)
    port = next(address[1] for address in runner.addresses if "." in address[0])  # of IPv4
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            async with client.get("/livez") as answer:
                assert (answer.status, await answer.text()) == (200, "ok")
            trouble = "deaf"
            async with client.get("/livez") as answer:
                assert (answer.status, await answer.text()) == (503, "deaf")
            async with client.get("/metrics") as answer:
                assert "blueno_queue_depth" in await answer.text()
    finally:
        await runner.cleanup()
