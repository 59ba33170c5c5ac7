"""controllers/writer.py: what each answer of the API server is taken for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from blueno import names
from blueno.errors import Conflict, Rejected, Unavailable
from blueno.kube import Cluster
from blueno.resources.api import DATASETS, JOBS, PODS
from controllers import writer as module
from controllers.cache import Cache
from controllers.step import Patch, Ref
from controllers.writer import NameConflict, TerminatingNamespace, Writer
from tests.fakes.api_server import ApiServer
from tests.make import a_body

FINALIZER = names.ERASE_FINALIZER


def a_manifest(owner: str = "d1", name: str = "job-1") -> dict[str, Any]:
    labels = {names.OWNER_UID: owner}
    meta = {"name": name, "namespace": "lab", "labels": labels}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"suspend": False}}


async def test_apply_creates_without_looking_first(writer: Writer, api: ApiServer, cache: Cache) -> None:
    await writer.apply(a_manifest())
    assert [seen.verb for seen in api.requests] == ["POST"]
    assert cache.named("Job", "lab", "job-1") is not None


async def test_apply_twice_adopts_its_own(writer: Writer, api: ApiServer, cache: Cache) -> None:
    made = api.put(a_manifest() | {"spec": {"suspend": True}})
    await writer.apply(a_manifest())
    known = cache.named("Job", "lab", "job-1")
    assert known is not None
    assert known["metadata"]["uid"] == made["metadata"]["uid"]
    assert api.read("Job", "job-1")["spec"] == {"suspend": True}  # as it is


@pytest.mark.parametrize("owner", ["d2", None])
async def test_a_foreign_namesake_is_a_name_conflict(
    writer: Writer, api: ApiServer, cache: Cache, owner: str | None
) -> None:
    foreign = a_manifest(owner or "")
    if owner is None:
        del foreign["metadata"]["labels"]
    api.put(foreign)
    with pytest.raises(NameConflict, match="Job job-1 exists"):
        await writer.apply(a_manifest())
    assert cache.named("Job", "lab", "job-1") is None


@pytest.mark.parametrize(("tenant", "adopted"), [("lab", True), ("other", False), ("", False)])
async def test_a_part_of_an_nfs_server_belongs_to_a_namespace(
    writer: Writer, api: ApiServer, tenant: str, adopted: bool
) -> None:
    """It has no owner, and neither has a stranger's object of that name."""

    def claim(namespace: str) -> dict[str, Any]:
        labels = {names.TENANT_NAMESPACE: namespace} if namespace else {}
        meta = {"name": "nfs-lab", "namespace": "blueno-storage", "labels": labels}
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": {}}

    api.put(claim(tenant))
    if adopted:
        await writer.apply(claim("lab"))
        return
    with pytest.raises(NameConflict, match="PersistentVolumeClaim nfs-lab exists"):
        await writer.apply(claim("lab"))


async def test_a_namespace_that_does_not_exist_is_named(writer: Writer, api: ApiServer) -> None:
    api.fail = lambda verb, path: 404 if verb == "POST" else None
    with pytest.raises(Rejected, match="does the namespace lab exist"):
        await writer.apply(a_manifest())


@pytest.mark.parametrize("owner", ["d1", "d2"])
async def test_a_namesake_on_its_way_out_is_waited_for(writer: Writer, api: ApiServer, owner: str) -> None:
    leaving = a_manifest(owner)
    leaving["metadata"]["finalizers"] = ["example.org/slow"]
    api.put(leaving)
    api.remove("Job", "job-1")
    with pytest.raises(Conflict, match="being deleted"):
        await writer.apply(a_manifest())


async def test_a_terminating_namespace_is_told_from_a_missing_right(writer: Writer, api: ApiServer) -> None:
    api.terminating.add("lab")
    with pytest.raises(TerminatingNamespace):
        await writer.apply(a_manifest())
    api.terminating.clear()
    api.fail = lambda verb, path: 403
    with pytest.raises(Rejected):
        await writer.apply(a_manifest())


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_in_trouble_is_unavailable(writer: Writer, api: ApiServer, status: int) -> None:
    api.fail = lambda verb, path: status
    with pytest.raises(Unavailable):
        await writer.apply(a_manifest())


async def test_delete_means_this_very_object(writer: Writer, api: ApiServer) -> None:
    made = api.put(a_manifest())
    await writer.delete(Ref(JOBS, "lab", "job-1", "another-uid"))
    assert api.all("Job") != []
    await writer.delete(Ref(JOBS, "lab", "job-1", made["metadata"]["uid"]))
    await writer.delete(Ref(JOBS, "lab", "job-1", made["metadata"]["uid"]))  # gone already
    assert api.all("Job") == []


async def test_patch_means_this_very_object(writer: Writer, api: ApiServer) -> None:
    made = api.put(a_manifest())
    ref = Ref(JOBS, "lab", "job-1", made["metadata"]["uid"])
    await writer.patch(Patch(ref, {"spec": {"suspend": True}}))
    assert api.read("Job", "job-1")["spec"]["suspend"] is True
    with pytest.raises(Conflict):
        await writer.patch(Patch(Ref(JOBS, "lab", "job-1", "another"), {"spec": {"suspend": False}}))


async def test_status_never_lands_on_a_namesake(writer: Writer, api: ApiServer, cache: Cache) -> None:
    old = api.put(a_body())
    api.remove("Dataset", "mnist")
    api.put(a_body())
    with pytest.raises(Conflict):
        await writer.patch_status(DATASETS, old, {"samples": 1})
    assert api.read("Dataset", "mnist")["status"] == {"observedGeneration": -1}


async def test_own_writes_are_in_the_cache_at_once(writer: Writer, api: ApiServer, cache: Cache) -> None:
    body = api.put(a_body())
    await writer.patch_status(DATASETS, body, {"samples": 1})
    known = cache.get("Dataset", body["metadata"]["uid"])
    assert known is not None
    assert known["status"]["samples"] == 1
    assert not cache.upsert("Dataset", body)  # its echo, or what came before it


async def test_the_finalizer_is_a_compare_and_swap(writer: Writer, api: ApiServer) -> None:
    body = api.put(a_body(meta={"finalizers": ["example.org/theirs"]}))
    assert await writer.set_finalizer(DATASETS, body, wanted=True)
    now = api.read("Dataset", "mnist")
    assert now["metadata"]["finalizers"] == ["example.org/theirs", FINALIZER]
    assert not await writer.set_finalizer(DATASETS, now, wanted=True)
    with pytest.raises(Conflict):  # what we know of is older
        await writer.set_finalizer(DATASETS, body, wanted=True)
    assert await writer.set_finalizer(DATASETS, now, wanted=False)
    assert api.read("Dataset", "mnist")["metadata"]["finalizers"] == ["example.org/theirs"]


async def test_confirm_brings_what_the_watches_have_not(writer: Writer, api: ApiServer, cache: Cache) -> None:
    api.put(a_manifest())
    labels = {"batch.kubernetes.io/job-name": "job-1", names.OWNER_UID: "d1"}
    api.put({"kind": "Pod", "metadata": {"name": "pod-1", "namespace": "lab", "labels": labels}, "spec": {}})
    api.put({"kind": "Pod", "metadata": {"name": "other", "namespace": "lab"}, "spec": {}})
    ref = Ref(JOBS, "lab", "job-1")
    assert not await writer.confirm(ref)
    assert cache.named("Pod", "lab", "pod-1") is not None
    assert cache.named("Pod", "lab", "other") is None
    assert await writer.confirm(ref)
    assert await writer.confirm(Ref(JOBS, "lab", "never-was"))


async def test_an_event_is_never_worth_a_retry(writer: Writer, api: ApiServer) -> None:
    body = api.put(a_body())
    await writer.warn(DATASETS, body, ("NoSpace", "x" * 3000), datetime.now(UTC))
    (event,) = api.all("Event")
    assert (event["type"], event["reason"], len(event["message"])) == ("Warning", "NoSpace", 1000)
    assert event["involvedObject"]["uid"] == body["metadata"]["uid"]
    api.fail = lambda verb, path: 403
    await writer.warn(DATASETS, body, ("NoSpace", "x"), datetime.now(UTC))


async def test_the_last_warning_is_the_one_that_tells(writer: Writer, api: ApiServer) -> None:
    def event(number: int, kind: str, reason: str, message: str) -> None:
        about = {"name": "pod-1", "kind": "Pod"}
        told = {"type": kind, "reason": reason, "message": message, "lastTimestamp": "2026-11-24T18:40:03Z"}
        api.put(
            {"kind": "Event", "metadata": {"name": f"e{number}", "namespace": "lab"}, "involvedObject": about} | told
        )

    ref = Ref(PODS, "lab", "pod-1")
    assert await writer.last_warning(ref) == ""
    event(3, "Normal", "Pulling", "Pulling image")
    assert await writer.last_warning(ref) == "Pulling image"
    event(2, "Warning", "Failed", "Failed to pull image: not found")  # in the same second, by name an earlier one
    event(1, "Warning", "Failed", "Error: ErrImagePull")
    assert await writer.last_warning(ref) == "Failed to pull image: not found"
    event(0, "Normal", "Pulled", "Successfully pulled image")
    assert await writer.last_warning(ref) == ""


def an_event(name: str, message: str, minute: int, **more: str) -> dict[str, Any]:
    about = {"kind": "Pod", "name": "pod-1", "namespace": "lab"}
    stamp = f"2026-03-01T12:{minute:02}:00Z"
    said = {"type": "Warning", "reason": "FailedMount", "message": message, "lastTimestamp": stamp, **more}
    return {"kind": "Event", "metadata": {"name": name, "namespace": "lab"}, "involvedObject": about, **said}


async def test_a_mount_that_failed_is_told_by_its_cause(writer: Writer, api: ApiServer) -> None:
    """The kubelet's message is longer than what fits into a condition, and the cause stands at its end."""
    arguments = f"-t nfs -o {'x' * 400} nfs.example.org:/exports /var/lib/kubelet/pods/x"
    cause = f"MountVolume.SetUp failed\nMounting arguments: {arguments}\nOutput: mount.nfs: Connection refused"
    pod = Ref(PODS, "lab", "pod-1")
    api.put(an_event("b", cause, 2))
    api.put(an_event("c", "Unable to attach or mount volumes: timed out waiting for the condition", 3))
    told = await writer.last_warning(pod)
    assert told.startswith("cannot mount nfs.example.org:/exports: connection refused")
    api.put(an_event("d", "Started container", 4, type="Normal", reason="Started"))
    assert await writer.last_warning(pod) == ""


async def test_nothing_is_written_without_the_lease(api: ApiServer, cluster: Cluster, cache: Cache) -> None:
    @asynccontextmanager
    async def held() -> AsyncIterator[None]:
        raise Unavailable("not renewed")
        yield

    writer, body = Writer(cluster, cache, held), api.put(a_body())
    ref = Ref(DATASETS, "lab", "mnist", body["metadata"]["uid"])
    for write in (
        writer.apply(a_manifest()),
        writer.delete(ref),
        writer.patch(Patch(ref, {"spec": {}})),
        writer.set_finalizer(DATASETS, body, wanted=True),
        writer.patch_status(DATASETS, body, {"samples": 1}),
    ):
        with pytest.raises(Unavailable, match="not renewed"):
            await write
    await writer.warn(DATASETS, body, ("Reason", "message"), datetime.now(UTC))  # never worth a retry
    assert api.requests == []


def test_the_cluster_is_changed_in_one_place() -> None:
    """Others may renew the Lease, replace the Secret of keys (by its resourceVersion) and ask about tokens."""
    top = Path(module.__file__).parent
    writes = re.compile(r"(.*)cluster\.(?:create|replace|merge|change|delete)\b")
    found = {
        (str(path.relative_to(top)), match[1].strip())
        for path in top.rglob("*.py")
        for match in map(writes.match, path.read_text().splitlines())
        if match
    }
    assert {place for place, _ in found} == {"writer.py", "lease.py", "keys.py", "callers.py"}
    assert all(before.endswith("self._write(self._") for place, before in found if place == "writer.py")
