"""The demo's own web server in the cluster, for machines without internet. Called by cli.py; deploy/demo-mirror/.

Its files are generated from what scikit-learn ships and lie in ConfigMaps, whose limit is 1 MiB each.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from clusterlib.errors import Refused
from clusterlib.layout import TOP
from clusterlib.progress import step

from demolib.tools import BUILD, kubectl, run_example

NAMESPACE = "blueno-demo"
EXAMPLES = TOP / "examples"
# script: what it is told to write, below build/demo/files
MAKERS = {
    EXAMPLES / "01-digits" / "make_archive.py": "digits.zip",
    EXAMPLES / "02-mnist" / "stand-in" / "make_files.py": "mnist",
    EXAMPLES / "03-own-photos" / "make_photos.py": "photos.zip",
}
# ConfigMap: its files
CONFIG_MAPS = {
    "mirror-digits": ("digits.zip",),
    "mirror-mnist-train": ("mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz"),
    "mirror-mnist-test": ("mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz"),
}
_LIMIT = 1 << 20


def files() -> Path:
    """Folder with the generated files; they are made again only when their scripts have changed."""
    folder = BUILD / "files"
    stamp = folder / "made-from"
    key = hashlib.sha256(b"".join(script.read_bytes() for script in MAKERS)).hexdigest()
    if not stamp.exists() or stamp.read_text() != key:
        folder.mkdir(parents=True, exist_ok=True)
        with step("writing the examples' files", "15 s"), ThreadPoolExecutor(len(MAKERS)) as pool:
            list(pool.map(lambda one: run_example(one[0], str(folder / one[1])), MAKERS.items()))
        stamp.write_text(key)
    return folder


def config_map(name: str, namespace: str, content: Mapping[str, bytes]) -> dict[str, Any]:
    """A ConfigMap of binary files. Raises Refused when they are too large for one."""
    size = sum(map(len, content.values()))
    if size > _LIMIT:
        raise Refused(f"ConfigMap {name} would hold {size} bytes, and Kubernetes takes at most {_LIMIT}")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": NAMESPACE}},
        "binaryData": {file: base64.b64encode(data).decode() for file, data in content.items()},
    }


def apply_config_maps(*maps: Mapping[str, Any]) -> None:
    """Server side: the client-side way would copy each file into an annotation, which is too small for it."""
    listed = {"apiVersion": "v1", "kind": "List", "items": list(maps)}
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(listed))


def serve(folder: Path) -> None:
    """The mirror's pod, serving what lies in `folder`."""
    maps = [
        config_map(name, NAMESPACE, {Path(file).name: (folder / file).read_bytes() for file in listed})
        for name, listed in CONFIG_MAPS.items()
    ]
    build = hashlib.sha256(json.dumps(maps, sort_keys=True).encode()).hexdigest()[:16]
    # Mounted ConfigMaps follow a change only after a minute: new files get a new pod.
    patch = {"spec": {"template": {"metadata": {"annotations": {"blueno.dev/files": build}}}}}
    with step("starting the examples' web server", "5 s"):
        kubectl("apply", "-f", "deploy/demo-mirror/mirror.yaml")
        apply_config_maps(*maps)
        kubectl("-n", NAMESPACE, "patch", "deployment/mirror", "-p", json.dumps(patch))
        kubectl("-n", NAMESPACE, "rollout", "status", "deployment/mirror", "--timeout=140s")
