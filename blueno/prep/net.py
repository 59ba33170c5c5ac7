"""One safe HTTP GET of a source. Called by blueno/prep/fetch.py and blueno/ingest/remote.py; standard library only.

A URL comes from whoever may write a Dataset, so it must not reach what only this pod can reach: the host is resolved
once, every address in the answer must be public (or lie in a network the operator's settings allow), and the
connection goes to exactly that address, with the original name in Host and SNI. Every redirect begins anew.
"""

from __future__ import annotations

import functools
import http.client
import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from blueno.prep.failure import PrepFailure
from blueno.prep.patience import FLOOR, TIMEOUT, Pace, Patient

MAX_REDIRECTS = 5
MAX_URL = 2048
MAX_ADDRESSES = 4  # of a name that are tried
_GLOBAL6 = ipaddress.IPv6Network("2000::/3")  # all that was ever given out; Python also calls fec0::1 global
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Not for the public either, though older Pythons call them global.
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")))
_LENGTH = re.compile("[0-9]{1,18}")
# Of SSH, PostgreSQL, API servers: nobody has files there, also where the operator's settings allow a private network.
_NOT_FOR_FILES = {22, 5432, 6443}
_REDIRECTS = {301, 302, 303, 307, 308}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Transient(Exception):
    """The source does not answer now. `retry_after`: seconds it asked for, or None."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Target:
    """A checked URL."""

    url: str
    scheme: str
    host: str
    port: int
    request: str  # path and query


def display(url: str) -> str:
    """The URL without user, query and fragment: fit for logs, messages and manifests."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(a URL that cannot be read)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_url(url: str) -> Target:
    """Raises PrepFailure SourceNotAllowed on anything but a plain http(s) URL."""
    if len(url) > MAX_URL or not url.isascii() or re.search(r"[\x00-\x20\x7f\\<>\"]", url):
        raise _refused("it is too long or has characters that a URL may not have")
    try:
        parts: SplitResult = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused("it cannot be read as a URL") from error
    if parts.scheme not in ("http", "https"):
        raise _refused(f"only http and https are read, not {parts.scheme or 'a URL without a scheme'!r}")
    if "@" in parts.netloc:
        raise _refused("it carries a user name or password")
    host = parts.hostname or ""
    if not _plain_host(host, bracketed="[" in parts.netloc):
        raise _refused(f"its host {host[:80]!r} is not a plain name or address")
    if port == 0:
        raise _refused("its port is 0")
    if port in _NOT_FOR_FILES:
        raise _refused(f"its port {port} is not one of a web server; serve the files on another one")
    request = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(url, parts.scheme, host, port or (443 if parts.scheme == "https" else 80), request)


def _refused(why: str) -> PrepFailure:
    return PrepFailure("SourceNotAllowed", f"the source's URL is refused: {why}")


def _plain_host(host: str, bracketed: bool) -> bool:
    if bracketed:
        try:
            return ipaddress.IPv6Address(host).scope_id is None
        except ValueError:
            return False
    if not _HOST.fullmatch(host) or ".." in host:
        return False
    last = host.rstrip(".").rpartition(".")[2]
    if last.isdigit() or last.startswith("0x"):  # an address; only the usual spelling of one: no octal, hex, decimal
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return False
    return True


def is_allowed(address: Address, networks: Sequence[str]) -> bool:
    """Public, or in one of `networks` (CIDRs). Addresses that carry another one are judged by that one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_allowed(address.ipv4_mapped, networks)
        if address in _NAT64:
            return is_allowed(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF), networks)
    for text in networks:
        network = ipaddress.ip_network(text, strict=False)
        if network.version == address.version and address in network:
            return True
    if isinstance(address, ipaddress.IPv6Address) and (address not in _GLOBAL6 or address.sixtofour or address.teredo):
        return False
    if any(network.version == address.version and address in network for network in _SPECIAL):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def resolve(target: Target, networks: Sequence[str]) -> list[Address]:
    """The addresses to connect to. Raises PrepFailure SourceNotAllowed, Transient when the name cannot be resolved."""
    try:
        answers = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Transient(f"the name {target.host} cannot be resolved ({error})") from error
    addresses = list(dict.fromkeys(ipaddress.ip_address(str(a[4][0]).partition("%")[0]) for a in answers))
    for address in addresses:
        if not is_allowed(address, networks):
            raise PrepFailure(
                "SourceNotAllowed",
                f"{target.host} has the address {address}, which is not public: ask the operator's administrator to "
                "add its network to allowedSourceNetworks",
            )
    if not addresses:
        raise Transient(f"the name {target.host} has no address")
    return addresses[:MAX_ADDRESSES]


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, whatever the name resolves to by now."""

    def __init__(self, target: Target, addresses: Sequence[Address]) -> None:
        super().__init__(target.host, target.port, timeout=TIMEOUT)
        self._target, self._addresses = target, addresses
        self.sock: Any = None
        self.patient: Patient | None = None
        if target.scheme == "https":
            self.default_port = 443

    def connect(self) -> None:
        failed: OSError | None = None
        for address in self._addresses:
            try:
                self.sock = socket.create_connection((str(address), self._target.port), TIMEOUT)
                break
            except OSError as error:
                failed = error
        else:
            raise failed or OSError("no address")
        if self._target.scheme == "https":
            self.sock = _tls().wrap_socket(self.sock, server_hostname=self._target.host.rstrip("."))
        self.sock = self.patient = Patient(self.sock)


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass
class Answer:
    """An open response of status 200 or 206."""

    url: str  # after redirects
    status: int
    headers: Mapping[str, str]  # names in lower case
    _response: http.client.HTTPResponse
    _connection: _Pinned
    _pace: Pace = field(default_factory=Pace)

    @property
    def length(self) -> int | None:
        """What Content-Length says; None when it does not stand there. Raises Transient when it is no number."""
        text = self.headers.get("content-length")
        if text is None:
            return None
        if not _LENGTH.fullmatch(text):
            raise Transient(f"{display(self.url)} answers a Content-Length that is no number")
        return int(text)

    def read(self, size: int) -> bytes:
        """At most `size` bytes; b"" at the end. Raises Transient when the connection breaks or sends too slowly."""
        if self._connection.patient is not None:
            self._connection.patient.restart()
        try:
            block = self._response.read1(size)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Transient(f"the connection broke ({type(error).__name__})") from error
        if block and self._pace.is_too_slow(len(block)):
            raise Transient(f"{display(self.url)} sends less than {FLOOR} bytes a second")
        return block

    def close(self) -> None:
        self._response.close()
        self._connection.close()


def get(
    url: str, headers: Mapping[str, str], networks: Sequence[str], private: Mapping[str, str] | None = None
) -> Answer:
    """GET with at most MAX_REDIRECTS redirects, each checked like the first URL.

    `private` are headers that prove who asks: only the first URL's own host, port and scheme ever see them.
    Raises PrepFailure (SourceNotAllowed, SourceNotFound) and Transient (refused, time-out, DNS, 408, 429, 5xx).
    """
    meant = check_url(url)
    for _ in range(MAX_REDIRECTS + 1):
        target = check_url(url)
        same = (target.scheme, target.host, target.port) == (meant.scheme, meant.host, meant.port)
        mine = private if same and private else {}
        connection = _Pinned(target, resolve(target, networks))
        fixed = {"Accept-Encoding": "identity", "User-Agent": "blueno", "Connection": "close"}
        try:
            connection.request("GET", target.request, headers={**fixed, **headers, **mine})
            response = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise Transient(f"{display(url)} does not answer ({_reason(error)})") from error
        found = {name.lower(): value for name, value in response.getheaders()}
        if response.status in (200, 206):
            return Answer(url, response.status, found, response, connection)
        response.close()
        connection.close()
        if response.status not in _REDIRECTS or "location" not in found:
            raise _status_failure(url, response.status, found)
        url = _following(url, found["location"])
    raise PrepFailure("SourceNotFound", f"{display(url)}: more than {MAX_REDIRECTS} redirects")


def _following(url: str, location: str) -> str:
    """Where a redirect leads; the caller checks it like any URL. Raises PrepFailure."""
    try:
        following = urljoin(url, location)
        downgraded = urlsplit(url).scheme == "https" and urlsplit(following).scheme == "http"
    except ValueError as error:
        raise _refused("it redirects to what cannot be read as a URL") from error
    if downgraded:
        raise _refused("it redirects from https to http")
    return following


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} s"
    return getattr(error, "strerror", None) or type(error).__name__


def _status_failure(url: str, status: int, headers: Mapping[str, str]) -> Exception:
    if status in (408, 425, 429) or status >= 500:
        after = headers.get("retry-after", "")
        return Transient(f"{display(url)} answers HTTP {status}", float(after) if after.isdecimal() else None)
    if status == 416:
        return RangeRefused(f"{display(url)} answers HTTP 416")
    return PrepFailure("SourceNotFound", f"{display(url)} answers HTTP {status}: check the URL and that it is public")


class RangeRefused(Exception):
    """HTTP 416: what was downloaded so far does not belong to what lies there now."""
