"""Writes what the node needs before it starts: certificates, kubeconfigs, server configurations and node.json.

Called by local.py; calls `node pki`. Flags and their reasons are here and nowhere else.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from clusterlib import components, nfsclient
from clusterlib.layout import Cluster
from clusterlib.runner import RealRunner, must

# Directories of the state, and where the node sees them. They are on a real file system: overlayfs cannot be stacked
# on the node's own overlay, and etcd wants mmap and fsync to behave.
STATE_BINDS = {
    "containerd": "/var/lib/containerd",
    "kubelet": "/var/lib/kubelet",
    "volumes": "/var/lib/blueno/volumes",
    "etcd": "/var/lib/etcd",
    "log": "/var/log/blueno",
    "pods-log": "/var/log/pods",
    "etc": "/etc/blueno",
}
# The host's trusted certificates become the node's; the first may consist of links into the other two.
_TRUST = ("/etc/ssl/certs", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates")
# What the kubelet insists on (values of its source); see maskSysctls in cmd/node.
_MASKED = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
# slirp4netns's fixed addresses for its name server and its own end.
SLIRP_DNS = "10.0.2.3"


def trust_binds() -> list[dict[str, Any]]:
    """Binds that make the node trust what the host trusts."""
    return [{"source": path, "target": path, "readOnly": True} for path in _TRUST if Path(path).is_dir()]


def write(cluster: Cluster, rootfs: Path, programs: dict[str, Path], nfs_client: str) -> None:
    """Everything below the state directory; certificates are kept when they are there."""
    state = cluster.state
    state.mkdir(parents=True, exist_ok=True)
    (state / "index").write_text(str(cluster.index))
    for name in (*STATE_BINDS, "work", "root", "upper/etc", "etc/pki", "etc/cni"):
        (state / name).mkdir(parents=True, exist_ok=True)
    _pki(cluster, programs["node"])
    (state / "upper/etc/resolv.conf").write_text(f"nameserver {SLIRP_DNS}\n")
    (state / "upper/etc/hosts").write_text(f"127.0.0.1 localhost\n{cluster.node_address} {cluster.node}\n")
    (state / "upper/etc/hostname").write_text(f"{cluster.node}\n")
    for name, content in components.files(cluster).items():
        (state / "etc" / name).write_text(content)
    kubeconfig(cluster, "admin", cluster.kubeconfig)
    kubeconfig(cluster, "admin", state / "etc" / "admin.kubeconfig")
    kubeconfig(cluster, "kubelet", state / "etc" / "kubelet.kubeconfig")
    (state / "node.json").write_text(json.dumps(_node(cluster, rootfs, programs, nfs_client), indent=1))


def _node(cluster: Cluster, rootfs: Path, programs: dict[str, Path], nfs_client: str) -> dict[str, Any]:
    state = cluster.state
    binds: list[dict[str, Any]] = [
        {"source": str(state / name), "target": target} for name, target in STATE_BINDS.items()
    ]
    binds += [
        {"source": str(programs[name]), "target": f"/usr/local/bin/{name}", "readOnly": True}
        for name in ("kube", "provisioner", "coredns")
    ]
    if Path("/lib/modules").is_dir():
        binds.append({"source": "/lib/modules", "target": "/lib/modules", "readOnly": True})
    return {
        "hostname": cluster.node,
        "lower": str(rootfs),
        "upper": str(state / "upper"),
        "work": str(state / "work"),
        "root": str(state / "root"),
        "binds": binds + nfsclient.binds(nfs_client, programs) + trust_binds(),
        nfsclient.NOTE: nfs_client,
        "cgroup": cluster.cgroup,
        "netns": True,
        "address": cluster.node_address,
        "sysctls": {"net/ipv4/ip_forward": "1"},
        "masked": _MASKED,
        "uplink": _uplink(rootfs),
        "components": components.commands(cluster),
    }


def _uplink(rootfs: Path) -> list[str]:
    """slirp4netns of the node's file system, on the host: no forwarding or firewall rule of the host is needed."""
    loaders = sorted(rootfs.glob("usr/lib*/ld-linux*.so.*")) + sorted(rootfs.glob("lib*/ld-linux*.so.*"))
    program = rootfs / "usr/bin/slirp4netns"
    if not loaders or not program.exists() or not Path("/dev/net/tun").exists():
        return []
    libraries = ":".join(str(path) for path in (*rootfs.glob("lib/*-linux-gnu"), *rootfs.glob("usr/lib/*-linux-gnu")))
    options = ["--configure", "--mtu=1500", "--disable-host-loopback"]
    return [str(loaders[0]), "--library-path", libraries, str(program), *options, "{pid}", "tap0"]


def _pki(cluster: Cluster, node_program: Path) -> None:
    directory = cluster.state / "etc" / "pki"
    if (directory / "sa.pub").exists():
        return
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    own = ["127.0.0.1", cluster.node_address]
    request = {
        "directory": str(directory),
        "certificates": [
            {
                "name": "apiserver", "commonName": "kube-apiserver",
                "dns": ["localhost", *names], "ips": [*own, cluster.api_service_address],
            },
            {
                "name": "kubelet", "commonName": f"system:node:{cluster.node}", "organization": ["system:nodes"],
                "dns": [cluster.node, "localhost"], "ips": own,
            },
            {"name": "admin", "commonName": "admin", "organization": ["system:masters"]},
        ],
    }  # fmt: skip
    path = cluster.state / "pki.json"
    path.write_text(json.dumps(request))
    must(RealRunner(), [str(node_program), "pki", str(path)])


def kubeconfig(cluster: Cluster, user: str, path: Path) -> None:
    """A kubeconfig with everything inside, readable by its owner only. JSON is YAML."""

    def data(name: str) -> str:
        return base64.b64encode((cluster.state / "etc" / "pki" / name).read_bytes()).decode()

    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": cluster.name,
                "cluster": {"server": cluster.server, "certificate-authority-data": data("ca.crt")},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": data(f"{user}.crt"),
                    "client-key-data": data(f"{user}.key"),
                },
            }
        ],
        "contexts": [{"name": cluster.name, "context": {"cluster": cluster.name, "user": user}}],
        "current-context": cluster.name,
    }
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(config, indent=1))
