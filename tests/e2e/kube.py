"""kubectl for tests: run, apply, wait for words in a status."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "hack"))

from clusterlib.backends import choose  # noqa: E402
from demolib import install  # noqa: E402

from tests.e2e.reader import Reader  # noqa: E402


@functools.cache
def installed() -> Kube:
    """The cluster of hack/cluster with Blueno of this checkout on it; installed once, whoever asks."""
    found = reached()
    install.blueno()
    return found


def reached() -> Kube:
    """The cluster of hack/cluster as it is."""
    command, end = ["hack/cluster", "status", "--json"], time.monotonic() + 120
    while True:
        status = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
        known = json.loads(status.stdout) if status.returncode == 0 else {}
        if known.get("ready"):
            backend = choose()
            return Kube(Reached(known, backend.kubectl(), Reader(backend.kubeconfig)))
        if not known.get("running") or time.monotonic() > end:  # one that runs may only be slow to answer
            pytest.fail("no cluster: run `hack/cluster up` first (make e2e does)", pytrace=False)
        time.sleep(1)


@dataclass(frozen=True)
class Reached:
    """The cluster: what `hack/cluster status` said of it, what its kubectl is called by, how its objects are read."""

    known: Mapping[str, Any]
    kubectl: Sequence[str]
    reader: Reader


class Kube:
    """kubectl on the test cluster, in one namespace."""

    def __init__(self, cluster: Reached, namespace: str = "default") -> None:
        self._cluster = cluster
        self.namespace = namespace

    @property
    def host_address(self) -> str:
        """The address of this machine that pods reach."""
        return str(self._cluster.known.get("hostAddress") or "127.0.0.1")

    @property
    def nfs_client(self) -> str:
        """What NFS volumes are mounted with on this cluster's node."""
        return str(self._cluster.known.get("nfsClient") or "the node's own kernel's")

    def inside(self, namespace: str) -> Kube:
        return Kube(self._cluster, namespace)

    def run(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """kubectl's standard output; fails the test with its standard error."""
        command = [*self._cluster.kubectl, "-n", self.namespace, *arguments]
        done = subprocess.run(command, cwd=TOP, input=stdin, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def hack(self, *arguments: str) -> str:
        """Run hack/cluster itself."""
        return subprocess.run(["hack/cluster", *arguments], cwd=TOP, capture_output=True, text=True, check=True).stdout

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """kubectl apply, client side, as people do."""
        self.run("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def no_difference(self, path: str, stdin: str | None = None) -> None:
        """`kubectl diff` finds nothing. It is asked again: what the operator writes while it looks is one, too."""
        end = time.monotonic() + 30
        while said := self.run("diff", "-f", path, stdin=stdin, check=False):
            assert time.monotonic() < end, said
            time.sleep(0.5)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """The object, or {} when there is none."""
        read = self._cluster.reader.get(self.namespace, kind, name)
        if read is not None:
            return read
        found = self.run("get", kind, name, "-o", "json", "--ignore-not-found", "--show-managed-fields")
        return dict(json.loads(found)) if found.strip() else {}

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        read = self._cluster.reader.list(self.namespace, kind, selector)
        if read is not None:
            return read
        arguments = ["get", kind, "-o", "json", *(["-l", selector] if selector else [])]
        return list(json.loads(self.run(*arguments))["items"])

    def dataset(self, name: str) -> dict[str, Any]:
        return self.get("datasets.blueno.dev", name)

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        """A condition of a Dataset, or {}."""
        status = self.dataset(name).get("status") or {}
        return next((c for c in status.get("conditions") or () if c["type"] == kind), {})

    def wait(self, what: str, holds: Callable[[], Any], seconds: float = 180, every: float = 0.5) -> Any:
        """The first truthy answer of `holds`; fails with the namespace's state when there is none in time."""
        deadline = time.monotonic() + seconds
        while True:
            answer = holds()
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.picture()}")
            time.sleep(every)

    def wait_ready(self, name: str, seconds: float = 240) -> dict[str, Any]:
        """The Dataset, once it is Ready and settled, as it was asked for last."""

        def settled() -> bool:
            dataset = self.dataset(name)
            status = dataset.get("status") or {}
            if status.get("observedGeneration") != dataset.get("metadata", {}).get("generation"):
                return False
            states = {c["type"]: c["status"] for c in status.get("conditions") or ()}
            return states.get("Ready") == "True" and states.get("Reconciling") == "False"

        self.wait(f"{name} Ready", settled, seconds)
        return self.dataset(name)

    def wait_reason(self, name: str, reason: str, seconds: float = 180, kind: str = "Ready") -> dict[str, Any]:
        """The condition, once it has this reason."""

        def matching() -> dict[str, Any] | None:
            condition = self.condition(name, kind)
            return condition if condition.get("reason") == reason else None

        return dict(self.wait(f"{name} {kind} with reason {reason}", matching, seconds))

    def evict(self, pod: str) -> None:
        """Through the API by which nodes are drained."""
        meta = {"name": pod, "namespace": self.namespace}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        body = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta})
        self.run("create", "--raw", path, "-f", "-", stdin=body)

    def picture(self) -> str:
        """What a person would look at."""
        log = self.inside("blueno-system").run("logs", "deployment/blueno-operator", "--tail=15", check=False)
        events = self.run("get", "events", "--sort-by=.metadata.creationTimestamp", check=False)
        wide = self.run("get", "datasets,jobs,pods,pvc", "-o", "wide", check=False)
        latest = "\n".join(events.splitlines()[-15:])
        return f"--- operator\n{log}\n--- events\n{latest}\n--- objects\n{wide}"  # the end survives being cut

    @contextmanager
    def stopped(self, component: str) -> Iterator[None]:
        """SIGSTOP a part of the control plane: connections stay open and nothing answers, the worst kind of outage."""

        def running() -> int | None:
            pid: int | None = json.loads(self.hack("status", "--json"))["components"][component]
            return pid  # None while it is being started again

        pid = self.wait(f"{component} to stop", running)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def kill(self, component: str) -> str:
        """SIGKILL of a component's process, once there is one; the id of the container that died."""

        def killed() -> str:
            pod = self.pod_of(component)
            state = container(pod)
            dies = pod is not None and "running" in state.get("state", {}) and kill_containers(pod)
            return state["containerID"] if dies else ""

        return str(self.wait(f"{component} to kill", killed))

    def rest(self, component: str) -> None:
        """A new pod in place of one that has died before, which the kubelet would let wait: 10 s, 20 s, 40 s …"""
        pod = self.wait(f"{component} there", lambda: self.pod_of(component))
        if not container(pod).get("restartCount"):
            return
        self.inside("blueno-system").run("delete", "pod", pod["metadata"]["name"], "--wait=true", "--ignore-not-found")
        self.wait(f"{component} ready", lambda: container(self.pod_of(component)).get("ready"))

    def wait_back(self, component: str, killed: str) -> None:
        """Until another container than `killed` is ready. A crash loop's waiting time is cut short by a new pod."""

        def back() -> bool:
            pod = self.pod_of(component)
            state = container(pod)
            waiting = state.get("state", {}).get("waiting") or {}
            if pod and waiting.get("reason") == "CrashLoopBackOff":  # and not one that is only being made
                gone = ("--wait=false", "--ignore-not-found")
                self.inside("blueno-system").run("delete", "pod", pod["metadata"]["name"], *gone)
            return bool(state.get("ready")) and state["containerID"] != killed

        self.wait(f"{component} back", back)

    def pod_of(self, component: str) -> dict[str, Any] | None:
        """A component's pod that is not on its way out; None while it is being replaced."""
        pods = self.inside("blueno-system").list("pods", f"app.kubernetes.io/component={component}")
        return next((pod for pod in pods if not pod["metadata"].get("deletionTimestamp")), None)

    def kill_operator(self) -> str:
        """SIGKILL of the operator's process; the id of the container that died."""
        return self.kill("operator")

    def wait_operator(self, killed: str) -> None:
        """Until another operator than `killed` runs."""
        self.wait_back("operator", killed)

    def wait_at_work(self) -> None:
        """Until the operator holds the Lease and has read everything; its container is `ready` from its start on."""
        system = self.inside("blueno-system")

        def works() -> bool:
            pod = self.operator_pod()
            return pod is not None and " is at work" in system.run("logs", pod["metadata"]["name"], check=False)

        self.wait("the operator at work", works)

    def operator_pod(self) -> dict[str, Any] | None:
        """The operator's pod; None while it is being replaced."""
        return self.pod_of("operator")


def container(pod: Mapping[str, Any] | None) -> dict[str, Any]:
    """Status of the pod's first container, {} when there is none yet."""
    statuses = pod["status"].get("containerStatuses") if pod else None
    return dict(statuses[0]) if statuses else {}


def kill_containers(pod: Mapping[str, Any]) -> int:
    """SIGKILL to every process of the pod's containers; how many there were (0: the fault did not fire).

    By the containers' ids, not the pod's: with its sandbox gone, too, the kubelet waits and makes all of it anew.
    """
    known = [one.get("containerID") or "" for one in pod["status"].get("containerStatuses") or ()]
    ids = {text.rpartition("/")[2] for text in known} - {""}
    killed = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if any(each in (process / "cgroup").read_text() for each in ids):
                os.kill(int(process.name), signal.SIGKILL)
                killed += 1
    return killed
