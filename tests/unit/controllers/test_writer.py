"""controllers/writer.py: what each answer of the API server is taken for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from blueno import names
from blueno.errors import Conflict, Rejected, Unavailable
from blueno.resources.api import DATASETS, JOBS, PODS
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
