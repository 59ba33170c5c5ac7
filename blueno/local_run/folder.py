"""The directory of a local run: outputs, checkpoints, and what is remembered from one attempt to the next.

Called by blueno/cli/local.py. `./runs/<name>/` is what /workspace/output is in a pod; `.blueno.json` in it counts the
attempts, `.blueno.lock` is held while one runs (by the program too, so that it outlives a killed `blueno`).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blueno import names
from blueno.errors import BluenoError, Conflict

STATE = ".blueno.json"
LOCK = ".blueno.lock"
_CHECKPOINT = re.compile(r"step-(\d{1,18})")
# What a run is: with another one of these it would go on from checkpoints that are not its own.
_IDENTITY = ("command", "args", "parameters", "datasets", "env")


@dataclass(frozen=True)
class Attempt:
    """The attempt that begins. `lock` is the file descriptor to hand to the program."""

    folder: Path
    number: int
    lock: int

    def checkpoints(self, resume: str) -> Path:
        """As controllers/training_run/environment.py has it: the same in every attempt, unless each begins anew."""
        anew = resume == "Never"
        return self.folder / (f"{names.CHECKPOINTS_DIR}-a{self.number}" if anew else names.CHECKPOINTS_DIR)


@contextmanager
def attempt(root: Path, name: str, spec: Mapping[str, Any], *, start_over: bool = False) -> Iterator[Attempt]:
    """Makes the directory or finds it again, and holds it. Raises Conflict: it is running, or was another run."""
    folder = root / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _locked(folder, name)
    except OSError as error:
        raise BluenoError(
            f"{folder} cannot be used: {error.strerror}; start it in a directory that you may write"
        ) from None
    try:
        if start_over and (folder / STATE).exists():
            os.close(lock)
            folder.rename(_free(folder))
            folder.mkdir()
            lock = _locked(folder, name)
        number = _count(folder, spec)
        yield Attempt(folder, number, lock)
    finally:
        os.close(lock)


def resume_from(folder: Path) -> Path | None:
    """The newest checkpoint below `folder`, a directory `step-<number>` as blueno.checkpoint makes them, or None."""
    place = folder / names.CHECKPOINTS_DIR
    if not place.is_dir():
        return None
    found = [(int(match[1]), entry) for entry in place.iterdir() if (match := _CHECKPOINT.fullmatch(entry.name))]
    complete = [one for one in found if one[1].is_dir()]
    return max(complete)[1] if complete else None


def _locked(folder: Path, name: str) -> int:
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise Conflict(f"{name} is running already, in {folder}: wait for it or stop it, or use --name") from None
    return lock


def _count(folder: Path, spec: Mapping[str, Any]) -> int:
    """The attempt's number; written before the program starts, so that none has the number of another."""
    text = json.dumps({key: spec.get(key) for key in _IDENTITY}, sort_keys=True)
    total = hashlib.sha256(text.encode()).hexdigest()
    file = folder / STATE
    number = 1
    if file.exists():
        try:
            before = json.loads(file.read_text())
            number = int(before["attempt"]) + 1
            same = before["spec"] == total
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BluenoError(f"{file} is damaged: begin anew with --start-over") from None
        if not same:
            raise Conflict(
                f"{folder} was made by another command, parameters, data sets or env: choose --name for a new run, or "
                "--start-over to begin this one anew (what is there is kept under another name)"
            )
    temporary = folder / f"{STATE}.tmp"
    temporary.write_text(json.dumps({"attempt": number, "spec": total}))
    temporary.replace(file)
    return number


def _free(folder: Path) -> Path:
    number = 1
    while (place := folder.with_name(f"{folder.name}.old-{number}")).exists():
        number += 1
    return place
