"""Ends what is left in the node's cgroups and removes them: they alone outlive its init. Called by local.py."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

_GRACE = 60.0


def hierarchies() -> list[Path]:
    """Mount points of the host's cgroup file systems."""
    lines = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [Path(fields[1]) for fields in lines if fields[2] in ("cgroup", "cgroup2")]


def remaining(name: str) -> list[Path]:
    """The cgroup's directories that exist, deepest first."""
    found: list[Path] = []
    for mount in hierarchies():
        top = mount / name
        if top.is_dir():
            found += [path for path in top.rglob("*") if path.is_dir()] + [top]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def _kill(directory: Path) -> None:
    """Kill what is inside: normally nothing, since the end of init ends all, but the note of init's pid may be lost."""
    with contextlib.suppress(OSError):
        for pid in (directory / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def remove(name: str) -> list[Path]:
    """Remove them, and return what could not be removed; a dying process keeps its cgroup busy for some moments."""
    end = time.monotonic() + _GRACE
    for path in remaining(name):
        _kill(path)
    while True:
        for path in remaining(name):
            try:
                path.rmdir()
            except OSError:
                continue
        left = remaining(name)
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)
