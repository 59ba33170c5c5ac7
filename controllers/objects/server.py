"""A data server: Deployment and Service. It mounts one claim read-only and holds no token and no secret. Pure."""

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
        "name": names.data_server_name(owner.name, owner.uid),
        "namespace": owner.namespace,
        "labels": labels(owner, names.ROLE_SERVE, extra),
        "ownerReferences": [owner_reference(owner)],
    }


def _selector(owner: Owner) -> dict[str, str]:
    return {names.OWNER_UID: owner.uid, names.ROLE_LABEL: names.ROLE_SERVE}


def _template(owner: Owner, shape: ServerShape) -> dict[str, Any]:
    volumes, mounts = claims_and_scratch({names.VOLUME_MOUNT: (shape.claim, True)})
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
    marks = labels(owner, names.ROLE_SERVE)
    if not shape.shared:
        near = {"requiredDuringSchedulingIgnoredDuringExecution": together([shape.claim])}
        pod["affinity"] = {**pod.get("affinity", {}), "podAffinity": near}
        marks |= claim_labels([shape.claim])
    if shape.tolerations:
        pod["tolerations"] = [dict(toleration) for toleration in shape.tolerations]
    return {"metadata": {"labels": marks}, "spec": pod}


def _probe(path: str, **times: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": PORT}, **times}
