"""blueno/kube.py: the verbs over HTTP, and what every answer becomes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from kubernetes.aio import client as kube_client

from blueno import kube, names
from blueno.errors import BluenoError, Conflict, NotFound, Rejected, Unavailable
from blueno.kube import Cluster
from blueno.resources.api import DATASETS, JOBS, PODS, VOLUMES
from tests.fakes.api_server import ApiServer
from tests.fakes.pod_logs import PodLog
from tests.make import a_body
from tests.proxies.api import ApiProxy, Upstream
from tests.proxies.rules import Answer


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    async with ApiServer().serving() as server:
        yield server


@pytest.fixture
async def cluster(api: ApiServer) -> AsyncIterator[Cluster]:
    client = Cluster(kube_client.Configuration(host=api.url + "/"))
    yield client
    await client.close()


def test_paths() -> None:
    assert DATASETS.path("lab", "mnist", "status") == "/apis/blueno.dev/v1alpha1/namespaces/lab/datasets/mnist/status"
    assert JOBS.path() == "/apis/batch/v1/jobs"
    assert PODS.path("lab") == "/api/v1/namespaces/lab/pods"
    assert VOLUMES.path("lab", "pv") == "/api/v1/persistentvolumes/pv"


async def test_the_verbs(cluster: Cluster, api: ApiServer) -> None:
    assert await cluster.get(DATASETS, "lab", "mnist") is None
    made = await cluster.create(DATASETS, {**a_body(), "status": {}})
    await cluster.merge(DATASETS, "lab", "mnist", {"spec": {"suspend": True}})
    await cluster.merge(DATASETS, "lab", "mnist", {"status": {"samples": 1}}, "status")
    found = await cluster.get(DATASETS, "lab", "mnist")
    assert found is not None
    assert (found["spec"]["suspend"], found["status"]) == (True, {"samples": 1})
    with pytest.raises(Conflict):
        await cluster.replace(DATASETS, made)
    await cluster.replace(DATASETS, found)
    await cluster.delete(DATASETS, "lab", "mnist", "another-uid")
    assert len(api.all("Dataset")) == 1
    await cluster.delete(DATASETS, "lab", "mnist", made["metadata"]["uid"])
    await cluster.delete(DATASETS, "lab", "mnist")
    assert api.all("Dataset") == []
    managers = {seen.query.get("fieldManager") for seen in api.requests if seen.verb in ("POST", "PUT", "PATCH")}
    assert managers == {names.FIELD_MANAGER}


async def test_lists_are_read_page_by_page(cluster: Cluster, api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "PAGE", 2)
    for number in range(5):
        labels = {"odd": str(number % 2)}
        api.put({"kind": "Pod", "metadata": {"name": f"p{number}", "namespace": "lab", "labels": labels}, "spec": {}})
    listed = [pod["metadata"]["name"] async for pod in cluster.list(PODS, cached=True)]
    assert listed == ["p0", "p1", "p2", "p3", "p4"]
    versions = [(seen.query.get("resourceVersion"), seen.query.get("continue")) for seen in api.requests]
    assert versions == [("0", None), (None, "2"), (None, "4")]  # a continued list takes no resourceVersion
    assert [pod["metadata"]["name"] async for pod in cluster.list(PODS, "odd=1")] == ["p1", "p3"]
    partial = [pod async for pod in cluster.list(PODS, metadata_only=True)]
    assert set(partial[0]) == {"metadata"}


@pytest.mark.parametrize("page", [1, 2])
async def test_a_list_that_expires_between_pages_comes_whole(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(kube, "PAGE", 2)
    for number in range(5):
        labels = {"a": "x"}
        api.put({"kind": "Pod", "metadata": {"name": f"p{number}", "namespace": "lab", "labels": labels}, "spec": {}})
    async with ApiProxy(Upstream(api.url)).serving() as proxy:
        cluster = Cluster(kube_client.Configuration(host=proxy.url))
        with proxy.fault(Answer(410), "LIST", where=lambda call: "continue" in call.query, first=page, times=1):
            listed = {pod["metadata"]["name"] async for pod in cluster.list(PODS)}
        with proxy.fault(Answer(410), "LIST", where=lambda call: "continue" in call.query, first=page, times=1):
            found, _ = await cluster.snapshot(PODS, "a=x")
        with proxy.fault(Answer(410), "LIST"), pytest.raises(Rejected):
            _ = [pod async for pod in cluster.list(PODS)]
        await cluster.close()
    assert sorted(listed) == [pod["metadata"]["name"] for pod in found] == ["p0", "p1", "p2", "p3", "p4"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Rejected),
        (401, Unavailable),
        (403, Rejected),
        (404, NotFound),
        (409, Conflict),
        (410, Rejected),
        (422, Rejected),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
async def test_what_an_answer_becomes(cluster: Cluster, api: ApiServer, status: int, error: type[BluenoError]) -> None:
    api.fail = lambda verb, path: status
    with pytest.raises(error, match=f"POST /apis/batch/v1/namespaces/lab/jobs: {status} broken by the test"):
        await cluster.create(JOBS, {"kind": "Job", "metadata": {"name": "j", "namespace": "lab"}})


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    client = Cluster(kube_client.Configuration(host="http://127.0.0.1:1"))
    with pytest.raises(Unavailable, match="GET /api/v1/pods"):
        _ = [pod async for pod in client.list(PODS)]
    await client.close()


@asynccontextmanager
async def answering(raw: bytes | None) -> AsyncIterator[Cluster]:
    """A client on a server that answers everything with these bytes, or with silence."""
    conversations = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.append(asyncio.current_task())
        await (reader.readuntil(b"\r\n\r\n") if raw is not None else reader.read())
        writer.write(raw or b"")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = Cluster(kube_client.Configuration(host=f"http://127.0.0.1:{port}"))
    yield client
    await client.close()
    server.close()
    await asyncio.gather(*filter(None, conversations))


@pytest.mark.parametrize(
    ("raw", "after"),
    [
        (b"HTTP/1.1 429 x\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 7.0),
        (b"HTTP/1.1 503 x\r\nRetry-After: soon\r\nContent-Length: 3\r\n\r\nno!", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{no", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", None),
        (b"nonsense\r\n\r\n", None),
        (b"", None),
    ],
    ids=["retry after", "retry some time", "no JSON", "cut off", "no HTTP", "hung up"],
)
async def test_a_broken_answer_is_unavailable(raw: bytes, after: float | None) -> None:
    async with answering(raw) as client:
        with pytest.raises(Unavailable) as caught:
            await client.get(PODS, "lab", "p")
        assert caught.value.retry_after == after


async def test_silence_is_unavailable() -> None:
    async with answering(None) as client:
        client._session._timeout = kube.aiohttp.ClientTimeout(total=0.05)
        with pytest.raises(Unavailable, match="no answer within"):
            await client.get(PODS, "lab", "p")


async def test_no_more_calls_at_once_than_allowed(api: ApiServer) -> None:
    client = Cluster(kube_client.Configuration(host=api.url), concurrency=2)
    calls = [client.get(PODS, "lab", str(number)) for number in range(10)]
    assert await asyncio.gather(*calls) == [None] * 10
    await client.close()


async def test_a_snapshot_and_what_follows_it(
    cluster: Cluster, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "PAGE", 2)
    for n in range(5):
        api.put({"kind": "Pod", "metadata": {"name": f"p{n}", "namespace": "lab", "labels": {"a": str(n < 4)}}})
    found, version = await cluster.snapshot(PODS, "a=True")
    assert [body["metadata"]["name"] for body in found] == ["p0", "p1", "p2", "p3"]
    events = cluster.watch(PODS, "a=True", version)
    api.update("Pod", "p1", {"spec": {"x": "y" * 200_000}})
    api.update("Pod", "p4", {"spec": {"x": 1}})
    api.remove("Pod", "p2")
    seen = []
    async with asyncio.timeout(60):
        async for kind, body in events:
            if kind != "BOOKMARK":
                seen.append((kind, body["metadata"]["name"]))
            if len(seen) == 2:
                break
    await events.aclose()  # type: ignore[attr-defined]
    assert seen == [("MODIFIED", "p1"), ("DELETED", "p2")]
    api.forget()
    assert [event async for event in cluster.watch(PODS, "a=True", version)] == []
    api.watches_down = True
    with pytest.raises(Unavailable):
        async for _ in cluster.watch(PODS, "a=True", version):
            pass


async def test_logs_in_pieces(cluster: Cluster, api: ApiServer) -> None:
    with pytest.raises(NotFound):
        async with cluster.log("lab", "p", "train", follow=True):
            pass
    api.put({"kind": "Pod", "metadata": {"name": "p", "namespace": "lab"}})
    with pytest.raises(Rejected, match="waiting to start"):
        async with cluster.log("lab", "p", "train", follow=True):
            pass
    log = api.logs["lab", "p"] = PodLog(b"one\n")
    async with cluster.log("lab", "p", "train", follow=False) as text:
        assert (await text.read(60), await text.read(60)) == (b"one\n", b"")
    async with cluster.log("lab", "p", "train", follow=True) as text:
        assert await text.read(60) == b"one\n"
        assert await text.read(0.05) is None
        await log.write(b"two\n")
        assert await text.read(60) == b"two\n", "a pause breaks nothing"
        await log.end()
        assert await text.read(60) == b""
    api.fail = lambda verb, path: 500
    with pytest.raises(Unavailable):
        async with cluster.log("lab", "p", "train", follow=True):
            pass
