"""The node's programs: command lines and configuration files. Called by nodeconfig.py; calls nothing."""

from __future__ import annotations

import json
from typing import Any

from clusterlib.layout import Cluster

_KUBE = "/usr/local/bin/kube"
_ETC = "/etc/blueno"
_PKI = f"{_ETC}/pki"
_LOG = "/var/log/blueno"
_ADMIN = f"{_ETC}/admin.kubeconfig"
# Of the node, which has a network of its own.
_ALL = "0.0.0.0"  # noqa: S104
_SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "localhost/blueno/pause:1"
# In the order in which `status` shows them.
NAMES = (
    "etcd", "apiserver", "controller-manager", "scheduler", "containerd", "kubelet", "proxy", "coredns", "provisioner",
)  # fmt: skip


def commands(cluster: Cluster) -> list[dict[str, Any]]:
    """What the node's init supervises."""
    api = [f"tcp:{cluster.node_address}:6443"]
    kube = [
        ("etcd", _etcd(), []),
        ("apiserver", _apiserver(cluster), ["tcp:127.0.0.1:2379"]),
        ("controller-manager", _controller_manager(cluster), api),
        ("scheduler", ["--kubeconfig", _ADMIN, "--leader-elect=false"], api),
        ("kubelet", _kubelet(cluster), [f"unix:{_SOCKET}"]),
        ("proxy", _proxy(cluster), api),
    ]
    programs = [{"name": name, "argv": [_KUBE, name, *argv], "after": after} for name, argv, after in kube]
    others: list[tuple[str, list[str], list[str]]] = [
        ("containerd", ["/usr/bin/containerd", "-c", f"{_ETC}/containerd.toml", "-l", "warn"], []),
        ("coredns", ["/usr/local/bin/coredns", "-conf", f"{_ETC}/Corefile"], api),
        (
            "provisioner",
            ["/usr/local/bin/provisioner", "-kubeconfig", _ADMIN, "-root", "/var/lib/blueno/volumes"],
            api,
        ),
    ]
    return programs + [{"name": name, "argv": argv, "after": after} for name, argv, after in others]


def _etcd() -> list[str]:
    urls = ["--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379"]
    # No fsync: a killed process loses nothing, and a development cluster need not survive a power cut.
    return ["--data-dir", "/var/lib/etcd/data", *urls, "--listen-peer-urls", "http://127.0.0.1:2380",
            "--log-level", "warn", "--unsafe-no-fsync"]  # fmt: skip


def _apiserver(cluster: Cluster) -> list[str]:
    return [
        "--etcd-servers", "http://127.0.0.1:2379", "--secure-port", "6443", "--bind-address", _ALL,
        "--advertise-address", cluster.node_address,
        "--tls-cert-file", f"{_PKI}/apiserver.crt", "--tls-private-key-file", f"{_PKI}/apiserver.key",
        "--client-ca-file", f"{_PKI}/ca.crt", "--service-account-issuer", "https://kubernetes.default.svc",
        "--service-account-key-file", f"{_PKI}/sa.pub", "--service-account-signing-key-file", f"{_PKI}/sa.key",
        "--authorization-mode", "Node,RBAC", "--service-cluster-ip-range", cluster.service_cidr,
        "--allow-privileged=true", "--enable-admission-plugins", "NodeRestriction",
        "--kubelet-client-certificate", f"{_PKI}/admin.crt", "--kubelet-client-key", f"{_PKI}/admin.key",
        "--kubelet-preferred-address-types", "InternalIP",
        "--audit-policy-file", f"{_ETC}/audit.json", "--audit-log-path", f"{_LOG}/audit.log",
        "--audit-log-maxsize", "300", "--audit-log-maxbackup", "1",
    ]  # fmt: skip


def _audit_policy() -> dict[str, Any]:
    """Writes to what Blueno makes, without their contents: tests and benchmarks count them."""
    resources = [
        {"group": "blueno.dev"},
        {"group": "batch", "resources": ["jobs"]},
        {"group": "", "resources": ["services", "persistentvolumes", "persistentvolumeclaims"]},
    ]
    written = {"level": "Metadata", "verbs": ["create", "update", "patch", "delete"], "resources": resources}
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [written, {"level": "None"}],
    }


def _controller_manager(cluster: Cluster) -> list[str]:
    return [
        "--kubeconfig", _ADMIN, "--service-account-private-key-file", f"{_PKI}/sa.key",
        "--root-ca-file", f"{_PKI}/ca.crt", "--use-service-account-credentials=true",
        "--cluster-cidr", cluster.pod_cidr, "--allocate-node-cidrs=true", "--leader-elect=false",
    ]  # fmt: skip


def _kubelet(cluster: Cluster) -> list[str]:
    return [
        "--config", f"{_ETC}/kubelet.json", "--kubeconfig", f"{_ETC}/kubelet.kubeconfig",
        "--hostname-override", cluster.node, "--node-ip", cluster.node_address,
    ]  # fmt: skip


def _proxy(cluster: Cluster) -> list[str]:
    # conntrack's maximum belongs to the first network namespace: not writable here, and not ours to change.
    # The default minimum of 1 s between rule updates is what a new Service would wait for.
    return [
        "--kubeconfig", _ADMIN, "--hostname-override", cluster.node, "--cluster-cidr", cluster.pod_cidr,
        "--proxy-mode", "iptables", "--conntrack-max-per-core", "0", "--iptables-min-sync-period", "100ms",
    ]  # fmt: skip


def files(cluster: Cluster) -> dict[str, str]:
    """Configuration files by their name in /etc/blueno."""
    return {
        "containerd.toml": _containerd(),
        "audit.json": json.dumps(_audit_policy(), indent=1),
        "kubelet.json": json.dumps(_kubelet_config(cluster), indent=1),
        "Corefile": _corefile(cluster),
        "cni/10-pods.conflist": json.dumps(_cni(cluster), indent=1),
    }


def _containerd() -> str:
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE runc may not lower it, and fails with "can't get final child's
    # PID from pipe: EOF".
    return f"""version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{_ETC}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def _kubelet_config(cluster: Cluster) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{_PKI}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        "clusterDNS": [cluster.dns_address],
        "clusterDomain": "cluster.local",
        "tlsCertFile": f"{_PKI}/kubelet.crt",
        "tlsPrivateKeyFile": f"{_PKI}/kubelet.key",
        "resolvConf": "/etc/resolv.conf",
        "serializeImagePulls": False,
        "maxPods": 250,  # as many as the pods' network has addresses: bench/training_runs.py starts 200 at once
        # Images are loaded by hand; one that was collected would not come back.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }


def _corefile(cluster: Cluster) -> str:
    return f""".:53 {{
  bind {cluster.node_address}
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {_ADMIN}
    pods insecure
    ttl 5
    fallthrough in-addr.arpa
  }}
  forward . /etc/resolv.conf
  cache 5
}}
"""


def _cni(cluster: Cluster) -> dict[str, Any]:
    # ptp, not bridge: on a bridge, the answer of a Service's pod to a neighbour would bypass the address translation
    # wherever the kernel lacks br_netfilter.
    ranges = [[{"subnet": cluster.pod_cidr}]]
    ipam = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/run/cni"}
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {"type": "ptp", "ipMasq": True, "ipam": ipam},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
