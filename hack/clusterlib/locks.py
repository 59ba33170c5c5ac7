"""File locks against two commands doing the same work at once. Used by the back ends and the builds."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clusterlib.progress import note


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock; the kernel frees it when the process ends, so a killed command leaves nothing behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(f"waiting for another command that holds {path}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
