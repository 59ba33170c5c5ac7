"""The kind back end, where Docker or podman answers. Called through backends.py; calls `kind` and `kubectl`.

Not run here: the machine it was written on has no container engine. tests/unit/hack checks the commands it issues.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clusterlib import gobuild, manifests
from clusterlib.errors import Refused
from clusterlib.layout import STORAGE_CLASS, VOLUME_OWNER
from clusterlib.runner import Runner, must

if TYPE_CHECKING:
    from clusterlib.local import Local

_MODULE = "sigs.k8s.io/kind@v0.30.0"
_NAMESPACE = "local-path-storage"
# kind's own class refuses ReadWriteMany; with a path that all nodes share (there is one node) its provisioner takes it.
_CONFIG = {"sharedFileSystemPath": "/var/local-path-provisioner"}
_SETUP = f"""#!/bin/sh
set -eu
mkdir -p "$VOL_DIR"
chmod 1777 "$VOL_DIR"
chown {VOLUME_OWNER}:{VOLUME_OWNER} "$VOL_DIR"
"""


class Kind:
    """One kind cluster, with a kubeconfig of its own: the user's is not written to."""

    def __init__(self, runner: Runner, name: str, cache: Path, engine: str) -> None:
        self._runner, self._name, self._engine = runner, name, engine
        self._cache = cache
        self.kubeconfig = cache / "kind" / f"{name}.kubeconfig"

    def _kind(self, *arguments: str) -> list[str]:
        program = shutil.which("kind") or str(self._cache / "bin" / "kind")
        return ["env", f"KIND_EXPERIMENTAL_PROVIDER={self._engine}", program, *arguments]

    def _install(self) -> None:
        if shutil.which("kind") or (self._cache / "bin" / "kind").exists():
            return
        (self._cache / "bin").mkdir(parents=True, exist_ok=True)
        must(self._runner, ["env", f"GOBIN={self._cache / 'bin'}", gobuild.any_go(self._cache), "install", _MODULE])

    def _exists(self) -> bool:
        result = self._runner.run(self._kind("get", "clusters"))
        return result.code == 0 and self._name in result.output.split()

    def up(self) -> str:
        """Create the cluster unless it is there; set the StorageClass in any case."""
        self._install()
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        target = ["--name", self._name, "--kubeconfig", str(self.kubeconfig)]
        if self._exists():
            must(self._runner, self._kind("export", "kubeconfig", *target))
        else:
            must(self._runner, self._kind("create", "cluster", *target, "--wait", "180s"))
        self._storage()
        return f"kind cluster {self._name} runs ({self._engine}); hack/cluster kubectl get nodes"

    def _storage(self) -> None:
        kubectl = self.kubectl()
        data = {"config.json": json.dumps(_CONFIG), "setup": _SETUP}
        patch = json.dumps({"data": data})
        config = ["-n", _NAMESPACE, "patch", "configmap", "local-path-config", "--type=merge", "-p", patch]
        must(self._runner, [*kubectl, *config])
        restart = ["-n", _NAMESPACE, "rollout", "restart", "deployment/local-path-provisioner"]
        must(self._runner, [*kubectl, *restart])
        plain = "storageclass.kubernetes.io/is-default-class=false"
        must(self._runner, [*kubectl, "annotate", "--overwrite", "storageclass", "standard", plain])
        body = json.dumps(manifests.storage_class("rancher.io/local-path", "WaitForFirstConsumer"))
        must(self._runner, [*kubectl, "apply", "-f", "-"], stdin=body)

    def down(self) -> str:
        """Delete the cluster and its kubeconfig."""
        target = ["--name", self._name, "--kubeconfig", str(self.kubeconfig)]
        must(self._runner, self._kind("delete", "cluster", *target))
        self.kubeconfig.unlink(missing_ok=True)
        return f"kind cluster {self._name} is gone"

    def status(self) -> dict[str, Any]:
        """Whether the cluster exists."""
        return {
            "backend": "kind", "engine": self._engine, "cluster": self._name, "running": self._exists(),
            "kubeconfig": str(self.kubeconfig), "storageClass": STORAGE_CLASS,
        }  # fmt: skip

    def load_image(self, names: Sequence[str]) -> None:
        """kind copies from docker itself; from podman it needs an archive."""
        if self._engine == "docker":
            must(self._runner, self._kind("load", "docker-image", "--name", self._name, *names))
            return
        for name in names:
            with tempfile.TemporaryDirectory() as directory:
                archive = f"{directory}/image.tar"
                must(self._runner, ["podman", "save", "-o", archive, name])
                must(self._runner, self._kind("load", "image-archive", "--name", self._name, archive))

    def kubectl(self) -> list[str]:
        """The kubectl on PATH, else the one we build."""
        return [*gobuild.kubectl(self._cache), "--kubeconfig", str(self.kubeconfig)]

    def local(self) -> Local:
        """Refused."""
        raise Refused("only the local cluster can do that, and this is kind")
