"""Ports for what a test starts. Used by tests of all levels that run a process of their own, and by bench/."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

LOWEST, HIGHEST = 16_000, 29_000  # below those that a kernel gives to clients, and below a cluster's node ports
MOUNTD = 20_048  # of the NFS server outside that end-to-end tests start meanwhile; its port is a standard's


def free_port() -> int:
    """One that nobody listens on, and that no client is given until somebody does, or while its server is away."""
    while True:
        if (port := random.randrange(LOWEST, HIGHEST)) == MOUNTD:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
