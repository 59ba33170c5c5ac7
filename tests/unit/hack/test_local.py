"""The parts of the local cluster that need no cluster: names, certificates' request, components, caches, layers."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from clusterlib import cli, components, digest, gobuild, images, local, ocilayout, processes, rootfs
from clusterlib.errors import Refused
from clusterlib.layout import SOURCES, Cluster, cache_dir, cluster_name, local_cluster


def test_default_cluster_has_the_first_addresses(tmp_path: Path) -> None:
    """Documentation names them."""
    cluster = local_cluster("blueno", tmp_path)
    assert (cluster.pod_cidr, cluster.service_cidr) == ("10.244.0.0/24", "10.96.0.0/16")
    assert cluster.server == "https://10.245.0.2:6443"


def test_clusters_never_share_addresses(tmp_path: Path) -> None:
    """Even when their names hash alike."""
    seen = set()
    for number in range(20):
        cluster = local_cluster(f"c{number}", tmp_path)
        cluster.state.mkdir(parents=True)
        (cluster.state / "index").write_text(str(cluster.index))
        assert local_cluster(cluster.name, tmp_path).index == cluster.index
        assert len(cluster.link) <= 14
        seen.add(cluster.index)
    assert len(seen) == 20 and 0 not in seen


@pytest.mark.parametrize("name", ["../x", "a/b", "A", "-a", "a" * 40])
def test_bad_names_are_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The name becomes a directory that `down` deletes."""
    monkeypatch.setenv("BLUENO_CLUSTER", name)
    with pytest.raises(Refused):
        cluster_name()


def test_cache_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """BLUENO_CACHE, then XDG_CACHE_HOME, then ~/.cache."""
    monkeypatch.setenv("BLUENO_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_dir() == Path("/a")
    monkeypatch.delenv("BLUENO_CACHE")
    assert cache_dir() == Path("/b/blueno")


def test_every_component_is_named_and_different() -> None:
    """`status` and `kill` go by the command line."""
    commands = components.commands(Cluster("x", Path("/c"), 3))
    assert {one["name"] for one in commands} == set(components.NAMES)
    assert len({tuple(one["argv"]) for one in commands}) == len(commands)


def test_components_are_found_by_command_line() -> None:
    """A child with another command line is none, nor is a stranger."""
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(argv) as wanted, subprocess.Popen([*argv, "other"]) as other:
        try:
            assert processes.components(os.getpid(), {"a": argv}) == {"a": wanted.pid}
            assert processes.components(1, {"a": argv}) == {}
        finally:
            wanted.kill()
            other.kill()


def test_a_noted_process_is_known_by_its_start(tmp_path: Path) -> None:
    """A pid that another process has got, or a note of before a reboot, is nobody."""
    note = tmp_path / "pid"
    processes.remember(note, os.getpid())
    assert processes.recall(note) == os.getpid()
    for key, value in (("started", "1"), ("boot", "another"), ("pid", 2**22 + 1)):
        processes.remember(note, os.getpid())
        note.write_text(json.dumps(json.loads(note.read_text()) | {key: value}))
        assert processes.recall(note) is None
    assert processes.recall(tmp_path / "none") is None


def test_digest_sees_names_contents_and_ignores_caches(tmp_path: Path) -> None:
    """Bytecode written by a test run must not rebuild an image."""
    (tmp_path / "a.py").write_text("1")
    first = digest.of_paths([tmp_path])
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("x")
    assert digest.of_paths([tmp_path]) == first
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert digest.of_paths([tmp_path]) != first


def test_go_version_is_read_from_the_modules() -> None:
    """Both parts as numbers: 1.9 is older than 1.24."""
    assert gobuild.required(SOURCES) >= (1, 24)
    assert gobuild.required(SOURCES / "dns") >= (1, 24)
    assert gobuild.version_of("/nowhere/go") is None


def test_machine_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each reason."""
    monkeypatch.setattr(rootfs, "os_release", lambda: {"ID": "fedora"})
    with pytest.raises(Refused, match="Debian or Ubuntu"):
        local.check_machine()
    monkeypatch.setattr(rootfs, "os_release", lambda: {"ID": "linuxmint", "ID_LIKE": "ubuntu debian"})
    monkeypatch.setattr(processes, "is_root", lambda: False)
    with pytest.raises(Refused, match="root"):
        local.check_machine()
    monkeypatch.setattr(processes, "is_root", lambda: True)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(Refused, match="nsenter"):
        local.check_machine()


def test_image_names() -> None:
    """A registry's port is no tag."""
    assert images.full_name("localhost:5000/a") == "localhost:5000/a:latest"
    assert images.full_name("a/b:dev") == "a/b:dev"
    with pytest.raises(Refused):
        images.full_name("a@sha256:0")


def _layer(cache: Path, text: str) -> tuple[dict[str, object], str]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("file")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
    packed = gzip.compress(buffer.getvalue())
    return _store(cache, "application/vnd.oci.image.layer.v1.tar+gzip", packed), ocilayout.digest_of(buffer.getvalue())


def _store(cache: Path, kind: str, data: bytes) -> dict[str, object]:
    path = ocilayout.blob(cache, ocilayout.digest_of(data))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return ocilayout.descriptor(kind, data)


def _push(cache: Path, name: str, text: str) -> str:
    layer, diff_id = _layer(cache, text)
    config = _store(cache, ocilayout.CONFIG, json.dumps({"rootfs": {"diff_ids": [diff_id]}}).encode())
    manifest = _store(cache, ocilayout.MANIFEST, json.dumps({"config": config, "layers": [layer]}).encode())
    index = ocilayout.directory(cache) / "index.json"
    old = json.loads(index.read_text())["manifests"] if index.exists() else []
    entry = manifest | {"annotations": {"org.opencontainers.image.ref.name": name}}
    others = [one for one in old if one["annotations"] != entry["annotations"]]
    index.write_text(json.dumps({"schemaVersion": 2, "manifests": [*others, entry]}))
    return diff_id


def test_settled_layers_lie_uncompressed_under_their_diff_id(tmp_path: Path) -> None:
    """That is the name under which buildah and containerd look for them; what nothing names is dropped."""
    first = _push(tmp_path, "a:1", "one")
    ocilayout.settle(tmp_path, "a:1")
    data = ocilayout.blob(tmp_path, first).read_bytes()
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == first
    other = _push(tmp_path, "b:1", "two")
    ocilayout.settle(tmp_path, "b:1")
    second = _push(tmp_path, "a:1", "three")
    ocilayout.settle(tmp_path, "a:1")
    left = {f"sha256:{path.name}" for path in (ocilayout.directory(tmp_path) / "blobs/sha256").iterdir()}
    assert {second, other} < left and first not in left and len(left) == 6
    descriptor = ocilayout.find(tmp_path, "a:1")
    assert descriptor is not None
    manifest = json.loads(ocilayout.blob(tmp_path, descriptor["digest"]).read_bytes())
    assert manifest["layers"][0]["digest"] == second
    assert manifest["layers"][0]["mediaType"] == ocilayout.LAYER


def test_kubectl_keeps_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """hack/cluster must not take `--help` or `-n` for its own."""
    seen: list[list[str]] = []

    class Fake:
        def kubectl(self) -> list[str]:
            return ["kubectl"]

    monkeypatch.setattr(cli, "choose", Fake)
    monkeypatch.setattr(cli, "_become", seen.append)
    assert cli.main(["kubectl", "-n", "x", "get", "pods", "--help"]) == 0
    assert seen == [["kubectl", "-n", "x", "get", "pods", "--help"]]
