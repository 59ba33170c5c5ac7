"""A namespace's managed NFS server: the claim with the data, Service and StatefulSet. Pure.

Called by controllers/dataset/managed.py. None of the three has an owner: they outlive Datasets and their namespace.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from blueno import names
from blueno.config import OperatorConfig
from controllers.objects.pod import environment

# Files are opened by their handle (DAC_READ_SEARCH), and the server acts as whoever asks (the others).
CAPABILITIES: Final = ("DAC_READ_SEARCH", "DAC_OVERRIDE", "SETUID", "SETGID", "CHOWN", "FOWNER", "FSETID")
RESOURCES: Final[Mapping[str, Any]] = {
    "requests": {"cpu": "100m", "memory": "256Mi"},
    "limits": {"memory": "1Gi"},
}
# No portmapper on 111: it would be one capability more. NFSv3 clients name both ports in their mount options.
PORTS: Final = {"nfs": 2049, "mountd": 20048}
SCRATCH: Final = {"run": "/run", "tmp": "/tmp", "state": "/var/lib/nfs"}  # noqa: S108
GRACE_SECONDS: Final = 30  # the image gives what is unanswered 20


@dataclass(frozen=True)
class NfsServerShape:
    """What differs from one server to the next."""

    tenant: str  # namespace whose Datasets it serves
    namespace: str  # where it is
    image: str
    pull_policy: str
    size: str
    storage_class: str = ""  # "": the cluster's default
    resources: Mapping[str, Any] = field(default_factory=lambda: RESOURCES)

    @classmethod
    def of(cls, tenant: str, size: str, config: OperatorConfig) -> NfsServerShape:
        """As the operator is configured."""
        given = config.managed_nfs
        return cls(
            tenant=tenant,
            namespace=config.storage_namespace,
            image=config.nfs_image,
            pull_policy=config.image_pull_policy,
            size=size,
            storage_class=given.get("storageClassName", ""),
            resources=given.get("resources") or RESOURCES,
        )


def build_claim(shape: NfsServerShape) -> dict[str, Any]:
    """One node at a time is enough: the server is what shares it."""
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": shape.size}},
    }
    if shape.storage_class:
        spec["storageClassName"] = shape.storage_class
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": _meta(shape), "spec": spec}


def build_service(shape: NfsServerShape, address: str = "") -> dict[str, Any]:
    """Volumes name its ClusterIP, as nodes do not ask the cluster's DNS. `address`: the one they name already."""
    ports = [{"name": name, "port": port, "targetPort": port, "protocol": "TCP"} for name, port in PORTS.items()]
    spec: dict[str, Any] = {"type": "ClusterIP", "selector": _selector(shape), "ports": ports}
    if address:
        spec["clusterIP"] = address
    return {"apiVersion": "v1", "kind": "Service", "metadata": _meta(shape), "spec": spec}


def build_stateful_set(shape: NfsServerShape) -> dict[str, Any]:
    """One pod, never two: the label `template` tells whether it was made from this very shape."""
    name = names.nfs_server_name(shape.tenant)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _meta(shape, {names.TEMPLATE_LABEL: template_mark(shape)}),
        "spec": {
            "replicas": 1,
            "serviceName": name,
            "revisionHistoryLimit": 1,
            "selector": {"matchLabels": _selector(shape)},
            "template": _template(shape),
        },
    }


def template_mark(shape: NfsServerShape) -> str:
    """Hash of the pod's template, as a label value."""
    return hashlib.sha256(json.dumps(_template(shape), sort_keys=True).encode()).hexdigest()[:12]


def patch_to(shape: NfsServerShape) -> dict[str, Any]:
    """The merge-patch that makes of an earlier StatefulSet what `shape` says; replicas are left as they are."""
    mark = {names.TEMPLATE_LABEL: template_mark(shape)}
    return {"metadata": {"labels": mark}, "spec": {"template": _template(shape)}}


def _labels(shape: NfsServerShape) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "blueno",
        "app.kubernetes.io/component": names.ROLE_NFS,
        "app.kubernetes.io/managed-by": names.OPERATOR,
        names.MANAGED: "true",
        names.ROLE_LABEL: names.ROLE_NFS,
        names.TENANT_NAMESPACE: shape.tenant,
    }


def _meta(shape: NfsServerShape, extra: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {
        "name": names.nfs_server_name(shape.tenant),
        "namespace": shape.namespace,
        "labels": {**_labels(shape), **(extra or {})},
    }


def _selector(shape: NfsServerShape) -> dict[str, str]:
    return {names.ROLE_LABEL: names.ROLE_NFS, names.TENANT_NAMESPACE: shape.tenant}


def _template(shape: NfsServerShape) -> dict[str, Any]:
    places = {"data": names.NFS_EXPORT, **SCRATCH}
    volumes: list[dict[str, Any]] = [{"name": name, "emptyDir": {}} for name in SCRATCH]
    volumes.insert(0, {"name": "data", "persistentVolumeClaim": {"claimName": names.nfs_server_name(shape.tenant)}})
    container = {
        "name": names.ROLE_NFS,
        "image": shape.image,
        "imagePullPolicy": shape.pull_policy,
        "env": environment({names.ENV_NFS_FSID: str(names.nfs_fsid(shape.tenant))}),
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in PORTS.items()],
        "readinessProbe": _probe(periodSeconds=3, failureThreshold=2),
        # A server that has not served for five minutes is started again: its clients wait, and nothing is lost.
        "livenessProbe": _probe(periodSeconds=30, failureThreshold=10),
        "resources": {key: dict(value) for key, value in shape.resources.items()},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",  # why it ended, for the Datasets' status
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in places.items()],
    }
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        # Unconfined: containerd's default profile refuses name_to_handle_at. No fsGroup: the image sets the owner.
        "securityContext": {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "Unconfined"}},
        "containers": [container],
        "volumes": volumes,
    }
    # Its emptyDirs hold nothing, so a cluster autoscaler need not keep the node for them.
    notes = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}
    return {"metadata": {"labels": _labels(shape), "annotations": notes}, "spec": pod}


def _probe(**times: int) -> dict[str, Any]:
    """It asks for the export as a client does: an open port would say nothing."""
    return {"exec": {"command": [names.NFS_READY]}, "timeoutSeconds": 10, **times}
