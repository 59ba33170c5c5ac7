"""What the operator's account may make of PersistentVolumes, asked of the real API server: NFS of its own naming."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.e2e.kube import Kube
from tests.e2e.test_platform import OPERATOR

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

UID = "0a1b2c3d-1111-4222-8333-444455556666"
VOLUME: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": f"blueno-{UID}", "labels": {"blueno.dev/managed": "true", "blueno.dev/owner-uid": UID}},
    "spec": {
        "accessModes": ["ReadWriteMany"],
        "capacity": {"storage": "1Gi"},
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "claimRef": {"namespace": "team", "name": "mnist-0a1b2c3d"},
        "nfs": {"server": "nfs.example.org", "path": "/exports"},
    },
}
Change = Callable[[dict[str, Any]], Any]


def source(**other: Any) -> Change:
    """Another kind of volume in the place of NFS."""

    def change(volume: dict[str, Any]) -> None:
        del volume["spec"]["nfs"]
        volume["spec"] |= other

    return change


def csi(driver: str) -> Change:
    return source(csi={"driver": driver, "volumeHandle": "v", "volumeAttributes": {"server": "s", "share": "/"}})


ALLOWED: dict[str, Change] = {
    "nfs": lambda volume: None,
    "csi-nfs": csi("nfs.csi.k8s.io"),
    "hostPath, by its component": source(hostPath={"path": "/data"}),
}
DENIED: dict[str, Change] = {
    "another csi driver": csi("secrets.csi.example.org"),
    "iscsi": source(iscsi={"targetPortal": "10.0.0.1", "iqn": "iqn.2001-04.org:x", "lun": 0}),
    "fibre channel": source(fc={"targetWWNs": ["5"], "lun": 0}),
    "somebody else's name": lambda volume: volume["metadata"].update(name="pv-of-a-team"),
    "another owner's name": lambda volume: volume["metadata"]["labels"].update({"blueno.dev/owner-uid": "other"}),
    "not marked": lambda volume: volume["metadata"].pop("labels"),
    "erased with its claim": lambda volume: volume["spec"].update(persistentVolumeReclaimPolicy="Delete"),
    "for whoever comes": lambda volume: volume["spec"].pop("claimRef"),
}


def answer(cluster: Kube, change: Change) -> str:
    """What the API server says to the operator's account; nothing is made."""
    volume = copy.deepcopy(VOLUME)
    change(volume)
    arguments = ["create", "-f", "-", "--dry-run=server", f"--as={OPERATOR}"]
    return cluster.run(*arguments, stdin=yaml.safe_dump(volume), check=False)


@pytest.mark.parametrize("case", ALLOWED)
def test_volumes_of_its_own(cluster: Kube, case: str) -> None:
    assert "created" in answer(cluster, ALLOWED[case])


@pytest.mark.parametrize("case", DENIED)
def test_all_others_are_denied(cluster: Kube, case: str) -> None:
    said = answer(cluster, DENIED[case])
    assert "ValidatingAdmissionPolicy 'blueno-operator-volumes'" in said
    assert "denied request" in said


def test_volumes_of_others_are_not_removed(cluster: Kube) -> None:
    volume = copy.deepcopy(VOLUME)
    volume["metadata"] = {"name": "pv-of-a-team"}
    cluster.apply(volume)
    try:
        said = cluster.run("delete", "pv", "pv-of-a-team", f"--as={OPERATOR}", check=False)
        assert "blueno-operator-volumes" in said
        assert cluster.get("pv", "pv-of-a-team")
    finally:
        cluster.run("delete", "pv", "pv-of-a-team", "--ignore-not-found")
