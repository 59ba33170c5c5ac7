"""The file system of image `nfs` on this machine, so that a test can run ganesha here and nothing has to be installed.

Used by nfs_server.py. Reads the OCI layout that hack/images fills (hack/clusterlib/ocilayout.py).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.e2e.kube import TOP

from clusterlib import ocilayout  # isort: skip  kube.py puts hack/ on the path
from clusterlib.layout import cache_dir  # isort: skip
from clusterlib.locks import locked  # isort: skip

IMAGE = "localhost/blueno/nfs:dev"
_GONE = ".wh."  # a name that begins so takes away what lower layers have


def built() -> str:
    """The image's name, once it is built."""
    subprocess.run(["hack/images", "build", "nfs"], cwd=TOP, check=True)
    return IMAGE


def unpacked() -> Path:
    """A directory with the image's files, made once per build of the image."""
    built()
    cache = cache_dir()
    found = ocilayout.find(cache, IMAGE)
    if found is None:
        pytest.skip("the image lies in a container engine's storage, not on this machine")
    digest = found["digest"].partition(":")[2][:16]
    target = cache / "rootfs" / f"nfs-{digest}"
    with locked(cache / "rootfs" / "nfs.lock"):
        if not target.exists():
            for old in target.parent.glob("nfs-*"):
                shutil.rmtree(old, ignore_errors=True)
            _unpack(cache, json.loads(ocilayout.blob(cache, found["digest"]).read_bytes()), target)
    return target


def _unpack(cache: Path, manifest: dict, target: Path) -> None:
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for layer in manifest["layers"]:
        blob = ocilayout.blob(cache, layer["digest"])
        with tarfile.open(blob) as tar:
            gone = [name for name in tar.getnames() if Path(name).name.startswith(_GONE)]
        for name in gone:
            path = partial / Path(name).with_name(Path(name).name.removeprefix(_GONE))
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        subprocess.run(["tar", "-xf", blob, "-C", partial, f"--exclude={_GONE}*"], check=True)
    partial.rename(target)
