"""Which NFS client the node's kubelet mounts with: the kernel's, else our stand-in over FUSE. Called by local.py.

The stand-in (hack/mount-nfs) is bound over the node's own mount.nfs: the host's programs stay as they are, and the
bind ends with the node's mount namespace.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clusterlib.runner import Runner

PROGRAM = "mount-nfs"
NOTE = "nfsClient"  # key of node.json
# nfs-common's mount.nfs4 is a link to it.
TARGET = "/usr/sbin/mount.nfs"
KERNEL, STAND_IN, NONE = "kernel", "FUSE stand-in", "none: neither the kernel's nor /dev/fuse"
_FILE_SYSTEMS = Path("/proc/filesystems")
_FUSE = Path("/dev/fuse")


def find(runner: Runner, file_systems: Path = _FILE_SYSTEMS, fuse: Path = _FUSE) -> str:
    """KERNEL, STAND_IN or NONE, for this machine; loads the kernel's module when there is one, as a mount would."""
    if not _known(file_systems):
        # A kernel without modules, or a machine without modprobe: the second look decides.
        runner.run(["modprobe", "-q", "-a", "nfs", "nfsv4", "nfsv3"], timeout=10)
    if _known(file_systems):
        return KERNEL
    return STAND_IN if fuse.exists() else NONE


def _known(file_systems: Path) -> bool:
    return any(line.split()[-1:] in (["nfs"], ["nfs4"]) for line in file_systems.read_text().splitlines())


def programs(client: str) -> list[str]:
    """Names of what has to be built for that client."""
    return [PROGRAM] if client == STAND_IN else []


def binds(client: str, built: Mapping[str, Path]) -> list[dict[str, Any]]:
    """What has to be laid over the node's file system for that client."""
    return [{"source": str(built[name]), "target": TARGET, "readOnly": True} for name in programs(client)]


def noted(config: Path) -> str:
    """What the node of this node.json was started with."""
    try:
        return str(json.loads(config.read_text())[NOTE])
    except (OSError, ValueError, KeyError):
        return "unknown: the node was started by an earlier checkout, `hack/cluster down` and `up` tell"
