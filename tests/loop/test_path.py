"""From `kubectl apply` to Ready and to the end, on real kopf."""

from __future__ import annotations

import ssl
from base64 import b64decode

import aiohttp

from blueno import names
from blueno.resources.outcome import Progress
from tests.fakes.api_server import Seen
from tests.loop.conftest import World, a_dataset_manifest
from tests.make import failed_outcome, sealed_outcome


async def test_apply_to_ready(world: World) -> None:
    await world.at_work()
    applied = world.api.put(a_dataset_manifest())
    job = await world.job()
    world.bind()
    world.run_pod(job)
    await world.until(lambda: world.condition("Ready") == ("False", "Preparing"), "the pod is seen running")
    world.end_pod(job, sealed_outcome())
    await world.until(lambda: world.condition("Ready") == ("True", "Available"), "Ready")
    await world.settled()

    dataset = world.api.read("Dataset", "mnist")
    assert dataset["spec"] == applied["spec"]
    kept = {key: value for key, value in applied["metadata"].items() if key != "resourceVersion"}
    assert {key: value for key, value in dataset["metadata"].items() if key != "resourceVersion"} == kept
    assert dataset["status"]["version"]["digest"] == sealed_outcome().digest

    made = [(seen.path.rpartition("/")[2], seen.status) for seen in world.api.writes() if seen.verb == "POST"]
    assert made == [("persistentvolumeclaims", 201), ("jobs", 201)]
    patched = {seen.path.removeprefix("/apis/") for seen in world.api.writes() if seen.verb == "PATCH"}
    assert patched == {"blueno.dev/v1alpha1/namespaces/lab/datasets/mnist/status"}


async def test_nobody_but_our_writer_writes(world: World) -> None:
    """kopf would leave annotations on Datasets, Jobs, Pods and claims, and take finalizers that it believes its own."""
    await world.at_work()
    await world.ready()
    await world.settled()
    assert foreign_writes(world) == []
    for seen in world.api.writes():
        if seen.verb == "PATCH":
            assert seen.path.endswith("/status"), seen
            assert set(seen.body["metadata"]) == {"uid"}, seen
    for kind in ("Job", "Pod", "PersistentVolumeClaim"):
        for body in world.api.all(kind):
            assert "annotations" not in body["metadata"]
            assert "finalizers" not in body["metadata"]


async def test_our_finalizer_survives_kopf_and_goes_when_the_data_is_gone(world: World) -> None:
    await world.at_work()
    world.api.put(a_dataset_manifest(reclaimPolicy="Delete"))
    await world.job()
    first = next(seen for seen in world.api.writes() if "/lab/" in seen.path)
    assert first.body["metadata"]["finalizers"] == [names.ERASE_FINALIZER]
    for number in range(3):
        world.api.update("Dataset", "mnist", {"metadata": {"labels": {"touched": str(number)}}})
        await world.settled(0.3)
    assert world.api.read("Dataset", "mnist")["metadata"]["finalizers"] == [names.ERASE_FINALIZER]
    assert foreign_writes(world) == []

    world.api.remove("Dataset", "mnist")
    await world.until(lambda: not world.api.all("Dataset"), "the Dataset is gone")
    assert world.api.all("Job") == []
    assert world.api.all("PersistentVolumeClaim") == []


async def test_somebody_elses_finalizer_is_left_alone(world: World) -> None:
    await world.at_work()
    manifest = a_dataset_manifest()
    manifest["metadata"]["finalizers"] = ["example.org/theirs"]
    world.api.put(manifest)
    await world.job()
    world.api.remove("Dataset", "mnist")
    await world.settled()
    assert world.api.read("Dataset", "mnist")["metadata"]["finalizers"] == ["example.org/theirs"]
    assert foreign_writes(world) == []


async def test_a_failure_and_its_retry(world: World) -> None:
    await world.at_work()
    world.api.put(a_dataset_manifest())
    job = await world.job()
    world.bind()
    world.run_pod(job)
    world.end_pod(job, failed_outcome("ChecksumMismatch", "abc is not def"))
    await world.until(lambda: world.condition("Stalled") == ("True", "ChecksumMismatch"), "Stalled")
    events = await world.until(lambda: world.api.all("Event"), "a Warning Event")
    assert (events[0]["type"], events[0]["reason"]) == ("Warning", "ChecksumMismatch")
    world.api.update("Dataset", "mnist", {"metadata": {"annotations": {names.REQUESTED_AT: "t1"}}})
    job = await world.job(2)
    world.run_pod(job)
    world.end_pod(job, sealed_outcome())
    await world.until(lambda: world.condition("Ready") == ("True", "Available"), "Ready")
    assert world.api.read("Dataset", "mnist")["status"]["lastHandledRequest"] == "t1"


async def test_a_pod_reports_over_tls(world: World) -> None:
    operator = await world.at_work()
    world.api.put(a_dataset_manifest())
    job = await world.job()
    world.bind()
    pod = world.api.read("Pod", world.run_pod(job))["metadata"]
    user = {
        "username": "system:serviceaccount:lab:default",
        "extra": {
            "authentication.kubernetes.io/pod-name": [pod["name"]],
            "authentication.kubernetes.io/pod-uid": [pod["uid"]],
        },
    }
    world.api.tokens["pods-token"] = {"authenticated": True, "audiences": [names.REPORT_AUDIENCE], "user": user}
    secret = world.api.read("Secret", names.KEYS_SECRET, names.SYSTEM_NAMESPACE)
    handed_down = job["spec"]["template"]["metadata"]["annotations"][names.REPORT_CA]
    assert handed_down == b64decode(secret["data"]["ca.crt"]).decode()
    work = job["metadata"]["labels"][names.WORK_LABEL]
    report = Progress(work, 1, "Downloading", 12, bytes_done=1 << 20, bytes_total=8 << 20)
    tls = ssl.create_default_context(cadata=handed_down)
    async with aiohttp.ClientSession() as client:
        url, headers = f"https://localhost:{operator.report}/v1/progress", {"Authorization": "Bearer pods-token"}
        async with client.post(url, json=report.to_dict(), headers=headers, ssl=tls) as answer:
            assert answer.status == 204, await answer.text()
    await world.until(lambda: world.condition("Ready") == ("False", "Downloading"), "progress in the status")
    assert world.api.read("Dataset", "mnist")["status"]["progress"]["percentage"] == 12


def foreign_writes(world: World) -> list[Seen]:
    """Writes that are not our writer's: kopf's, refused or not."""
    return [seen for seen in world.api.writes() if seen.query.get("fieldManager") != names.FIELD_MANAGER]
