"""Claims and volumes. They carry labels but never an ownerReference: garbage collection can never erase data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blueno import names
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


def host_path_volume(owner: Owner, path: str, size: str = DEFAULT_SIZE) -> dict[str, Any]:
    """A PersistentVolume on a directory of a node (development only), reserved for the Dataset's claim."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": names.volume_name(owner.uid), "labels": labels(owner, names.ROLE_DATA)},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "capacity": {"storage": size},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"namespace": owner.namespace, "name": names.claim_name(owner.name, owner.uid)},
            "hostPath": {"path": path, "type": "DirectoryOrCreate"},
        },
    }


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
