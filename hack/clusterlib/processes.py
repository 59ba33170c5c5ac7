"""Finds the node's processes from the host. Called by local.py and cli.py; reads /proc, calls nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

_PROC = Path("/proc")


def start_time(pid: int) -> str | None:
    """When the process started, in clock ticks since boot; with the pid it names one process for ever."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    # A zombie holds no resources; it only waits for its parent to look.
    return None if fields[0] in "ZX" else fields[19]


def remember(path: Path, pid: int) -> None:
    """Note the process; the boot id makes a note of before a reboot worthless."""
    path.write_text(json.dumps({"pid": pid, "started": start_time(pid), "boot": _boot_id()}))


def recall(path: Path) -> int | None:
    """The noted process when it still runs."""
    try:
        noted = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    pid = int(noted["pid"])
    same = noted["boot"] == _boot_id() and noted["started"] is not None and start_time(pid) == noted["started"]
    return pid if same else None


def _boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def _parent(pid: int) -> int:
    try:
        return int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def children(parent: int) -> list[int]:
    """Direct children; not every kernel has /proc/PID/task/TID/children."""
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _parent(pid) == parent]


def init_of(outer: int) -> int | None:
    """Host pid of the node's process 1."""
    for pid in children(outer):
        if len(_nspid(pid)) > 1 and _nspid(pid)[-1] == "1":
            return pid
    return None


def components(init: int, commands: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Host pid of each supervised component that runs now.

    By its whole command line: containerd's orphaned shims are children of init too.
    """
    names = {tuple(argv): name for name, argv in commands.items()}
    found: dict[str, int] = {}
    for pid in children(init):
        name = names.get(_command(pid))
        if name is not None:
            found[name] = pid
    return found


def _command(pid: int) -> tuple[str, ...]:
    try:
        data = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(data.decode(errors="replace").split("\0")[:-1])


def namespace_pids(init: int) -> list[int]:
    """Every process of the node, containers included."""
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _descends(pid, init)]


def _nspid(pid: int) -> list[str]:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return []
    return next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1 and pid != ancestor:
        pid = _parent(pid)
    return pid == ancestor


def is_root() -> bool:
    """Root may make namespaces."""
    return os.geteuid() == 0
