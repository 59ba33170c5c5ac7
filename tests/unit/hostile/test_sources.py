"""Hostile source URLs and hostile servers: 0 connections to private addresses, no hang, every end has its code."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.prep import net, patience
from blueno.prep.failure import PrepFailure
from blueno.prep.local import local_file
from blueno.resources.work import Work
from tests.fakes.preparation import Place, archive_work
from tests.fakes.source_server import Served, source_server
from tests.fakes.sources import class_folders, tar
from tests.hostile.canary import Canary, answering, canary
from tests.hostile.urls import FILES, NAMES, REDIRECTS, URLS

REFUSED = ("SourceNotAllowed", True)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(scope="module")
def listening() -> Iterator[Canary]:
    with canary() as found:
        yield found


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that were asked for. They resolve as NAMES says; `rebind.example` otherwise from the second time."""
    names: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: str, port: Any, *rest: Any, **more: Any) -> Any:
        if host.replace(".", "").isdigit() or ":" in host:
            return real(host, port, *rest, **more)
        names.append(host)
        known = {**NAMES, "rebind.example": ("127.0.0.1",) if names.count(host) == 1 else ("127.0.0.2",)}
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return list(itertools.chain(*(real(address, port, *rest, **more) for address in known[host])))

    monkeypatch.setattr(net.socket, "getaddrinfo", resolve)
    return names


def both(url: str) -> list[Work]:
    """The URL where archives are named, and where a TFDS builder's mirror is."""
    tfds = {"tfds": {"name": "mnist", "mirror": {"url": url, "allowUnverified": True}}}
    return (
        [archive_work(url), Work(tfds, {"type": "auto"})]
        if url.startswith("http://127.0.0.1:")
        else [archive_work(url)]
    )


@pytest.mark.parametrize("name", URLS)
def test_a_url_leads_nowhere_private(place: Place, listening: Canary, name: str) -> None:
    for work in both(URLS[name].replace("{port}", str(listening.port))):
        outcome = place.prepare(work, allowed_source_networks=(), retry_seconds=0)
        assert (outcome.code, outcome.permanent) == REFUSED, outcome
        assert "secret" not in outcome.message
    assert listening.connections == []


@pytest.mark.parametrize("name", REDIRECTS)
def test_a_redirect_leads_nowhere_private(place: Place, asked: list[str], name: str) -> None:
    """The source itself may be asked: its network is allowed, and only its address."""
    with source_server() as server, socket.create_server(("127.0.0.2", server.port)) as elsewhere:
        elsewhere.setblocking(False)
        server.paths["/x"] = Served(status=[302], location=REDIRECTS[name].replace("{port}", str(server.port)))
        start = server.url("/x", "rebind.example" if "changes" in name else "127.0.0.1")
        outcome = place.prepare(archive_work(start), allowed_source_networks=("127.0.0.1/32",), retry_seconds=0)
        assert (outcome.code, outcome.permanent) == REFUSED, outcome
        assert [path for path, _ in server.requests] == ["/x"]
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert "changes" not in name or asked.count("rebind.example") == 2


@pytest.mark.parametrize("name", FILES)
def test_a_file_stays_on_the_claim(place: Place, name: str) -> None:
    outside = tar(class_folders())
    for path in (place.volume.parent / "outside.tar", place.volume.parent.parent / "outside.tar"):
        path.write_bytes(outside)
    (place.volume / "out").symlink_to(place.volume.parent)
    (place.volume / "dev").symlink_to("/dev")
    (place.volume / "folder").mkdir()
    os.mkfifo(place.volume / "pipe")
    outcome = place.prepare(archive_work(FILES[name]))
    inside = name in ("directory", "directory behind four slashes", "pipe", "nothing there", "up, escaped twice")
    assert (outcome.code, outcome.permanent) == ("SourceNotFound" if inside else "SourceNotAllowed", True), outcome


def endless(piece: bytes, pause: float = 0.0) -> Callable[[socket.socket, threading.Event], None]:
    """Sends the same again and again until the reader goes away."""

    def answer(connection: socket.socket, stop: threading.Event) -> None:
        while not stop.wait(pause):
            connection.sendall(piece)

    return answer


def once(data: bytes) -> Callable[[socket.socket, threading.Event], None]:
    return lambda connection, _: connection.sendall(data)


def then_endless(first: bytes, piece: bytes, pause: float) -> Callable[[socket.socket, threading.Event], None]:
    def answer(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(first)
        endless(piece, pause)(connection, stop)

    return answer


OK = b"HTTP/1.1 200 OK\r\n"
SERVERS: dict[str, tuple[Callable[[socket.socket, threading.Event], None], str]] = {
    "nothing": (once(b""), "SourceUnavailable"),
    "noise": (once(b"\x16\x03\x01" * 50), "SourceUnavailable"),
    "HTTP/0.9": (once(b"<html>"), "SourceUnavailable"),
    "status of text": (once(b"HTTP/1.1 abc OK\r\n\r\n"), "SourceUnavailable"),
    "status 999": (once(b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n"), "SourceUnavailable"),
    "100 for ever": (endless(b"HTTP/1.1 100 Continue\r\n\r\n"), "SourceUnavailable"),
    "header for ever": (endless(b"x"), "SourceUnavailable"),
    "headers for ever": (then_endless(OK, b"A: b\r\n", 0), "SourceUnavailable"),
    "header that drips": (then_endless(OK + b"A: ", b"x", 0.02), "SourceUnavailable"),
    "chunk size that drips": (
        then_endless(OK + b"Transfer-Encoding: chunked\r\n\r\n5", b"0", 0.02), "SourceUnavailable"),
    "length of text": (once(OK + b"Content-Length: abc\r\n\r\nx"), "SourceUnavailable"),
    "length below 0": (once(OK + b"Content-Length: -5\r\n\r\nx"), "SourceUnavailable"),
    "length of 5000 digits": (once(OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nx"), "SourceUnavailable"),
    "length in other digits": (once(OK + "Content-Length: ٣\r\n\r\nabc".encode()), "SourceUnavailable"),
    "length of 10 TB": (once(OK + b"Content-Length: 10995116277760\r\n\r\nx"), "SourceNotAllowed"),
    "two lengths": (once(OK + b"Content-Length: 1\r\nContent-Length: 900\r\n\r\nx"), "SourceUnavailable"),
    "chunk of 2^70": (once(OK + b"Transfer-Encoding: chunked\r\n\r\n400000000000000000\r\nx"), "SourceUnavailable"),
    "chunk below 0": (once(OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nx"), "SourceUnavailable"),
    "retry after 10^400": (
        once(b"HTTP/1.1 503 x\r\nRetry-After: " + b"9" * 400 + b"\r\nContent-Length: 0\r\n\r\n"), "SourceUnavailable"),
    "gzip that nobody asked for": (
        once(OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"), "SourceNotFound"),
    "redirect for ever": (once(b"HTTP/1.1 302 x\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n"), "SourceNotFound"),
    "partial content that nobody asked for": (
        once(b"HTTP/1.1 206 x\r\nContent-Range: bytes 5-6/7\r\nContent-Length: 2\r\n\r\nxx"), "SourceUnavailable"),
    "etag of many lines": (
        once(OK + b'ETag: "a\r\n b\r\n\tc"\r\nContent-Length: 9\r\n\r\nx'), "SourceUnavailable"),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_cannot_hold_a_preparation(place: Place, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It fails with a code though an answer never ends; real patience is a minute, here it is short."""
    answer, code = SERVERS[name]
    if code == "SourceUnavailable":  # the others have an end that is waited for, however busy the machine is
        monkeypatch.setattr(patience, "PATIENCE", 0.4)
    with answering(answer) as port:
        outcome = place.prepare(archive_work(f"http://127.0.0.1:{port}/a.tar"), retry_seconds=0.3)
    assert outcome.code == code, outcome


@given(
    lines=st.lists(st.binary(max_size=40), max_size=6),
    known=st.lists(
        st.sampled_from([b"Content-Length: ", b"Location: ", b"ETag: ", b"Content-Range: ", b"Retry-After: "])
    ),
    status=st.sampled_from([b"200", b"206", b"302", b"416", b"503", b"-1", b"2000"]),
)
def test_whatever_headers_say(lines: list[bytes], known: list[bytes], status: bytes) -> None:
    heads = [start + line for start, line in itertools.zip_longest(known, lines, fillvalue=b"")]
    with answering(once(b"HTTP/1.1 " + status + b" x\r\n" + b"\r\n".join(heads) + b"\r\n\r\nbody")) as port:
        try:
            answer = net.get(f"http://127.0.0.1:{port}/", {}, ("127.0.0.1/32",))
        except (PrepFailure, net.Transient, net.RangeRefused):
            return
        try:
            assert answer.length is None or answer.length >= 0
            while answer.read(100):
                pass
        except net.Transient:
            pass
        finally:
            answer.close()


PIECES = [
    "http",
    "https",
    "file",
    "://",
    ":",
    "/",
    "//",
    "@",
    "[",
    "]",
    "%",
    "%00",
    "..",
    "127.0.0.1",
    "::1",
    "\\",
    "#",
    "?",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=10).map("".join))
def test_any_text_is_refused_or_a_plain_url(text: str) -> None:
    net.display(text)
    try:
        target = net.check_url(text)
    except PrepFailure as failure:
        assert failure.code == "SourceNotAllowed"
    else:
        assert target.scheme in ("http", "https")
        assert 0 < target.port < 65536
        assert target.host
        assert not set(target.host) & set("@/\\?#%[] ")
        assert target.request.startswith("/")


@given(text=st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=10).map("".join))
def test_any_text_is_a_file_on_the_claim_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    mount = tmp_path_factory.getbasetemp() / "mount"
    mount.mkdir(exist_ok=True)
    for url in (f"file:{text}", f"file:///{text}", text):
        try:
            found = local_file(url, mount)
        except PrepFailure as failure:
            assert failure.code in ("SourceNotAllowed", "SourceNotFound")
        else:
            assert found.is_relative_to(mount)
