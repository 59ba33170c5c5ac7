"""The faults of a soak. Drawn by storm.py.

Each waits for what it hits, which the storm has put there: one that finds nothing fails the soak. It says what it hit,
and when that has healed.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.e2e.kube import Kube, container, kill_containers
from tests.e2e.nfs_datasets import STORAGE, servers
from tests.e2e.runs import wait_reason
from tests.e2e.sources import archive_dataset
from tests.e2e.test_faults import running_pod
from tests.e2e.web import Web

PATIENCE = 90.0  # seconds in which every fault has to heal
OUTAGES = (1, 30, 60)  # seconds
AT_WORK = 5.0  # seconds of a preparation within which it is hit
Healed = Callable[[], object]


@dataclass(frozen=True)
class Scene:
    """Where a fault happens. There are a preparation, a training run and a managed NFS server to hit."""

    kube: Kube
    web: Web
    dice: random.Random
    looked_at: str  # a Dataset that is Ready


@dataclass(frozen=True)
class Hit:
    """What a fault did, how to see that it has healed, and for how many seconds it lasted when that is drawn."""

    what: str
    healed: Healed
    lasted: int | None = None


Fault = Callable[[Scene], Hit]


def of_ours(component: str) -> Fault:
    """SIGKILL of one of our processes; healed when another one is ready."""

    def fire(scene: Scene) -> Hit:
        kube, killed = scene.kube, scene.kube.kill(component)
        return Hit(f"{component} killed", lambda: kube.wait_back(component, killed) or True)

    return fire


def operator(scene: Scene) -> Hit:
    """SIGKILL of an operator that has not died before; healed when a new object is acted on."""
    kube = scene.kube
    kube.rest("operator")
    killed = kube.kill("operator")

    def acts() -> bool:
        kube.wait_back("operator", killed)
        return probe(kube)

    return Hit("operator killed", acts)


def probe(kube: Kube) -> bool:
    """A suspended Dataset gets its status."""
    name = f"probe-{time.monotonic_ns()}"

    def made() -> bool:
        with contextlib.suppress(AssertionError):  # an API server that is ready may yet find that etcd is not
            kube.apply(archive_dataset(name, "https://example.org/none.tar", suspend=True))
            return True
        return False

    kube.wait("a Dataset taken", made, PATIENCE, 0.1)
    kube.wait(
        "a word from the operator", lambda: kube.condition(name, "Ready").get("reason") == "Suspended", PATIENCE, 0.1
    )
    kube.run("delete", "datasets.blueno.dev", name, "--wait=false")
    return True


def collects(kube: Kube) -> bool:
    """What a deleted object has owned goes, too: the controller manager sees to it, half a minute after its start."""
    name = f"owner-{time.monotonic_ns()}"
    owner: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    kube.apply(owner)
    of = {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": kube.get("configmap", name)["metadata"]["uid"]}
    kube.apply({**owner, "metadata": {"name": f"{name}-child", "ownerReferences": [of]}})
    kube.run("delete", "configmap", name)
    return bool(kube.wait("garbage collected", lambda: not kube.get("configmap", f"{name}-child"), PATIENCE, 0.2))


def acts_again(kube: Kube) -> bool:
    """The operator acts through what was away."""
    kube.wait("the API server", lambda: kube.run("get", "--raw", "/readyz", check=False) == "ok", PATIENCE, 0.1)
    return probe(kube)


def control_plane(component: str, heals: Callable[[Kube], bool] = lambda kube: True) -> Fault:
    """SIGKILL of a part of Kubernetes; healed when the operator acts through it, and what else it is for is done."""

    def fire(scene: Scene) -> Hit:
        def killed() -> bool:
            with contextlib.suppress(subprocess.CalledProcessError):  # on its way back from the fault before
                scene.kube.hack("kill", component)
                return True
            return False

        scene.kube.wait(f"{component} to kill", killed)
        return Hit(f"{component} killed", lambda: acts_again(scene.kube) and heals(scene.kube))

    return fire


def stopped(component: str) -> Fault:
    """SIGSTOP of a part of Kubernetes for a while, which is over when this returns; healed as after a SIGKILL."""

    def fire(scene: Scene) -> Hit:
        seconds = scene.dice.choice(OUTAGES)
        with scene.kube.stopped(component):
            time.sleep(seconds)
        return Hit(f"{component} stopped for {seconds} s", lambda: acts_again(scene.kube), seconds)

    return fire


def at_work(scene: Scene, strike: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The pod of a preparation that was struck in the middle of its work: `strike` says whether it was."""
    kube = scene.kube
    kube.wait("a preparation at work", lambda: running_pod(kube), every=0.1)
    time.sleep(scene.dice.uniform(0, AT_WORK))

    def struck() -> dict[str, Any] | None:
        pod = running_pod(kube)
        return pod if pod is not None and strike(pod) else None

    return dict(kube.wait("a preparation to hit", struck, every=0.1))


def preparation(scene: Scene) -> Hit:
    """SIGKILL of a preparation; healed when it works again or is done."""
    pod = at_work(scene, kill_containers)
    return Hit(f"pod {pod['metadata']['name']} killed", lambda: at_work_again(scene.kube, pod))


def deleted(kind: str, name_of: Callable[[dict[str, Any]], str]) -> Fault:
    """A preparation's pod or Job is deleted by somebody."""
    at_once = ("--wait=false", "--ignore-not-found")

    def fire(scene: Scene) -> Hit:
        pod = at_work(scene, lambda pod: "deleted" in scene.kube.run("delete", kind, name_of(pod), *at_once))
        return Hit(f"{kind} {name_of(pod)} deleted", lambda: at_work_again(scene.kube, pod))

    return fire


def at_work_again(kube: Kube, lost: dict[str, Any]) -> bool:
    """The Dataset of a pod that was lost has another one that runs, or is Ready."""
    name, uid = lost["metadata"]["labels"]["blueno.dev/dataset"], lost["metadata"]["uid"]

    def again() -> bool:
        if kube.condition(name, "Ready").get("status") == "True":
            return True
        pods = kube.list("pods", f"blueno.dev/role=prepare,blueno.dev/dataset={name}")
        return any(pod["metadata"]["uid"] != uid and "running" in container(pod).get("state", {}) for pod in pods)

    return bool(kube.wait(f"{name} at work again", again, PATIENCE, 0.2))


def restarted(inside: Kube, selector: str, what: str) -> Hit:
    """SIGKILL of a container that the kubelet starts again in its pod."""

    def killed() -> dict[str, Any] | None:
        pod = next((pod for pod in inside.list("pods", selector) if container(pod).get("ready")), None)
        return pod if pod is not None and kill_containers(pod) else None

    pod = inside.wait(f"{what} to kill", killed)
    name, before = pod["metadata"]["name"], container(pod)["containerID"]

    def back() -> bool:
        now = inside.get("pod", name)
        state = container(now)
        # A data server steps aside when nobody looks; then there is nothing to come back.
        return not now or (bool(state.get("ready")) and state["containerID"] != before)

    return Hit(f"{what} {name} killed", lambda: inside.wait(f"{name} back", back, 300, 0.2))


def data_server(scene: Scene) -> Hit:
    """SIGKILL of a data server, which runs because somebody looks."""
    scene.web.pixels(f"{scene.web.dataset(scene.kube, scene.looked_at)}/sheet", rows="0-9")
    return restarted(scene.kube, "blueno.dev/role=serve", "data server")


def nfs_server(scene: Scene) -> Hit:
    """SIGKILL of the namespace's managed NFS server, in the middle of reading and writing."""
    assert servers(scene.kube), "the storm has put a Dataset on one"
    selector = f"blueno.dev/tenant-namespace={scene.kube.namespace}"
    return restarted(scene.kube.inside(STORAGE), selector, "NFS server")


def training(scene: Scene) -> Hit:
    """SIGKILL of a run's process; healed when it is over, in its first attempt."""
    kube = scene.kube

    def killed() -> str | None:
        for pod in kube.list("pods", "blueno.dev/role=train"):
            if "running" in container(pod).get("state", {}) and kill_containers(pod):
                return str(pod["metadata"]["labels"]["blueno.dev/training-run"])
        return None

    name = kube.wait("a run to kill", killed, every=0.1)
    return Hit(f"run {name} killed", lambda: wait_reason(kube, name, "Completed", 400))


# Those that hit a preparation or a run in the middle: the storm makes one that takes its time.
ON_A_PREPARATION: dict[str, Fault] = {
    "preparation SIGKILL": preparation,
    "preparation pod deleted": deleted("pod", lambda pod: str(pod["metadata"]["name"])),
    "preparation Job deleted": deleted(
        "job", lambda pod: str(pod["metadata"]["labels"]["batch.kubernetes.io/job-name"])
    ),
}
ON_A_RUN: dict[str, Fault] = {"training process SIGKILL": training}

FAULTS: dict[str, Fault] = {
    "operator SIGKILL": operator,
    "recorder SIGKILL": of_ours("recorder"),
    "web process SIGKILL": of_ours("web"),
    "PostgreSQL SIGKILL": of_ours("postgres"),
    **ON_A_PREPARATION,
    **ON_A_RUN,
    "data server SIGKILL": data_server,
    "NFS server SIGKILL": nfs_server,
    "API server SIGKILL": control_plane("apiserver"),
    "API server stopped": stopped("apiserver"),
    "etcd SIGKILL": control_plane("etcd"),
    "etcd stopped": stopped("etcd"),
    "controller manager SIGKILL": control_plane("controller-manager", collects),
    "scheduler SIGKILL": control_plane("scheduler"),
    "kubelet SIGKILL": control_plane("kubelet"),
}
