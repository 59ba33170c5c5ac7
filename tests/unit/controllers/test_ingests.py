"""The report endpoint's part about Samples: who is handed what, and what hostile pods come to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from blueno import names
from blueno.grants import WRITE, GrantRefused, verify
from blueno.kube import Cluster
from blueno.resources.ingest import MANIFESTS, SINGLES, Result
from controllers.demand import Demand
from controllers.ingests import Ingests
from controllers.queue import WorkQueue
from controllers.reports import Reports
from tests.fakes.api_server import ApiServer
from tests.unit.controllers.sample.world import SAMPLE, World

KEY = Ed25519PrivateKey.generate()
PRIVATE = KEY.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
PUBLIC = KEY.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo).decode()
NEEDS = {"secrets": [], "configMaps": [], "volume": True}


class Bench:
    """The endpoint over HTTP, beside what the operator knows."""

    def __init__(self, api: ApiServer, cluster: Cluster) -> None:
        self.api, self.world, self.news = api, World(), list[tuple[str, str]]()
        cache, demand = self.world.cache, Demand(900)
        self.ingests = Ingests(
            cluster, cache, self.world.roster, demand, lambda kind, uid: self.news.append((kind, uid)), PRIVATE
        )
        queue = WorkQueue(time.monotonic)
        reports = Reports(cluster, cache, queue, demand, names.SYSTEM_NAMESPACE, self.ingests)
        app = web.Application()
        app.add_routes(reports.routes())
        self.client: TestClient[web.Request, web.Application] = TestClient(TestServer(app))
        self.world.dataset()
        self.job(1)
        self.pod("pod")

    def job(self, number: int) -> None:
        """An ingest Job at work."""
        self._put("Job", f"ingest-{number}", names.ROLE_INGEST, number)

    def pod(self, name: str, role: str = names.ROLE_INGEST, number: int = 1, namespace: str = "lab") -> None:
        """A pod of the Dataset, and a token of its name."""
        uid = self._put("Pod", name, role, number, namespace)
        extra = {"authentication.kubernetes.io/pod-name": [name], "authentication.kubernetes.io/pod-uid": [uid]}
        user = {"username": f"system:serviceaccount:{namespace}:default", "extra": extra}
        self.api.tokens[name] = {"authenticated": True, "audiences": [names.REPORT_AUDIENCE], "user": user}

    def _put(self, kind: str, name: str, role: str, number: int, namespace: str = "lab") -> str:
        marks = {names.OWNER_KIND: "Dataset", names.OWNER_UID: "uid-mnist", names.ROLE_LABEL: role}
        meta = {"name": name, "namespace": namespace, "uid": f"{kind}-{name}"}
        meta |= {"labels": {**marks, names.ATTEMPT_LABEL: str(number)}}
        self.world.put(kind, {"metadata": meta, "spec": {}, "status": {}})
        return f"{kind}-{name}"

    async def work(self, *results: Result, lane: str = SINGLES, token: str = "pod", **more: Any) -> tuple[int, Any]:
        body = {"lane": lane, "needs": NEEDS, "results": [result.to_dict() for result in results], **more}
        return await self.post(names.INGEST_WORK_PATH, body, token)

    async def post(self, path: str, body: Any, token: str = "pod") -> tuple[int, Any]:
        async with self.client.post(path, json=body, headers={"Authorization": f"Bearer {token}"}) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def bench(api: ApiServer, cluster: Cluster) -> AsyncIterator[Bench]:
    bench = Bench(api, cluster)
    async with bench.client:
        yield bench


def result_of(body: dict[str, Any], reason: str = "Available", **more: Any) -> Result:
    return Result(body["metadata"]["uid"], body["metadata"]["generation"], reason, **more)


async def test_tasks_in_order_until_their_results_stand_in_the_status(bench: Bench) -> None:
    bodies = [bench.world.guarded(f"s{number}") for number in range(3)]
    waiting = bench.world.sample("waiting")
    status, answer = await bench.work()
    assert (status, [task["name"] for task in answer["tasks"]]) == (200, ["s0", "s1", "s2"])
    assert ("Dataset", "uid-mnist") in bench.news  # its data server is wanted
    status, answer = await bench.work(*(result_of(body, samples=1) for body in bodies))
    assert answer == {"tasks": [], "more": True}  # the statuses are being written
    assert (SAMPLE, "uid-s0") in bench.news
    for body in bodies:
        bench.world.results[body["metadata"]["uid"]] = bench.ingests.latest(body["metadata"]["uid"])  # type: ignore[assignment]
        bench.world.step(body)
        assert bench.ingests.latest(body["metadata"]["uid"]) is None
    assert (await bench.work())[1] == {"tasks": [], "more": True}  # one has yet to get its finalizer
    bench.world.cache.remove(SAMPLE, waiting["metadata"]["uid"])
    assert (await bench.work())[1] == {"tasks": [], "more": False}


async def test_a_lane_and_what_a_pod_has_mounted(bench: Bench) -> None:
    bench.world.guarded("plain", uri="https://example.org/a.png")
    bench.world.guarded("secret", uri="https://example.org/a.png", secretRef={"name": "site"})
    bench.world.guarded("file")
    for name in ("m1", "m2"):
        bench.world.guarded(name, manifest={"configMapRef": {"name": "lists", "key": "a.csv"}})
    without = await bench.work(needs={"volume": False})
    assert [task["name"] for task in without[1]["tasks"]] == ["plain"]
    with_all = {"secrets": ["site"], "configMaps": ["lists"], "volume": True}
    assert [t["name"] for t in (await bench.work(needs=with_all))[1]["tasks"]] == ["plain", "secret", "file"]
    assert [t["name"] for t in (await bench.work(lane=MANIFESTS, needs=with_all))[1]["tasks"]] == ["m1"]  # one by one


async def test_pages_end_at_a_megabyte(bench: Bench) -> None:
    for number in range(100):
        bench.world.guarded(f"s{number}", metadata={"text": "x" * 16000})
    first = (await bench.work())[1]["tasks"]
    assert 60 < len(first) < 70


async def test_who_may_not_ask(bench: Bench) -> None:
    bench.pod("prepares", names.ROLE_PREPARE)
    bench.pod("stranger", namespace="other")
    bench.pod("late", number=0)
    assert [(await bench.work(token=name))[0] for name in ("pod", "prepares", "stranger", "late", "nobody")] == [
        200, 409, 409, 409, 401,
    ]  # fmt: skip
    bench.job(2)
    assert (await bench.work())[0] == 409  # a later Job has taken over
    assert (await bench.post(names.INGEST_GRANT_PATH, {}))[0] == 409


async def test_results_about_others_or_about_yesterday_say_nothing(bench: Bench) -> None:
    ours, foreign = bench.world.guarded("ours"), bench.world.sample("foreign", datasetRef={"name": "other"})
    old = result_of(ours, samples=9)
    ours["metadata"]["generation"] = 2
    bench.world.put(SAMPLE, ours)
    removed = result_of(ours, "Removing")  # it was not deleted
    asked = result_of(ours, request="never asked")
    assert (await bench.work(old, result_of(foreign), removed, asked, Result("nobody", 1, "Available")))[0] == 200
    assert [bench.ingests.latest(f"uid-{name}") for name in ("ours", "foreign")] == [None, None]


@pytest.mark.parametrize(
    "body",
    [
        {}, [], "x", None, {"lane": "other"}, {"lane": SINGLES, "results": {}},
        {"lane": SINGLES, "needs": {"secrets": 7}},
        {"lane": SINGLES, "results": [{}]}, {"lane": SINGLES, "results": [{"reason": "Fine"}]},
        {"lane": SINGLES, "results": [None]}, {"lane": SINGLES, "needs": {"secrets": ["x" * 999]}},
        {"lane": SINGLES, "results": [{"reason": "Available", "first": [{"key": "a" * 999, "code": ""}]}]},
    ],
)  # fmt: skip
async def test_bodies_that_are_none(bench: Bench, body: Any) -> None:
    assert (await bench.post(names.INGEST_WORK_PATH, body))[0] == 400


async def test_what_may_heal_is_handed_out_later_and_later(bench: Bench) -> None:
    body = bench.world.guarded("away")
    place = ("lab", "mnist")
    rests = []
    for _ in range(4):
        assert len((await bench.work())[1]["tasks"]) == 1
        assert (await bench.work(result_of(body, "SourceUnavailable")))[1]["tasks"] == []
        until = bench.world.roster.resting_until(bench.world.cache.get(SAMPLE, "uid-away") or {})
        assert until is not None
        bench.world.roster.first(place, 1, until)  # time passes
        rests.append(until)
    assert rests == sorted(rests)
    assert bench.ingests._failures["uid-away"] == 4


async def test_a_permit_is_for_this_data_set_and_says_when_to_stop(bench: Bench) -> None:
    body = bench.world.guarded("one")
    status, answer = await bench.post(names.INGEST_GRANT_PATH, {"uid": "uid-one", "generation": 1})
    assert (status, answer["stop"]) == (200, False)
    granted = verify(answer["grant"], {"operator": PUBLIC}, "uid-mnist", WRITE, time.time())
    assert granted.issuer == "operator"
    with pytest.raises(GrantRefused):
        verify(answer["grant"], {"operator": PUBLIC}, "uid-other", WRITE, time.time())
    bench.world.delete(body)
    assert (await bench.post(names.INGEST_GRANT_PATH, {"uid": "uid-one", "generation": 1}))[1]["stop"]
    assert (await bench.post(names.INGEST_GRANT_PATH, {"uid": 7}))[0] == 400
