"""Claims and volumes. They carry labels but never an ownerReference: garbage collection can never erase data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blueno import names
from blueno.resources.nfs import IN_TREE
from controllers.objects.meta import Owner, labels

DEFAULT_SIZE = "10Gi"


def claim_from_template(owner: Owner, template: Mapping[str, Any]) -> dict[str, Any]:
    """The claim of a `claimTemplate` Dataset; ReadWriteMany unless the template says otherwise."""
    spec: dict[str, Any] = {
        "accessModes": list(template.get("accessModes") or ["ReadWriteMany"]),
        "resources": {"requests": {"storage": template.get("size", DEFAULT_SIZE)}},
    }
    if template.get("storageClassName"):
        spec["storageClassName"] = template["storageClassName"]
    return _claim(owner, spec)


def claim_for_volume(owner: Owner, size: str = DEFAULT_SIZE) -> dict[str, Any]:
    """A claim bound in advance to the PersistentVolume made for the same Dataset."""
    spec = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": size}},
        "storageClassName": "",
        "volumeName": names.volume_name(owner.uid),
    }
    return _claim(owner, spec)


def static_volume(
    owner: Owner,
    source: Mapping[str, Any],
    mount_options: Sequence[str] = (),
    size: str = DEFAULT_SIZE,
    claim_uid: str = "",
) -> dict[str, Any]:
    """A PersistentVolume on `source`, reserved for the Dataset's claim; its data outlive both.

    `claim_uid` is that of a claim that is there already: one that has lost its volume takes no other.
    """
    reserved = {"namespace": owner.namespace, "name": names.claim_name(owner.name, owner.uid)}
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteMany"],
        "capacity": {"storage": size},
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "claimRef": reserved | ({"uid": claim_uid} if claim_uid else {}),
        **source,
    }
    if mount_options:
        spec["mountOptions"] = list(mount_options)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": names.volume_name(owner.uid), "labels": labels(owner, names.ROLE_DATA)},
        "spec": spec,
    }


def host_path_source(path: str) -> dict[str, Any]:
    """A directory of a node (development only)."""
    return {"hostPath": {"path": path, "type": "DirectoryOrCreate"}}


def nfs_source(owner: Owner, server: str, path: str, driver: str) -> dict[str, Any]:
    """An NFS export, mounted by the kubelet itself or by csi-driver-nfs."""
    if driver == IN_TREE:
        return {"nfs": {"server": server, "path": path}}
    handle = names.volume_name(owner.uid)  # one for each volume: the driver takes two with one handle for the same
    return {"csi": {"driver": driver, "volumeHandle": handle, "volumeAttributes": {"server": server, "share": path}}}


def _claim(owner: Owner, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": names.claim_name(owner.name, owner.uid),
            "namespace": owner.namespace,
            "labels": labels(owner, names.ROLE_DATA),
        },
        "spec": dict(spec),
    }
