"""A data server: Deployment and Service. It holds no token and no secret. Pure.

It mounts one claim read-only; where samples can be added, only the data set's own directory, what is sealed in it
read-only.
Made for a Dataset, or for a claim that training runs write to (role `outputs`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blueno import names
from controllers.objects.meta import Owner, labels, owner_reference
from controllers.objects.pod import (
    claim_labels,
    claims_and_scratch,
    environment,
    restricted_container,
    restricted_pod,
    together,
)

RESOURCES: Mapping[str, Any] = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
COMMAND = ("python", "-m", "blueno.dataserver")
PORT = "http"


@dataclass(frozen=True)
class ServerShape:
    """What differs from one data server to the next."""

    image: str
    pull_policy: str
    env: Mapping[str, str]
    claim: str
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    shared: bool = True  # many nodes may have the claim at the same time
    takes_samples: str = ""  # path on the claim of the data set's directory, which is written to; "": nothing is


def build_deployment(owner: Owner, shape: ServerShape) -> dict[str, Any]:
    """One replica. The label `template` tells whether a Deployment seen later was made from this very shape."""
    template = _template(owner, shape)
    text = json.dumps(template, sort_keys=True)
    mark = {names.TEMPLATE_LABEL: hashlib.sha256(text.encode()).hexdigest()[:12]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(owner, mark),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 0,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _selector(owner)},
            "template": template,
        },
    }


def build_service(owner: Owner) -> dict[str, Any]:
    """Port 80, whatever the pod listens on."""
    port = {"name": PORT, "port": 80, "targetPort": PORT, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(owner, {}),
        "spec": {"selector": _selector(owner), "ports": [port]},
    }


def patch_to(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """The merge-patch that makes of an earlier Deployment what `deployment` is. What is optional is taken away too."""
    template = deployment["spec"]["template"]
    pod = {"affinity": None, "tolerations": None} | template["spec"]
    if pod["affinity"] is not None:
        pod["affinity"] = {"nodeAffinity": None, "podAffinity": None} | pod["affinity"]
    mark = deployment["metadata"]["labels"][names.TEMPLATE_LABEL]
    return {
        "metadata": {"labels": {names.TEMPLATE_LABEL: mark}},
        "spec": {"replicas": 1, "template": {**template, "spec": pod}},
    }


def _meta(owner: Owner, extra: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": _name(owner),
        "namespace": owner.namespace,
        "labels": labels(owner, _role(owner), extra),
        "ownerReferences": [owner_reference(owner)],
    }


def _selector(owner: Owner) -> dict[str, str]:
    return {names.OWNER_UID: owner.uid, names.ROLE_LABEL: _role(owner)}


def _name(owner: Owner) -> str:
    if owner.kind == names.CLAIM_KIND:
        return names.outputs_server_name(owner.name)
    return names.data_server_name(owner.name, owner.uid)


def _role(owner: Owner) -> str:
    return names.ROLE_OUTPUTS if owner.kind == names.CLAIM_KIND else names.ROLE_SERVE


def _volumes(shape: ServerShape) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Volumes and mounts. Every directory that is named here was made by the attempt that proved the volume writable:
    kubelet would make a missing one as root.
    """
    volumes, mounts = claims_and_scratch({names.VOLUME_MOUNT: (shape.claim, not shape.takes_samples)})
    if not shape.takes_samples:
        return volumes, mounts
    mount, root = mounts.pop(), shape.takes_samples
    mounts.append({**mount, "mountPath": names.SERVED_ROOT, "subPath": root})
    for inner in (names.STAGING_DIR, names.VERSIONS_DIR, names.WORKS_DIR):
        path = f"{names.SERVED_ROOT}/{inner}"
        mounts.append({**mount, "mountPath": path, "subPath": f"{root}/{inner}", "readOnly": True})
    return volumes, mounts


def _template(owner: Owner, shape: ServerShape) -> dict[str, Any]:
    volumes, mounts = _volumes(shape)
    container = {
        "name": names.ROLE_SERVE,
        "image": shape.image,
        "imagePullPolicy": shape.pull_policy,
        "command": list(COMMAND),
        "env": environment(shape.env),
        "ports": [{"name": PORT, "containerPort": names.DATA_PORT, "protocol": "TCP"}],
        "readinessProbe": _probe("/readyz", periodSeconds=1, timeoutSeconds=2),
        "livenessProbe": _probe("/healthz", periodSeconds=10, timeoutSeconds=5, initialDelaySeconds=10),
        "resources": {key: dict(value) for key, value in RESOURCES.items()},
        "securityContext": restricted_container(),
        "volumeMounts": mounts,
    }
    pod = {**restricted_pod(), "containers": [container], "volumes": volumes}
    if shape.node_selector:  # as a list: a merge-patch replaces lists whole, but cannot take a key out of a map
        wanted = [{"key": k, "operator": "In", "values": [v]} for k, v in sorted(shape.node_selector.items())]
        required = {"nodeSelectorTerms": [{"matchExpressions": wanted}]}
        pod["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    marks = labels(owner, _role(owner))
    if not shape.shared:
        near = {"requiredDuringSchedulingIgnoredDuringExecution": together([shape.claim])}
        pod["affinity"] = {**pod.get("affinity", {}), "podAffinity": near}
        marks |= claim_labels([shape.claim])
    if shape.tolerations:
        pod["tolerations"] = [dict(toleration) for toleration in shape.tolerations]
    return {"metadata": {"labels": marks}, "spec": pod}


def _probe(path: str, **times: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": PORT}, **times}
