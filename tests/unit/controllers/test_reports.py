"""controllers/reports.py over HTTP: what pods may say, and what hostile bodies come to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientTimeout, web
from aiohttp.test_utils import TestClient, TestServer

from blueno import names
from blueno.kube import Cluster
from blueno.resources.outcome import Progress
from controllers import answers, callers
from controllers import reports as module
from controllers.answers import BODY_LIMIT
from controllers.cache import Cache
from controllers.demand import Demand
from controllers.queue import WorkQueue
from controllers.reports import Reports
from tests.fakes.api_server import ApiServer
from tests.make import UID, WORK, a_body, a_report, a_status

POD = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"


class Bench:
    """The endpoint, a Dataset in the cache, and its pod in the cluster."""

    def __init__(self, api: ApiServer, cluster: Cluster, cache: Cache) -> None:
        self.api, self.cache = api, cache
        self.queue = WorkQueue(asyncio.get_running_loop().time)
        self.demand = Demand(900)
        self.reports = Reports(cluster, cache, self.queue, self.demand, names.SYSTEM_NAMESPACE)
        app = web.Application(client_max_size=BODY_LIMIT)
        app.add_routes(self.reports.routes())
        self.client: TestClient[web.Request, web.Application] = TestClient(TestServer(app))
        cache.upsert("Dataset", a_body(status=a_status()))
        self.pod = self.a_pod("pod-1")

    def a_pod(self, name: str, attempt: int = 1, **labels: str) -> dict[str, Any]:
        """A pod of ours, known to the API server, with a token of its name."""
        marks = {names.OWNER_UID: UID, names.WORK_LABEL: WORK.hash, names.ATTEMPT_LABEL: str(attempt)} | labels
        meta = {"name": name, "namespace": "lab", "labels": marks}
        pod = self.api.put({"kind": "Pod", "metadata": meta, "spec": {}, "status": {}})
        self.api.tokens[name] = a_review(name, pod["metadata"]["uid"])
        return pod

    async def post(self, report: Any = None, token: str = "pod-1", raw: Any = None) -> ClientResponse:
        body = raw if raw is not None else json.dumps((report or a_report()).to_dict())
        return await self.client.post("/v1/progress", data=body, headers={"Authorization": f"Bearer {token}"})


def a_review(name: str, uid: str, **changes: Any) -> dict[str, Any]:
    user = {"username": "system:serviceaccount:lab:default", "extra": {POD: [name], POD_UID: [uid]}}
    return {"authenticated": True, "audiences": [names.REPORT_AUDIENCE], "user": user, **changes}


@pytest.fixture
async def bench(api: ApiServer, cluster: Cluster, cache: Cache) -> AsyncIterator[Bench]:
    bench = Bench(api, cluster, cache)
    async with bench.client:
        yield bench


async def test_a_report_is_kept_and_its_dataset_looked_at(bench: Bench) -> None:
    answer = await bench.post(a_report(percentage=77))
    assert answer.status == 204
    latest = bench.reports.latest(UID).progress
    assert latest is not None
    assert latest.percentage == 77
    assert await bench.queue.take() == ("Dataset", UID)


async def test_a_good_token_is_reviewed_once_a_minute(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_INTERVAL", 0.0)
    for _ in range(3):
        assert (await bench.post()).status == 204
    reviews = [seen for seen in bench.api.requests if seen.path.endswith("tokenreviews")]
    assert len(reviews) == 1
    assert reviews[0].body["spec"] == {"token": "pod-1", "audiences": [names.REPORT_AUDIENCE]}


@pytest.mark.parametrize(
    "review",
    [
        {"authenticated": False},
        {"audiences": []},
        {"audiences": ["https://kubernetes.default.svc"]},
        {"user": {"username": "system:serviceaccount:lab:default", "extra": {}}},
        {"user": {"username": "alice", "extra": {POD: ["pod-1"], POD_UID: ["u"]}}},
    ],
    ids=["unknown", "no audience", "another audience", "no pod", "a person"],
)
async def test_a_token_that_proves_no_pod_is_401(bench: Bench, review: dict[str, Any]) -> None:
    bench.api.tokens["pod-1"] |= review
    answer = await bench.post()
    assert answer.status == 401
    assert answer.content_type == "application/problem+json"
    assert bench.reports.latest(UID).progress is None


@pytest.mark.parametrize("header", [{}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer "}])
async def test_no_token_is_401_without_asking_anybody(bench: Bench, header: dict[str, str]) -> None:
    answer = await bench.client.post("/v1/progress", data="{}", headers=header)
    assert answer.status == 401
    assert bench.api.requests == []


async def test_an_api_server_in_trouble_is_503_and_try_again(bench: Bench) -> None:
    bench.api.fail = lambda verb, path: 500
    answer = await bench.post()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_a_foreign_pod_is_409(bench: Bench) -> None:
    foreign = bench.api.put({"kind": "Pod", "metadata": {"name": "theirs", "namespace": "lab"}, "spec": {}})
    bench.api.tokens["theirs"] = a_review("theirs", foreign["metadata"]["uid"])
    assert (await bench.post(token="theirs")).status == 409


async def test_a_pod_that_is_gone_or_was_replaced_is_409(bench: Bench) -> None:
    bench.api.tokens["ghost"] = a_review("pod-1", "another-uid")
    assert (await bench.post(token="ghost")).status == 409


@pytest.mark.parametrize("report", [a_report(attempt=2), a_report(work="0" * 16)], ids=["attempt", "work"])
async def test_a_report_of_another_attempt_is_409(bench: Bench, report: Progress) -> None:
    assert (await bench.post(report)).status == 409
    assert bench.reports.latest(UID).progress is None


async def test_a_stale_attempts_own_report_is_409(bench: Bench) -> None:
    bench.cache.upsert("Dataset", a_body(status=a_status(attempt=2)))
    assert (await bench.post()).status == 409
    bench.a_pod("pod-2", attempt=2)
    assert (await bench.post(a_report(attempt=2), token="pod-2")).status == 204


async def test_a_report_may_be_faster_than_the_status(bench: Bench) -> None:
    bench.a_pod("pod-2", attempt=2)
    assert (await bench.post(a_report(attempt=2), token="pod-2")).status == 204


async def test_a_pod_whose_dataset_is_gone_is_409(bench: Bench) -> None:
    bench.cache.remove("Dataset", UID)
    assert (await bench.post()).status == 409


GOOD = a_report().to_dict()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 4000,
        b"9" * 8000,
        json.dumps({**GOOD, "percentage": 101}),
        json.dumps({**GOOD, "percentage": -1}),
        json.dumps({**GOOD, "percentage": True}),
        json.dumps({**GOOD, "percentage": float("nan")}),
        json.dumps({**GOOD, "attempt": "1"}),
        json.dumps({**GOOD, "stage": "Available"}),
        json.dumps({**GOOD, "stage": ["Preparing"]}),
        json.dumps({**GOOD, "samplesDone": 1 << 70}),
        json.dumps({**GOOD, "waitingCode": "Nonsense"}),
        json.dumps({**GOOD, "waitingMessage": "x" * 2000}),
    ],
    ids=lambda raw: str(raw)[:24],
)
async def test_a_hostile_body_is_400(bench: Bench, raw: Any) -> None:
    assert (await bench.post(raw=raw)).status == 400
    assert bench.reports.latest(UID).progress is None


async def test_a_long_body_is_413(bench: Bench) -> None:
    assert (await bench.post(raw=b" " * (BODY_LIMIT + 1))).status == 413


async def test_a_slow_body_is_408(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "BODY_SECONDS", 0.05)

    async def dribble() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    url, headers = "/v1/progress", {"Authorization": "Bearer pod-1"}
    answer = await bench.client.post(url, data=dribble(), headers=headers, timeout=ClientTimeout(total=50))
    assert answer.status == 408


async def test_reports_at_a_rate(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_INTERVAL", 1000.0)
    assert (await bench.post()).status == 204
    assert (await bench.post()).status == 429
    bench.a_pod("pod-2")
    assert (await bench.post(token="pod-2")).status == 204  # each pod has its own rate
    monkeypatch.setattr(module, "MIN_INTERVAL", 0.0)
    assert (await bench.post()).status == 204


async def test_memory_does_not_grow_with_tokens_or_deleted_datasets(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "REVIEWS_KEPT", 3)
    monkeypatch.setattr(module, "PODS_KEPT", 1)
    for number in range(10):
        await bench.post(token=f"bad-{number}")
    assert len(bench.reports._callers._reviews) == 3
    for number in range(40):
        bench.reports._progress[f"gone-{number}"] = a_report()
    assert (await bench.post()).status == 204
    assert list(bench.reports._progress) == [UID]
    bench.a_pod("pod-2")
    assert (await bench.post(token="pod-2")).status == 204
    assert len(bench.reports._heard) == 1
