"""Lists whose pages expire midway, because a real etcd is compacted between two of them.

An API server answers the next page from its own memory as long as it can, so it is killed, too: the next one asks etcd.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kubernetes.aio import client, config

import blueno.kube
from blueno.errors import Rejected
from blueno.kube import EXPIRED, Cluster
from blueno.resources.api import JOBS
from tests.contract.apiserver import ROOT, ApiServer

LABELS = "blueno.dev/contract=pages"
# Up to what there is now; etcd listens on the node's own loopback.
COMPACT = """
import json, urllib.request
def ask(what, **body):
    url, data = "http://127.0.0.1:2379/v3/kv/" + what, json.dumps(body).encode()
    return json.load(urllib.request.urlopen(url, data, timeout=60))
now = ask("range", key="AA==", limit=1)["header"]["revision"]
ask("compaction", revision=now, physical=True)
"""


@pytest.fixture
def etcd() -> str:
    """Its process on this machine."""
    status = subprocess.run([ROOT / "hack" / "cluster", "status", "--json"], capture_output=True, text=True, check=True)
    pid = json.loads(status.stdout).get("components", {}).get("etcd")
    if not pid:
        pytest.skip("the etcd of this cluster is no process of ours")
    return str(pid)


@pytest.fixture
def namespace(api: ApiServer) -> Iterator[str]:
    """With twelve Jobs that never run."""
    name = f"blueno-contract-{secrets.token_hex(3)}"
    assert api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})[0] == 201
    for number in range(12):
        assert make(api, name, number) == 201
    yield name
    api.call("DELETE", f"/api/v1/namespaces/{name}")


def make(api: ApiServer, namespace: str, number: int) -> int:
    pod = {"restartPolicy": "Never", "containers": [{"name": "never", "image": "never"}]}
    meta = {"name": f"job-{number:02}", "labels": dict([LABELS.split("=")])}
    body = {"metadata": meta, "spec": {"suspend": True, "template": {"spec": pod}}}
    return api.call("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", body)[0]


@asynccontextmanager
async def connected(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Cluster, list[int]]]:
    """Our client with pages of five, and the refusals it has had."""
    configuration = client.Configuration()
    await config.load_kube_config(os.fspath(api.kubeconfig), client_configuration=configuration)
    monkeypatch.setattr(blueno.kube, "PAGE", 5)
    cluster, refused = Cluster(configuration), []
    call = cluster._call

    async def seen(*arguments: Any, **options: Any) -> dict[str, Any]:
        try:
            return await call(*arguments, **options)
        except Rejected as error:
            refused.append(error.status)
            raise

    monkeypatch.setattr(cluster, "_call", seen)
    try:
        yield cluster, refused
    finally:
        await cluster.close()


async def test_a_list_begins_again_when_etcd_is_compacted(
    api: ApiServer, namespace: str, etcd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(api, monkeypatch) as (cluster, refused):
        names: list[str] = []
        async for body in cluster.list(JOBS, LABELS, namespace=namespace):
            names.append(body["metadata"]["name"])
            if len(names) == 5:  # the first page is read
                path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
                assert api.call("DELETE", f"{path}/job-11")[0] == 200
                assert make(api, namespace, 12) == 201
                compact(etcd)
                restart(api)
        now = [f"job-{number:02}" for number in (*range(11), 12)]
        assert refused == [EXPIRED]
        assert names == [*now[:5], *now], "what was read comes again, and all of it once"


def compact(etcd: str) -> None:
    subprocess.run(["nsenter", "-n", "-t", etcd, sys.executable, "-c", COMPACT], check=True)


def restart(api: ApiServer) -> None:
    """SIGKILL; returns when another one answers."""
    subprocess.run([ROOT / "hack" / "cluster", "kill", "apiserver"], check=True, capture_output=True)
    end = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError):
            if api.call("GET", "/apis/batch/v1/namespaces/default/jobs")[0] == 200:
                return
        assert time.monotonic() < end, "the API server has not come back"
        time.sleep(0.2)
