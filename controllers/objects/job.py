"""The shape every Job of ours has: restricted pod, one container, outcome by termination message. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blueno import names
from blueno.resources.outcome import PERMANENT_EXIT_CODE
from controllers.objects.meta import Owner, labels, owner_reference
from controllers.objects.pod import (
    claim_labels,
    claims_and_scratch,
    environment,
    given_files,
    report_files,
    restricted_container,
    restricted_pod,
    together,
)


@dataclass(frozen=True)
class JobShape:
    """What differs from one Job of ours to the next."""

    name: str
    role: str
    image: str
    pull_policy: str
    args: tuple[str, ...]
    env: Mapping[str, str]
    claims: Mapping[str, tuple[str, bool]]  # mount path: (claim name, read-only)
    resources: Mapping[str, Any]
    extra_labels: Mapping[str, str] = field(default_factory=dict)
    report_ca: str | None = None  # PEM; with it the pod gets a token for the report endpoint
    backoff_limit: int = 3
    deadline_seconds: int | None = None
    ttl_seconds: int = 3600
    suspend: bool = False
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    command: tuple[str, ...] = ()  # (): the image's own
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # mount path: ("secret" | "configMap", name)
    together: tuple[str, ...] = ()  # claims that only one node at a time can have


def build_job(owner: Owner, shape: JobShape) -> dict[str, Any]:
    """The Job's manifest. Its pods pass Pod Security "restricted" and hold no API token but the report audience's."""
    child_labels = labels(owner, shape.role, shape.extra_labels)
    pod_meta: dict[str, Any] = {"labels": {**child_labels, **claim_labels(shape.together)}}
    if shape.report_ca is not None:
        pod_meta["annotations"] = {names.REPORT_CA: shape.report_ca}
    spec: dict[str, Any] = {
        "completions": 1,
        "parallelism": 1,
        "suspend": shape.suspend,
        "backoffLimit": shape.backoff_limit,
        "ttlSecondsAfterFinished": shape.ttl_seconds,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": _failure_policy(shape.role),
        "template": {"metadata": pod_meta, "spec": _pod_spec(shape)},
    }
    if shape.deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = shape.deadline_seconds
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": shape.name,
            "namespace": owner.namespace,
            "labels": child_labels,
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": spec,
    }


def _failure_policy(container: str) -> dict[str, Any]:
    """A permanent failure ends the Job at once; being evicted or preempted does not count as a failure."""
    permanent = {"containerName": container, "operator": "In", "values": [PERMANENT_EXIT_CODE]}
    disrupted = [{"type": "DisruptionTarget", "status": "True"}]
    return {
        "rules": [
            {"action": "FailJob", "onExitCodes": permanent},
            {"action": "Ignore", "onPodConditions": disrupted},
        ]
    }


def _pod_spec(shape: JobShape) -> dict[str, Any]:
    volumes, mounts = _volumes(shape)
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        **restricted_pod(),
        "containers": [
            {
                "name": shape.role,
                "image": shape.image,
                "imagePullPolicy": shape.pull_policy,
                "args": list(shape.args),
                "env": environment(shape.env),
                "resources": {key: dict(value) for key, value in shape.resources.items()},
                "securityContext": restricted_container(),
                "terminationMessagePolicy": "File",
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }
    if shape.command:
        spec["containers"][0]["command"] = list(shape.command)
    if shape.node_selector:
        spec["nodeSelector"] = dict(shape.node_selector)
    if shape.together:
        spec["affinity"] = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": together(shape.together)}}
    if shape.tolerations:
        spec["tolerations"] = [dict(toleration) for toleration in shape.tolerations]
    return spec


def _volumes(shape: JobShape) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    volumes, mounts = claims_and_scratch(shape.claims)
    given_volumes, given_mounts = given_files(shape.files)
    volumes += given_volumes
    mounts += given_mounts
    if shape.report_ca is not None:
        more_volumes, more_mounts = report_files()
        volumes += more_volumes
        mounts += more_mounts
    return volumes, mounts
