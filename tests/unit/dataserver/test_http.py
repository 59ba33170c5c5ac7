"""The HTTP layer by hand: malformed requests, bodies, slow senders and readers, too many at once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from blueno.dataserver import stream
from blueno.dataserver.listen import Limits
from tests.fakes.data_server import Served, bearer, serving
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import npy, tar


async def raw(served: Served, data: bytes, seconds: float = 30.0) -> bytes:
    """Sends bytes, reads until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        async with asyncio.timeout(seconds):
            writer.write(data)
            return await reader.read()
    finally:
        writer.close()


def request(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    grant = f"Authorization: {bearer()['Authorization']}"
    lines = [f"{method} {path} HTTP/{version}", "Host: x", grant, "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


MALFORMED = {
    "no http": b"hello\r\n\r\n",
    "http/0.9": b"GET /v1/versions\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
    "nul in the path": b"GET /v1/\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "long line": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "long header": b"GET /v1/versions HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    "many headers": b"GET /v1/versions HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(1000)) + b"\r\n",
    "two lengths": b"POST /v1/versions HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_requests(digit_server: Served, data: bytes) -> None:
    answer = await raw(digit_server, data)
    assert answer.startswith(b"HTTP/"), answer[:200]
    assert answer[9:12] in (b"400", b"401", b"413"), answer[:200]
    assert b"Traceback" not in answer
    assert (await digit_server.get("/healthz")).status == 200


async def test_bodies_are_not_read(digit_server: Served) -> None:
    for headers in (("Content-Length: 1000000000",), ("Transfer-Encoding: chunked",), ("Content-Length: 3",)):
        for method in ("GET", "POST"):
            answer = await raw(digit_server, request("/v1/versions", *headers, method=method))
            assert answer.startswith(b"HTTP/1.1 413"), answer[:200]
            assert b"no_body" in answer
    expecting = await raw(digit_server, request("/v1/versions", "Content-Length: 5", "Expect: 100-continue"))
    assert b"413" in expecting
    bomb = request("/v1/versions", "Content-Encoding: gzip", "Content-Length: 20") + b"\x1f\x8b" + b"\0" * 18
    assert (await raw(digit_server, bomb)).startswith(b"HTTP/1.1 413")


async def test_odd_but_legal_requests(digit_server: Served) -> None:
    for path in ("http://other.example/v1/versions", "/v1/versions", "/v1/versions#part"):
        assert (await raw(digit_server, request(path))).startswith(b"HTTP/1.1 200"), path
    assert (await raw(digit_server, request("/v1/versions", version="1.0"))).startswith(b"HTTP/1.0 200")
    assert (await raw(digit_server, request("/v1//versions"))).startswith(b"HTTP/1.1 404")
    assert (await raw(digit_server, request("*", method="OPTIONS")))[9:10] == b"4"
    many = await raw(digit_server, request("/v1/versions", "X-HTTP-Method-Override: DELETE"))
    assert many.startswith(b"HTTP/1.1 200")
    two = await raw(digit_server, request("/v1/versions", "Authorization: Bearer x"))
    assert two.startswith(b"HTTP/1.1 403")


async def test_slow_senders_are_cut_off_and_disturb_nobody(digits: Place) -> None:
    async with serving(digits, Limits(idle_seconds=0.6)) as served:
        slow = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(60)]
        for number, (_, writer) in enumerate(slow):
            if number % 3:
                writer.write(b"GET /v1/versions HTTP/1.1\r\nX-Slow: ")

        async def drip(writer: asyncio.StreamWriter) -> None:
            while not writer.is_closing():
                writer.write(b"a")
                await asyncio.sleep(0.05)

        drips = [asyncio.create_task(drip(writer)) for number, (_, writer) in enumerate(slow) if number % 3 == 2]
        version = await served.version()
        for _ in range(10):
            assert (await served.get(f"{version}/sheet?rows=0-99")).status == 200
        async with asyncio.timeout(60):
            ends = await asyncio.gather(*(reader.read() for reader, _ in slow), return_exceptions=True)
        assert all(isinstance(end, ConnectionError) or b"200 OK" not in end for end in ends)
        for task in drips:
            task.cancel()
        for _, writer in slow:
            writer.close()


async def test_a_slow_reader_holds_no_thread_and_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PIECE_SECONDS", 0.5)
    cut, real = asyncio.Event(), stream._all_or_nothing

    @contextmanager
    def watched(request: Any) -> Iterator[None]:
        try:
            with real(request):
                yield
        except ConnectionResetError:
            cut.set()
            raise

    monkeypatch.setattr(stream, "_all_or_nothing", watched)
    place = Place(tmp_path)
    size = 24 << 20  # more than the kernel keeps for a connection
    place.sealed(archive_work(place.put("in.tar", tar({"x/a.npy": npy(np.zeros((8, size // 8), "u1"))}, ""))))
    async with serving(place, Limits(threads=1)) as served:
        version = await served.version()
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", served.port))
        reader, writer = await asyncio.open_connection(sock=client, limit=64)
        writer.write(request(f"{version}/samples/0/raw"))
        assert (await reader.readexactly(15)) == b"HTTP/1.1 200 OK"
        for _ in range(5):
            assert (await served.get(f"{version}/sheet?rows=0")).status == 200
        async with asyncio.timeout(30):
            await cut.wait()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            async with asyncio.timeout(30):
                await reader.readexactly(size)
        writer.close()


async def connected(served: Served) -> asyncio.StreamWriter:
    """A connection that the server is known to have: it has answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
    return writer


async def test_one_connection_too_many_is_told_so(digits: Place) -> None:
    async with serving(digits, Limits(connections=5)) as served:
        held = [await connected(served) for _ in range(5)]
        answer = await raw(served, b"")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After: 1" in answer
        for writer in held:
            writer.close()
        async with asyncio.timeout(30):
            while (await served.get("/healthz")).status != 200:  # noqa: ASYNC110  # it tells nobody that it has room
                await asyncio.sleep(0.01)


async def test_many_at_once(digits: Place) -> None:
    """More than fit are refused with 503 and Retry-After; none is lost, none fails otherwise."""
    async with serving(digits, Limits(threads=2, waiting=4)) as served:
        version = await served.version()
        connector = aiohttp.TCPConnector(limit=60)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def one(row: int) -> int:
                url = f"{served.url}{version}/sheet?rows={row % 120}-{row % 120},0-99&cell=8"
                async with session.get(url, headers=served.headers) as answer:
                    await answer.read()
                    assert answer.status == 200 or "Retry-After" in answer.headers
                    return answer.status

            statuses = await asyncio.gather(*(one(n) for n in range(200)))
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) > 5
