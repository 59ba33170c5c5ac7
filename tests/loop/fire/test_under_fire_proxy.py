"""The proxy before the API server itself: what it lets through, what it does to what, and that it tells."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from kubernetes.aio import client as kube_client

from blueno.errors import Conflict, Unavailable
from blueno.kube import Cluster
from blueno.resources.api import DATASETS, JOBS, PODS
from tests.fakes.api_server import ApiServer
from tests.fakes.certificate import self_signed
from tests.make import a_body
from tests.proxies.api import ApiProxy, Upstream
from tests.proxies.lines import Garbler
from tests.proxies.rules import Answer, CutAfter, CutBefore, Garble, Meanwhile, Twice, call_of

JOB = {"kind": "Job", "metadata": {"name": "j", "namespace": "lab"}}


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    async with ApiServer().serving() as server:
        yield server


@pytest.fixture
async def proxy(api: ApiServer) -> AsyncIterator[ApiProxy]:
    async with ApiProxy(Upstream(api.url)).serving() as started:
        yield started


@pytest.fixture
async def cluster(proxy: ApiProxy) -> AsyncIterator[Cluster]:
    client = Cluster(kube_client.Configuration(host=proxy.url))
    yield client
    await client.close()


@pytest.mark.parametrize(
    ("verb", "path", "query", "call"),
    [
        ("GET", "/api/v1/namespaces/lab/pods/p", {}, ("GET", "pods", "lab", "p")),
        ("GET", "/api/v1/pods", {}, ("LIST", "pods", "", "")),
        ("GET", "/apis/batch/v1/namespaces/lab/jobs", {"watch": "true"}, ("WATCH", "jobs", "lab", "")),
        ("PATCH", "/apis/x.y/v1/namespaces/lab/sets/s/status", {}, ("PATCH", "sets/status", "lab", "s")),
        ("GET", "/api/v1/persistentvolumes/pv", {}, ("GET", "persistentvolumes", "", "pv")),
        ("GET", "/api/v1/namespaces", {}, ("LIST", "namespaces", "", "")),
        ("GET", "/api/v1/namespaces/lab", {}, ("GET", "namespaces", "", "lab")),
        ("GET", "/apis/batch/v1", {}, ("GET", "", "", "")),
        ("GET", "/version", {}, ("GET", "", "", "")),
    ],
)
def test_what_a_request_is(verb: str, path: str, query: dict[str, str], call: tuple[str, ...]) -> None:
    found = call_of(verb, path, query, None)
    assert (found.verb, found.kind, found.namespace, found.name) == call


async def test_a_fault_that_never_fires_fails_the_test(proxy: ApiProxy, cluster: Cluster) -> None:
    with pytest.raises(AssertionError, match="never fired"), proxy.fault(Answer(500), "DELETE", kinds=("jobs",)):
        await cluster.create(JOBS, JOB)
    proxy.rules.clear()


async def test_by_verb_and_kind_from_the_first_call_on_so_many_times(proxy: ApiProxy, cluster: Cluster) -> None:
    with proxy.fault(Answer(429, retry_after=7), "GET", kinds=("jobs",), first=2, times=2) as rule:
        assert await cluster.get(PODS, "lab", "x") is None
        assert await cluster.get(JOBS, "lab", "x") is None
        for _ in range(2):
            with pytest.raises(Unavailable) as refused:
                await cluster.get(JOBS, "lab", "x")
            assert refused.value.retry_after == 7
        assert await cluster.get(JOBS, "lab", "x") is None
        assert (rule.fired, rule.healed.is_set()) == (2, True)


async def test_before_after_and_twice(api: ApiServer, proxy: ApiProxy, cluster: Cluster) -> None:
    with proxy.fault(CutBefore(), "POST", times=1), pytest.raises(Unavailable):
        await cluster.create(JOBS, JOB)
    assert api.all("Job") == []
    with proxy.fault(CutAfter(), "POST", times=1), pytest.raises(Unavailable):
        await cluster.create(JOBS, JOB)
    assert len(api.all("Job")) == 1
    api.remove("Job", "j")
    with proxy.fault(Twice(), "POST", times=1), pytest.raises(Conflict):
        await cluster.create(JOBS, JOB)
    done: list[int] = []
    with proxy.fault(Meanwhile(lambda: done.append(len(api.all("Dataset")))), "POST", times=1):
        await cluster.create(DATASETS, {**a_body(), "status": {}})
    assert done == [1]


def test_lines_are_disturbed_by_dice_that_can_be_thrown_again() -> None:
    lines = [json.dumps({"type": "ADDED", "object": number}).encode() + b"\n" for number in range(300)]
    mark = b'{"type": "BOOKMARK"}\n'

    def passed(fault: Garble) -> tuple[list[bytes], int]:
        garbler = Garbler(fault, "one")
        return [got for line in [*lines, mark] for got in garbler.pass_on(line)], garbler.disturbed

    assert passed(Garble(1, drop=0, repeat=0, swap=0)) == ([*lines, mark], 0)
    assert passed(Garble(1)) == passed(Garble(1)) != passed(Garble(2))
    swapped, count = passed(Garble(1, drop=0, repeat=0, swap=0.5))
    assert count > 50
    assert swapped != [*lines, mark]
    assert sorted(swapped) == sorted([*lines, mark]), "none is lost, none is double"
    dropped, count = passed(Garble(1, drop=0.5, repeat=0, swap=0))
    assert len(dropped) == len(lines) + 1 - count
    repeated, count = passed(Garble(1, drop=0, repeat=0.5, swap=0))
    assert len(repeated) == len(lines) + 1 + count


async def test_a_real_servers_authority_and_token_come_from_a_kubeconfig(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"who": request.headers.get("Authorization")})

    certificate = self_signed(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    server = {"server": f"https://127.0.0.1:{runner.addresses[0][1]}", "certificate-authority": str(certificate)}
    config = {
        "clusters": [{"name": "c", "cluster": server}],
        "users": [{"name": "u", "user": {"token": "of-the-config"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config))
    async with ApiProxy(await Upstream.of_kubeconfig(file)).serving() as proxy, aiohttp.ClientSession() as client:
        for sent, seen in (({}, "Bearer of-the-config"), ({"Authorization": "Bearer mine"}, "Bearer mine")):
            async with client.get(f"{proxy.url}/api/v1/pods", headers=sent) as answer:
                assert await answer.json() == {"who": seen}
    await runner.cleanup()
