"""Chooses how the cluster is made: an explicit kubeconfig, kind, or the local cluster. Called by cli.py.

The user's current context is never looked at: what is not asked for by name is not touched.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from clusterlib import gobuild
from clusterlib.errors import Refused
from clusterlib.kind import Kind
from clusterlib.layout import cache_dir, cluster_name, local_cluster
from clusterlib.local import Local
from clusterlib.runner import RealRunner, Runner

# An engine that hangs must not make every command hang.
_PROBE_SECONDS = 10.0


class Backend(Protocol):
    """What every way of having a cluster can do."""

    @property
    def kubeconfig(self) -> Path:
        """How to reach the cluster."""

    def up(self) -> str:
        """Bring it up, or find it up; says in one line what runs and how to use it."""

    def down(self) -> str:
        """Remove it and all it made."""

    def status(self) -> dict[str, Any]:
        """State as JSON; `running` is always there."""

    def load_image(self, names: Sequence[str]) -> None:
        """Make images of this machine visible to the cluster's nodes."""

    def kubectl(self) -> list[str]:
        """Command line that the arguments are added to."""

    def local(self) -> Local:
        """The local cluster, for what only it can do; else refused."""


class Explicit:
    """BLUENO_KUBECONFIG: somebody else's cluster, which is used and never made or removed."""

    def __init__(self, path: Path, cache: Path) -> None:
        if not path.is_file():
            raise Refused(f"BLUENO_KUBECONFIG={path}: there is no such file")
        self.kubeconfig, self._cache = path, cache

    def up(self) -> str:
        """Nothing to do."""
        return f"using the cluster of BLUENO_KUBECONFIG={self.kubeconfig}; hack/cluster kubectl get nodes"

    def down(self) -> str:
        """Refused: it is not ours."""
        raise Refused("the cluster of BLUENO_KUBECONFIG was not made by hack/cluster, so it does not remove it")

    def status(self) -> dict[str, Any]:
        """Only where it is."""
        return {"backend": "explicit", "running": True, "kubeconfig": str(self.kubeconfig)}

    def load_image(self, names: Sequence[str]) -> None:
        """Refused: nodes elsewhere pull from a registry."""
        raise Refused(f"push {', '.join(names)} to a registry that the cluster of BLUENO_KUBECONFIG can pull from")

    def kubectl(self) -> list[str]:
        """The kubectl on PATH, else the one we build."""
        return [*gobuild.kubectl(self._cache), "--kubeconfig", str(self.kubeconfig)]

    def local(self) -> Local:
        """Refused."""
        raise Refused("only the local cluster can do that, and BLUENO_KUBECONFIG chose another one")


def engine(runner: Runner) -> str | None:
    """`docker` or `podman` when its engine answers; a client alone does not count."""
    for name in ("docker", "podman"):
        if runner.run([name, "info"], timeout=_PROBE_SECONDS).code == 0:
            return name
    return None


def choose(runner: Runner | None = None) -> Backend:
    """The back end of this machine and environment."""
    runner = runner or RealRunner()
    explicit = os.environ.get("BLUENO_KUBECONFIG")
    if explicit:
        return Explicit(Path(explicit), cache_dir())
    name, cache = cluster_name(), cache_dir()
    # A local cluster that exists stays the choice even when an engine is installed later.
    if not (cache / "clusters" / name / "index").exists():
        found = engine(runner)
        if found:
            return Kind(runner, name, cache, found)
    return Local(local_cluster(name, cache))
