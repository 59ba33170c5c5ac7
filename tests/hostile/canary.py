"""Somebody who listens where nobody may ask: a canary on private addresses. Used by tests/unit/hostile."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ADDRESSES = ("127.0.0.1", "127.0.0.2", "::1")


class Canary:
    """`connections`: addresses that somebody connected to. `port`: the same one on all of them."""

    def __init__(self) -> None:
        self.connections: list[str] = []
        self.port = 0


@contextmanager
def canary() -> Iterator[Canary]:
    """Listens until the block ends. Proves at its end that it would have noticed."""
    found, listeners = Canary(), _on_one_port()
    found.port = listeners[0].getsockname()[1]
    threads = [threading.Thread(target=_count, args=(one, found), daemon=True) for one in listeners]
    for thread in threads:
        thread.start()
    try:
        yield found
        before = list(found.connections)
        for address in ADDRESSES:
            with socket.create_connection((address, found.port)) as probe:
                probe.recv(1)
        assert len(found.connections) == len(before) + len(ADDRESSES), "a canary that hears nothing proves nothing"
        found.connections[:] = before
    finally:
        for one in listeners:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in threads:
            thread.join()


def _on_one_port() -> list[socket.socket]:
    """Listeners on all addresses; a port that is free on the first may be somebody's on another."""
    while True:
        listeners: list[socket.socket] = []
        try:
            for address in ADDRESSES:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                port = listeners[0].getsockname()[1] if listeners else 0
                listeners.append(socket.create_server((address, port), family=family))
        except OSError as error:
            for one in listeners:
                one.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return listeners


def _count(listener: socket.socket, found: Canary) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        found.connections.append(listener.getsockname()[0])
        connection.close()


@contextmanager
def answering(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """A server on 127.0.0.1 that does with every connection what `answer` says; its port."""
    stop = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                answer(connection, stop)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
    thread.join()
