"""controllers/streams.py: what kopf would end for becomes a broken connection; everything else passes as it is."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from controllers import streams
from controllers.streams import Streams, sound

EVENT = b'{"type":"ADDED","object":{"metadata":{"name":"ERROR"}}}\n'
TALKS = b'{"type":"ADDED","object":{"metadata":{"name":"x"},"status":{"reason":"ERROR"}}}\n'
EXPIRED = b'{"type":"ERROR","object":{"code":410,"message":"too old"}}\n'
BROKEN = b'{"type": "ERROR", "object": {"code": 500, "message": "etcd is slow"}}\n'


@pytest.mark.parametrize(
    ("lines", "good", "why"),
    [
        (EVENT + EVENT, EVENT + EVENT, ""),
        (TALKS, TALKS, ""),
        (EVENT + EXPIRED, EVENT + EXPIRED, ""),  # kopf lists anew
        (BROKEN + EVENT, b"", "500 etcd is slow"),
        (EVENT + TALKS + BROKEN, EVENT + TALKS, "500 etcd is slow"),
        (b'{"type":"ERROR"}\n', b"", "None None"),
    ],
)
def test_what_of_a_watch_is_sound(lines: bytes, good: bytes, why: str) -> None:
    assert sound(lines) == (good, why)


@asynccontextmanager
async def answering(handler: Callable[[web.Request, web.StreamResponse], object]) -> AsyncIterator[str]:
    """A server; its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def read(session: aiohttp.ClientSession, url: str) -> bytes:
    """A watch, as kopf reads it."""
    found = b""
    async with session.get(url, params={"watch": "true"}) as answer:
        async for chunk in answer.content.iter_chunked(1 << 20):
            found += chunk
    return found


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([EVENT, BROKEN], "etcd is slow"),
        ([EVENT[:20], EVENT[20:] + BROKEN[:5], BROKEN[5:]], "etcd is slow"),
        ([EVENT, EVENT[:20]], "within a line"),
        ([], "it ended as soon as it began"),
    ],
)
async def test_a_stream_that_goes_wrong_is_a_broken_connection(
    monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], why: str
) -> None:
    monkeypatch.setattr(streams, "LONGEST_PAUSE", 0.01)

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for piece in pieces:
            await answer.write(piece)
        return answer

    async with answering(handler) as url, Streams().session(ssl.create_default_context(), {}) as session:  # type: ignore[arg-type]
        with pytest.raises(aiohttp.ClientPayloadError, match=why):
            await read(session, url)


async def test_a_sound_stream_passes_and_so_does_every_other_answer() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=EVENT + EXPIRED + (b"" if "watch" in request.query else BROKEN[:9]))

    async with answering(handler) as url, Streams().session(ssl.create_default_context(), {"A": "b"}) as session:  # type: ignore[arg-type]
        assert await read(session, url) == EVENT + EXPIRED
        async with session.get(url) as answer:
            assert await answer.read() == EVENT + EXPIRED + BROKEN[:9]


async def test_an_expired_list_is_begun_anew_and_an_expired_watch_is_kopfs() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=410)

    async with answering(handler) as url, Streams().session(ssl.create_default_context(), {}) as session:  # type: ignore[arg-type]
        with pytest.raises(aiohttp.ClientPayloadError, match="expired"):
            await session.get(url, params={"limit": "500"})
        async with session.get(url, params={"watch": "true"}) as answer:
            assert answer.status == 410


@pytest.mark.parametrize(("status", "why"), [(403, "ClusterRole"), (404, "CustomResourceDefinition")])
async def test_a_kind_that_is_taken_away_is_asked_for_again_and_discovery_is_kopfs(status: int, why: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with answering(handler) as url, Streams().session(ssl.create_default_context(), {}) as session:  # type: ignore[arg-type]
        for query in ({"limit": "500"}, {"watch": "true"}):
            with pytest.raises(aiohttp.ClientPayloadError, match=why):
                await session.get(url, params=query)
        async with session.get(url) as answer:
            assert answer.status == status
