"""The recorder's reading side: real data servers, and ones that lie, stall and break off."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from blueno.data.manifest import DataFile
from blueno.errors import Unavailable
from blueno.recorder import dataserver
from blueno.recorder.dataserver import DataServer, VersionUnusable
from tests.fakes.data_server import PRIVATE, serving
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, tar

DIGEST = "ab" * 32


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "recorder.key"
    path.write_bytes(PRIVATE["recorder"])
    return path


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Liar:
    """Answers every path with `handler`."""

    def __init__(self, session: aiohttp.ClientSession, key: Path) -> None:
        self.handler: Handler = self._nothing
        self._session, self._key = session, key
        self.server: DataServer

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/{tail:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.server = DataServer(self._session, f"http://127.0.0.1:{runner.addresses[0][1]}", "uid-1", self._key)
        return runner

    def says(self, body: Any, status: int = 200) -> None:
        async def handler(_: web.Request) -> web.Response:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            return web.Response(body=data, status=status)

        self.handler = handler

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        return await self.handler(request)

    async def _nothing(self, _: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound


@pytest_asyncio.fixture
async def liar(session: aiohttp.ClientSession, key: Path) -> AsyncIterator[Liar]:
    made = Liar(session, key)
    runner = await made.start()
    yield made
    await runner.cleanup()


async def test_a_real_data_server(session: aiohttp.ClientSession, key: Path, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    place = Place(tmp_path / "place")
    outcome = place.sealed(archive_work(place.put("in.tar", tar(class_folders(5), ""))))
    async with serving(place) as served:
        server = DataServer(session, served.url, "uid-1", key)
        await server.ready(60)
        (version,) = await server.versions()
        assert (version.digest, version.sequence, version.samples) == (outcome.digest, 1, 10)
        assert version.sealed_at.tzinfo is not None
        manifest, index = await server.manifest(version.digest)
        assert manifest["splits"] == [{"name": "train", "samples": 10}]
        target = tmp_path / "index.arrow"
        await server.save_index(version.digest, index, target)
        assert target.read_bytes() == (place.version(outcome) / "index.arrow").read_bytes()
        for wrong in (replace(index, sha256="0" * 64), replace(index, bytes=index.bytes + 1), replace(index, bytes=5)):
            with pytest.raises(VersionUnusable, match=r"index\.arrow"):
                await server.save_index(version.digest, wrong, target)
        with pytest.raises(VersionUnusable, match="no version"):
            await server.manifest("0" * 64)
        with pytest.raises(Unavailable, match="grant is not valid"):
            await DataServer(session, served.url, "uid-2", key).versions()
        (place.version(outcome) / "index.arrow").unlink()
        with pytest.raises(VersionUnusable, match="not there any more"):
            await server.save_index(version.digest, index, target)


@pytest.mark.parametrize("content", [None, b"", b"not a key"])
def test_a_key_that_is_not_there_yet(key: Path, content: bytes | None) -> None:
    key.unlink()
    if content is not None:
        key.write_bytes(content)

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            await DataServer(session, "http://127.0.0.1:9", "uid-1", key).versions()

    with pytest.raises(Unavailable, match=r"recorder\.key"):
        asyncio.run(ask())


async def test_a_data_server_that_never_comes_up(session: aiohttp.ClientSession, key: Path, liar: Liar) -> None:
    nobody = DataServer(session, "http://127.0.0.1:9", "uid-1", key)
    with pytest.raises(Unavailable, match=r"not ready within 0\.3 s: it does not answer"):
        await nobody.ready(0.3)
    with pytest.raises(Unavailable, match="broke off"):
        await nobody.versions()
    liar.says({"detail": "is its volume mounted?"}, 503)
    with pytest.raises(Unavailable, match="is its volume mounted"):
        await liar.server.ready(0.3)
    liar.says(b"<html>", 502)
    with pytest.raises(Unavailable, match="HTTP 502"):
        await liar.server.ready(0.3)


GOOD = {"digest": DIGEST, "sequence": 1, "sealedAt": "2026-01-01T00:00:00Z", "samples": 1, "bytes": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"[" * 100_000, {}, {"versions": None}, {"versions": [None]}, {"versions": ["x"]},
        *({"versions": [{**GOOD, field: value}]} for field, value in [
            ("digest", "x"), ("digest", DIGEST.upper()), ("digest", None), ("sequence", -1), ("sequence", True),
            ("sequence", 2**70), ("sequence", "1"), ("sealedAt", "yesterday"), ("sealedAt", None), ("samples", 1.5),
            ("bytes", None),
        ]),
    ],
)  # fmt: skip
async def test_lists_that_make_no_sense(liar: Liar, body: Any) -> None:
    liar.says(body)
    with pytest.raises(Unavailable):
        await liar.server.versions()


async def test_a_list_as_it_should_be(liar: Liar) -> None:
    liar.says({"versions": [GOOD]})
    assert [version.digest for version in await liar.server.versions()] == [DIGEST]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"digest": DIGEST},
        {"digest": "0" * 64, "index": {"name": "index.arrow", "bytes": 1, "sha256": "0" * 64}},
        {"digest": DIGEST, "index": {"name": "index.arrow", "bytes": -1, "sha256": "0" * 64}},
        {"digest": DIGEST, "index": {"name": "index.arrow", "bytes": 1, "sha256": "x"}},
        {"digest": DIGEST, "index": {"name": "index.arrow", "bytes": None, "sha256": "0" * 64}},
        {"digest": DIGEST, "index": []},
    ],
)
async def test_manifests_that_make_no_sense(liar: Liar, body: Any) -> None:
    liar.says(body)
    with pytest.raises(VersionUnusable, match="not readable"):
        await liar.server.manifest(DIGEST)


async def test_answers_without_an_end_are_not_kept(liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataserver, "MANIFEST_BYTES", 1 << 20)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    liar.handler = endless
    with pytest.raises(VersionUnusable, match="more than"):
        await liar.server.manifest(DIGEST)


async def test_an_index_that_breaks_off_is_worth_another_try(liar: Liar, tmp_path: Path) -> None:
    data = b"x" * 500_000
    index = DataFile("index.arrow", len(data), hashlib.sha256(data).hexdigest())

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(data)
        await response.prepare(request)
        await response.write(data[:200_000])
        assert request.transport is not None
        request.transport.abort()
        return response

    liar.handler = half
    with pytest.raises(Unavailable, match="broke off"):
        await liar.server.save_index(DIGEST, index, tmp_path / "i")
    liar.says(data)
    await liar.server.save_index(DIGEST, index, tmp_path / "i")
    assert (tmp_path / "i").read_bytes() == data


async def test_silence_in_the_middle_has_an_end(liar: Liar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataserver, "SILENCE_SECONDS", 0.3)

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 100
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.sleep(60)
        return response

    liar.handler = silent
    with pytest.raises(Unavailable, match="broke off"):
        await liar.server.save_index(DIGEST, DataFile("index.arrow", 100, "0" * 64), tmp_path / "i")


@pytest.mark.parametrize(("status", "kind"), [(404, VersionUnusable), (409, VersionUnusable), (410, VersionUnusable),
                                              (401, Unavailable), (403, Unavailable), (500, Unavailable),
                                              (503, Unavailable), (302, Unavailable), (206, Unavailable)])  # fmt: skip
async def test_refusals(liar: Liar, status: int, kind: type[Exception]) -> None:
    liar.says({"detail": "the reason"}, status)
    with pytest.raises(kind, match="the reason"):
        await liar.server.manifest(DIGEST)
