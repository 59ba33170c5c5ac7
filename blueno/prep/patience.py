"""How long a server may take: it may let bytes drip, each of them in time. Called by net.py."""

from __future__ import annotations

import io
import socket
import time
from typing import Any

TIMEOUT = 30.0  # seconds without a byte
PATIENCE = 60.0  # seconds for an answer up to its body, and for each piece of that
FLOOR, WINDOW = 1024, 60.0  # bytes a second of a body, over so many seconds: a slower one counts as not answering


class Patient:
    """A connected socket, as http.client uses one, whose reads end when their common time is up."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self.sendall, self.close = connected.sendall, connected.close
        self.restart()

    def restart(self) -> None:
        """From now on it may take PATIENCE."""
        self._until = time.monotonic() + PATIENCE

    def wait(self) -> None:
        """Sets how long the next read may take. Raises TimeoutError."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(min(TIMEOUT, left))

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self, self._socket.makefile("rb", buffering=0)))


class Pace:
    """Of a body that comes piece by piece."""

    def __init__(self) -> None:
        self._since, self._bytes = time.monotonic(), 0

    def is_too_slow(self, more: int) -> bool:
        """Counts `more` bytes that came just now; whether those of the last WINDOW, which is over, were too few."""
        self._bytes += more
        now = time.monotonic()
        if now - self._since <= WINDOW:
            return False
        few = self._bytes < FLOOR * WINDOW
        self._since, self._bytes = now, 0
        return few


class _Reader(io.RawIOBase):
    def __init__(self, patient: Patient, file: io.RawIOBase) -> None:
        self._patient, self._file = patient, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._patient.wait()
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()
