"""AsyncClient does what Client does: the same methods, and what only asyncio asks of it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from blueno.client import (
    AsyncClient,
    AsyncDatasets,
    AsyncRuns,
    AsyncSamples,
    AsyncUsers,
    Client,
    Datasets,
    Runs,
    Samples,
    Users,
    datasets,
)
from blueno.client.exchange import Limits
from blueno.client.http_async import AsyncHttp
from blueno.errors import BluenoError, NotFound, Unavailable
from tests.fakes.datasets_api import DatasetsApi, dataset, running, sample
from tests.fakes.runs_api import TOKEN, problem


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DatasetsApi]:
    monkeypatch.setattr(datasets, "LOOK", 0.02)
    with running() as server:
        yield server


def away(status: int = 503) -> Any:
    async def answer(_: web.Request) -> web.StreamResponse:
        return problem(status, "x", "not now")

    return answer


def test_the_twin_has_the_same_methods() -> None:
    pairs: list[tuple[type, type]] = [(Runs, AsyncRuns), (Datasets, AsyncDatasets), (Samples, AsyncSamples)]
    for face, inner in [*pairs, (Users, AsyncUsers)]:
        public = {name for name in vars(inner) if not name.startswith("_")}
        assert public == {name for name in vars(face) if not name.startswith("_")}
        for name in public:
            assert inspect.signature(getattr(face, name)) == inspect.signature(getattr(inner, name))
    ours = {name for name in dir(Client) if not name.startswith("_")}
    assert ours == {name for name in dir(AsyncClient) if not name.startswith("_")}


async def test_the_twin(server: DatasetsApi) -> None:
    async with AsyncClient(server.url, TOKEN) as client:
        made = await client.datasets.create({"spec": {"source": {"upload": {}}}}, name="x")
        server.datasets["default", "x"]["ready"] = True
        assert (await client.datasets.wait(made.name, timeout=60)).ready
        assert [one.name async for one in client.datasets.iterate()] == ["x"]
        server.samples = [sample(row) for row in range(3)]
        assert [one.key async for one in client.samples("x").iterate(limit=2)] == ["0000.png", "0001.png"]
        first, second = await asyncio.gather(client.datasets.get("x"), client.users.list())
        assert (first.name, second) == ("x", [])
        with pytest.raises(NotFound):
            await client.runs.get("nothing")
        with pytest.raises(NotFound):
            async for _ in client.runs.logs("nothing"):
                pytest.fail("there is no log")


async def test_the_twin_tries_again_and_gives_up_in_time(server: DatasetsApi) -> None:
    server.add(dataset())
    http = AsyncHttp(server.url, TOKEN, Limits(pause=0.01))
    client = AsyncDatasets(http)
    server.misbehave = [away()] * 3
    assert (await client.get("digits")).name == "digits"
    assert len(server.asked) == 4

    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await answer.write(b" " * 1_000_000)
        return answer

    impatient = AsyncHttp(server.url, TOKEN, Limits(wait=0.3, pause=0.01))
    server.misbehave = [silent] * 4
    with pytest.raises(Unavailable, match="does not answer"):
        await AsyncDatasets(impatient).get("digits")
    await impatient.close()
    server.misbehave = [endless]
    with pytest.raises(BluenoError, match="sends more than 32 MiB"):
        await client.get("digits")
    await http.close()


async def test_the_twin_can_be_cancelled(server: DatasetsApi) -> None:
    server.add(dataset(ready=False))
    looked = asyncio.Event()
    async with AsyncClient(server.url, TOKEN) as client:
        task = asyncio.ensure_future(client.datasets.wait("digits", seen=lambda _: looked.set()))
        await looked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
