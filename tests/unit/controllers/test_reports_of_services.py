"""controllers/reports.py over HTTP: the web process and the recorder, known by their ServiceAccounts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from blueno import names
from blueno.kube import Cluster
from controllers import reports as module
from controllers.answers import BODY_LIMIT
from controllers.cache import Cache
from controllers.demand import LEASE_SECONDS, Demand
from controllers.queue import WorkQueue
from controllers.reports import Reports
from tests.fakes.api_server import ApiServer
from tests.make import UID, VERSION, a_body, a_status

SYSTEM = names.SYSTEM_NAMESPACE
DIGEST = str(VERSION["digest"])
ROUTES = {  # route: (who may, a good body)
    "looked": (names.WEB, {"datasets": [UID]}),
    "index": (names.RECORDER, {"dataset": UID}),
    "index/done": (names.RECORDER, {"dataset": UID}),
    "indexed": (names.RECORDER, {"dataset": UID, "digest": DIGEST, "state": "Indexed", "rows": 7}),
}


class Bench:
    """The endpoint, a sealed Dataset in the cache, and tokens by the name of their account."""

    def __init__(self, api: ApiServer, cluster: Cluster, cache: Cache) -> None:
        self.api, self.cache = api, cache
        self.queue = WorkQueue(asyncio.get_running_loop().time)
        self.demand = Demand(900)
        self.reports = Reports(cluster, cache, self.queue, self.demand, SYSTEM)
        app = web.Application(client_max_size=BODY_LIMIT)
        app.add_routes(self.reports.routes())
        self.client: TestClient[web.Request, web.Application] = TestClient(TestServer(app))
        cache.upsert("Dataset", a_body(status=a_status("Sealed")))
        for namespace in (SYSTEM, "lab"):
            for account in (names.WEB, names.RECORDER, "default"):
                user = {"username": f"system:serviceaccount:{namespace}:{account}"}
                review = {"authenticated": True, "audiences": [names.REPORT_AUDIENCE], "user": user}
                api.tokens[f"{namespace}/{account}"] = review

    async def post(self, route: str, body: Any = None, token: str = "") -> ClientResponse:
        account, good = ROUTES[route]
        data = body if isinstance(body, bytes) else json.dumps(good if body is None else body)
        headers = {"Authorization": f"Bearer {token or f'{SYSTEM}/{account}'}"}
        return await self.client.post(f"/v1/{route}", data=data, headers=headers)

    def wanted(self) -> bool:
        return self.demand.until(UID, datetime.now(UTC)) is not None


@pytest.fixture
async def bench(api: ApiServer, cluster: Cluster, cache: Cache) -> AsyncIterator[Bench]:
    bench = Bench(api, cluster, cache)
    async with bench.client:
        yield bench


@pytest.mark.parametrize("route", ROUTES)
async def test_only_the_right_account_of_our_own_namespace(bench: Bench, route: str) -> None:
    allowed = f"{SYSTEM}/{ROUTES[route][0]}"
    for token in [*bench.api.tokens, "nonsense"]:
        answer = await bench.post(route, token=token)
        assert (answer.status != 401) is (token == allowed), token
        if answer.status == 401:
            assert answer.content_type == "application/problem+json"
    assert (await bench.client.post(f"/v1/{route}", data="{}")).status == 401


async def test_an_account_speaks_for_no_pod(bench: Bench) -> None:
    headers = {"Authorization": f"Bearer {SYSTEM}/{names.WEB}"}
    assert (await bench.client.post("/v1/progress", data="{}", headers=headers)).status == 401


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"{}", b"\xff", b"[" * 4000, b'{"dataset": 7}'])
async def test_a_hostile_body_is_400_and_changes_nothing(bench: Bench, route: str, raw: bytes) -> None:
    assert (await bench.post(route, raw)).status == 400
    assert not bench.wanted()
    assert bench.reports.latest(UID).index is None


GOOD = ROUTES["indexed"][1]


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "1a2b"},
        {"digest": DIGEST.upper()},
        {"digest": DIGEST + "\n"},
        {"state": "Sealed"},
        {"state": ["Indexed"]},
        {"rows": -1},
        {"rows": 1.5},
        {"rows": True},
        {"rows": 1 << 70},
        {"message": "x" * 513},
        {"message": None},
        {"dataset": "x" * 65},
    ],
    ids=str,
)
async def test_a_report_out_of_bounds_is_400(bench: Bench, change: dict[str, Any]) -> None:
    assert (await bench.post("indexed", {**GOOD, **change})).status == 400
    assert bench.reports.latest(UID).index is None


@pytest.mark.parametrize("datasets", [UID, [UID] * 101, [7], None])
async def test_what_is_no_list_of_uids_is_400(bench: Bench, datasets: Any) -> None:
    assert (await bench.post("looked", {"datasets": datasets})).status == 400
    assert not bench.wanted()


@pytest.mark.parametrize("route", ROUTES)
async def test_an_unknown_dataset_is_404(bench: Bench, route: str) -> None:
    bench.cache.remove("Dataset", UID)
    assert (await bench.post(route)).status == 404
    assert not bench.wanted()


async def test_a_look_wakes_the_data_server_once(bench: Bench) -> None:
    assert (await bench.post("looked", {"datasets": [UID, "deleted-meanwhile"]})).status == 204
    assert await bench.queue.take() == ("Dataset", UID)
    bench.queue.done(("Dataset", UID))
    until = bench.reports.latest(UID).serve_until
    assert until is not None
    assert (await bench.post("looked")).status == 204
    assert len(bench.queue) == 0
    again = bench.reports.latest(UID).serve_until
    assert again is not None
    assert again > until
    assert len(bench.demand) == 1  # nothing is kept for what does not exist


async def test_nobody_looks_at_nothing(bench: Bench) -> None:
    assert (await bench.post("looked", {"datasets": []})).status == 204


async def test_the_recorder_gets_and_gives_back_a_lease(bench: Bench) -> None:
    answer = await bench.post("index")
    assert await answer.json() == {"granted": True, "retryAfterSeconds": 0}
    assert await bench.queue.take() == ("Dataset", UID)
    bench.queue.done(("Dataset", UID))
    assert bench.wanted()
    assert (await bench.post("index/done")).status == 204
    assert not bench.wanted()
    assert await bench.queue.take() == ("Dataset", UID)


async def test_a_fifth_data_set_has_to_wait(bench: Bench) -> None:
    for number in range(4):
        assert bench.demand.lease(f"other-{number}", datetime.now(UTC)) == 0
    answer = await (await bench.post("index")).json()
    assert answer["granted"] is False
    assert 1 <= answer["retryAfterSeconds"] <= LEASE_SECONDS
    assert not bench.wanted()


@pytest.mark.parametrize(
    "changes",
    [{"status": a_status()}, {"status": a_status("Sealed"), "meta": {"deletionTimestamp": "2026-03-01T11:59:50Z"}}],
    ids=["nothing is sealed", "on its way out"],
)
async def test_what_cannot_be_read_takes_no_lease(bench: Bench, changes: dict[str, Any]) -> None:
    bench.cache.upsert(
        "Dataset", a_body(**{**changes, "meta": {"resourceVersion": "999999", **changes.get("meta", {})}})
    )
    answer = await (await bench.post("index")).json()
    assert answer == {"granted": False, "retryAfterSeconds": module.UNREADABLE_SECONDS}
    assert not bench.wanted()


async def test_what_the_recorder_says_of_the_current_version_is_kept(bench: Bench) -> None:
    assert (await bench.post("indexed", {**GOOD, "state": "Indexing"})).status == 204
    report = bench.reports.latest(UID).index
    assert report is not None
    assert (report.state, report.digest) == ("Indexing", DIGEST)
    assert await bench.queue.take() == ("Dataset", UID)
    bench.queue.done(("Dataset", UID))
    assert (await bench.post("indexed", {**GOOD, "digest": "f" * 64, "state": "Failed"})).status == 204
    assert bench.reports.latest(UID).index is report
    assert len(bench.queue) == 0


async def test_memory_follows_the_datasets(bench: Bench) -> None:
    for number in range(40):
        bench.reports._index[f"gone-{number}"] = bench.reports._index.get(UID)  # type: ignore[assignment]
    bench.demand.look([f"gone-{number}" for number in range(40)], datetime(2020, 1, 1, tzinfo=UTC))
    assert (await bench.post("indexed")).status == 204
    assert list(bench.reports._index) == [UID]
    assert len(bench.demand) == 0


CLAIM = {"namespace": "lab", "name": "blueno-outputs"}


def a_claim(**meta: Any) -> dict[str, Any]:
    labels = {names.ROLE_LABEL: names.ROLE_OUTPUTS}
    found = {**CLAIM, "uid": "claim-uid", "resourceVersion": "1", "labels": labels, **meta}
    return {"metadata": found, "spec": {"accessModes": ["ReadWriteMany"]}, "status": {"phase": "Bound"}}


async def test_somebody_looks_at_outputs(bench: Bench) -> None:
    looked = {"datasets": [], "claims": [CLAIM]}
    answer = await bench.post("looked", looked)
    assert (answer.status, "does not exist" in await answer.text()) == (200, True)
    bench.cache.upsert(names.CLAIM_KIND, a_claim())
    while len(bench.queue):
        bench.queue.done(await bench.queue.take())
    answer = await bench.post("looked", looked)
    assert await answer.json() == {"claims": [{**CLAIM, "message": ""}]}
    assert bench.demand.until("claim-uid", datetime.now(UTC)) is not None
    assert await bench.queue.take() == (names.CLAIM_KIND, "claim-uid")
    await bench.post("looked", looked)
    assert len(bench.queue) == 0, "it is known that somebody looks"


async def test_claims_of_others_are_never_wanted(bench: Bench) -> None:
    bench.cache.upsert(names.CLAIM_KIND, a_claim(labels={}))
    answer = await bench.post("looked", {"datasets": [], "claims": [CLAIM]})
    assert "no run in this cluster" in await answer.text()
    assert bench.demand.until("claim-uid", datetime.now(UTC)) is None


@pytest.mark.parametrize(
    "claims", [7, [7], [{}], [{"namespace": "lab"}], [{"namespace": 1, "name": "x"}], [CLAIM] * 101, {"a": 1}]
)
async def test_claims_that_are_none(bench: Bench, claims: Any) -> None:
    assert (await bench.post("looked", {"datasets": [], "claims": claims})).status == 400


async def test_a_hundred_claims_with_long_names_fit(bench: Bench) -> None:
    claims = [{"namespace": "n" * 63, "name": "c" * 253}] * 100
    assert (await bench.post("looked", {"datasets": [], "claims": claims})).status == 200
