"""Cluster, images and operator of the demo. Called by cli.py; calls hack/cluster, hack/images, kubectl."""

from __future__ import annotations

import json
import subprocess

from clusterlib.errors import Refused
from clusterlib.layout import TOP, cache_dir
from clusterlib.progress import step

from demolib.tools import hack, kubectl

# Pods do not change when an image of the same tag does; a change of this annotation starts new ones.
_BUILD_ANNOTATION = "blueno.dev/image-build"


def cluster() -> None:
    """Up, or found up."""
    hack("cluster", "up")


def images() -> None:
    """Build what has changed, and make it visible to the node."""
    hack("images", "build", "all")
    listed = subprocess.run(["hack/images", "list"], cwd=TOP, capture_output=True, text=True, check=True)
    with step("loading the images into the cluster", "15 s the first time"):
        hack("cluster", "load-image", *listed.stdout.split())


def image_build(target: str) -> str:
    """Changes when hack/images has built the target anew."""
    noted = cache_dir() / "images" / f"{target}.json"
    return str(json.loads(noted.read_text())["key"]).rpartition(" ")[2] if noted.exists() else "unknown"


def operator() -> None:
    """The custom resource and the operator in its pod."""
    with step("installing the operator", "10 s"):
        kubectl("apply", "--server-side", "--force-conflicts", "-f", "crds/")
        kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", "crds/")
        kubectl("apply", "-k", "deploy/demo")
        annotations = {_BUILD_ANNOTATION: image_build("operator")}
        patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        deployment = ("-n", "blueno-system", "deployment/blueno-operator")
        kubectl("patch", *deployment, "-p", json.dumps(patch))
        try:
            kubectl("rollout", "status", *deployment, "--timeout=120s")
        except Refused as error:
            logs = "hack/cluster kubectl -n blueno-system logs deployment/blueno-operator"
            raise Refused(f"the operator does not start; `{logs}` says why") from error
