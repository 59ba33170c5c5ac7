"""Datasets on a managed NFS server, on real kopf: it is made once, mended, watched, and outlives them."""

from __future__ import annotations

from typing import Any

from blueno import names
from tests.loop.conftest import World, a_dataset_manifest
from tests.make import sealed_outcome

SITE = {"BLUENO_ALLOW_NFS_VOLUMES": "true", "BLUENO_NFS_IMAGE": "example.org/nfs:1"}
STORAGE = {"managedNFS": {"size": "20Gi"}}
NAME, PLACE, ADDRESS = "nfs-lab", "blueno-storage", "10.96.0.7"


def there(world: World) -> set[str]:
    """Kinds of what is there of the server."""
    return {kind for kind, place, name in world.api.objects if (place, name) == (PLACE, NAME)}


def serve(world: World) -> None:
    """What the cluster does: an address, a disk, a pod that is ready."""
    service = world.api.read("Service", NAME, PLACE)
    if "clusterIP" not in service["spec"]:
        world.api.update("Service", NAME, {"spec": {"clusterIP": ADDRESS}}, PLACE)
    bound = {"status": {"phase": "Bound", "capacity": {"storage": "20Gi"}}}
    world.api.update("PersistentVolumeClaim", NAME, bound, PLACE)
    world.api.update("StatefulSet", NAME, {"status": {"readyReplicas": 1}}, PLACE)


def bind(world: World) -> None:
    """What the volume controller does in the Datasets' namespace."""
    for claim in world.api.all("PersistentVolumeClaim"):
        name, uid = claim["metadata"]["name"], claim["metadata"]["uid"]
        if claim["metadata"]["namespace"] == "lab":
            volume = claim["spec"]["volumeName"]
            world.api.update("PersistentVolume", volume, {"spec": {"claimRef": {"uid": uid}}})
            world.api.update("PersistentVolumeClaim", name, {"status": {"phase": "Bound"}})


async def prepared(world: World) -> dict[str, Any]:
    """A Ready Dataset on its namespace's server."""
    world.api.put(a_dataset_manifest(storage=STORAGE))
    await world.until(lambda: len(there(world)) == 3, "the server is made")
    assert world.api.all("PersistentVolume") == [], "not before its address is known"
    serve(world)
    await world.until(lambda: world.api.all("PersistentVolume"), "the volume is made")
    await world.until(lambda: world.condition("VolumeReady") == ("False", "ClaimPending"), "it waits for its claim")
    bind(world)
    job = await world.job()
    world.run_pod(job)
    world.end_pod(job, sealed_outcome())
    await world.until(lambda: world.condition("Ready") == ("True", "Available"), "Ready")
    return world.api.read("Dataset", "mnist")


def message(world: World, kind: str = "Ready") -> str:
    """Of a condition."""
    conditions = world.api.read("Dataset", "mnist")["status"].get("conditions", ())
    return str(next((c["message"] for c in conditions if c["type"] == kind), ""))


async def test_from_nothing_to_ready(world: World) -> None:
    await world.at_work(**SITE)
    dataset = await prepared(world)
    volume = world.api.read("PersistentVolume", names.volume_name(dataset["metadata"]["uid"]))
    assert volume["spec"]["nfs"] == {"server": ADDRESS, "path": "/export"}
    claim = world.api.read("PersistentVolumeClaim", NAME, PLACE)
    assert dataset["status"]["volume"]["claimUID"] == claim["metadata"]["uid"]
    assert "has 20Gi" in message(world, "VolumeReady")
    made = [(seen.path.rpartition("/")[2], seen.status) for seen in world.api.writes() if seen.verb == "POST"]
    assert made == [
        *(("persistentvolumeclaims", 201), ("services", 201), ("statefulsets", 201)),
        *(("persistentvolumes", 201), ("persistentvolumeclaims", 201), ("jobs", 201)),
    ]


async def test_it_outlives_its_datasets(world: World) -> None:
    await world.at_work(**SITE)
    await prepared(world)
    world.api.remove("Dataset", "mnist")
    await world.until(lambda: not world.api.all("PersistentVolume"), "the Dataset's volume is gone")
    await world.settled(3)  # sweeps leave it alone
    assert there(world) == {"PersistentVolumeClaim", "Service", "StatefulSet"}


async def test_what_somebody_deletes_comes_back_with_its_address(world: World) -> None:
    await world.at_work(**SITE)
    await prepared(world)
    for kind in ("Service", "StatefulSet"):
        world.api.remove(kind, NAME, PLACE)
        await world.until(lambda kind=kind: kind in there(world), f"the {kind} comes back")
    assert world.api.read("Service", NAME, PLACE)["spec"]["clusterIP"] == ADDRESS
    await world.until(lambda: "is starting" in message(world), "the Dataset says so")
    assert world.condition("Ready") == ("True", "Available")
    serve(world)
    await world.until(lambda: "is starting" not in message(world), "it is back")


async def test_its_troubles_are_shown_and_go_by_themselves(world: World) -> None:
    await world.at_work(**SITE)
    await prepared(world)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    template = world.api.read("StatefulSet", NAME, PLACE)["spec"]["template"]["metadata"]
    place = {"name": f"{NAME}-0", "namespace": PLACE, "labels": template["labels"]}
    status = {"phase": "Pending", "containerStatuses": [{"state": waiting}]}
    world.api.update("StatefulSet", NAME, {"status": {"readyReplicas": 0}}, PLACE)
    world.api.put({"kind": "Pod", "metadata": place, "spec": {}, "status": status})
    await world.until(lambda: world.condition("Ready") == ("False", "ImagePullFailed"), "the trouble is shown")
    assert f"NFS server {NAME} in {PLACE} cannot start" in message(world)
    world.api.update("StatefulSet", NAME, {"status": {"readyReplicas": 1}}, PLACE)
    await world.until(lambda: world.condition("Ready") == ("True", "Available"), "and gone")


async def test_data_that_are_gone_are_called_lost(world: World) -> None:
    await world.at_work(**SITE)
    await prepared(world)
    world.api.remove("PersistentVolumeClaim", NAME, PLACE)
    await world.until(lambda: world.condition("Ready") == ("False", "VolumeLost"), "VolumeLost")
    await world.settled(2)
    assert "PersistentVolumeClaim" not in there(world), "no empty one in its place"
    asked = {"metadata": {"annotations": {names.REQUESTED_AT: "now"}}}
    world.api.update("Dataset", "mnist", asked)
    await world.until(lambda: "PersistentVolumeClaim" in there(world), "somebody asked for an empty one")
    serve(world)
    await world.job(attempt=1)


async def test_a_larger_size_is_asked_for_and_told(world: World) -> None:
    await world.at_work(**SITE)
    await prepared(world)
    refused = []

    def judge(body: dict[str, Any], _: Any) -> None:
        from tests.fakes.api_discovery import Refused

        size = body.get("spec", {}).get("resources", {}).get("requests", {}).get("storage")
        if body["metadata"]["name"] == NAME and size == "50Gi":
            refused.append(size)
            raise Refused(403, "only dynamically provisioned pvc can be resized")

    world.api.judge = judge
    world.api.update("Dataset", "mnist", {"spec": {"storage": {"managedNFS": {"size": "50Gi"}}}})
    await world.until(lambda: "50Gi was refused" in message(world, "VolumeReady"), "the refusal is told")
    await world.settled(2)
    assert refused == ["50Gi"], "asked once"
    world.api.judge = lambda body, query: None
    world.api.update("Dataset", "mnist", {"spec": {"storage": {"managedNFS": {"size": "60Gi"}}}})
    await world.until(lambda: "grows to 60Gi" in message(world, "VolumeReady"), "it grows")
    world.api.update("PersistentVolumeClaim", NAME, {"status": {"capacity": {"storage": "60Gi"}}}, PLACE)
    await world.until(lambda: message(world, "VolumeReady").endswith("has 60Gi"), "it has grown")
    assert world.condition("Ready") == ("True", "Available")


async def test_a_namespace_for_servers_that_does_not_exist(world: World) -> None:
    world.api.fail = lambda verb, path: 404 if verb == "POST" and f"/{PLACE}/" in path else None
    await world.at_work(**SITE)
    world.api.put(a_dataset_manifest(storage=STORAGE))
    await world.until(lambda: f"does the namespace {PLACE} exist?" in message(world), "it says what is missing")


async def test_the_operator_killed_between_two_writes(world: World) -> None:
    """The next one goes on: nothing is made twice."""
    operator = await world.at_work(**SITE)
    world.api.put(a_dataset_manifest(storage=STORAGE))
    await world.until(lambda: "PersistentVolumeClaim" in there(world), "its claim is made")
    await operator.stop(9)
    await world.at_work("operator-1", **SITE)
    await world.until(lambda: len(there(world)) == 3, "the rest follows", 40)
