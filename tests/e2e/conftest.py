"""Fixtures of the end-to-end tests: a real cluster, our own operator in its pod, a file server that pods reach.

Everything runs on the cluster of hack/cluster (or $BLUENO_KUBECONFIG); a context that hack/cluster did not make is
refused. Each test gets its own namespace, deleted afterwards; the checker looks at it before, if the test made a fault.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator

import pytest

from tests.e2e.checked import assert_sound_soon
from tests.e2e.kube import Kube, installed, reached
from tests.e2e.mirror import Mirror
from tests.e2e.nfs_datasets import allowed, tenant
from tests.e2e.nfs_image import built
from tests.e2e.nfs_server import NfsServer, running
from tests.e2e.web import Web, demo_user

PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Notes for the fixtures whether the test itself has passed."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


def judge(kube: Kube, request: pytest.FixtureRequest) -> None:
    """Invariants hold after a test that is marked as one of a fault, and passed; unless its namespace goes."""
    if request.node.get_closest_marker("fault") is None or not request.node.stash.get(PASSED, False):
        return
    namespace = kube.get("namespace", kube.namespace)
    if namespace and not namespace["metadata"].get("deletionTimestamp"):
        assert_sound_soon(kube)


@pytest.fixture(scope="session")
def cluster() -> Kube:
    """The cluster, with Blueno of this checkout installed."""
    return installed()


@pytest.fixture
def kube(cluster: Kube, request: pytest.FixtureRequest) -> Iterator[Kube]:
    """The cluster as seen from a namespace of the test's own."""
    namespace = f"e2e-{uuid.uuid4().hex[:8]}"
    cluster.run("create", "namespace", namespace)
    cluster.run("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    inside = cluster.inside(namespace)
    try:
        yield inside
        judge(inside, request)
    finally:
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
def space(cluster: Kube, request: pytest.FixtureRequest) -> Iterator[Kube]:
    """A namespace whose Datasets may have a managed server; removed in order, its server last."""
    with tenant(cluster) as inside:
        yield inside
        judge(inside, request)


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
