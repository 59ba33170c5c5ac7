"""Cluster, images, database, Blueno itself. Called by cli.py, tests/e2e; calls hack/cluster, hack/images, kubectl."""

from __future__ import annotations

import json
import os
import secrets
import subprocess

from clusterlib.errors import Refused
from clusterlib.layout import TOP, cache_dir
from clusterlib.progress import step

from demolib.tools import BUILD, get, hack, kubectl

SYSTEM = ("-n", "blueno-system")
# What runs, and the image target it runs from.
WORKLOADS = {
    "statefulset/blueno-postgres": "postgres",
    "deployment/blueno-operator": "operator",
    "deployment/blueno-web": "web",
    "deployment/blueno-recorder": "web",
}
# Pods do not change when an image of the same tag does; a change of this annotation starts new ones.
_BUILD_ANNOTATION = "blueno.dev/image-build"


def cluster() -> None:
    """Up, or found up."""
    hack("cluster", "up")


def images() -> None:
    """Build what has changed, and make it visible to the node."""
    hack("images", "build", "all")
    listed = subprocess.run(["hack/images", "list"], cwd=TOP, capture_output=True, text=True, check=True)
    with step("loading the images into the cluster", "20 s the first time"):
        hack("cluster", "load-image", *listed.stdout.split())


def image_build(target: str) -> str:
    """Changes when hack/images has built the target anew."""
    noted = cache_dir() / "images" / f"{target}.json"
    return str(json.loads(noted.read_text())["key"]).rpartition(" ")[2] if noted.exists() else "unknown"


def blueno() -> None:
    """The custom resource, the database, the operator, the web process and the recorder, each in its pod."""
    with step("installing Blueno", "20 s"):
        kubectl("apply", "--server-side", "--force-conflicts", "-f", "crds/")
        kubectl("wait", "--for=condition=Established", "--timeout=140s", "-f", "crds/")
        kubectl("apply", "-f", "deploy/base/namespace.yaml")
        database_secret()
        kubectl("apply", "-k", overlay())
        for workload in WORKLOADS:
            wait(workload)


def overlay() -> str:
    """Folder of deploy/demo with this build's images named, so that every workload is rolled out once, not twice."""
    patches = []
    for workload, target in WORKLOADS.items():
        kind, _, name = workload.partition("/")
        annotations = {_BUILD_ANNOTATION: image_build(target)}
        body = {"metadata": {"name": name}, "spec": {"template": {"metadata": {"annotations": annotations}}}}
        kinds = {"kind": "StatefulSet" if kind == "statefulset" else "Deployment", "name": name}
        patches.append({"target": kinds, "patch": json.dumps({"apiVersion": "apps/v1", "kind": kinds["kind"]} | body)})
    folder = BUILD / "overlay"
    folder.mkdir(parents=True, exist_ok=True)
    resources = [os.path.relpath(TOP / "deploy" / "demo", folder)]
    (folder / "kustomization.yaml").write_text(json.dumps({"resources": resources, "patches": patches}, indent=2))
    return str(folder)


def wait(workload: str) -> None:
    """Until the workload's new pod is ready. Raises Refused naming the command that says why it is not."""
    try:
        kubectl("rollout", "status", *SYSTEM, workload, "--timeout=280s", seconds=300)
    except Refused as error:
        look = f"hack/cluster kubectl -n blueno-system describe {workload}"
        raise Refused(f"{workload} does not start; `{look}` and its pod's log say why") from error


def database_secret() -> None:
    """Secret blueno-database with a password of this cluster's own; one that is there stays."""
    if get("secret", "blueno-database", *SYSTEM):
        return
    password = secrets.token_hex(24)
    url = f"postgresql://blueno:{password}@blueno-postgres.blueno-system.svc:5432/blueno"
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "blueno-database", "namespace": "blueno-system"},
        "stringData": {"password": password, "url": url},
    }
    kubectl("create", "-f", "-", stdin=json.dumps(manifest))
