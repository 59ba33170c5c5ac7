"""A limit on the client's side for every call to PostgreSQL: a server that is silent is cut off.

Used by connect.py. statement_timeout needs a server that works; keepalives and tcp_user_timeout need a peer whose
kernel is gone. A stopped process with a living kernel trips neither (seen with SIGSTOP: libpq waits for ever), so that
one thread per process shuts the socket down, and libpq fails as if the server had gone.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watch:
    """Deadlines of calls that are under way. The thread sleeps till the first of them (a call costs some 2 µs)."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._calls: dict[int, tuple[float, int]] = {}  # token: (deadline, file descriptor)
        self._next_token = 0
        self._wakes_at = float("inf")
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, descriptor: int, seconds: float) -> Iterator[Callable[[], None]]:
        """Shuts the socket down when the block takes longer. It gets a function that starts the time anew."""
        deadline = time.monotonic() + seconds
        with self._turn:
            self._next_token += 1
            token = self._next_token
            self._calls[token] = (deadline, descriptor)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="database-watch", daemon=True)
                self._thread.start()
            if deadline < self._wakes_at:
                self._turn.notify()
        try:
            yield lambda: self._renew(token, descriptor, seconds)
        finally:
            with self._turn:  # whoever closes the descriptor comes after this
                self._calls.pop(token, None)

    def _renew(self, token: int, descriptor: int, seconds: float) -> None:
        with self._turn:
            if token in self._calls:
                self._calls[token] = (time.monotonic() + seconds, descriptor)

    def _run(self) -> None:
        with self._turn:
            while True:
                now = time.monotonic()
                for token, (deadline, descriptor) in list(self._calls.items()):
                    if deadline <= now:
                        del self._calls[token]
                        shut_down(descriptor)
                self._wakes_at = min((deadline for deadline, _ in self._calls.values()), default=float("inf"))
                self._turn.wait(None if not self._calls else self._wakes_at - now)


def shut_down(descriptor: int) -> None:
    """Cuts a socket that another thread uses, and never waits. Nobody may close it meanwhile."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as peer:
            peer.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it broke by itself in this moment
