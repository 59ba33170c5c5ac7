"""What a server can do to a client: refuse, lie, stall, flood. Each ends in time and in words."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import web

from blueno.client import Client, http
from blueno.client.http import Http, Limits, within
from blueno.errors import BluenoError, Conflict, NotFound, Rejected, Unavailable
from tests.fakes.runs_api import TOKEN, RunsApi, problem, whole
from tests.unit.client.conftest import LIMITS


def says(status: int, body: bytes | str = b"", **headers: str) -> Callable[[web.Request], Any]:
    async def answer(_request: web.Request) -> web.Response:
        content = body if isinstance(body, bytes) else body.encode()
        return web.Response(status=status, body=content, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def refuses(status: int, detail: str) -> Callable[[web.Request], Any]:
    async def answer(_request: web.Request) -> web.Response:
        return problem(status, "x", detail)

    return answer


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Rejected), (401, Rejected), (403, Rejected), (404, NotFound), (409, Conflict), (422, Rejected)],
)
def test_refusals_are_errors_of_ours(api: RunsApi, client: Client, status: int, kind: type[BluenoError]) -> None:
    api.misbehave = [refuses(status, "because of \x1b[31mthis\n")]
    with pytest.raises(kind) as caught:
        client.runs.get("digits")
    assert "\x1b" not in str(caught.value)
    assert ("blueno login" if status == 401 else "because of [31mthis") in str(caught.value)
    assert len(api.asked) == 1


def test_fields_are_named(api: RunsApi, client: Client) -> None:
    errors = [{"field": "body.spec.image", "message": "is required"}, {"field": "body.name", "message": "is bad"}]

    async def answer(_request: web.Request) -> web.Response:
        return problem(422, "invalid", "body.spec.image: is required (and 1 more)", errors=errors)

    api.misbehave = [answer]
    with pytest.raises(Rejected, match=r"spec\.image: is required; name: is bad"):
        client.runs.get("digits")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_reading_is_tried_again(api: RunsApi, client: Client, status: int) -> None:
    api.add(whole())
    api.misbehave = [refuses(status, "later")] * 3
    assert client.runs.get("digits").name == "digits"
    assert len(api.asked) == 4


def test_reading_is_not_tried_for_ever(api: RunsApi, client: Client) -> None:
    api.misbehave = [refuses(503, "the database does not answer")] * 9
    with pytest.raises(Unavailable, match="the database does not answer"):
        client.runs.get("digits")
    assert len(api.asked) == http.TRIES


def test_a_change_is_never_sent_twice(api: RunsApi, client: Client) -> None:
    api.misbehave = [refuses(503, "later")]
    with pytest.raises(Unavailable):
        client.runs.cancel("digits")
    assert [method for method, _, _ in api.asked] == ["PATCH"]


def test_the_servers_pause_is_kept_within_reason(api: RunsApi, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    api.add(whole())
    busy = '{"detail": "busy"}'
    kind = "application/problem+json"
    api.misbehave = [
        says(503, busy, Content_Type=kind, Retry_After="3"),
        says(503, busy, Content_Type=kind, Retry_After="99999"),
        says(503, busy, Content_Type=kind, Retry_After="-1 soon"),
    ]
    client.runs.get("digits")
    assert slept[0] == 3.0
    assert slept[1] == http.LONGEST_PAUSE
    assert slept[2] < 1


@pytest.mark.parametrize(
    "answer",
    [
        says(200, "<html>Sign in</html>", Content_Type="text/html"),
        says(404, "<html>nginx</html>", Content_Type="text/html"),
        says(200, "{", Content_Type="application/json"),
        says(200, b"\xff\xfe\xfa", Content_Type="application/json"),
        says(200, "[" * 200_000, Content_Type="application/json"),
        says(200, "9" * 5000, Content_Type="application/json"),
    ],
)
def test_what_is_not_blueno(api: RunsApi, client: Client, answer: Any) -> None:
    api.misbehave = [answer]
    with pytest.raises(BluenoError, match="is not Blueno"):
        client.runs.get("digits")


@pytest.mark.parametrize(
    "body", ["null", "[]", "1", '"x"', "{}", '{"name": 1}', '{"name": "a", "namespace": "b", "state": null}']
)
def test_json_of_another_shape(api: RunsApi, client: Client, body: str) -> None:
    api.misbehave = [says(200, body, Content_Type="application/json")]
    with pytest.raises(BluenoError, match=r"not understood: run"):
        client.runs.get("digits")


@pytest.mark.parametrize(
    "changes",
    [
        {"gpuSeconds": "1"},
        {"gpuSeconds": float("nan")},
        {"gpuSeconds": 10**400},
        {"gpus": 1.5},
        {"gpus": True},
        {"nodes": [1]},
        {"nodes": "n1"},
        {"metrics": [1]},
        {"metrics": {"a": 1}},
        {"datasets": [{"name": None}]},
        {"progress": 3},
        {"createdAt": "yesterday"},
        {"parameters": {"a": 1}},
        {"failure": {"lastLines": [None]}},
        {"spec": []},
    ],
)
def test_fields_of_another_type(api: RunsApi, client: Client, changes: dict[str, Any]) -> None:
    api.add(whole(**changes))
    with pytest.raises(BluenoError, match=next(iter(changes))):
        client.runs.get("digits")


def test_redirects_are_told_not_followed(api: RunsApi, client: Client) -> None:
    api.misbehave = [says(302, Location="https://me:pw@login.example.org/oauth?state=secret")]
    with pytest.raises(BluenoError, match=r"https://login\.example\.org:") as caught:
        client.runs.get("digits")
    assert "secret" not in str(caught.value)
    assert "pw" not in str(caught.value)
    assert len(api.asked) == 1


def test_an_answer_without_end(api: RunsApi, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LARGEST", 100_000)

    async def flood(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        for _ in range(1000):
            await answer.write(b" " * 10_000)
        return answer

    api.misbehave = [flood]
    with pytest.raises(BluenoError, match="sends more than"):
        client.runs.get("digits")


def test_no_compressed_answer_is_unfolded(api: RunsApi, client: Client) -> None:
    import gzip

    bomb = gzip.compress(b" " * 10_000_000)
    api.misbehave = [says(200, bomb, Content_Type="application/json", Content_Encoding="gzip")]
    with pytest.raises(BluenoError, match="is not Blueno"):
        client.runs.get("digits")
    assert api.headers[0]["Accept-Encoding"] == "identity"


def test_a_body_that_drips(api: RunsApi, client: Client) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        while True:
            await answer.write(b" ")
            await asyncio.sleep(0.05)

    api.misbehave = [drip]
    client._http = Http(api.url, TOKEN, Limits(connect=30, wait=30, whole=0.3, pause=0))
    with pytest.raises(Unavailable, match="no whole answer in time"):
        client.runs.cancel("digits")


def test_a_server_that_says_nothing(client: Client) -> None:
    enough = threading.Event()
    with raw_server(lambda one: enough.wait(60)) as url:
        client._http = Http(url, TOKEN, Limits(connect=30, wait=0.2, whole=60, pause=0))
        with pytest.raises(Unavailable, match=r"nothing came for 0\.2 s"):
            client.runs.cancel("digits")
        enough.set()


def test_headers_that_drip(client: Client) -> None:
    enough = threading.Event()

    def drip(one: socket.socket) -> None:
        one.sendall(b"HTTP/1.1 200 OK\r\n")
        while not enough.wait(0.05):
            one.sendall(b"X: y\r\n")

    with raw_server(drip) as url:
        client._http = Http(url, TOKEN, Limits(connect=30, wait=30, whole=0.3, pause=0))
        with pytest.raises(Unavailable, match="no whole answer in time"):
            client.runs.cancel("digits")
        enough.set()


@pytest.mark.parametrize("reply", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_what_speaks_no_http(client: Client, reply: bytes) -> None:
    with raw_server(lambda one: one.sendall(reply)) as url:
        client._http = Http(url, TOKEN, LIMITS)
        with pytest.raises(Unavailable, match="does not answer"):
            client.runs.cancel("digits")


def test_nobody_listens(client: Client) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        client._http = Http(f"http://127.0.0.1:{one.getsockname()[1]}", TOKEN, LIMITS)
        with pytest.raises(Unavailable, match="is the address right"):  # bound all the while: nobody else can listen
            client.runs.cancel("digits")


def test_a_certificate_of_nobody_known(client: Client, tmp_path: Any) -> None:
    import ssl

    from tests.fakes.certificate import self_signed

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    with raw_server(lambda one: None, context) as url:
        client._http = Http(url.replace("http:", "https:"), TOKEN, LIMITS)
        with pytest.raises(BluenoError, match="SSL_CERT_FILE"):
            client.runs.cancel("digits")


def test_the_token_goes_as_a_bearer_and_into_no_message(api: RunsApi, client: Client) -> None:
    api.misbehave = [refuses(403, f"the token {TOKEN} may not")]
    with pytest.raises(Rejected) as caught:
        client.runs.get("digits")
    assert api.headers[0]["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in str(caught.value)


def test_within_hands_over_what_happens() -> None:
    assert within(1, lambda: 7, "late") == 7
    with pytest.raises(ZeroDivisionError):
        within(1, lambda: 1 / 0, "late")


@contextmanager
def raw_server(speak: Callable[[socket.socket], object], context: Any = None) -> Iterator[str]:
    """Accepts connections, reads a request, and does as `speak` says."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.05)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                one, _ = server.accept()
            except TimeoutError:
                continue
            try:
                one.settimeout(60)
                if context is not None:
                    one = context.wrap_socket(one, server_side=True)
                one.recv(65536)
                speak(one)
            except OSError:
                pass
            finally:
                one.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        over.set()
        thread.join(60)
        server.close()
