"""The objects of a namespace's managed NFS server as the API server shows them; what is `None` is not there."""

from __future__ import annotations

import copy
from typing import Any

from blueno import names
from blueno.resources.conditions import rfc3339
from controllers.cache import Cache
from controllers.dataset.kind import DatasetKind
from controllers.heard import NOTHING
from controllers.objects.nfs_server import NfsServerShape, build_claim, build_service, build_stateful_set
from controllers.step import Step
from tests.make import NOW, UID, a_body, a_world, before

NAME, PLACE, ADDRESS = "nfs-lab", "blueno-storage", "10.96.0.7"
CONFIG = {"allow_nfs_volumes": True, "nfs_image": "example.org/nfs:1"}
LIES_THERE = {"storage": {"managedNFS": {"size": "20Gi"}}}
SHAPE = NfsServerShape.of("lab", "20Gi", a_world(**CONFIG).config)


def merged(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`body` with `changes` merged in, map by map."""
    made = copy.deepcopy(body)
    for key, value in changes.items():
        old = made.get(key)
        made[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return made


def _seen(manifest: dict[str, Any], **changes: Any) -> dict[str, Any]:
    meta = {"uid": f"uid-{manifest['kind']}", "resourceVersion": "1", "creationTimestamp": rfc3339(before(300))}
    return merged(merged({"status": {}, **manifest}, {"metadata": meta}), changes)


def claim(phase: str = "Bound", capacity: str = "20Gi", **changes: Any) -> dict[str, Any]:
    """The claim with the data."""
    status = {"phase": phase, "capacity": {"storage": capacity} if capacity else {}}
    return _seen(build_claim(SHAPE), **merged({"status": status, "spec": {"storageClassName": "fast"}}, changes))


def service(address: str = ADDRESS, **changes: Any) -> dict[str, Any]:
    """Its Service."""
    return _seen(build_service(SHAPE, address), **changes)


def runner(ready: int = 1, **changes: Any) -> dict[str, Any]:
    """Its StatefulSet."""
    return _seen(build_stateful_set(SHAPE), **merged({"status": {"readyReplicas": ready}}, changes))


def pod(age: float = 5, waiting: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Its pod, not ready since it was made `age` seconds ago."""
    since = rfc3339(before(age))
    state = {"waiting": waiting} if waiting is not None else {"running": {"startedAt": since}}
    body = {
        "kind": "Pod",
        "metadata": {
            "name": f"{NAME}-0", "namespace": PLACE,
            "labels": {names.MANAGED: "true", names.TENANT_NAMESPACE: "lab", names.ROLE_LABEL: "nfs"},
        },
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Running" if waiting is None else "Pending",
            "containerStatuses": [{"state": state}],
            "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": since}],
        },
    }  # fmt: skip
    return merged(_seen(body), merged({"metadata": {"creationTimestamp": since}}, changes))


def unscheduled(message: str) -> dict[str, Any]:
    """The same, and no node takes it."""
    said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod(status={"phase": "Pending", "containerStatuses": [], "conditions": [said]})


def volume(uid: str = UID, address: str = ADDRESS, **spec: Any) -> dict[str, Any]:
    """The PersistentVolume of a Dataset on the server."""
    meta = {"name": names.volume_name(uid), "uid": f"pv-{uid}", "resourceVersion": "1"}
    source = spec or {"nfs": {"server": address, "path": "/export"}}
    return {"kind": "PersistentVolume", "metadata": meta, "spec": source, "status": {}}


def a_cache(*bodies: dict[str, Any] | None) -> Cache:
    """A cache that holds these."""
    cache = Cache()
    for body in bodies:
        if body is not None:
            cache.upsert(body["kind"], body)
    return cache


def planned(cache: Cache, **dataset: Any) -> tuple[Step, dict[str, Any]]:
    """The Step and the new conditions by type."""
    body = a_body(**dataset)
    cache.upsert("Dataset", body)
    step, changes = DatasetKind(a_world(**CONFIG), cache).plan(body, NOTHING, NOW)
    return step, {condition["type"]: condition for condition in changes.get("conditions", ())}
