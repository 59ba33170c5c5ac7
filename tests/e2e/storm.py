"""Faults drawn by dice, against a stream of data sets and training runs. Used by test_soak.py.

A fault says what it hit, "" when there was nothing to hit, and when it has healed. Every one that fired goes into the
ledger (ledger.py) with the time until it had healed.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.e2e.checked import assert_sound_soon
from tests.e2e.kube import Kube, container
from tests.e2e.ledger import Ledger
from tests.e2e.mirror import Mirror
from tests.e2e.nfs_datasets import MANAGED, STORAGE, servers
from tests.e2e.runs import a_run, status_of, wait_reason
from tests.e2e.sources import archive_dataset, class_folders
from tests.e2e.test_faults import running_pod
from tests.e2e.test_path import digest_of

PATIENCE = 90.0  # seconds in which every fault has to heal
VICTIMS = 7  # names of data sets, used again and again
Healed = Callable[[], object]


@dataclass(frozen=True)
class Hit:
    """What a fault did, and how to see that it has healed."""

    what: str
    healed: Healed


def of_ours(component: str) -> Callable[[Kube], Hit | None]:
    """SIGKILL of one of our processes; healed when another one is ready."""

    def fire(kube: Kube) -> Hit:
        killed = kube.kill(component)
        return Hit(f"{component} killed", lambda: kube.wait_back(component, killed) or True)

    return fire


def operator(kube: Kube) -> Hit:
    """SIGKILL of an operator that has not died before; healed when a new object is acted on."""
    kube.rest("operator")
    killed = kube.kill("operator")

    def acts() -> bool:
        kube.wait_back("operator", killed)
        return probe(kube)

    return Hit("operator killed", acts)


def probe(kube: Kube) -> bool:
    """A suspended Dataset gets its status."""
    name = f"probe-{time.monotonic_ns()}"
    kube.apply(archive_dataset(name, "https://example.org/none.tar", suspend=True))
    kube.wait(
        "a word from the operator", lambda: kube.condition(name, "Ready").get("reason") == "Suspended", PATIENCE, 0.1
    )
    kube.run("delete", "datasets.blueno.dev", name, "--wait=false")
    return True


def control_plane(component: str) -> Callable[[Kube], Hit | None]:
    """SIGKILL of a part of Kubernetes; healed when the operator acts through it."""

    def fire(kube: Kube) -> Hit:
        def killed() -> bool:
            with contextlib.suppress(subprocess.CalledProcessError):  # on its way back from the fault before
                kube.hack("kill", component)
                return True
            return False

        kube.wait(f"{component} to kill", killed)

        def acts() -> bool:
            kube.wait("the API server", lambda: "ok" in kube.run("get", "--raw", "/readyz", check=False), PATIENCE, 0.1)
            return probe(kube)

        return Hit(f"{component} killed", acts)

    return fire


def preparation(kube: Kube) -> Hit | None:
    """SIGKILL of a preparation; healed when it works again or is done."""
    pod = running_pod(kube)
    if pod is None or not kube.kill_container(pod["metadata"]["uid"]):
        return None
    return Hit(f"pod {pod['metadata']['name']} killed", lambda: at_work_again(kube, pod))


def pod_deleted(kube: Kube) -> Hit | None:
    """A preparation's pod is deleted by somebody."""
    pod = running_pod(kube)
    if pod is None:
        return None
    kube.run("delete", "pod", pod["metadata"]["name"], "--wait=false", "--ignore-not-found")
    return Hit(f"pod {pod['metadata']['name']} deleted", lambda: at_work_again(kube, pod))


def job_deleted(kube: Kube) -> Hit | None:
    """A preparation's Job is deleted by somebody."""
    pod = running_pod(kube)
    if pod is None:
        return None
    job = pod["metadata"]["labels"]["batch.kubernetes.io/job-name"]
    kube.run("delete", "job", job, "--wait=false", "--ignore-not-found")
    return Hit(f"job {job} deleted", lambda: at_work_again(kube, pod))


def at_work_again(kube: Kube, lost: dict[str, Any]) -> bool:
    """The Dataset of a pod that was lost has another one that runs, or is Ready."""
    name, uid = lost["metadata"]["labels"]["blueno.dev/dataset"], lost["metadata"]["uid"]

    def again() -> bool:
        if kube.condition(name, "Ready").get("status") == "True":
            return True
        pods = kube.list("pods", f"blueno.dev/role=prepare,blueno.dev/dataset={name}")
        return any(pod["metadata"]["uid"] != uid and "running" in container(pod).get("state", {}) for pod in pods)

    return bool(kube.wait(f"{name} at work again", again, PATIENCE, 0.2))


def restarted(kube: Kube, namespace: str, selector: str, what: str) -> Hit | None:
    """SIGKILL of a container that the kubelet starts again in its pod."""
    inside = kube.inside(namespace)
    pod = next((pod for pod in inside.list("pods", selector) if container(pod).get("ready")), None)
    if pod is None or not kube.kill_container(pod["metadata"]["uid"]):
        return None
    name, before = pod["metadata"]["name"], container(pod)["containerID"]

    def back() -> bool:
        now = inside.get("pod", name)
        state = container(now)
        # A data server steps aside when nobody looks; then there is nothing to come back.
        return not now or (bool(state.get("ready")) and state["containerID"] != before)

    return Hit(f"{what} {name} killed", lambda: kube.wait(f"{name} back", back, 300, 0.2))


def data_server(kube: Kube) -> Hit | None:
    """SIGKILL of a data server."""
    return restarted(kube, kube.namespace, "blueno.dev/role=serve", "data server")


def nfs_server(kube: Kube) -> Hit | None:
    """SIGKILL of the namespace's managed NFS server, in the middle of reading and writing."""
    found = servers(kube)
    if not found:
        return None
    selector = f"blueno.dev/tenant-namespace={kube.namespace}"
    return restarted(kube, STORAGE, selector, "NFS server")


def training(kube: Kube) -> Hit | None:
    """SIGKILL of a run's process; healed when its next pod runs or it is over."""
    for pod in kube.list("pods", "blueno.dev/role=train"):
        if "running" in container(pod).get("state", {}) and kube.kill_container(pod["metadata"]["uid"]):
            name = pod["metadata"]["labels"]["blueno.dev/training-run"]
            return Hit(f"run {name} killed", lambda name=name: wait_reason(kube, name, "Completed", 400))
    return None


FAULTS: dict[str, Callable[[Kube], Hit | None]] = {
    "operator SIGKILL": operator,
    "recorder SIGKILL": of_ours("recorder"),
    "web process SIGKILL": of_ours("web"),
    "PostgreSQL SIGKILL": of_ours("postgres"),
    "preparation SIGKILL": preparation,
    "preparation pod deleted": pod_deleted,
    "preparation Job deleted": job_deleted,
    "training process SIGKILL": training,
    "data server SIGKILL": data_server,
    "NFS server SIGKILL": nfs_server,
    "API server SIGKILL": control_plane("apiserver"),
    "controller manager SIGKILL": control_plane("controller-manager"),
    "scheduler SIGKILL": control_plane("scheduler"),
    "kubelet SIGKILL": control_plane("kubelet"),
}


class Storm:
    """One run of it: what was made, what has to come out of it."""

    def __init__(self, kube: Kube, mirror: Mirror, ledger: Ledger) -> None:
        self.kube, self.mirror, self.ledger = kube, mirror, ledger
        self.dice = random.Random(ledger.seed)
        self.content = class_folders(600)
        self.url = mirror.put("p.tar", self.content)
        self.rounds = 0
        self._left = dict.fromkeys(FAULTS, 0)
        kube.apply(archive_dataset("reference", self.url, self.content, storage=MANAGED))
        self.expected = digest_of(kube.wait_ready("reference", 400))
        mirror.delay = 0.05

    def round(self) -> None:
        """Another data set and another run, then a fault in the middle of it."""
        kube, dice, name = self.kube, self.dice, f"victim-{self.rounds % VICTIMS}"
        if kube.dataset(name):
            if dice.random() < 0.33:
                kube.run("delete", "dataset", name, "--timeout=300s")
            else:
                assert digest_of(kube.wait_ready(name, 400)) == self.expected
        # Deleted Jobs and killed pods count against backoffLimit: a person who soaks allows for it.
        spec: dict[str, Any] = {"reclaimPolicy": "Delete", "prepare": {"backoffLimit": 20}}
        if self.rounds % VICTIMS % 3 == 0:
            spec["storage"] = MANAGED
        kube.apply(archive_dataset(name, self.url, self.content, **spec))
        seconds = dice.uniform(0, 4)
        kube.apply(a_run(f"run-{self.rounds}", f"import time; time.sleep({seconds:.1f})", backoffLimit=20))
        time.sleep(dice.uniform(0, 3))
        self._fire()
        self.rounds += 1

    def _fire(self) -> None:
        """The next fault: drawn from those that were there least often and find something to hit."""
        names = sorted(FAULTS, key=lambda name: (self._left[name], self.dice.random()))
        for name in names:
            hit = FAULTS[name](self.kube)
            if hit is not None:
                self._left[name] += 1
                self.ledger.fired(name, hit.what)
                hit.healed()
                self.ledger.healed()
                assert_sound_soon(self.kube, at_rest=False)
                return

    def calm(self) -> None:
        """After the last fault: all is as if there had been none."""
        kube = self.kube
        for body in kube.list("datasets.blueno.dev"):
            name = body["metadata"]["name"]
            if not name.startswith("probe-"):
                assert digest_of(kube.wait_ready(name, 400)) == self.expected
        for run in (f"run-{one}" for one in range(self.rounds)):
            wait_reason(kube, run, "Completed", 400)
            assert status_of(kube, run)["attempt"] == 1, run
        assert_sound_soon(kube)
        kube.run("delete", "trainingruns.blueno.dev", "--all", "--timeout=300s")
        kube.run("delete", "datasets.blueno.dev", "--all", "--timeout=400s")
        kube.wait("nothing left", lambda: not kube.list("jobs") and not kube.list("pods"))
        kept = ("reference", "probe-", "blueno-outputs")

        def left() -> list[str]:
            names = [c["metadata"]["name"] for c in kube.list("pvc") if not c["metadata"].get("deletionTimestamp")]
            return [name for name in names if not name.startswith(kept)]

        kube.wait("Delete leaves no claim, Retain its own", lambda: not left())
