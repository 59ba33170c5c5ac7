"""Fixtures of the end-to-end tests: a real cluster, our own operator in its pod, a file server that pods reach.

Everything runs on the cluster of hack/cluster (or $BLUENO_KUBECONFIG); a context that hack/cluster did not make is
refused. Each test gets its own namespace, deleted afterwards.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.e2e.kube import Kube, installed
from tests.e2e.mirror import Mirror
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
