"""Names, directories and addresses, all derived from BLUENO_CLUSTER. Used by every module here; calls nothing."""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from clusterlib.errors import Refused

TOP = Path(__file__).resolve().parent.parent.parent
SOURCES = TOP / "hack" / "localcluster"
DEFAULT_CLUSTER = "blueno"
STORAGE_CLASS = "blueno-local"
# The volume roots' owner: the uid of Blueno's own images.
VOLUME_OWNER = 65532
# One /16 of service addresses each: 10.96 to 10.159.
MAX_CLUSTERS = 64


def cache_dir() -> Path:
    """${BLUENO_CACHE:-${XDG_CACHE_HOME:-~/.cache}/blueno}."""
    explicit = os.environ.get("BLUENO_CACHE")
    if explicit:
        return Path(explicit).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base).absolute() / "blueno"


def cluster_name() -> str:
    """BLUENO_CLUSTER, checked: it becomes part of directory, link and cgroup names."""
    name = os.environ.get("BLUENO_CLUSTER") or DEFAULT_CLUSTER
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise Refused(f"BLUENO_CLUSTER={name!r}: use at most 31 small letters, digits and dashes")
    return name


@dataclass(frozen=True)
class Cluster:
    """One local cluster: where it lives and which addresses it has."""

    name: str
    cache: Path
    index: int

    @property
    def state(self) -> Path:
        """Everything that belongs to this cluster alone; `down` deletes it."""
        return self.cache / "clusters" / self.name

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.state / "admin.kubeconfig"

    @property
    def cgroup(self) -> str:
        """Directory below the root of every cgroup hierarchy."""
        return f"blueno-{self.name}"

    @property
    def link(self) -> str:
        """The host's end of the cable; kernel names have at most 15 characters, so not the cluster's name."""
        return f"blueno{self.index}"

    @property
    def node(self) -> str:
        """The node's name in Kubernetes."""
        return "node1"

    @property
    def pod_cidr(self) -> str:
        """All pods."""
        return f"10.244.{self.index}.0/24"

    @property
    def service_cidr(self) -> str:
        """All services."""
        return f"10.{96 + self.index}.0.0/16"

    @property
    def dns_address(self) -> str:
        """Service address of the cluster's DNS."""
        return f"10.{96 + self.index}.0.10"

    @property
    def api_service_address(self) -> str:
        """Service address of `kubernetes.default`."""
        return f"10.{96 + self.index}.0.1"

    @property
    def host_address(self) -> str:
        """The host's address on the cable: pods reach a server on the host here."""
        return f"10.245.{self.index}.1"

    @property
    def node_address(self) -> str:
        """The node's address on the cable: the API server listens here."""
        return f"10.245.{self.index}.2"

    @property
    def server(self) -> str:
        """The API server."""
        return f"https://{self.node_address}:6443"


def local_cluster(name: str, cache: Path) -> Cluster:
    """The cluster of that name, with an index no other cluster in the cache has."""
    if name == DEFAULT_CLUSTER:
        return Cluster(name, cache, 0)
    noted = cache / "clusters" / name / "index"
    if noted.exists():
        return Cluster(name, cache, int(noted.read_text()))
    taken = {int(path.read_text()) for path in cache.glob("clusters/*/index")}
    first = zlib.crc32(name.encode()) % (MAX_CLUSTERS - 1)
    for step in range(MAX_CLUSTERS - 1):
        index = 1 + (first + step) % (MAX_CLUSTERS - 1)
        if index not in taken:
            return Cluster(name, cache, index)
    raise Refused(f"there are {MAX_CLUSTERS} clusters already: take one down")
