"""The node's Debian file system, made once in the cache. Called by local.py (the node) and toolbox.py (builds).

Calls `apt-get download` and mmdebstrap, which is unpacked into the cache: the host's packages stay as they are.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from clusterlib import digest
from clusterlib.errors import Refused
from clusterlib.locks import locked
from clusterlib.progress import step
from clusterlib.runner import logged

# nfs-common brings mount.nfs for the kubelet; slirp4netns runs on the host, from here.
NODE_PACKAGES = (
    "containerd", "runc", "containernetworking-plugins", "iptables", "conntrack", "iproute2", "buildah",
    "ca-certificates", "mount", "kmod", "socat", "ethtool", "nfs-common", "slirp4netns", "procps", "e2fsprogs", "fuse3",
)  # fmt: skip


def os_release() -> dict[str, str]:
    """/etc/os-release."""
    path = Path("/etc/os-release")
    lines = path.read_text().splitlines() if path.exists() else []
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def suite() -> str:
    """The host's own release: its keys are the ones the host has."""
    name = os_release().get("VERSION_CODENAME", "")
    if not name:
        raise Refused("/etc/os-release names no VERSION_CODENAME, so there is no release to make the node from")
    return name


def ensure(cache: Path) -> Path:
    """The node's file system."""
    return make_tree(cache, "node", NODE_PACKAGES)


def make_tree(cache: Path, name: str, packages: Sequence[str]) -> Path:
    """A directory with a minimal Debian and these packages."""
    target = cache / "rootfs" / f"{name}-{digest.of_texts(suite(), *packages)}"
    if target.exists():
        return target
    with locked(cache / "build.lock"):
        if not target.exists():
            _bootstrap(cache, target, packages)
    return target


def _bootstrap(cache: Path, target: Path, packages: Sequence[str]) -> None:
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    script = _mmdebstrap(cache)
    argv = ["perl", str(script), "--variant=minbase", "--mode=root", f"--include={','.join(packages)}"]
    argv += ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"]
    with step(f"making a {suite()} file system with {len(packages)} packages", "30 s"):
        # It calls its own mmtarfilter.
        environment = os.environ | {"PATH": f"{script.parent}:{os.environ['PATH']}"}
        logged([*argv, suite(), str(partial)], cache / "log" / f"{target.name}.log", env=environment)
    partial.rename(target)


def _mmdebstrap(cache: Path) -> Path:
    script = cache / "tools" / "usr" / "bin" / "mmdebstrap"
    if script.exists():
        return script
    download = cache / "tools" / "deb"
    download.mkdir(parents=True, exist_ok=True)
    log = cache / "log" / "mmdebstrap.log"
    with step("downloading mmdebstrap", "2 s"):
        # apt drops to a user of its own, which may not write into root's cache; as root it needs no sandbox here.
        logged(["apt-get", "-o", "APT::Sandbox::User=root", "download", "mmdebstrap"], log, cwd=download)
        package = next(download.glob("mmdebstrap_*.deb"))
        logged(["dpkg", "-x", str(package), str(cache / "tools")], log)
    return script
