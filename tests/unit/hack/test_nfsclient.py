"""Which NFS client the node gets: the kernel's where there is one, the stand-in only inside the node, or none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from clusterlib import cli, gobuild, nfsclient, nodeconfig
from clusterlib.layout import Cluster
from clusterlib.runner import Result


class Kernel:
    """A Runner whose modprobe brings `module` into the list of file systems."""

    def __init__(self, file_systems: Path, module: str = "") -> None:
        self._file_systems, self._module = file_systems, module
        self.seen: list[str] = []

    def run(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float | None = None) -> Result:
        """See clusterlib.runner.Runner."""
        self.seen.append(argv[0])
        if not self._module:
            return Result(127, "modprobe: not found")
        with self._file_systems.open("a") as out:
            out.write(f"nodev\t{self._module}\n")
        return Result(0, "")


@pytest.fixture
def file_systems(tmp_path: Path) -> Path:
    path = tmp_path / "filesystems"
    # nfsd is the server: it mounts nothing.
    path.write_text("nodev\tproc\n\text4\nnodev\tnfsd\nnodev\tfuse\n")
    return path


@pytest.mark.parametrize("name", ["nfs", "nfs4"])
def test_a_client_in_the_kernel_is_used(file_systems: Path, name: str) -> None:
    with file_systems.open("a") as out:
        out.write(f"nodev\t{name}\n")
    kernel = Kernel(file_systems)
    assert nfsclient.find(kernel, file_systems, file_systems) == nfsclient.KERNEL
    assert kernel.seen == [], "what is there is not loaded again"


def test_a_client_that_is_a_module_is_loaded(file_systems: Path) -> None:
    assert nfsclient.find(Kernel(file_systems, "nfs4"), file_systems, file_systems) == nfsclient.KERNEL


def test_without_a_client_the_stand_in_is_used_where_there_is_fuse(file_systems: Path, tmp_path: Path) -> None:
    assert nfsclient.find(Kernel(file_systems), file_systems, file_systems) == nfsclient.STAND_IN
    assert nfsclient.find(Kernel(file_systems), file_systems, tmp_path / "no-fuse") == nfsclient.NONE


def _written(monkeypatch: pytest.MonkeyPatch, cache: Path, client: str) -> tuple[Path, list[dict[str, object]]]:
    monkeypatch.setattr(nodeconfig, "_pki", lambda *_: None)
    monkeypatch.setattr(nodeconfig, "kubeconfig", lambda *_: None)
    cluster = Cluster("x", cache, 3)
    built = {name: Path("/cache", name) for name in [*gobuild.NODE_PROGRAMS, *nfsclient.programs(client)]}
    nodeconfig.write(cluster, Path("/rootfs"), built, client)
    path = cluster.state / "node.json"
    return path, [bind for bind in json.loads(path.read_text())["binds"] if "mount.nfs" in bind["target"]]


def test_the_stand_in_is_bound_inside_the_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config, binds = _written(monkeypatch, tmp_path, nfsclient.STAND_IN)
    assert binds == [{"source": "/cache/mount-nfs", "target": "/usr/sbin/mount.nfs", "readOnly": True}]
    assert nfsclient.noted(config) == "FUSE stand-in"


@pytest.mark.parametrize("client", [nfsclient.KERNEL, nfsclient.NONE])
def test_no_other_node_gets_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: str) -> None:
    config, binds = _written(monkeypatch, tmp_path, client)
    assert binds == [] and "mount-nfs" not in gobuild.NODE_PROGRAMS
    assert nfsclient.noted(config) == client


def test_status_says_which(tmp_path: Path) -> None:
    """Also of a node that an earlier checkout started."""
    assert "nfs client    kernel" in cli._readable({"running": True, "nfsClient": "kernel"})
    assert "earlier checkout" in nfsclient.noted(tmp_path / "none")
    (tmp_path / "node.json").write_text("{}")
    assert "earlier checkout" in nfsclient.noted(tmp_path / "node.json")
