"""Managed NFS servers and who uses them, from what the API server lists. Pure; used by storage.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from blueno import names
from blueno.resources.conditions import parse_time

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Server:
    """One namespace's server, as far as it is there. Texts are "" when their object is not."""

    tenant: str  # namespace whose Datasets it serves
    namespace: str
    name: str
    ready: bool
    address: str
    size: str
    storage_class: str
    data_volume: str  # PersistentVolume below its claim
    created: datetime | None
    uids: Mapping[str, str]  # by kind, of what is there


@dataclass(frozen=True)
class Use:
    """Who would lose it: a Dataset ("Dataset team-a/mnist") or somebody's "PersistentVolume x"."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what} ({self.why})"


def find_servers(bodies: Iterable[Body]) -> list[Server]:
    """From StatefulSets, Services and claims of one namespace; by tenant."""
    parts: dict[str, dict[str, Body]] = {}
    for body in bodies:
        labels = body["metadata"].get("labels") or {}
        tenant = labels.get(names.TENANT_NAMESPACE)
        if labels.get(names.ROLE_LABEL) == names.ROLE_NFS and tenant:
            parts.setdefault(str(tenant), {})[str(body["kind"])] = body
    return [_server(tenant, found) for tenant, found in sorted(parts.items())]


def find_uses(server: Server, volumes: Iterable[Body], datasets: Iterable[Body]) -> list[Use]:
    """Everything that names the server: volumes of its address, and Datasets that lie on it."""
    uses = [Use(_owner(volume), f"volume {volume['metadata']['name']}") for volume in volumes if _names(server, volume)]
    known = {use.what for use in uses}
    asking = sorted(_dataset(body) for body in datasets if _lies_on(server, body))
    return uses + [Use(what, "asks for it") for what in asking if what not in known]


def kept_volume(server: Server, volumes: Iterable[Body]) -> str:
    """The PersistentVolume that outlives the server's claim, because its class says so; "" when none does."""
    for volume in volumes:
        policy = volume["spec"].get("persistentVolumeReclaimPolicy")
        if volume["metadata"]["name"] == server.data_volume and policy == "Retain":
            return server.data_volume
    return ""


def in_words(uses: Sequence[Use], limit: int = 10) -> str:
    """A list for a sentence."""
    more = f" and {len(uses) - limit} more" if len(uses) > limit else ""
    return ", ".join(str(use) for use in uses[:limit]) + more


def _server(tenant: str, found: Mapping[str, Body]) -> Server:
    runner, service, claim = (found.get(k) or {} for k in ("StatefulSet", "Service", "PersistentVolumeClaim"))
    some = next(iter(found.values()))["metadata"]
    address = str((service.get("spec") or {}).get("clusterIP") or "")
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    requested = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "")
    return Server(
        tenant=tenant,
        namespace=some["namespace"],
        name=some["name"],
        ready=bool((runner.get("status") or {}).get("readyReplicas")),
        address="" if address == "None" else address,
        size=str((status.get("capacity") or {}).get("storage") or requested),
        storage_class=str(spec.get("storageClassName") or ""),
        data_volume=str(spec.get("volumeName") or ""),
        created=min((t for body in found.values() if (t := _created(body)) is not None), default=None),
        uids={kind: str(body["metadata"]["uid"]) for kind, body in found.items()},
    )


def _created(body: Body) -> datetime | None:
    return parse_time(body["metadata"].get("creationTimestamp", ""))


def _names(server: Server, volume: Body) -> bool:
    """By its address; a volume of ours also by whose claim it is for, as the Service may be gone."""
    spec, labels = volume["spec"], volume["metadata"].get("labels") or {}
    source = spec.get("nfs") or (spec.get("csi") or {}).get("volumeAttributes") or {}
    if server.address and source.get("server") == server.address:
        return True
    path = source.get("path") or source.get("share")
    ours = labels.get(names.MANAGED) == "true" and path == names.NFS_EXPORT
    return not server.address and ours and (spec.get("claimRef") or {}).get("namespace") == server.tenant


def _owner(volume: Body) -> str:
    name = (volume["metadata"].get("labels") or {}).get(names.DATASET_LABEL)
    place = (volume["spec"].get("claimRef") or {}).get("namespace")
    return f"Dataset {place}/{name}" if name and place else f"PersistentVolume {volume['metadata']['name']}"


def _lies_on(server: Server, dataset: Body) -> bool:
    storage, status = dataset["spec"].get("storage") or {}, dataset.get("status") or {}
    kind = (status.get("resolved") or {}).get("storage")
    return dataset["metadata"]["namespace"] == server.tenant and ("managedNFS" in storage or kind == "managedNFS")


def _dataset(body: Body) -> str:
    return f"Dataset {body['metadata']['namespace']}/{body['metadata']['name']}"
