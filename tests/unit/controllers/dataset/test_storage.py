"""controllers/dataset/storage.py: who may have which storage."""

from __future__ import annotations

from typing import Any

import pytest

from blueno.config import OperatorConfig
from blueno.resources.dataset import Storage
from blueno.resources.nfs import AllowedNfs
from controllers.dataset.storage import refusal

ML = AllowedNfs("nfs.example.org", "/exports/ml", ("team-*",))
SHARED = AllowedNfs("nfs.example.org", "/exports/ml/common", ("team-*",), ("shared/", "old/data/"))
ON = {"allow_nfs_volumes": True, "allowed_nfs": (ML, SHARED)}


def nfs(path: str = "/exports/ml", sub_path: str | None = None) -> Storage:
    return Storage("nfs", {"server": "nfs.example.org", "path": path}, sub_path)


def managed(sub_path: str | None = None) -> Storage:
    return Storage("managedNFS", {"size": "1Gi"}, sub_path)


@pytest.mark.parametrize(
    ("storage", "namespace", "config", "says"),
    [
        (Storage("claimTemplate", {"size": "1Gi"}, "anywhere"), "lab", {}, ""),
        (Storage("existingClaim", {"name": "c"}, "other/x"), "lab", {}, ""),
        (Storage("hostPath", {"path": "/x"}), "lab", {}, "BLUENO_ALLOW_HOST_PATH"),
        (Storage("hostPath", {"path": "/x"}), "lab", {"allow_nfs_volumes": True}, "BLUENO_ALLOW_HOST_PATH"),
        (Storage("hostPath", {"path": "/x"}, "other/x"), "lab", {"allow_host_path": True}, ""),
        (nfs(), "team-a", {"allowed_nfs": (ML,)}, "BLUENO_ALLOW_NFS_VOLUMES"),
        (nfs(), "team-a", {"allow_host_path": True, "allowed_nfs": (ML,)}, "BLUENO_ALLOW_NFS_VOLUMES"),
        (nfs(), "team-a", ON, ""),
        (nfs(), "lab", ON, "namespace lab may not use nfs.example.org:/exports/ml"),
        (nfs("/exports"), "team-a", ON, "may not use nfs.example.org:/exports "),
        (nfs("/exports/mlops"), "team-a", ON, "may not use"),
        (nfs(sub_path="team-a/mnist"), "team-a", ON, ""),
        (
            nfs(sub_path="team-b/mnist"),
            "team-a",
            ON,
            "team-b/mnist is not this namespace's: it must begin with team-a/",
        ),
        (nfs(sub_path="team-a"), "team-a", ON, "must begin with team-a/"),
        (nfs(sub_path="team-ab/mnist"), "team-a", ON, "must begin with team-a/"),
        (nfs(sub_path="shared/mnist"), "team-a", ON, "must begin with team-a/"),
        (nfs("/exports/ml/common", "shared/mnist"), "team-a", ON, ""),
        (nfs("/exports/ml/common/below", "old/data/x"), "team-a", ON, ""),
        (nfs("/exports/ml/common", "old/x"), "team-a", ON, "must begin with team-a/ or shared/ or old/data/"),
        (managed(), "lab", {}, "BLUENO_ALLOW_NFS_VOLUMES"),
        (managed(), "lab", ON, ""),
        (managed("lab/old"), "lab", ON, ""),
        (managed("team-a/old"), "lab", ON, "must begin with lab/"),
        (managed("shared/old"), "team-a", ON, "must begin with team-a/"),
        (managed(), "lab", ON | {"nfs_image": ""}, "BLUENO_NFS_IMAGE"),
        (nfs(), "team-a", ON | {"nfs_image": ""}, ""),
    ],
)
def test_who_may_have_what(storage: Storage, namespace: str, config: dict[str, Any], says: str) -> None:
    why = refusal(storage, namespace, OperatorConfig(**config))
    assert says in why
    assert bool(why) is bool(says)
