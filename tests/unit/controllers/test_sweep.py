"""controllers/sweep.py: what no watch has told is found, once a watch has had its chance."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from blueno import names
from blueno.config import OperatorConfig
from blueno.errors import Unavailable
from blueno.kube import Cluster
from blueno.resources.api import CLAIMS, DATASETS, PODS
from blueno.resources.conditions import rfc3339
from controllers import sweep as module
from controllers.cache import Cache
from controllers.queue import WorkQueue
from controllers.source import Source, watched
from controllers.sweep import Sweep
from controllers.writer import Writer
from tests.fakes.api_server import ApiServer
from tests.make import a_body, before
from tests.unit.controllers.waiting import until


class Bench:
    """A sweep over a fake cluster."""

    def __init__(self, api: ApiServer, cluster: Cluster, cache: Cache, writer: Writer) -> None:
        self.api, self.cache = api, cache
        self.queue = WorkQueue(asyncio.get_running_loop().time)
        self.source = Source(cache, self.queue, lambda kind, body: ())
        kinds = watched(OperatorConfig(allow_host_path=True))
        self.sweep = Sweep(cluster, cache, self.queue, self.source, kinds, writer)

    async def work(self) -> list[str]:
        """uids that were put into the queue."""
        taken = []
        while len(self.queue):
            key = await self.queue.take()
            self.queue.done(key)
            taken.append(key[1])
        return taken


@pytest.fixture
async def bench(api: ApiServer, cluster: Cluster, cache: Cache, writer: Writer) -> Bench:
    return Bench(api, cluster, cache, writer)


def settled(name: str = "mnist", **status: Any) -> dict[str, Any]:
    return a_body(name, status={"observedGeneration": 1, **status})


def a_pod(owner: str, name: str = "pod-1") -> dict[str, Any]:
    labels = {names.MANAGED: "true", names.OWNER_UID: owner}
    return {"kind": "Pod", "metadata": {"name": name, "namespace": "lab", "labels": labels}, "spec": {}, "status": {}}


async def test_fill_brings_everything_and_every_key(bench: Bench) -> None:
    uids = [bench.api.put(settled(f"d{number}"))["metadata"]["uid"] for number in range(3)]
    bench.api.put(a_pod("d1"))
    bench.api.put({"kind": "Pod", "metadata": {"name": "foreign", "namespace": "lab"}})
    await bench.sweep.fill()
    assert set(await bench.work()) >= set(uids)
    assert bench.cache.count("Pod") == 1


async def test_long_lists_come_in_pages(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blueno.kube.PAGE", 2)
    for number in range(5):
        bench.api.put(settled(f"d{number}"))
    await bench.sweep.fill()
    assert bench.cache.count("Dataset") == 5
    assert len([seen for seen in bench.api.requests if "continue" in seen.query]) == 2


async def test_news_is_left_to_the_watch_at_first(bench: Bench) -> None:
    uid = bench.api.put(settled())["metadata"]["uid"]
    await bench.sweep.once()
    assert bench.cache.get("Dataset", uid) is None
    await bench.sweep.once()
    assert await bench.work() == [uid]


async def test_what_the_watch_brought_meanwhile_costs_nothing(bench: Bench) -> None:
    body = bench.api.put(settled())
    await bench.sweep.once()
    bench.source.upsert(DATASETS, body)
    await bench.work()
    bench.api.requests.clear()
    await bench.sweep.once()
    assert {seen.path.rpartition("/")[2] for seen in bench.api.requests} == {
        "datasets", "trainingruns", "samples", "jobs", "pods", "persistentvolumeclaims", "persistentvolumes",
        "deployments", "services",
    }  # fmt: skip
    assert await bench.work() == []


async def test_an_object_that_never_rests_is_caught_up_with(bench: Bench) -> None:
    pod = bench.api.put(a_pod("d1"))
    bench.source.upsert(PODS, pod)
    for number in range(2):  # a new version before every sweep, and a watch that brings none of them
        bench.api.update("Pod", "pod-1", {"status": {"phase": f"p{number}"}})
        await bench.sweep.once()
    found = bench.cache.get("Pod", pod["metadata"]["uid"])
    assert found is not None
    assert found["status"] == {"phase": "p1"}


async def test_a_missed_deletion_is_found(bench: Bench) -> None:
    dataset = bench.api.put(settled())
    bench.api.put(a_pod(dataset["metadata"]["uid"]))
    await bench.sweep.fill()
    await bench.work()
    bench.api.remove("Pod", "pod-1")
    await bench.sweep.once()
    assert bench.cache.count("Pod") == 0
    assert await bench.work() == [dataset["metadata"]["uid"]]


async def test_an_old_list_does_not_make_a_new_object_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    body = bench.api.put(settled())
    bench.source.upsert(DATASETS, body)
    monkeypatch.setattr(bench.api, "all", lambda kind: [])  # the watch cache behind resourceVersion=0 lags
    await bench.sweep.once()
    assert bench.cache.get("Dataset", body["metadata"]["uid"]) is not None


async def test_a_removed_definition_has_taken_all_of_its_kind_and_hides_nothing_else(bench: Bench) -> None:
    bench.api.put(settled())
    bench.api.put(a_pod("d1"))
    await bench.sweep.fill()
    bench.api.fail = lambda verb, path: 404 if "/datasets" in path else None
    bench.api.remove("Pod", "pod-1")
    await bench.sweep.once()
    assert (bench.cache.count("Dataset"), bench.cache.count("Pod")) == (0, 0)
    with pytest.raises(Unavailable, match="kubectl apply --server-side -f crds/"):
        await bench.sweep.fill()


def reconciling(age: float, **more: Any) -> dict[str, Any]:
    since = rfc3339(before(age))
    return {"conditions": [{"type": "Reconciling", "status": "True", "lastTransitionTime": since}], **more}


@pytest.mark.parametrize(
    ("body", "stuck"),
    [
        (settled(), False),
        (a_body(status={"observedGeneration": -1}), True),
        (settled(**reconciling(60)), True),  # 2026-03-01 is long ago on the sweep's own clock
        (settled(conditions=[{"type": "Reconciling", "status": "False"}]), False),
    ],
    ids=["settled", "never observed", "reconciling without progress", "settled with words"],
)
async def test_who_is_looked_at_again(bench: Bench, body: dict[str, Any], stuck: bool) -> None:
    uid = bench.api.put(body)["metadata"]["uid"]
    await bench.sweep.fill()
    await bench.work()
    await bench.sweep.once()
    assert await bench.work() == ([uid] if stuck else [])


async def test_deaf_only_after_a_while_of_missed_changes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.api.put(settled())
    await bench.sweep.once()
    await bench.sweep.once()
    assert not bench.sweep.is_deaf
    later = time.monotonic() + module.DEAF_AFTER + 1
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: later))  # the loop's clock goes on
    assert bench.sweep.is_deaf
    bench.source.hear(names.DATASET_KIND)  # the watch brings something again
    await bench.sweep.once()
    assert not bench.sweep.is_deaf


def a_volume(owner: str) -> dict[str, Any]:
    labels = {names.MANAGED: "true", names.OWNER_UID: owner}
    return {"kind": "PersistentVolume", "metadata": {"name": names.volume_name(owner), "labels": labels}, "spec": {}}


def a_claim(owner: str, volume: str, name: str = "c", namespace: str = "lab") -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "labels": {names.MANAGED: "true", names.OWNER_UID: owner}}
    return {"kind": "PersistentVolumeClaim", "metadata": meta, "spec": {"volumeName": volume}}


async def test_volumes_of_a_gone_dataset_go_claim_first(bench: Bench) -> None:
    bench.api.put(a_volume("gone"))
    bench.api.put(a_claim("gone", names.volume_name("gone")))
    await bench.sweep.fill()
    await bench.sweep.once()
    assert bench.api.all("PersistentVolumeClaim") == []
    assert bench.api.all("PersistentVolume") != []
    await bench.sweep.once()
    assert bench.api.all("PersistentVolume") == []


async def test_claims_that_hold_data_stay(bench: Bench) -> None:
    """A provisioner's volume has the data on it; of a claim that is not bound nobody knows."""
    bench.api.put(a_claim("gone", "pvc-1234"))
    bench.api.put(a_claim("gone", "", "unbound"))
    bench.api.put({"kind": "PersistentVolumeClaim", "metadata": {"name": "theirs", "namespace": "lab"}, "spec": {}})
    await bench.sweep.fill()
    await bench.sweep.once()
    await bench.sweep.once()
    assert len(bench.api.all("PersistentVolumeClaim")) == 3


async def test_what_is_left_of_a_gone_namespace_goes(bench: Bench) -> None:
    """Claims went with the namespace, perhaps while the operator was down; volumes belong to no namespace."""
    kept = bench.api.put(settled())["metadata"]["uid"]
    for owner in ("gone", kept):
        bench.api.put(a_volume(owner))
    bench.api.put({"kind": "PersistentVolume", "metadata": {"name": "theirs"}, "spec": {}})
    await bench.sweep.fill()
    await bench.sweep.once()
    left = {volume["metadata"]["name"] for volume in bench.api.all("PersistentVolume")}
    assert left == {names.volume_name(kept), "theirs"}


async def test_a_claim_that_a_pod_still_holds_is_asked_to_go_once(bench: Bench) -> None:
    bench.api.put(a_volume("gone"))
    claim = a_claim("gone", names.volume_name("gone"))
    claim["metadata"]["finalizers"] = ["kubernetes.io/pvc-protection"]
    bench.api.put(claim)
    await bench.sweep.fill()
    await bench.sweep.once()
    bench.source.upsert(CLAIMS, bench.api.read("PersistentVolumeClaim", "c"))  # the watch
    await bench.sweep.once()
    assert [seen.path.rpartition("/")[2] for seen in bench.api.writes()] == ["c"]


def test_an_operator_that_makes_no_volumes_does_not_ask_for_them() -> None:
    assert {resource.kind for resource, _ in watched(OperatorConfig(allow_nfs_volumes=True))} >= {"PersistentVolume"}
    assert "PersistentVolume" not in {resource.kind for resource, _ in watched(OperatorConfig())}


async def test_a_sweep_that_fails_is_followed_by_the_next(bench: Bench) -> None:
    bench.api.fail = lambda verb, path: 500
    running = asyncio.create_task(bench.sweep.run(0.01))
    await asyncio.sleep(0.05)
    bench.api.fail = lambda verb, path: None
    uid = bench.api.put(settled())["metadata"]["uid"]
    await until(lambda: bench.cache.get("Dataset", uid))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
