"""The local cluster comes up, survives the death of any part, and leaves nothing behind.

Runs hack/cluster and hack/images for a cluster of its own (`lifecycle`), beside a developer's.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).resolve().parent.parent.parent
NAME = "lifecycle"
IMAGE = "localhost/blueno/prep:dev"
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "BLUENO_KUBECONFIG"} | {"BLUENO_CLUSTER": NAME}
sys.path.insert(0, str(TOP / "hack"))

from clusterlib import cgroups, processes  # noqa: E402
from clusterlib.errors import Refused  # noqa: E402
from clusterlib.layout import cache_dir  # noqa: E402
from clusterlib.local import check_machine  # noqa: E402

pytestmark = pytest.mark.timeout(1200)

STATE = cache_dir() / "clusters" / NAME
# What kubelet, kube-proxy and the CNI plugins write on an ordinary node.
SYSCTLS = (
    "vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes", "net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet",
    "net/ipv4/conf/all/forwarding",
    "net/netfilter/nf_conntrack_max", "net/netfilter/nf_conntrack_tcp_timeout_established",
    "net/netfilter/nf_conntrack_tcp_timeout_close_wait", "net/bridge/bridge-nf-call-iptables",
)  # fmt: skip


def cluster(*arguments: str, stdin: str | None = None) -> str:
    """Output of hack/cluster, which has to succeed."""
    argv = [str(TOP / "hack/cluster"), *arguments]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def status() -> dict[str, Any]:
    """hack/cluster status; a stopped cluster is no failure here."""
    argv = [str(TOP / "hack/cluster"), "status", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    return dict(json.loads(done.stdout))


def eventually(check: Callable[[], bool], what: str, seconds: float = 180.0) -> None:
    """Wait for a condition; a failing command or connection counts as not yet."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(AssertionError, OSError, http.client.HTTPException):
            if check():
                return
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds:g} s; {status()}")


def machine() -> dict[str, Any]:
    """What a cluster could leave behind on this machine; the developer's own cluster (blueno0) may come and go, and so
    may what is tested beside this: the volumes of NFS servers, small disks.
    """
    others = ("blueno0", "/nfs-tests/", f"tmpfs {tempfile.gettempdir()}/")

    def lines(*argv: str) -> list[str]:
        if shutil.which(argv[0]) is None:
            return []
        output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        return sorted(
            line
            for line in output.splitlines()
            if not line.startswith("#") and not any(word in line for word in others)
        )

    sysctls = {name: Path("/proc/sys") / name for name in SYSCTLS}
    return {
        "mounts": lines("cat", "/proc/self/mounts"),
        "links": [line.split(": ")[1] for line in lines("ip", "-o", "link")],
        "routes": lines("ip", "route"),
        "firewall": lines("iptables-save"),
        "rules": lines("nft", "list", "ruleset"),
        "sysctls": {name: path.read_text() for name, path in sysctls.items() if path.exists()},
        "packages": lines("dpkg", "-l"),
        "cgroups": [str(path) for path in cgroups.remaining(f"blueno-{NAME}")],
        "interfaces": lines("ls", "/var/run/netns") if Path("/var/run/netns").exists() else [],
    }


@pytest.fixture(scope="module")
def before() -> Iterator[dict[str, Any]]:
    """The machine before the cluster, which is removed even when a test fails."""
    try:
        check_machine()
    except Refused as refusal:
        pytest.skip(str(refusal))
    cluster("down")
    yield machine()
    cluster("down")


MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: trial, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: trial}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: trial}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: trial, labels: {app: web}}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: IMAGE
    imagePullPolicy: Never
    command: [python, -c, PROGRAM]
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: data, mountPath: /data}, {name: token, mountPath: /token}]
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: data}}
  - name: token
    projected: {sources: [{serviceAccountToken: {audience: blueno-ingest, path: token}}]}
"""
# Writes to its claim, once for each start, reaches the API server in three ways, then serves the volume and its token.
PROGRAM = """
import http.server, os, ssl, time, urllib.request
with open('/data/starts', 'a') as file:
    file.write('x')
tls = ssl.create_default_context(cafile='/var/run/secrets/kubernetes.io/serviceaccount/ca.crt')
for host in (os.environ['KUBERNETES_SERVICE_HOST'], 'kubernetes.default', 'kubernetes.default.svc.cluster.local'):
    while True:
        try:
            print(host, urllib.request.urlopen(f'https://{host}/version', context=tls, timeout=10).status, flush=True)
            break
        except OSError:  # a node that begins has its pods before its DNS
            time.sleep(0.5)
os.chdir('/')
http.server.ThreadingHTTPServer(('', 8080), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def fetch(path: str) -> str:
    """From the pod's Service, from the host: route, cable, kube-proxy and pod network in one."""
    address = cluster("kubectl", "-n", "trial", "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
        return str(answer.read().decode()).strip()


def restarts() -> str:
    """Restart count of the pod."""
    count = "jsonpath={.status.containerStatuses[0].restartCount}"
    return cluster("kubectl", "-n", "trial", "get", "pod", "web", "-o", count)


def test_up_twice(before: dict[str, Any]) -> None:
    """The second `up` finds the cluster; it is our own, with its own kubeconfig."""
    cluster("up")
    found = status()["init"]
    assert "runs" in cluster("up")
    assert status()["init"] == found, "it was not started again"
    assert status()["ready"]
    kubeconfig = Path(cluster("kubeconfig").strip())
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    assert machine()["sysctls"] == before["sysctls"]


def test_restricted_pod(before: dict[str, Any]) -> None:
    """A pod under the strictest rules writes to a shared claim, talks to the API server, is reached by its Service."""
    subprocess.run([TOP / "hack/images", "build", "prep"], check=True, env=ENVIRONMENT)
    cluster("load-image", IMAGE)
    manifest = MANIFEST.replace("IMAGE", IMAGE).replace("PROGRAM", json.dumps(PROGRAM))
    cluster("kubectl", "apply", "-f", "-", stdin=manifest)
    eventually(lambda: fetch("/data/starts") == "x", "the pod's answer")
    logs = cluster("kubectl", "-n", "trial", "logs", "web")
    assert [line.split()[1] for line in logs.splitlines()[:3]] == ["200", "200", "200"]
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": fetch("/token/token"), "audiences": ["blueno-ingest"]},
    }
    answer = json.loads(cluster("kubectl", "create", "-o", "json", "-f", "-", stdin=json.dumps(review)))["status"]
    assert answer["authenticated"] and answer["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["web"]


def test_addresses_of_nobody_end_in_the_node(before: dict[str, Any]) -> None:
    """They went round between node and host for ever once, through slirp4netns, each round with a connection more."""
    found = status()
    nobody = [found["podCIDR"].rpartition(".")[0] + ".250", found["serviceCIDR"].rpartition(".")[0] + ".250"]
    pattern = f"slirp4netns.* {found['init']} tap0"
    slirp = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False).stdout.split()
    if not slirp:
        pytest.skip("the node has no way out of this machine: no /dev/net/tun")
    for address in nobody:
        knock = ["timeout", "3", "bash", "-c", f"echo > /dev/tcp/{address}/8080"]
        subprocess.run(["nsenter", "-t", str(found["init"]), "-n", *knock], capture_output=True, check=False)
    assert len(list(Path(f"/proc/{slirp[0]}/fd").iterdir())) < 64


def test_gpus(before: dict[str, Any]) -> None:
    """The node claims what it is told to."""
    cluster("gpus", "2")
    path = "jsonpath={.status.allocatable.nvidia\\.com/gpu}"
    assert cluster("kubectl", "get", "node", status()["node"], "-o", path) == "2"


@pytest.mark.parametrize(
    "component",
    [
        "etcd",
        "apiserver",
        "controller-manager",
        "scheduler",
        "containerd",
        "kubelet",
        "proxy",
        "coredns",
        "provisioner",
    ],
)
def test_killed_component_returns(before: dict[str, Any], component: str) -> None:
    """Every component comes back by itself, and the pod does not notice."""
    eventually(lambda: status()["components"][component] is not None, f"{component} after the kill before")
    old = status()["components"][component]
    cluster("kill", component)
    eventually(lambda: status()["components"][component] not in (None, old) and status()["ready"], component)
    eventually(lambda: fetch("/data/starts") == "x", "the pod's answer")
    eventually(lambda: restarts() == "0", "the pod's status")


def test_crash(before: dict[str, Any]) -> None:
    """All processes die at once, as when the machine restarts: `up` continues with the same data."""
    outer = processes.recall(STATE / "node.pid")
    assert outer is not None
    os.kill(outer, signal.SIGKILL)
    eventually(lambda: not status()["running"], "the node's end")
    cluster("up")
    eventually(lambda: fetch("/data/starts") == "xx", "the pod's second start")


def test_deleted_claim(before: dict[str, Any]) -> None:
    """A claim's directory goes with it."""
    cluster("kubectl", "delete", "namespace", "trial", "--timeout=180s")
    eventually(lambda: not any((STATE / "volumes").iterdir()), "the volume's end")


def test_down_leaves_nothing(before: dict[str, Any]) -> None:
    """No process, mount, link, route, rule, setting, package, cgroup or file."""
    outer, init = processes.recall(STATE / "node.pid"), status()["init"]
    assert outer is not None
    pids = {outer, *processes.children(outer), *processes.namespace_pids(init)}
    started = {pid: processes.start_time(pid) for pid in pids}
    assert len(pids) > 10
    cluster("down")
    eventually(lambda: not any(s and processes.start_time(p) == s for p, s in started.items()), "the processes' end")
    assert machine() == before
    assert not STATE.exists()
    argv = [str(TOP / "hack/cluster"), "status"]
    assert subprocess.run(argv, capture_output=True, env=ENVIRONMENT, check=False).returncode == 3
