"""Datasets on NFS, and where the operator is told which exports are allowed. Used by test_nfs*.py."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.kube import Kube
from tests.e2e.nfs_server import LARGE, SMALL, NfsServer

SYSTEM, STORAGE = "blueno-system", "blueno-storage"
_OPERATOR = "deployment/blueno-operator"
TENANT = "blueno.dev/tenant-namespace"
MANAGED = {"managedNFS": {"size": "1Gi"}}


def on(server: NfsServer, path: str = LARGE, **more: Any) -> dict[str, Any]:
    """`spec.storage` on the server outside."""
    return {"nfs": {"server": server.address, "path": path}, **more}


@contextmanager
def allowed(cluster: Kube, server: NfsServer) -> Iterator[None]:
    """The operator lets every test's namespace use both exports."""
    system = cluster.inside(SYSTEM)
    exports = [{"server": server.address, "path": path, "namespaces": ["e2e-*"]} for path in (LARGE, SMALL)]
    system.run("set", "env", _OPERATOR, f"BLUENO_ALLOWED_NFS={json.dumps(exports)}")
    system.run("rollout", "status", _OPERATOR, "--timeout=180s")
    try:
        yield
    finally:
        system.run("set", "env", _OPERATOR, "BLUENO_ALLOWED_NFS-")
        system.run("rollout", "status", _OPERATOR, "--timeout=180s")


@contextmanager
def tenant(cluster: Kube) -> Iterator[Kube]:
    """A namespace whose Datasets may have a managed server. In the end clients go first, then server and data."""
    inside = cluster.inside(f"e2e-{uuid.uuid4().hex[:8]}")
    cluster.run("create", "namespace", inside.namespace)
    cluster.run("label", "namespace", inside.namespace, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield inside
    finally:
        cluster.run("delete", "namespace", inside.namespace, "--ignore-not-found", "--timeout=150s", check=False)
        selector = ["-l", f"{TENANT}={inside.namespace}", "--timeout=90s"]
        cluster.inside(STORAGE).run("delete", "statefulset,service,pvc", *selector, check=False)


def servers(kube: Kube, kind: str = "statefulset") -> list[dict[str, Any]]:
    """The managed server of the namespace, as a list of one or none."""
    return kube.inside(STORAGE).list(kind, f"{TENANT}={kube.namespace}")


def directory(server: NfsServer, dataset: dict[str, Any], small: bool = False) -> Path:
    """The Dataset's directory, seen on the server."""
    return (server.small if small else server.large) / dataset["status"]["volume"]["path"]


def volume_of(kube: Kube, dataset: dict[str, Any]) -> dict[str, Any]:
    """The Dataset's PersistentVolume, {} when there is none."""
    return kube.get("pv", f"blueno-{dataset['metadata']['uid']}")


def claim_of(kube: Kube, dataset: dict[str, Any]) -> dict[str, Any]:
    """Its claim, {} when there is none."""
    return kube.get("pvc", dataset["status"]["volume"]["claimName"])


def files_below(path: Path) -> dict[str, int]:
    """Every file below a directory, with its size."""
    return {str(each.relative_to(path)): each.stat().st_size for each in path.rglob("*") if each.is_file()}
