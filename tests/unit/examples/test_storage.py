"""Every file of examples/storage: fields that exist, parameters that the drivers know, and a copy that is one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import blueno
from blueno import names
from blueno.config import OperatorConfig
from blueno.resources.dataset import STORAGE_KINDS, Dataset, Storage
from controllers.dataset.storage import refusal
from controllers.objects.pod import restricted_container, restricted_pod
from tests.fakes.preparation import TOP, Place, archive_work, environment
from tests.fakes.sources import class_folders, png, tar

FOLDER = TOP / "examples" / "storage"
DOCUMENT = (TOP / "docs" / "storage.md").read_text()
DATASETS = sorted(FOLDER.glob("dataset-*.yaml"))
CLASSES = sorted(FOLDER.glob("class-*.yaml"))
# What the drivers' own documents call them, and values that they take.
PARAMETERS = {
    "filestore.csi.storage.gke.io": {
        "tier": r"standard|premium|enterprise|zonal|basic_hdd|basic_ssd",
        "multishare": r"true|false",
        "network": r"[a-z0-9-]+",
    },
    "file.csi.azure.com": {"protocol": r"nfs", "skuName": r"Premium_(LRS|ZRS)", "mountPermissions": r"0[0-7]{3}"},
    "nfs.csi.k8s.io": {
        "server": r"[a-z0-9.-]+",
        "share": r"/.*",
        "subDir": r"(?:[\w./-]|\$\{pvc?\.metadata\.name\}|\$\{pvc\.metadata\.namespace\})+",
        "onDelete": r"retain|archive|delete",
        "mountPermissions": r"[01][0-7]{3}",
    },
    "efs.csi.aws.com": {
        "provisioningMode": r"efs-ap",
        "fileSystemId": r"fs-[0-9a-f]+",
        "directoryPerms": r"[0-7]{3}",
        "gidRangeStart": r"\d+",
        "gidRangeEnd": r"\d+",
        "ensureUniqueDirectory": r"true|false",
    },
}
CLASS_FIELDS = {
    "apiVersion", "kind", "metadata", "provisioner", "parameters", "reclaimPolicy", "allowVolumeExpansion",
    "mountOptions",
}  # fmt: skip


def body_of(path: Path) -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load(path.read_text())
    return body


def unknown(schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    """Fields of `value` that the schema does not have."""
    if not isinstance(value, dict):
        return
    known = schema.get("properties", {})
    if not known:
        return
    for key, inner in value.items():
        if key in known:
            yield from unknown(known[key], inner, f"{path}.{key}")
        else:
            yield f"{path}.{key}"


def dataset_schema() -> dict[str, Any]:
    (version,) = body_of(TOP / "crds" / "dataset.yaml")["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


def test_all_files_are_read_here_and_named_in_the_table() -> None:
    others = {"exports", "allowed-nfs.json", "reader.yaml", "move.yaml"}
    files = {path.name for path in FOLDER.iterdir()}
    assert files == {*(p.name for p in (*DATASETS, *CLASSES)), *others, "README.md"}
    shown = re.findall(r"^\| \[(.*?)\]\((.*?)\) \|", (FOLDER / "README.md").read_text(), re.M)
    assert {name for name, _ in shown} == {target for _, target in shown} == files - {"README.md"}


@pytest.mark.parametrize("path", DATASETS, ids=lambda path: path.stem)
def test_a_dataset_on_every_kind(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 15
    body = body_of(path)
    assert not list(unknown(dataset_schema(), body["spec"], "spec"))
    dataset = Dataset.parse({**body, "metadata": {**body["metadata"], "namespace": "default", "uid": "u"}})
    assert dataset.storage is not None
    assert path.stem == "dataset-" + re.sub(r"(?<=[a-z])(?=[A-Z])", "-", dataset.storage.kind).lower()


def test_no_kind_is_left_out() -> None:
    kinds = {next(iter(set(body_of(path)["spec"]["storage"]) - {"subPath"})) for path in DATASETS}
    assert kinds | {"hostPath"} == set(STORAGE_KINDS)


@pytest.mark.parametrize("path", CLASSES, ids=lambda path: path.stem)
def test_a_class_says_what_its_driver_knows(path: Path) -> None:
    text, body = path.read_text(), body_of(path)
    assert text.startswith("# "), "a paragraph on what it is"
    assert body.keys() <= CLASS_FIELDS
    assert (body["apiVersion"], body["kind"]) == ("storage.k8s.io/v1", "StorageClass")
    known = PARAMETERS[body["provisioner"]]
    for key, value in body["parameters"].items():
        assert isinstance(value, str), f"{key}: the API server takes texts only"
        assert re.fullmatch(known[key], value), f"{key}: {value}"
    options = body.get("mountOptions", [])
    assert all(isinstance(option, str) and re.fullmatch(r"[a-z]+(=[\w.]+)?", option) for option in options)
    assert "soft" not in options
    if body["provisioner"] == "file.csi.azure.com":
        assert not [option for option in options if option.startswith(("nfsvers", "vers"))]
    assert body["reclaimPolicy"] == "Retain"
    assert f"examples/storage/{path.name}" in DOCUMENT


def test_the_export_is_for_our_user_and_the_documents_line_is_the_same() -> None:
    (line,) = [line for line in (FOLDER / "exports").read_text().splitlines() if not line.startswith("#")]
    found = re.fullmatch(r"(/\S+)  [\d./]+\((.*)\)", line)
    assert found is not None
    options = set(found[2].split(","))
    assert {"rw", "sync", "all_squash", f"anonuid={names.UID}", f"anongid={names.UID}"} <= options
    assert "async" not in options
    assert "insecure" in options, "noresvport is among our mount options: a Linux server refuses ports above 1023"
    assert "noresvport" in OperatorConfig.from_env({}).nfs_mount_options
    assert f"echo '{line}' >> /etc/exports" in DOCUMENT
    assert f"install -d -o {names.UID} -g {names.UID} -m 1777 {found[1]}\n" in DOCUMENT
    assert body_of(FOLDER / "dataset-nfs.yaml")["spec"]["storage"]["nfs"]["path"] == found[1]


def test_what_the_operator_is_told_to_allow() -> None:
    text = (FOLDER / "allowed-nfs.json").read_text()
    assert f"```json\n{text}```" in DOCUMENT
    config = OperatorConfig.from_env({"BLUENO_ALLOWED_NFS": text, "BLUENO_ALLOW_NFS_VOLUMES": "true"})
    assert len(config.allowed_nfs) == len(json.loads(text))

    def may(namespace: str, path: str, sub_path: str | None = None, server: str = "nfs.example.org") -> bool:
        storage = Storage("nfs", {"server": server, "path": path}, sub_path)
        return not refusal(storage, namespace, config)

    assert may("team-a", "/exports/ml") and may("team-a", "/exports/ml/eu") and not may("team-a", "/exports/ml2")
    assert may("team-a", "/exports/ml", "shared/x") and may("team-a", "/exports/ml", "team-a/x")
    assert not may("team-a", "/exports/ml", "team-b/x")
    assert may("radiology", "/exports/radiology") and not may("radiology", "/exports/radiology", "shared/x")
    assert not may("radiology", "/exports/ml") and not may("team-a", "/exports/radiology")
    assert may("team-speech", "/vol/scratch", server="10.0.0.7") and not may(
        "team-a", "/vol/scratch", server="10.0.0.7"
    )
    assert may("team-a", "/exports/ml", server="NFS.example.org") and not may(
        "team-a", "/exports/ml", server="10.0.0.1"
    )


def test_mount_options_of_the_document_are_the_default() -> None:
    section = DOCUMENT.partition("### Mount options\n\n")[2]
    assert section.startswith(f"`{','.join(OperatorConfig.from_env({}).nfs_mount_options)}`, unless")
    shown = {option for row in re.findall(r"^\| (`.*?`) \|", section, re.M) for option in row.strip("`").split(",")}
    assert set(OperatorConfig.from_env({}).nfs_mount_options) <= shown
    classes = {option for path in CLASSES for option in body_of(path).get("mountOptions", [])}
    assert classes <= shown, "every option that we recommend has its reason"


def test_yaml_of_the_document_names_real_fields() -> None:
    blocks = [yaml.safe_load(text) for text in re.findall(r"^ *```yaml\n(.*?)^ *```", DOCUMENT, re.M | re.S)]
    assert len(blocks) >= 4
    for block in blocks:
        assert not list(unknown(dataset_schema(), block["spec"], "spec"))
        kinds = set(block["spec"]["storage"]) - {"subPath"}
        assert len(kinds) == 1 and kinds <= set(STORAGE_KINDS)


def pod_of(name: str) -> dict[str, Any]:
    body = body_of(FOLDER / name)
    pod: dict[str, Any] = body["spec"]["template"]["spec"] if body["kind"] == "Job" else body["spec"]
    return pod


@pytest.mark.parametrize("name", ["reader.yaml", "move.yaml"])
def test_pods_are_as_ours(name: str) -> None:
    pod = pod_of(name)
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"].items() <= restricted_pod()["securityContext"].items()
    assert container["securityContext"] == restricted_container()
    assert container["image"] == OperatorConfig.from_env({}).prep_image
    mounted = {mount["name"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
    assert mounted == {
        volume["name"]: volume["persistentVolumeClaim"].get("readOnly", False) for volume in pod["volumes"]
    }
    assert [name for name, read_only in mounted.items() if not read_only] == (["to"] if name == "move.yaml" else [])


def move(place: Place, to: Path) -> subprocess.CompletedProcess[str]:
    """What the Job's container runs, with the claims elsewhere."""
    (container,) = pod_of("move.yaml")["containers"]
    assert {item["name"] for item in container["env"]} == {"FROM", "TO"}
    more = {"FROM": str(place.root), "TO": str(to), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(container["command"], env=environment() | more, capture_output=True, text=True, check=False)


def test_moving_copies_reads_back_and_the_copy_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old, new = Place(tmp_path / "old"), Place(tmp_path / "new")
    files = class_folders(80)
    works = [
        archive_work(old.put(f"{n}.tar", tar(files | more, "")))
        for n, more in (("a", {}), ("b", {"cat/x.png": png(3)}))
    ]
    first, second = (old.sealed(work) for work in works)
    (old.root / "staging" / "half").mkdir()
    done = move(old, new.root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("<Dataset ") == 2
    assert not (new.root / "staging").exists()
    assert {oct(p.stat().st_mode & 0o777) for p in new.root.glob("versions/*/*")} == {"0o444"}
    assert move(old, new.root).returncode == 0, "it may be started again"
    for archive in old.volume.glob("*.tar"):
        archive.unlink()
    taken = new.sealed(works[1], dataset_uid="uid-2", adopt_from="uid-1")
    assert (taken.digest, taken.sealed_at) == (second.digest, second.sealed_at) != (first.digest, first.sealed_at)
    assert blueno.open_dataset(new.root, verify=True).digest == second.digest


def test_a_copy_that_was_damaged_on_the_way_fails_the_job(tmp_path: Path) -> None:
    place = Place(tmp_path)
    outcome = place.sealed(archive_work(place.put("a.tar", tar(class_folders(), ""))))
    shard = place.version(outcome) / "data-00000.npy"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.unlink()
    shard.write_bytes(data)
    done = move(place, tmp_path / "copy")
    assert done.returncode != 0
    assert "has been changed since it was sealed" in done.stderr
