"""A fake API server in this process, and our client on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import nullcontext

import pytest
from kubernetes.aio import client as kube_client

from blueno.kube import Cluster
from controllers.cache import Cache
from controllers.writer import Writer
from tests.fakes.api_server import ApiServer


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An empty cluster."""
    async with ApiServer().serving() as server:
        yield server


@pytest.fixture
async def cluster(api: ApiServer) -> AsyncIterator[Cluster]:
    """Our client, connected to it."""
    client = Cluster(kube_client.Configuration(host=api.url))
    yield client
    await client.close()


@pytest.fixture
def cache() -> Cache:
    """An empty cache."""
    return Cache()


@pytest.fixture
def writer(cluster: Cluster, cache: Cache) -> Writer:
    """Writes to the fake API server."""
    return Writer(cluster, cache, nullcontext)
