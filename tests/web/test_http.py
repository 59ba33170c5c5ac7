"""HTTP as attackers and broken clients speak it, byte by byte: a proper status or a close, soon, and the server lives
on.

The site's limits are shortened where a test would have to wait for them; what they are in truth is asserted at the
end.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.conftest import StartSite
from tests.web.site import Site, eventually
from webui import api, requests, server
from webui.proxies import Proxies, parse_networks
from webui.routes import Permission

PATIENCE = 8.0  # seconds within which every exchange must have ended
ASK = b"GET /api/v1/setup HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def hasty(monkeypatch: pytest.MonkeyPatch, site: Site) -> Site:
    """A site whose limits are one second."""
    monkeypatch.setattr(server, "IDLE_SECONDS", 1.0)
    monkeypatch.setattr(server, "WRITE_SECONDS", 1.0)
    monkeypatch.setattr(requests.Patience, "first_seconds", 1.0)
    monkeypatch.setattr(requests.Patience, "rate", 100_000.0)
    return site


async def exchange(site: Site, *pieces: bytes, pause: float = 0.0, half_close: bool = False) -> bytes:
    """Sends the pieces and reads until the server closes. Fails when it does not within PATIENCE."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
            if half_close:
                writer.write_eof()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/[01]\.[019] (\d{3}) ", answer)]


async def assert_alive(site: Site) -> None:
    reply = await site.browser().get("/healthz")
    assert reply.status == 200


def post(*headers: str, body: bytes = b"{}") -> bytes:
    lines = ["POST /api/v1/login HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "Connection: close"]).encode() + b"\r\n\r\n"


CHUNKED = "Transfer-Encoding: chunked"
CHUNK = b"1000\r\n" + b"a" * 4096 + b"\r\n"
JSON_ONLY = b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n%s\r\n\r\n{}"
UPGRADE = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x", "Connection: upgrade")

# What is sent, and the statuses that are right for it.
BROKEN: dict[str, tuple[bytes, list[int]]] = {
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100, [400]),
    "HTTP/0.9": (b"GET /\r\n\r\n", [400]),
    "HTTP/3.0": (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", [400]),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", [400]),
    "two hosts": (get("/", "Host: y"), [400]),
    "unknown method": (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", [405]),
    "trace": (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", [405]),
    "trace of the api": (b"TRACE /api/v1/login HTTP/1.1\r\nHost: x\r\n\r\n", [405]),
    "connect": (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", [404]),
    "options *": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", [404]),
    "put": (b"PUT /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", [405]),
    "method override": (get("/api/v1/tokens", "X-HTTP-Method-Override: DELETE"), [401]),
    "long header": (get("/", "X: " + "a" * 100_000), [431]),
    "long header name": (get("/", "a" * 100_000 + ": x"), [431]),
    "many headers": (get("/", *["a: b"] * 5000), [431]),
    "long path": (get("/" + "a" * 100_000), [414]),
    "long query": (get("/api/v1/setup?" + "a" * 7000), [414]),
    "NUL in a header": (get("/", "X: a\0b"), [400]),
    "folded header": (get("/", "X: a\r\n b"), [200, 400]),
    "NUL in the path": (get("/a\0b"), [400]),
    "%00": (get("/api/v1/datasets/a%00/b"), [400]),
    "%zz": (get("/api/v1/datasets/%zz/b"), [400]),
    "no UTF-8": (get("/api/v1/datasets/%ff/b"), [400]),
    "raw bytes in the path": (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", [400]),
    "%2e%2e": (get("/%2e%2e/%2e%2e/secret.txt"), [404]),
    "dots": (get("/assets/../../secret.txt"), [404]),
    "dots in one part": (get("/assets/..%2f..%2fsecret.txt"), [404]),
    "dots twice encoded": (get("/assets/%252e%252e/secret.txt"), [404]),
    "dots with semicolon": (get("/assets/..;/secret.txt"), [404]),
    "backslashes": (get("/assets/..%5c..%5csecret.txt"), [404]),
    "absolute form": (get("http://evil.example/api/v1/session"), [401]),
    "length and chunks": (post("Content-Length: 2", CHUNKED, body=b"0\r\n\r\n"), [400]),
    "two lengths": (post("Content-Length: 2", "Content-Length: 3"), [400]),
    "length -1": (post("Content-Length: -1"), [400]),
    "length 2^70": (post(f"Content-Length: {2**70}"), [400, 413]),
    "length 1 GB": (post(f"Content-Length: {10**9}"), [413]),
    "length of letters": (post("Content-Length: two"), [400]),
    "bad chunk": (post(CHUNKED, body=b"zz\r\nabc\r\n"), [400]),
    "bad chunk later": (post(CHUNKED, body=b"2\r\n{}\r\nzz\r\n"), [400]),
    "chunk of 2^70": (post(CHUNKED, body=b"f" * 20 + b"\r\nabc"), [400]),
    "endless chunks": (post(CHUNKED, body=CHUNK * 21), [413]),
    "unknown coding": (post("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), [400, 415]),
    "gzip body": (post("Content-Encoding: gzip", "Content-Length: 20", body=b"\x1f\x8b" + b"\0" * 18), [415]),
    "form body": (JSON_ONLY % b"Content-Type: application/x-www-form-urlencoded", [415]),
    "no type": (JSON_ONLY % b"X: y", [415]),
    "utf-16 body": (JSON_ONLY % b"Content-Type: application/json; charset=utf-16", [415]),
    "expect something": (post("Content-Length: 2", "Expect: a miracle"), [417]),
    "expect for a get": (get("/api/v1/setup", "Expect: 100-continue"), [417]),
    "body for a get": (get("/api/v1/setup", "Content-Length: 5") + b"hello", [413]),
    "websocket": (get("/api/v1/setup", *UPGRADE), [200]),
}


async def test_broken_requests(hasty: Site) -> None:
    answers = await asyncio.gather(*(exchange(hasty, sent) for sent, _ in BROKEN.values()))
    for (what, (_, expected)), answer in zip(BROKEN.items(), answers, strict=True):
        found = statuses(answer)
        assert found, f"{what}: closed without a word: {answer!r}"
        assert found[0] in expected, (what, found)
        assert all(status < 500 for status in found), (what, found)
        if found[0] >= 400:
            assert b"application/problem+json" in answer, what
            assert b"Content-Security-Policy: default-src 'none'" in answer, what
    await assert_alive(hasty)


SLOW = {
    "nothing at all": ((b"",), {}),
    "half a request line": ((b"GET / HT",), {}),
    "half the headers": ((b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ",), {}),
    "a header every 0.2 s": (tuple(b"X-%d: y\r\n" % n for n in range(30)), {"pause": 0.2}),
    "closed in the headers": ((b"GET / HTTP/1.1\r\nHost:",), {"half_close": True}),
    "no body": ((post("Content-Length: 1000", body=b""),), {}),
    "half a body": ((post("Content-Length: 1000", body=b"{"),), {}),
    "a body of 1 byte in 0.1 s": ((post("Content-Length: 1000", body=b""), *(b" " for _ in range(40))), {"pause": 0.1}),
    "closed in the body": ((post("Content-Length: 1000", body=b"{"),), {"half_close": True}),
    "no end of chunks": ((post("Transfer-Encoding: chunked", body=b"2\r\n{}\r\n"),), {}),
    "expects, then nothing": ((post("Content-Length: 1000", "Expect: 100-continue", body=b""),), {}),
}


async def test_slow_requests_end(hasty: Site) -> None:
    answers = await asyncio.gather(*(exchange(hasty, *pieces, **how) for pieces, how in SLOW.values()))
    for what, answer in zip(SLOW, answers, strict=True):
        assert [status for status in statuses(answer) if status != 100] in ([], [408], [400]), (what, answer)
    await assert_alive(hasty)


async def test_a_body_in_pieces_is_taken(site: Site) -> None:
    body = b'{"email": "a@b.c", "password": "x"}'
    head = post(f"Content-Length: {len(body)}", "Connection: close", body=b"")
    answer = await exchange(site, head, *(body[i : i + 1] for i in range(len(body))), pause=0.005)
    assert statuses(answer) == [401]


async def test_expect_continue_is_answered_when_the_body_is_wanted(site: Site) -> None:
    body = b'{"email": "a@b.c", "password": "x"}'
    head = post(f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close", body=b"")
    assert statuses(await exchange(site, head, body, pause=0.05)) == [100, 401]
    refused = post("Content-Length: 100000", "Expect: 100-continue", body=b"")
    assert statuses(await exchange(site, refused)) == [413], "no 100 for a body that is too large"


async def test_pipelined_requests_are_answered_in_order(site: Site) -> None:
    last = ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = await exchange(site, ASK * 40 + last)
    assert statuses(answer) == [200] * 41


async def test_a_smuggled_request_is_not_answered(hasty: Site) -> None:
    """What stands behind a refused body is no request of its own."""
    inner = b"GET /api/v1/setup HTTP/1.1\r\nHost: x\r\n\r\n"
    for head in (
        post("Content-Length: 4", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + inner),
        post(f"Content-Length: {len(inner)}", "Content-Encoding: gzip", body=inner),
        b"GET /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner,
    ):
        assert 200 not in statuses(await exchange(hasty, head))


async def test_who_reads_nothing_is_cut_off(hasty: Site, static_folder: Path) -> None:
    """A large answer to a client that does not read it."""
    (static_folder / "assets" / "large.bin").write_bytes(b"x" * (8 << 20))
    (static_folder / "index.html").write_text("<!doctype html><title>newer</title>")
    await hasty.browser().get("/")
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", hasty.port, limit=1024)
        writer.write(b"GET /assets/large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await reader.readline()
        before = hasty.process.services.metrics.connections._value.get()
        await eventually(lambda: hasty.process.services.metrics.connections._value.get() < before)
        writer.close()
    await assert_alive(hasty)


@pytest.fixture
async def idle(site: Site) -> AsyncIterator[list[asyncio.StreamWriter]]:
    opened: list[asyncio.StreamWriter] = []
    yield opened
    for writer in opened:
        writer.close()


async def test_connections_from_one_place_are_capped(
    site: Site, idle: list[asyncio.StreamWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_PER_PLACE", 20)
    readers = []
    for _ in range(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        idle.append(writer)
        readers.append(reader)
    async with asyncio.timeout(PATIENCE):
        refused = await asyncio.gather(*(reader.read() for reader in readers[20:]))
    assert all(statuses(answer) == [503] and b"Retry-After" in answer for answer in refused)
    for writer in idle[:10]:
        writer.close()
        await writer.wait_closed()
    await assert_alive(site)


async def test_a_proxy_of_ours_may_have_more(
    start_site: StartSite, idle: list[asyncio.StreamWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await start_site(proxies=Proxies(parse_networks("127.0.0.1", "X")))
    monkeypatch.setattr(server, "CONNECTIONS_PER_PLACE", 5)
    for _ in range(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        idle.append(writer)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")


async def test_every_route_refuses_other_methods(site: Site) -> None:
    browser = site.browser()
    paths = {route.path for route in api.ROUTES}
    for path in sorted(paths):
        known = {route.method for route in api.ROUTES if route.path == path}
        asked = path.format(namespace="lab", name="d", row=1, seq=1, email="a@b.c", id=1, dataset="d", sample="s")
        shared = {"PUT", "DELETE"} if path.endswith("/samples/count") else set()  # a sample may be called that
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - known - shared:
            reply = await browser.ask(method, asked)
            assert (reply.status, reply.code) == (405, "method_not_allowed"), (method, path)
            assert set(reply.headers["Allow"].split(", ")) - {"HEAD"} == known


async def test_head_is_get_without_a_body(site: Site) -> None:
    browser = await site.logged_in()
    for path in ("/", "/healthz", "/api/v1/session", "/api/v1/datasets", "/api/v1/events"):
        reply = await browser.ask("HEAD", path)
        assert (reply.status, reply.raw) == (200, b""), path


async def test_every_answer_carries_the_headers(site: Site) -> None:
    browser = site.browser()
    for path in (
        "/",
        "/assets/index-abc123.js",
        "/assets/none.js",
        "/api/v1/setup",
        "/api/v1/nothing",
        "/api/v1/session",
    ):
        headers = (await browser.get(path)).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'"), path
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Cross-Origin-Opener-Policy" not in headers, "over plain HTTP browsers only complain about it"
        assert headers["Server"] == "blueno"
        assert len(headers["X-Request-Id"]) == 16


def test_limits_are_what_they_should_be() -> None:
    assert server.IDLE_SECONDS == 10
    assert requests.BODY_LIMIT == 64 << 10
    assert requests.Patience.rate >= 1000
    assert [r.path for r in api.ROUTES if r.permission is Permission.OPEN] == [
        *("/healthz", "/readyz", "/api/v1/setup", "/api/v1/setup", "/api/v1/login", "/login"),
    ]
