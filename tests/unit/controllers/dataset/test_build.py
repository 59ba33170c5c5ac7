"""controllers/dataset/build.py: whole manifests against golden files (`make golden` rewrites them)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno import names
from blueno.resources.dataset import Dataset, Storage
from blueno.resources.work import PrepOptions, Work
from controllers.dataset.build import (
    build_erase_job,
    build_prep_job,
    build_volume,
    grow_claim,
    prepare_hash,
)
from controllers.dataset.observe import ClaimView
from controllers.dataset.work import wanted_work
from tests.make import a_body, a_claim, a_dataset, a_status, a_world, observed

Golden = Callable[[str, Any], None]

HOST = Storage("hostPath", {"path": "/data"})
NFS = Storage("nfs", {"server": "nfs.example.org", "path": "/exports/ml"})
NFS_OPTIONS = Storage("nfs", {**NFS.parameters, "mountOptions": ["nfsvers=3", "nolock"]})
MANAGED = Storage("managedNFS", {"size": "50Gi"})
CSI = {"nfs_driver": "nfs.csi.k8s.io"}
THEIRS = Storage("existingClaim", {"name": "photos"})
FULL = {
    "prepare": {
        "resources": {"requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"memory": "4Gi"}},
        "gpus": {"count": 2, "product": "NVIDIA-L4"},
        "nodeSelector": {"pool": "big"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "onBadSample": "Fail",
        "maxBadSamples": 0,
        "backoffLimit": 5,
        "activeDeadlineSeconds": 7200,
        "ttlSecondsAfterFinished": 60,
    },
    "layout": {"type": "classFolders"},
}
CLAIM_SOURCE = {"source": {"claim": {"name": "raw", "path": "photos/2019"}}}
SITE = {"allowed_source_networks": ("10.1.0.0/16",), "max_source_bytes": 1 << 30, "image_pull_policy": "Never"}


def prep_job(dataset: Dataset, seen: dict[str, Any] | None = None, **config: Any) -> dict[str, Any]:
    known = observed(**(seen or {}))
    return build_prep_job(dataset, known, wanted_work(dataset, known.jobs), a_world(**config))


JOBS = {
    "prep-job-plain": (lambda: prep_job(a_dataset())),
    "prep-job-gpus": (lambda: prep_job(a_dataset(**FULL), **SITE)),
    "prep-job-claim-source": (lambda: prep_job(a_dataset(**CLAIM_SOURCE))),
    "prep-job-existing-claim": (lambda: prep_job(a_dataset(), {"storage": THEIRS, "gone_owner": "uid-of-the-gone"})),
    "prep-job-of-one-node": (lambda: prep_job(a_dataset(), {"claim": a_claim(shared=False)})),
    "erase-job": (lambda: build_erase_job(a_dataset(**FULL), observed(storage=THEIRS), a_world())),
}


def volume(storage: Storage, claim: ClaimView | None = None, **config: Any) -> list[dict[str, Any]]:
    seen = observed(storage=storage, claim=claim)
    return list(build_volume(a_dataset(), seen, a_world(**config).config, server="10.96.0.9"))


CLASS = Storage("claimTemplate", {"storageClassName": "fast", "accessModes": ["ReadWriteOnce"]})
VOLUMES = {
    "claim": (lambda: volume(Storage("claimTemplate", {"size": "50Gi"}))),
    "claim-of-a-class": (lambda: volume(CLASS)),
    "host-path": (lambda: volume(HOST)),
    "nfs": (lambda: volume(NFS)),
    "nfs-options-of-its-own": (lambda: volume(NFS_OPTIONS)),
    "nfs-csi": (lambda: volume(NFS, **CSI)),
    "nfs-for-a-claim-that-lost-its-volume": (lambda: volume(NFS, a_claim(phase="Lost"))),
    "nfs-managed": (lambda: volume(MANAGED, nfs_mount_options=("nfsvers=3", "mountport=20048"))),
    "nfs-managed-csi": (lambda: volume(MANAGED, **CSI)),
}


@pytest.mark.parametrize("name", JOBS)
def test_job(name: str, golden: Golden) -> None:
    golden(f"dataset/{name}", JOBS[name]())


@pytest.mark.parametrize("name", VOLUMES)
def test_volume(name: str, golden: Golden) -> None:
    golden(f"dataset/{name}", VOLUMES[name]())


def test_a_users_claim_is_not_made() -> None:
    assert volume(THEIRS) == []


def test_claims_are_never_owned_so_that_garbage_collection_cannot_erase_data() -> None:
    for made in VOLUMES.values():
        for manifest in made():
            assert "ownerReferences" not in manifest["metadata"]


def test_volumes_are_reserved_and_keep_what_is_on_them() -> None:
    for storage, config in ((HOST, {}), (NFS, {}), (NFS, CSI), (MANAGED, {}), (MANAGED, CSI)):
        pv, claim = volume(storage, **config)
        assert pv["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        assert pv["spec"]["claimRef"] == {key: claim["metadata"][key] for key in ("namespace", "name")}
        assert claim["spec"]["volumeName"] == pv["metadata"]["name"]
        assert pv["spec"]["storageClassName"] == claim["spec"]["storageClassName"] == ""


def test_no_mount_options_at_all() -> None:
    assert "mountOptions" not in volume(NFS, nfs_mount_options=())[0]["spec"]
    assert "mountOptions" not in volume(HOST)[0]["spec"]


def test_foreign_labels_and_annotations_are_not_handed_down() -> None:
    foreign = {"argocd.argoproj.io/instance": "x", "app.kubernetes.io/instance": "x"}
    marked = a_dataset(meta={"labels": foreign, "annotations": foreign})
    assert prep_job(marked) == prep_job(a_dataset())


def test_the_pod_is_told_its_work_and_options() -> None:
    manifest = prep_job(a_dataset(**FULL), **SITE)
    env = {e["name"]: e["value"] for e in manifest["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert Work.from_json(env[names.ENV_WORK]) == wanted_work(a_dataset(**FULL), ()).work
    options = PrepOptions.from_json(env[names.ENV_OPTIONS])
    assert options == PrepOptions("Fail", 0, ("10.1.0.0/16",), 1 << 30)


@pytest.mark.parametrize("name", JOBS)
def test_builders_are_deterministic_and_share_nothing(name: str) -> None:
    first, second = JOBS[name](), JOBS[name]()
    pristine = copy.deepcopy(second)
    assert first == second
    _scribble(first)
    assert second == pristine


def test_builders_leave_their_input_alone() -> None:
    body = a_body(**FULL)
    before = copy.deepcopy(body)
    manifest = prep_job(Dataset.parse(body))
    storage = Storage("nfs", {**NFS.parameters, "mountOptions": ["hard"]})
    pristine = copy.deepcopy(storage)
    _scribble(list(build_volume(Dataset.parse(body), observed(storage=storage), a_world().config)))
    assert storage == pristine
    _scribble(manifest)
    assert body == before


def _scribble(value: Any) -> None:
    """Change everything that can be changed."""
    if isinstance(value, dict):
        for item in value.values():
            _scribble(item)
        value["scribbled"] = True
    elif isinstance(value, list):
        for item in value:
            _scribble(item)
        value.append("scribbled")


dns_labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
uids = st.uuids().map(str)


@given(dns_labels, uids)
def test_manifests_name_legal_objects(name: str, uid: str) -> None:
    dataset = a_dataset(name, uid=uid)
    seen = observed(storage=THEIRS)
    volumes = build_volume(dataset, observed(storage=NFS), a_world().config)
    manifests = [prep_job(dataset), build_erase_job(dataset, seen, a_world()), *volumes]
    for manifest in manifests:
        labels = manifest["metadata"]["labels"]
        assert len(manifest["metadata"]["name"]) <= 63
        assert all(len(value) <= 63 and value[-1:].isalnum() for value in labels.values()), labels
        json.dumps(manifest)


def test_the_hash_of_prepare_knows_what_a_job_is_made_from() -> None:
    plain = prepare_hash(a_dataset())
    assert prepare_hash(a_dataset(displayName="x", prepare={"ttlSecondsAfterFinished": 1})) == plain
    changed = [{"backoffLimit": 9}, {"resources": {"limits": {"memory": "1Gi"}}}, {"gpus": {"count": 1}}]
    assert len({prepare_hash(a_dataset(prepare=prepare)) for prepare in changed} | {plain}) == 4


def test_a_claim_grows_once_per_edit() -> None:
    storage = {"storage": {"claimTemplate": {"size": "20Gi"}}}
    seen = observed(storage=Storage("claimTemplate", {"size": "20Gi"}))
    edited = a_dataset(status=a_status(), meta={"generation": 2}, **storage)
    (patch,) = grow_claim(edited, seen)
    assert patch.body == {"spec": {"resources": {"requests": {"storage": "20Gi"}}}}
    assert patch.ref.uid == a_claim().uid
    assert grow_claim(a_dataset(status=a_status(), **storage), seen) == ()
    assert grow_claim(edited, observed(storage=seen.storage, claim=a_claim(requested="20Gi"))) == ()
    assert grow_claim(edited, observed(storage=seen.storage, claim=None)) == ()
    assert grow_claim(edited, observed(storage=THEIRS)) == ()
