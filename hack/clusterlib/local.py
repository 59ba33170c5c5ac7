"""The local cluster: a real one-node Kubernetes in namespaces of this machine, without a container engine.

Called through backends.py. Calls gobuild and rootfs (builds), nodeconfig (files), network (the cable) and the program
`node run`, whose end is the end of the whole node.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from clusterlib import (
    cgroups,
    components,
    gobuild,
    images,
    manifests,
    network,
    nfsclient,
    nodeconfig,
    processes,
    rootfs,
)
from clusterlib.components import NAMES, PAUSE_IMAGE
from clusterlib.errors import Refused
from clusterlib.kubeapi import Api
from clusterlib.layout import STORAGE_CLASS, Cluster
from clusterlib.locks import locked
from clusterlib.progress import note, step
from clusterlib.runner import RealRunner

_NEEDED = ("ip", "nsenter", "apt-get", "dpkg", "perl")
_READY_SECONDS = 300.0
# A cluster whose components were killed a moment ago is back within this; else it is started again.
_SETTLE_SECONDS = 180.0
_POLL = 0.05
_GPU = "nvidia.com~1gpu"

T = TypeVar("T")


class Local:
    """One local cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._runner = RealRunner()
        self._note = cluster.state / "node.pid"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self._cluster.kubeconfig

    def local(self) -> Local:
        """Itself."""
        return self

    def up(self) -> str:
        """Start the node, or find it running; a state directory without processes is started again as it is."""
        check_machine()
        started = time.monotonic()
        with self._lock():
            if not self._answers():
                client = nfsclient.find(self._runner)
                wanted = [*gobuild.NODE_PROGRAMS, *nfsclient.programs(client)]
                programs = {name: gobuild.ensure(name, self._cluster.cache) for name in wanted}
                root = rootfs.ensure(self._cluster.cache)
                self._stop()
                nodeconfig.write(self._cluster, root, programs, client)
                with step(f"starting cluster {self._cluster.name}", "10 s"):
                    self._start(programs)
        seconds = time.monotonic() - started
        return (
            f"cluster {self._cluster.name} runs ({seconds:.1f} s): {self._cluster.server}, default StorageClass "
            f"{STORAGE_CLASS}. Use it with `hack/cluster kubectl get nodes` or KUBECONFIG={self.kubeconfig}"
        )

    def _lock(self) -> Any:
        return locked(self._cluster.cache / "clusters" / f"{self._cluster.name}.lock")

    def _answers(self) -> bool:
        if processes.recall(self._note) is None or not self.kubeconfig.exists():
            return False
        api = Api(self.kubeconfig)
        try:
            self._wait("the cluster", lambda: api.ready() and api.node_ready(self._cluster.node), _SETTLE_SECONDS)
        except Refused:
            note("the cluster's processes run but it does not become ready: starting it again")
            return False
        return True

    def _start(self, programs: dict[str, Path]) -> None:
        log = self._cluster.state / "log" / "node.log"
        with log.open("a") as out:
            outer = subprocess.Popen(
                [str(programs["node"]), "run", str(self._cluster.state / "node.json")],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/",
            )  # fmt: skip
        processes.remember(self._note, outer.pid)
        init = self._wait("the node's init", lambda: processes.init_of(outer.pid), 60.0)
        network.connect(self._runner, self._cluster, init)
        images.load_program(images.Node(init), programs["pause"], PAUSE_IMAGE)
        api = Api(self.kubeconfig)
        self._wait("the API server", api.ready, _READY_SECONDS)
        manifests.apply(api, self._cluster)
        self._wait("the node", lambda: api.node_ready(self._cluster.node), _READY_SECONDS)
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._wait("the controllers", lambda: api.call("GET", account)[0] == 200, _READY_SECONDS)

    def _wait(self, what: str, check: Callable[[], T | None], seconds: float) -> T:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = check()
            if found:
                return found
            time.sleep(_POLL)
        logs = self._cluster.state / "log"
        raise Refused(f"{what}: not ready after {seconds:g} s; logs are in {logs}; start over with `hack/cluster down`")

    def down(self) -> str:
        """End the node, and remove its state."""
        if self._cluster.state.exists() and not processes.is_root():
            raise Refused("the local cluster belongs to root: run this as root")
        with self._lock():
            self._stop()
            shutil.rmtree(self._cluster.state, ignore_errors=True)
        return f"cluster {self._cluster.name} is gone"

    def _stop(self) -> None:
        outer = processes.recall(self._note)
        if outer is not None:
            init = processes.init_of(outer)
            os.kill(outer, signal.SIGKILL)
            gone = [pid for pid in (outer, init) if pid is not None]
            self._wait("the node's end", lambda: not any(processes.start_time(pid) for pid in gone), 30.0)
        network.disconnect(self._runner, self._cluster)
        left = cgroups.remove(self._cluster.cgroup)
        if left:
            raise Refused(f"cgroup {left[0]} is still in use: end its processes and run this again")
        self._note.unlink(missing_ok=True)

    def init(self) -> int:
        """Host pid of the node's init; refused when the cluster does not run."""
        outer = processes.recall(self._note)
        init = processes.init_of(outer) if outer is not None else None
        if init is None:
            raise Refused(f"cluster {self._cluster.name} does not run: `hack/cluster up`")
        return init

    def status(self) -> dict[str, Any]:
        """Components with their pids on the host; a component that is being started again has none."""
        outer = processes.recall(self._note)
        init = processes.init_of(outer) if outer is not None else None
        found = self._components(init) if init is not None else {}
        ready = init is not None and Api(self.kubeconfig).ready()
        return {
            "backend": "local", "cluster": self._cluster.name, "running": init is not None, "ready": ready,
            "server": self._cluster.server, "kubeconfig": str(self.kubeconfig), "node": self._cluster.node,
            "nodeAddress": self._cluster.node_address, "hostAddress": self._cluster.host_address,
            "podCIDR": self._cluster.pod_cidr, "serviceCIDR": self._cluster.service_cidr,
            "storageClass": STORAGE_CLASS, "logs": str(self._cluster.state / "log"),
            "auditLog": str(self._cluster.state / "log" / "audit.log"), "init": init,
            "nfsClient": nfsclient.noted(self._cluster.state / "node.json"),
            "components": {name: found.get(name) for name in NAMES},
        }  # fmt: skip

    def _components(self, init: int) -> dict[str, int]:
        return processes.components(init, {one["name"]: one["argv"] for one in components.commands(self._cluster)})

    def load_image(self, names: Sequence[str]) -> None:
        """Copy images from the build storage into the node; layers it has are skipped."""
        node = images.Node(self.init())
        for name in names:
            images.load(node, self._cluster.cache, images.full_name(name))

    def kubectl(self) -> list[str]:
        """The built binary's."""
        return [str(gobuild.ensure("kube", self._cluster.cache)), "kubectl", "--kubeconfig", str(self.kubeconfig)]

    def kill(self, component: str) -> str:
        """SIGKILL one component; the node's init starts it again."""
        found = self._components(self.init())
        if component not in found:
            raise Refused(f"no component {component!r} runs now; there are: {', '.join(sorted(found))}")
        os.kill(found[component], signal.SIGKILL)
        return f"killed {component} (pid {found[component]})"

    def gpus(self, number: int) -> str:
        """Pretend that the node has GPUs: pods are scheduled by them, no device appears. A new kubelet forgets them."""
        patch = [{"op": "add", "path": f"/status/{part}/{_GPU}", "value": str(number)}
                 for part in ("capacity", "allocatable")]  # fmt: skip
        path = f"/api/v1/nodes/{self._cluster.node}/status"
        code, answer = Api(self.kubeconfig).call("PATCH", path, patch, kind="application/json-patch+json")
        if code != 200:
            raise Refused(f"the API server refused: {answer}")
        return f"{self._cluster.node} now claims {number} nvidia.com/gpu (fake: scheduling is real, the device is not)"

    def enter(self) -> list[str]:
        """Command line that runs the arguments inside the node."""
        return ["nsenter", "-t", str(self.init()), "-m", "-u", "-i", "-n", "-p", "--"]


def check_machine() -> None:
    """One sentence for each reason why there can be no local cluster here."""
    release = rootfs.os_release()
    if os.uname().sysname != "Linux":
        raise Refused("the local cluster needs Linux; start Docker or podman, and kind is used")
    if not {"debian", "ubuntu"}.intersection([release.get("ID", ""), *release.get("ID_LIKE", "").split()]):
        raise Refused("the local cluster needs Debian or Ubuntu; start Docker or podman, and kind is used")
    if not processes.is_root():
        raise Refused("the local cluster needs root; start Docker or podman, and kind is used")
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        raise Refused(f"the local cluster needs {', '.join(missing)} (packages iproute2, util-linux, apt, dpkg, perl)")
