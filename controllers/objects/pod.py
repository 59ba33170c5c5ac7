"""What every pod of ours has in common: Pod Security "restricted", no API token. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blueno import names

GRACE_SECONDS = 10  # our processes stop within a second of SIGTERM; what is left is for slow volumes


def restricted_pod() -> dict[str, Any]:
    """The pod's part of the spec."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": names.UID,
            "runAsGroup": names.UID,
            "fsGroup": names.UID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def restricted_container() -> dict[str, Any]:
    """The container's `securityContext`."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def together(claims: Sequence[str]) -> list[dict[str, Any]]:
    """Required pod affinity to the pods that mount these claims: only one node at a time can have each of them.

    The pod itself has to carry the labels, too: so the first one may go anywhere.
    """
    return [
        {
            "labelSelector": {"matchExpressions": [{"key": names.claim_label(claim), "operator": "Exists"}]},
            "topologyKey": "kubernetes.io/hostname",
        }
        for claim in sorted(set(claims))
    ]


def claim_labels(claims: Sequence[str]) -> dict[str, str]:
    """The labels that go with it."""
    return {names.claim_label(claim): "" for claim in sorted(set(claims))}


def environment(env: Mapping[str, str]) -> list[dict[str, str]]:
    """The container's `env`, in a fixed order."""
    return [{"name": key, "value": value} for key, value in sorted(env.items())]


def claims_and_scratch(claims: Mapping[str, tuple[str, bool]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Volumes and mounts: a writable /tmp, and each claim at its path (mount path → claim name, read-only)."""
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    for path, (claim, read_only) in sorted(claims.items()):
        name = path.strip("/").replace("/", "-")
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": claim, "readOnly": read_only}})
        mounts.append({"name": name, "mountPath": path, "readOnly": read_only})
    return volumes, mounts


def given_files(files: Mapping[str, tuple[str, str]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Volumes and mounts of Secrets and ConfigMaps of users: mount path → (kind, name). One that does not exist is an
    empty directory: it holds up nobody else's work.
    """
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    for number, (path, (kind, name)) in enumerate(sorted(files.items())):
        source = {"secretName": name} if kind == "secret" else {"name": name}
        volumes.append({"name": f"given-{number}", kind: {**source, "optional": True, "defaultMode": 0o440}})
        mounts.append({"name": f"given-{number}", "mountPath": path, "readOnly": True})
    return volumes, mounts


def report_files() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Volumes and mounts of what the report endpoint asks for: a token of its audience, and its authority, which the
    pod carries as the annotation `report-ca`.
    """
    token, token_dir = _file(names.TOKEN_FILE)
    ca, ca_dir = _file(names.REPORT_CA_FILE)
    projected = {"path": token, "audience": names.REPORT_AUDIENCE, "expirationSeconds": 3600}
    field_ref = {"fieldPath": f"metadata.annotations['{names.REPORT_CA}']"}
    volumes = [
        {"name": "report-token", "projected": {"sources": [{"serviceAccountToken": projected}]}},
        {"name": "report-ca", "downwardAPI": {"items": [{"path": ca, "fieldRef": field_ref}]}},
    ]
    mounts = [
        {"name": "report-token", "mountPath": token_dir, "readOnly": True},
        {"name": "report-ca", "mountPath": ca_dir, "readOnly": True},
    ]
    return volumes, mounts


def _file(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return name, folder
