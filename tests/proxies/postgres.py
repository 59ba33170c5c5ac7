"""A TCP proxy before PostgreSQL that cuts, swallows and delays what passes. Used by tests/db and tests/loop/fire.

Two threads a connection, so that it serves tests with and without an event loop. Faults are in force while the block
of `fault` runs, for open connections as for new ones, and say how often they fired.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType

import psycopg2.extensions

from blueno.db.config import DatabaseConfig
from tests.proxies.rules import Account

TO_SERVER, TO_CLIENT = "to server", "to client"
_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"  # psycopg2 sends a statement alone, when all before it is answered
_CHUNK = 1 << 16
_NO_FAREWELL = struct.pack("ii", 1, 0)  # linger for 0 s: close sends RST


@dataclass(frozen=True)
class CutAt:
    """A connection breaks when so many bytes have gone one way since it was opened."""

    way: str
    bytes: int


@dataclass(frozen=True)
class CutCommit:
    """A connection breaks at COMMIT: before the server sees it, or when it is done and nobody has been told."""

    done: bool


@dataclass(frozen=True)
class BlackHole:
    """Connections are accepted, and stay open; not a byte passes in either direction until the fault is over."""


@dataclass(frozen=True)
class Reset:
    """New connections are reset at once, open ones at their next byte."""


@dataclass(frozen=True)
class Slow:
    """Whatever passes comes so much later."""

    seconds: float


Fault = CutAt | CutCommit | BlackHole | Reset | Slow


@dataclass
class Rule(Account):
    """A fault in force."""

    fault: Fault = field(default_factory=BlackHole)
    first: int = 1  # at its n-th occasion
    times: int | None = None
    seen: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def takes(self, what: str) -> bool:
        """Counts an occasion; whether the fault is for this one."""
        if self.over.is_set():
            return False
        self.seen += 1
        if self.seen < self.first:
            return False
        self.fire(what)
        if self.fired == self.times:
            self.heal()
        return True

    def heal(self) -> None:
        super().heal()
        self.over.set()


class Cut(Exception):
    """The connection is to end now."""


class PostgresProxy:
    """Passes every byte on, but for what a fault in force says."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._rules: list[Rule] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._links: list[_Link] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> PostgresProxy:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for rule in self._rules:
            rule.heal()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            links = list(self._links)
        for link in links:
            link.cut()
            link.close()
        for thread in self._threads:
            thread.join(10)
        if error is None:
            for rule in self._rules:
                rule.check()

    def before(self, database: DatabaseConfig) -> DatabaseConfig:
        """The same database, reached through this proxy."""
        parts = psycopg2.extensions.parse_dsn(database.url_file.read_text().strip())
        url_file = database.url_file.with_suffix(f".{self.port}")
        url = "postgresql://{user}:{password}@127.0.0.1:{port}/{dbname}"
        url_file.write_text(url.format(**{**parts, "port": self.port}))
        return replace(database, url_file=url_file)

    @contextmanager
    def fault(self, fault: Fault, *, first: int = 1, times: int | None = None) -> Iterator[Rule]:
        """In force while the block runs; must fire there."""
        rule = Rule(f"fault {fault}", fault=fault, first=first, times=times)
        self._rules.append(rule)
        try:
            yield rule
        finally:
            rule.heal()
        rule.check()

    def passed(self) -> dict[str, int]:
        """Bytes of the last connection, each way."""
        with self._lock:
            return dict(self._links[-1].passed)

    def _accept(self) -> None:
        for number in itertools.count(1):
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if any(isinstance(rule.fault, Reset) and rule.takes("a new connection") for rule in self._rules):
                _reset(client)
                continue
            try:
                link = _Link(client, socket.create_connection(self._target), number)
            except OSError:
                _reset(client)  # there is no server: as it looks without us
                continue
            with self._lock:
                self._links.append(link)
            for way in (TO_SERVER, TO_CLIENT):
                thread = threading.Thread(target=self._pump, args=(link, way), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pump(self, link: _Link, way: str) -> None:
        """One direction of one connection, until it ends."""
        source, target = (link.client, link.server) if way == TO_SERVER else (link.server, link.client)
        try:
            while data := source.recv(_CHUNK):
                data = self._disturbed(link, way, data)
                target.sendall(data)
                link.passed[way] += len(data)
                if link.ends:
                    raise Cut
            link.close()
        except (Cut, OSError):
            link.cut()
        finally:
            link.left()

    def _disturbed(self, link: _Link, way: str, data: bytes) -> bytes:
        """What is to be passed on of these bytes, and when. Raises Cut."""
        for rule in list(self._rules):
            what = f"connection {link.number} {way}"
            match rule.fault:
                case BlackHole() if rule.takes(what):
                    rule.over.wait()
                case Slow(seconds) if rule.takes(what):
                    rule.over.wait(seconds)
                case Reset() if rule.takes(what):
                    raise Cut
                case CutAt(where, limit) if where == way and link.passed[way] + len(data) > limit and rule.takes(what):
                    link.ends = True
                    return data[: max(0, limit - link.passed[way])]
                case CutCommit(done) if way == TO_SERVER and data == _COMMIT and rule.takes(what):
                    if not done:
                        raise Cut
                    link.muted = True
        if link.muted and way == TO_CLIENT:  # the answer to COMMIT: it is done, and nobody is told
            raise Cut
        return data


class _Link:
    """Both ends of a connection."""

    def __init__(self, client: socket.socket, server: socket.socket, number: int) -> None:
        self.client, self.server, self.number = client, server, number
        self.passed = {TO_SERVER: 0, TO_CLIENT: 0}
        self.muted = self.ends = False
        self._pumps = threading.Semaphore(1)  # of the two, the one that leaves last closes

    def close(self) -> None:
        """As one of the two does it. A shutdown wakes the thread that reads."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Without a farewell: RST in place of FIN, as soon as both threads have left."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_FAREWELL)
                end.shutdown(socket.SHUT_RD)

    def left(self) -> None:
        """One of the two threads is done with it."""
        if not self._pumps.acquire(blocking=False):
            self.client.close()
            self.server.close()


def _reset(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_FAREWELL)
    end.close()
