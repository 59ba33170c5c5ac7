"""Datasets on NFS, on real kopf: their volumes come, are mended and go; what is not allowed leaves no trace."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from blueno import names
from blueno.resources.outcome import Outcome
from tests.loop.conftest import World, a_dataset_manifest
from tests.make import sealed_outcome

EXPORT = {"nfs": {"server": "nfs.example.org", "path": "/exports/ml"}}
SITE = {
    "BLUENO_ALLOW_NFS_VOLUMES": "true",
    "BLUENO_ALLOWED_NFS": json.dumps([{"server": "nfs.example.org", "path": "/exports", "namespaces": ["lab"]}]),
}
REFUSED_MOUNT = (
    'MountVolume.SetUp failed for volume "blueno-x" : mount failed: exit status 32\nMounting command: mount\n'
    "Mounting arguments: -t nfs -o hard nfs.example.org:/exports/ml /var/lib/kubelet/pods/x/volumes/y\n"
    "Output: mount.nfs: Connection refused\n"
)


def bind(world: World) -> None:
    """What the volume controller does: each claim and its volume know of each other."""
    for claim in world.api.all("PersistentVolumeClaim"):
        name, uid = claim["metadata"]["name"], claim["metadata"]["uid"]
        volume = world.api.read("PersistentVolume", claim["spec"]["volumeName"])
        if volume["spec"]["claimRef"].get("uid", uid) == uid:
            world.api.update("PersistentVolume", volume["metadata"]["name"], {"spec": {"claimRef": {"uid": uid}}})
            world.api.update("PersistentVolumeClaim", name, {"status": {"phase": "Bound"}})


async def prepared(world: World, **spec: Any) -> dict[str, Any]:
    """A Ready Dataset on the export."""
    world.api.put(a_dataset_manifest(storage=EXPORT, **spec))
    job = await bound_job(world)
    world.run_pod(job)
    world.end_pod(job, sealed_outcome())
    await world.until(lambda: world.condition("Ready") == ("True", "Available"), "Ready")
    return world.api.read("Dataset", "mnist")


async def bound_job(world: World) -> dict[str, Any]:
    """The preparation Job, which is made when its claim is bound to the volume."""
    await world.until(lambda: len(volumes(world)) == 2, "claim and volume are made")
    await world.until(lambda: world.condition("VolumeReady") == ("False", "ClaimPending"), "it waits for them")
    assert world.api.all("Job") == [], "no pod before its claim is bound"
    bind(world)
    return await world.job()


def volumes(world: World) -> list[str]:
    """Kinds of all claims and volumes that are there."""
    return [body["kind"] for kind in ("PersistentVolumeClaim", "PersistentVolume") for body in world.api.all(kind)]


async def test_from_nothing_to_ready(world: World) -> None:
    await world.at_work(**SITE)
    uid = (await prepared(world))["metadata"]["uid"]
    volume = world.api.read("PersistentVolume", names.volume_name(uid))
    assert volume["spec"]["nfs"] == {"server": "nfs.example.org", "path": "/exports/ml"}
    assert "hard" in volume["spec"]["mountOptions"]
    made = [(seen.path.rpartition("/")[2], seen.status) for seen in world.api.writes() if seen.verb == "POST"]
    assert made == [("persistentvolumes", 201), ("persistentvolumeclaims", 201), ("jobs", 201)]
    status = world.api.read("Dataset", "mnist")["status"]
    assert status["resolved"]["storage"] == "nfs"
    assert status["volume"]["path"] == f"lab/mnist-{names.uid8(uid)}"
    await world.settled(3)  # sweeps leave it alone
    assert volumes(world) == ["PersistentVolumeClaim", "PersistentVolume"]


@pytest.mark.parametrize(
    ("storage", "env", "says"),
    [
        (EXPORT, {}, "BLUENO_ALLOW_NFS_VOLUMES"),
        (EXPORT, SITE | {"BLUENO_ALLOWED_NFS": "[]"}, "namespace lab may not use nfs.example.org:/exports/ml"),
        ({**EXPORT, "subPath": "team/mnist-0a1b2c3d"}, SITE, "it must begin with lab/"),
    ],
    ids=["off", "not allowed", "another namespace's directory"],
)
async def test_what_is_not_allowed_leaves_no_trace(
    world: World, storage: dict[str, Any], env: dict[str, str], says: str
) -> None:
    await world.at_work(**env)
    world.api.put(a_dataset_manifest(storage=storage, reclaimPolicy="Delete"))
    await world.until(lambda: world.condition("Stalled") == ("True", "StorageNotAllowed"), "it is refused")
    await world.settled()
    conditions = world.api.read("Dataset", "mnist")["status"]["conditions"]
    assert says in next(c["message"] for c in conditions if c["type"] == "Stalled")
    assert {seen.path.rpartition("/")[2] for seen in world.api.writes()} == {"mnist", "status", "events", "blueno-keys"}
    world.api.remove("Dataset", "mnist")
    await world.until(lambda: not world.api.all("Dataset"), "it goes")
    await world.settled()
    assert (volumes(world), world.api.all("Job")) == ([], [])


async def test_kept_data_leave_no_claim_and_no_volume(world: World) -> None:
    await world.at_work(**SITE)
    await prepared(world)
    world.api.remove("Dataset", "mnist")
    await world.until(lambda: not volumes(world), "claim and volume are gone")
    assert not [job for job in world.api.all("Job") if job["metadata"]["name"].endswith("-erase")]


async def test_erased_data_leave_no_claim_and_no_volume(world: World) -> None:
    await world.at_work(**SITE)
    path = (await prepared(world, reclaimPolicy="Delete"))["status"]["volume"]["path"]
    world.api.remove("Dataset", "mnist")

    def erase_job() -> Any:
        return next((j for j in world.api.all("Job") if j["metadata"]["name"].endswith("-erase")), None)

    job = await world.until(erase_job, "an erase Job")
    env = {e["name"]: e["value"] for e in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env[names.ENV_ROOT] == f"{names.VOLUME_MOUNT}/{path}"
    assert volumes(world) == ["PersistentVolumeClaim", "PersistentVolume"]
    world.run_pod(job)
    world.end_pod(job, Outcome(sealed=True))
    await world.until(lambda: not world.api.all("Dataset") and not volumes(world), "all of it is gone")


def delete_namespace(world: World) -> None:
    """What the namespace controller does, garbage collection included; PersistentVolumes are not its business."""
    world.api.terminating.add("lab")
    for kind in ("Pod", "Job", "PersistentVolumeClaim", "Dataset"):
        for body in world.api.all(kind):
            world.api.remove(kind, body["metadata"]["name"])


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_a_namespace_goes_with_everything(world: World, policy: str) -> None:
    await world.at_work(**SITE)
    await prepared(world, reclaimPolicy=policy)
    delete_namespace(world)
    await world.until(lambda: not world.api.all("Dataset") and not volumes(world), "all of it is gone")
    told = [event["reason"] for event in world.api.all("Event")]
    assert told == []  # nothing can be written into a namespace that goes, not even that the data stay


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_a_namespace_goes_while_no_operator_runs(world: World, policy: str) -> None:
    operator = await world.at_work(**SITE)
    await prepared(world, reclaimPolicy=policy)
    await operator.stop(signal.SIGKILL)
    delete_namespace(world)
    assert volumes(world) == ["PersistentVolume"]
    del world.api.objects["Lease", names.SYSTEM_NAMESPACE, names.LEASE]  # it would expire a little later
    await world.at_work("operator-1", **SITE)
    await world.until(lambda: not world.api.all("Dataset") and not volumes(world), "all of it is gone")


async def test_a_claim_that_somebody_deletes_is_made_again(world: World) -> None:
    """It holds nothing. Kubernetes would never bind the old volume to a new claim, so that goes, too."""
    await world.at_work(**SITE)
    await prepared(world)
    before = {body["metadata"]["uid"] for body in world.api.all("PersistentVolume")}
    world.api.remove("PersistentVolumeClaim", world.api.all("PersistentVolumeClaim")[0]["metadata"]["name"])
    await world.until(lambda: len(volumes(world)) == 2, "both are made again")
    assert before.isdisjoint(body["metadata"]["uid"] for body in world.api.all("PersistentVolume"))
    bind(world)
    job = await world.job(2)
    world.run_pod(job)
    world.end_pod(job, sealed_outcome())
    await world.until(lambda: world.condition("Ready") == ("True", "Available"), "Ready again")


async def test_a_mount_that_fails_is_said_in_words(world: World) -> None:
    await world.at_work(**SITE)
    world.api.put(a_dataset_manifest(storage=EXPORT))
    job = await bound_job(world)
    old = {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}
    name = world.run_pod(job)
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    status = {"phase": "Pending", "containerStatuses": [{"name": "prepare", "state": waiting}]}
    world.api.update("Pod", name, {"status": status})
    about = {"kind": "Pod", "name": name, "namespace": "lab"}
    for number, message in enumerate((REFUSED_MOUNT, "Unable to attach or mount volumes: timed out waiting")):
        event = {"kind": "Event", "metadata": {"name": f"e{number}", "namespace": "lab"}, "involvedObject": about}
        stamp = f"2026-01-01T00:0{number}:00Z"
        world.api.put({**event, "type": "Warning", "reason": "FailedMount", "message": message, "lastTimestamp": stamp})
    world.api.update("Job", job["metadata"]["name"], old)
    await world.until(lambda: world.condition("Ready") == ("False", "WaitingForVolume"), "it says so", 30)
    conditions = world.api.read("Dataset", "mnist")["status"]["conditions"]
    said = next(c["message"] for c in conditions if c["type"] == "Ready")
    assert "cannot mount nfs.example.org:/exports/ml: connection refused" in said
    world.end_pod(job, sealed_outcome())
    await world.until(lambda: world.condition("Ready") == ("True", "Available"), "it goes on by itself")
    assert len(world.api.all("Job")) == 1
