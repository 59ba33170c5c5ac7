"""Runs buildah from the node's cached file system, in namespaces of its own, on the host's network.

Called by images.py and imagebuild.py; calls `node run`. The build storage is `containers` in the cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clusterlib import gobuild, nodeconfig, ocilayout, rootfs
from clusterlib.errors import Refused
from clusterlib.locks import locked

BUILDAH = ("buildah", "--storage-driver", "overlay", "--root", "/storage", "--runroot", "/run/containers")
_TMP = "/var/tmp"  # noqa: S108  of the toolbox, not of this machine
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def run(cache: Path, argv: Sequence[str], *, binds: Sequence[tuple[Path, str]] = (), log: Path | None = None) -> int:
    """Exit status of the command; its output goes to the log file, else to nowhere."""
    program, root = gobuild.ensure("node", cache), rootfs.ensure(cache)
    for name in ("containers", "oci", "build-tmp", "toolbox"):
        (cache / name).mkdir(parents=True, exist_ok=True)
    # The storage's locks of one command mean nothing to the next one's /run: one at a time.
    with locked(cache / "images.lock"):
        own = Path(tempfile.mkdtemp(dir=cache / "toolbox"))
        try:
            config = own / "config.json"
            config.write_text(json.dumps(_config(cache, own, root, argv, binds)))
            with log.open("ab") if log else Path(os.devnull).open("wb") as out:
                done = subprocess.run(
                    [str(program), "run", str(config)], stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False
                )
        finally:
            shutil.rmtree(own, ignore_errors=True)
    return done.returncode


def _config(
    cache: Path, own: Path, root: Path, argv: Sequence[str], binds: Sequence[tuple[Path, str]]
) -> dict[str, Any]:
    for name in ("upper/etc", "work", "root"):
        (own / name).mkdir(parents=True)
    for name in ("resolv.conf", "hosts"):
        source = Path("/etc") / name
        if source.exists():
            shutil.copyfile(source, own / "upper" / "etc" / name)
    # /var/tmp holds buildah's cache mounts: pip's downloads among them.
    storage = [(cache / "containers", "/storage"), (cache / "oci", "/oci"), (cache / "build-tmp", _TMP)]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    environment |= {name: os.environ[name] for name in _PROXIES if name in os.environ}
    return {
        "hostname": "toolbox",
        "lower": str(root),
        "upper": str(own / "upper"),
        "work": str(own / "work"),
        "root": str(own / "root"),
        "binds": [{"source": str(source), "target": target} for source, target in (*storage, *binds)]
        + nodeconfig.trust_binds(),
        "exec": list(argv),
        "cwd": "/",
        "env": [f"{name}={value}" for name, value in environment.items()],
    }


def push(cache: Path, name: str) -> None:
    """Copy an image from the build storage to the OCI layout; layers that are there are skipped."""
    log = cache / "log" / "push.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    code = run(cache, [*BUILDAH, "push", name, f"oci:/oci:{name}"], log=log)
    if code != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
        raise Refused(f"there is no image {name} to load; build it with hack/images build:\n{tail}")
    with locked(cache / "images.lock"):
        ocilayout.settle(cache, name)
