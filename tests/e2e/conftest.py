"""Fixtures of the end-to-end tests: a real cluster, our own operator in its pod, a file server that pods reach.

Everything runs on the cluster of hack/cluster (or $BLUENO_KUBECONFIG); a context that hack/cluster did not make is
refused. Each test gets its own namespace, deleted afterwards.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.e2e.kube import Kube, installed, reached
from tests.e2e.mirror import Mirror
from tests.e2e.nfs_datasets import allowed, tenant
from tests.e2e.nfs_image import built
from tests.e2e.nfs_server import NfsServer, running
from tests.e2e.web import Web, demo_user


@pytest.fixture(scope="session")
def cluster() -> Kube:
    """The cluster, with Blueno of this checkout installed."""
    return installed()


@pytest.fixture
def kube(cluster: Kube) -> Iterator[Kube]:
    """The cluster as seen from a namespace of the test's own."""
    namespace = f"e2e-{uuid.uuid4().hex[:8]}"
    cluster.run("create", "namespace", namespace)
    cluster.run("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    inside = cluster.inside(namespace)
    yield inside
    cluster.run("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


@pytest.fixture(scope="session")
def web(cluster: Kube) -> Web:
    """The administrator that `make demo` makes, logged in."""
    return demo_user()


@pytest.fixture
def mirror(cluster: Kube) -> Iterator[Mirror]:
    """A web server of the test's own, on the address that pods reach this machine by."""
    server = Mirror(cluster.host_address)
    yield server
    server.close()


@pytest.fixture(scope="session")
def outside() -> Iterator[NfsServer]:
    """An NFS server outside the cluster, on the address that nodes reach this machine by."""
    with running(reached().host_address) as server:
        yield server


@pytest.fixture(scope="module")
def exports(cluster: Kube, outside: NfsServer) -> Iterator[NfsServer]:
    """The server outside, where Datasets of every namespace may lie."""
    print(f"NFS client: {cluster.nfs_client}")
    with allowed(cluster, outside):
        yield outside


@pytest.fixture
def space(cluster: Kube) -> Iterator[Kube]:
    """A namespace whose Datasets may have a managed server; removed in order, its server last."""
    with tenant(cluster) as inside:
        yield inside


@pytest.fixture
def nfs_kube() -> Iterator[Kube]:
    """A namespace for NFS volumes made by hand, on the cluster whatever is installed there."""
    cluster = reached()
    cluster.hack("load-image", built())
    inside = cluster.inside(f"e2e-{uuid.uuid4().hex[:8]}")
    cluster.run("create", "namespace", inside.namespace)
    print(f"NFS client: {cluster.nfs_client}")
    yield inside
    # Clients before their server: without it they end slowly.
    inside.run("delete", "pods", "-l", "app!=server", "--timeout=60s", check=False)
    inside.run("delete", "statefulsets", "--all", "--timeout=60s", check=False)
    cluster.run("delete", "pv", "-l", f"e2e={inside.namespace}", "--wait=false")
    cluster.run("delete", "namespace", inside.namespace, "--wait=false", "--ignore-not-found")
