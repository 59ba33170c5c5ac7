"""The cable between host and node, and the host's routes over it. Called by local.py; calls `ip` and `nsenter`.

The host's end vanishes with the node's network namespace, and the routes with it.
"""

from __future__ import annotations

from clusterlib.layout import Cluster
from clusterlib.runner import Runner, must


def connect(runner: Runner, cluster: Cluster, init: int) -> None:
    """Plug in; the node's init waits for its address before it starts anything."""
    link, peer = cluster.link, f"{cluster.link}n"
    inside = ["nsenter", "-t", str(init), "-n", "ip"]
    disconnect(runner, cluster)
    commands = [
        ["ip", "link", "add", link, "type", "veth", "peer", "name", peer],
        ["ip", "link", "set", peer, "netns", str(init)],
        ["ip", "address", "add", f"{cluster.host_address}/30", "dev", link],
        ["ip", "link", "set", link, "up"],
        [*inside, "link", "set", peer, "name", "eth0"],
        [*inside, "link", "set", "eth0", "up"],
        [*inside, "address", "add", f"{cluster.node_address}/30", "dev", "eth0"],
        # An address that no pod or Service has (any more) must end here: by the default route it would leave through
        # slirp4netns to the host, which sends it back into the node, and so on, each round with a connection more.
        [*inside, "route", "replace", "unreachable", cluster.pod_cidr],
        [*inside, "rule", "add", "pref", "100", "iif", "eth0", "to", cluster.service_cidr, "unreachable"],
        ["ip", "route", "replace", cluster.pod_cidr, "via", cluster.node_address, "dev", link],
        ["ip", "route", "replace", cluster.service_cidr, "via", cluster.node_address, "dev", link],
    ]
    for command in commands:
        must(runner, command)


def disconnect(runner: Runner, cluster: Cluster) -> None:
    """Remove the cable if it is there."""
    if runner.run(["ip", "link", "show", cluster.link]).code == 0:
        runner.run(["ip", "link", "delete", cluster.link])
