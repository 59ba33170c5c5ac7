"""A socket whose reads have an end together, not only each: a server may let bytes drip. Called by net.py."""

from __future__ import annotations

import io
import socket
import time
from typing import Any

TIMEOUT = 30.0  # seconds without a byte
PATIENCE = 60.0  # seconds for an answer up to its body, and for each piece of that


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
