"""What is the case with a namespace's managed NFS server, for managed.py. Reads the cache; called by observe.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from blueno import names
from blueno.config import OperatorConfig
from blueno.resources.api import CLAIMS, PODS, SERVICES, STATEFUL_SETS, VOLUMES
from blueno.resources.conditions import parse_time
from blueno.resources.dataset import Dataset, Storage, holds_data
from blueno.resources.quantity import largest
from controllers.cache import Body, Cache, tenant_namespace
from controllers.pods import PodView, view_pod

MANAGED = "managedNFS"


@dataclass(frozen=True)
class DataClaim:
    """The claim with the data of all Datasets on the server. `phase` is Pending, Bound or Lost."""

    uid: str
    phase: str
    storage_class: str
    requested: str
    capacity: str
    asked: str  # the size that the operator last asked it to grow to; "" when never
    resizing: str  # what Kubernetes says about its growth, "" when nothing
    created: datetime | None
    deleting: bool


@dataclass(frozen=True)
class StatefulSetView:
    """What runs the server."""

    uid: str
    replicas: int
    ready: bool
    template: str  # hash of the pod template that it was made from
    created: datetime | None
    deleting: bool


@dataclass(frozen=True)
class ServerPod:
    """The server's pod. `crash` says how its last container ended, while Kubernetes waits before the next."""

    view: PodView
    created: datetime | None
    crash: str
    unready_since: datetime | None


@dataclass(frozen=True)
class NfsServerView:
    """One namespace's server. None and "": there is no such object."""

    name: str
    namespace: str
    size: str  # the largest that its Datasets ask for
    taken: str  # an object of its name that was not made for it: "Service nfs-lab"
    claim: DataClaim | None
    runner: StatefulSetView | None
    pod: ServerPod | None
    service_made: bool
    address: str  # the Service's ClusterIP
    own_address: str  # that the PersistentVolume of the Dataset in question names
    known_address: str  # that the PersistentVolumes of the namespace's Datasets name
    sealed: tuple[str, ...]  # Datasets with a version, or added samples, on it

    @property
    def ready(self) -> bool:
        """Whether the export is served: its readiness probe has asked for it as a client does."""
        return self.runner is not None and self.runner.ready

    @property
    def claim_gone(self) -> bool:
        """Whether versions or added samples are gone with the claim."""
        return self.claim is None and bool(self.sealed)

    def __str__(self) -> str:
        return f"NFS server {self.name} in {self.namespace}"


def wants_server(body: Body, config: OperatorConfig) -> bool:
    """Whether a Dataset lies on its namespace's managed server."""
    storage = body["spec"].get("storage")
    return MANAGED in storage if storage else config.default_storage.kind == MANAGED


def observe_server(cache: Cache, dataset: Dataset, storage: Storage, config: OperatorConfig) -> NfsServerView | None:
    """The server of the Dataset's namespace; None for other kinds of storage."""
    if storage.kind != MANAGED:
        return None
    tenant, place = dataset.namespace, config.storage_namespace
    name = names.nfs_server_name(tenant)
    found = {r.kind: cache.named(r.kind, place, name) for r in (CLAIMS, SERVICES, STATEFUL_SETS)}
    foreign = [kind for kind, body in found.items() if body is not None and tenant_namespace(body) != tenant]
    mates = [body for body in cache.datasets_in(tenant) if wants_server(body, config)]
    staying = [body for body in mates if not body["metadata"].get("deletionTimestamp")]
    addresses = {body["metadata"]["uid"]: _address_of(cache, body["metadata"]["uid"]) for body in mates}
    known = sorted(address for address in addresses.values() if address)
    service = found[SERVICES.kind]
    pod = cache.named(PODS.kind, place, f"{name}-0")
    return NfsServerView(
        name=name,
        namespace=place,
        size=largest([str(storage.parameters.get("size", "")), *(_size(body) for body in staying)]),
        taken=f"{foreign[0]} {name}" if foreign else "",
        claim=_view_claim(found[CLAIMS.kind]),
        runner=_view_runner(found[STATEFUL_SETS.kind]),
        pod=_view_pod(pod) if pod is not None and tenant_namespace(pod) == tenant else None,
        service_made=service is not None,
        address=_cluster_ip(service),
        own_address=addresses.get(dataset.uid, ""),
        known_address=max(known, key=known.count, default=""),
        sealed=tuple(sorted(b["metadata"]["name"] for b in staying if holds_data(b["status"]))),
    )


def _size(dataset: Body) -> str:
    storage = dataset["spec"].get("storage") or {}
    return str((storage.get(MANAGED) or {}).get("size", ""))


def _address_of(cache: Cache, uid: str) -> str:
    volume = cache.named(VOLUMES.kind, "", names.volume_name(uid))
    spec = volume["spec"] if volume is not None else {}
    given = spec.get("nfs") or (spec.get("csi") or {}).get("volumeAttributes") or {}
    return str(given.get("server", ""))


def _cluster_ip(service: Body | None) -> str:
    address = str(service["spec"].get("clusterIP") or "") if service is not None else ""
    return "" if address == "None" else address


def _view_claim(body: Body | None) -> DataClaim | None:
    if body is None:
        return None
    meta, spec, status = body["metadata"], body["spec"], body["status"]
    return DataClaim(
        uid=meta["uid"],
        phase=status.get("phase", "Pending"),
        storage_class=spec.get("storageClassName") or "",
        requested=((spec.get("resources") or {}).get("requests") or {}).get("storage", ""),
        capacity=(status.get("capacity") or {}).get("storage", ""),
        asked=(meta.get("labels") or {}).get(names.ASKED_SIZE, ""),
        resizing=_resizing(status),
        created=parse_time(meta.get("creationTimestamp", "")),
        deleting=bool(meta.get("deletionTimestamp")),
    )


def _resizing(status: Mapping[str, Any]) -> str:
    """The conditions of a claim are about its growth, the latest last; an error's message says more than its type."""
    said = [c for c in status.get("conditions") or () if c.get("status") == "True"]
    texts = [f"{c['type']}: {c['message']}" if c.get("message") else str(c["type"]) for c in said]
    return "; ".join(texts)


def _view_runner(body: Body | None) -> StatefulSetView | None:
    if body is None:
        return None
    meta, replicas = body["metadata"], body["spec"].get("replicas", 1)
    return StatefulSetView(
        uid=meta["uid"],
        replicas=replicas,
        ready=replicas > 0 and (body["status"].get("readyReplicas") or 0) > 0,
        template=(meta.get("labels") or {}).get(names.TEMPLATE_LABEL, ""),
        created=parse_time(meta.get("creationTimestamp", "")),
        deleting=bool(meta.get("deletionTimestamp")),
    )


def _view_pod(body: Body) -> ServerPod:
    status = body["status"]
    state: Mapping[str, Any] = (status.get("containerStatuses") or ({},))[0]
    waits = ((state.get("state") or {}).get("waiting") or {}).get("reason") == "CrashLoopBackOff"
    ended = (state.get("lastState") or {}).get("terminated") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    ready = conditions.get("Ready") or {}
    return ServerPod(
        view=view_pod(body),
        created=parse_time(body["metadata"].get("creationTimestamp", "")),
        crash=_ending(ended) if waits else "",
        unready_since=parse_time(ready.get("lastTransitionTime") or "") if ready.get("status") == "False" else None,
    )


def _ending(ended: Mapping[str, Any]) -> str:
    if ended.get("reason") == "OOMKilled":
        return "killed for using more memory than BLUENO_MANAGED_NFS's resources allow"
    last = str(ended.get("message") or "").strip().rpartition("\n")[2]
    code = f"exit code {ended.get('exitCode', 'unknown')}"
    return f"{code}: {last[:300]}" if last else code
