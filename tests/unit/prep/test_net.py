"""Which URLs and addresses a source may have. The canary must never be reached."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from blueno.prep import net
from blueno.prep.failure import PrepFailure
from tests.fakes.source_server import Served, SourceServer, source_server

LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture
def server() -> Iterator[SourceServer]:
    with source_server() as running:
        yield running


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "gopher://h/", "ftp://h/x", "//h/x", "h/x", "", "http://", "http:///x", "data:,x"),
        *("http://user@h/", "http://user:secret@h/", "http://h:0/", "http://h:99999/", "http://h:x/"),
        *("http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://1.2.3.4.5/"),
        *("http://h\r\nX: y/", "http://h /", "http://h\t/", "http://h\\@x/", "http://%31/", "http://h%00/"),
        *(
            "http://éxample/",
            "http://[::1%25eth0]/",
            "http://[x]/",
            "http://-h/",
            "http://a..b/",
            "http://h/" + "x" * 3000,
        ),
    ],
)
def test_urls_that_are_not_plain_are_refused(url: str) -> None:
    with pytest.raises(PrepFailure) as caught:
        net.check_url(url)
    assert caught.value.code == "SourceNotAllowed"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "host", "port", "request_"),
    [
        ("http://example.org", "example.org", 80, "/"),
        ("HTTPS://Example.org:8443/a/b?c=d#e", "example.org", 8443, "/a/b?c=d"),
        ("http://93.184.216.34/x", "93.184.216.34", 80, "/x"),
        ("http://[2606:2800:220:1:248:1893:25c8:1946]/", "2606:2800:220:1:248:1893:25c8:1946", 80, "/"),
        ("https://xn--bcher-kva.example./", "xn--bcher-kva.example.", 443, "/"),
    ],
)
def test_plain_urls_are_taken_apart(url: str, host: str, port: int, request_: str) -> None:
    target = net.check_url(url)
    assert (target.host, target.port, target.request) == (host, port, request_)


PRIVATE = (
    "127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255 192.0.0.8 "
    "198.18.0.1 240.0.0.1 :: ::1 fe80::1 fc00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 "
    "2002:7f00:1:: 2001:0:1:2:3:4:5:6 2001:db8::1"
).split()


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not net.is_allowed(ipaddress.ip_address(address), ())


def test_public_and_allowed_addresses_are_taken() -> None:
    assert net.is_allowed(ipaddress.ip_address("93.184.216.34"), ())
    assert net.is_allowed(ipaddress.ip_address("2606:2800:220:1:248:1893:25c8:1946"), ())
    assert net.is_allowed(ipaddress.ip_address("10.1.2.3"), ("10.0.0.0/8",))
    assert net.is_allowed(ipaddress.ip_address("::ffff:10.1.2.3"), ("10.0.0.0/8",))
    assert not net.is_allowed(ipaddress.ip_address("10.1.2.3"), ("10.2.0.0/16", "fc00::/7"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost.", "[::ffff:127.0.0.1]", "[::1]"])
def test_a_private_source_is_never_connected_to(server: SourceServer, host: str) -> None:
    with pytest.raises((PrepFailure, net.Transient)) as caught:
        net.get(server.url("/x", host), {}, ())
    if isinstance(caught.value, PrepFailure):
        assert caught.value.code == "SourceNotAllowed"
    assert server.requests == []


def test_one_private_address_among_public_ones_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(2, 1, 6, "", (a, 80)) for a in ("93.184.216.34", "169.254.169.254")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: answers)
    with pytest.raises(PrepFailure, match=r"169\.254\.169\.254"):
        net.resolve(net.check_url("http://innocent.example/"), ())


def test_the_address_that_was_checked_is_the_one_that_is_used(
    server: SourceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that answers differently the second time (DNS rebinding) changes nothing: there is no second time."""
    asked: list[str] = []

    def once(host: str, port: int, **_: Any) -> Any:
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1" if len(asked) == 1 else "10.9.9.9", port))]

    real = socket.getaddrinfo
    monkeypatch.setattr(
        net.socket, "getaddrinfo", lambda h, p, *a, **k: once(h, p) if h == "pinned.example" else real(h, p, *a, **k)
    )
    server.paths["/x"] = Served(b"data")
    answer = net.get(server.url("/x", "pinned.example"), {}, LOOPBACK)
    assert answer.read(10) == b"data"
    answer.close()
    assert asked == ["pinned.example"]


@pytest.mark.parametrize(
    "there",
    [
        "http://10.255.255.1:{port}/c",
        "http://127.0.0.2:{port}/c",
        "file:///etc/passwd",
        "http://u:p@127.0.0.1:{port}/c",
    ],
)
def test_a_redirect_to_somewhere_private_is_refused(server: SourceServer, there: str) -> None:
    with source_server("127.0.0.2") as canary:
        canary.paths["/c"] = Served(b"secret")
        server.paths["/x"] = Served(status=[302], location=there.format(port=canary.port))
        with pytest.raises(PrepFailure) as caught:
            net.get(server.url("/x"), {}, ("127.0.0.1/32",))
        assert caught.value.code == "SourceNotAllowed"
        assert canary.requests == []


def test_good_redirects_are_followed_and_loops_end(server: SourceServer) -> None:
    server.paths["/a"] = Served(status=[302], location="/b")
    server.paths["/b"] = Served(b"ok")
    answer = net.get(server.url("/a"), {}, LOOPBACK)
    assert answer.read(10) == b"ok"
    answer.close()
    server.paths["/loop"] = Served(status=[302], location="/loop")
    with pytest.raises(PrepFailure) as caught:
        net.get(server.url("/loop"), {}, LOOPBACK)
    assert caught.value.code == "SourceNotFound"
    assert [p for p, _ in server.requests].count("/loop") == net.MAX_REDIRECTS + 1


@pytest.mark.parametrize("status", [404, 410, 403, 401, 400, 302])
def test_what_is_not_there_is_permanent(server: SourceServer, status: int) -> None:
    server.paths["/x"] = Served(status=[status])
    with pytest.raises(PrepFailure) as caught:
        net.get(server.url("/x?token=secret"), {}, LOOPBACK)
    assert (caught.value.code, caught.value.permanent) == ("SourceNotFound", True)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_come_back_is_transient(server: SourceServer, status: int) -> None:
    server.paths["/x"] = Served(status=[status], retry_after="7")
    with pytest.raises(net.Transient) as caught:
        net.get(server.url("/x"), {}, LOOPBACK)
    assert caught.value.retry_after == 7


def test_refused_and_unknown_names_are_transient() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(net.Transient, match="does not answer"):
            net.get(f"http://127.0.0.1:{closed.getsockname()[1]}/", {}, LOOPBACK)
    with pytest.raises(net.Transient, match="cannot be resolved"):
        net.get("http://nothing.invalid/", {}, LOOPBACK)
