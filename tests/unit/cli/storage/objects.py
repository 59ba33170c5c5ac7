"""What the tests of this folder put into their cluster."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from blueno import names
from controllers.objects.nfs_server import NfsServerShape, build_claim, build_service, build_stateful_set
from tests.fakes.api_server import ApiServer
from tests.make import a_body, a_world

KINDS = ("StatefulSet", "Service", "PersistentVolumeClaim")
ADDRESS = "10.96.0.7"
MANAGED = {"storage": {"managedNFS": {"size": "20Gi"}}}
REAL = shutil.which("kubectl")
BOTH = pytest.mark.parametrize("cluster", [REAL, None] if REAL else [None], ids=str, indirect=True)


def put_server(api: ApiServer, tenant: str, address: str) -> None:
    shape = NfsServerShape.of(tenant, "20Gi", a_world().config)
    api.put({**build_claim(shape), "status": {"phase": "Bound", "capacity": {"storage": "21Gi"}}})
    api.put(build_service(shape, address))
    api.put({**build_stateful_set(shape), "status": {"readyReplicas": 1}})


def put_dataset(api: ApiServer, name: str = "mnist", tenant: str = "team-a", **spec: Any) -> None:
    uid = f"uid-{tenant}-{name}"
    api.put(a_body(name, uid=uid, meta={"namespace": tenant}, **(spec or MANAGED)))


def put_volume(api: ApiServer, name: str, *, dataset: str = "", tenant: str = "team-a", **source: Any) -> None:
    labels = {names.MANAGED: "true", names.DATASET_LABEL: dataset} if dataset else {}
    held = {"claimRef": {"namespace": tenant, "name": "claim"}}
    spec = source or {"nfs": {"server": ADDRESS, "path": "/export"}}
    api.put({"kind": "PersistentVolume", "metadata": {"name": name, "labels": labels}, "spec": held | spec})


def left(api: ApiServer, tenant: str = "team-a") -> list[str]:
    """Kinds of what is there of a server."""
    return [
        kind for kind in KINDS if ("blueno-storage", f"nfs-{tenant}") in {k[1:] for k in api.objects if k[0] == kind}
    ]
