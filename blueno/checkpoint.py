"""Checkpoints that are whole or not there. Called by users' programs as `blueno.checkpoint`; calls reporting.py.

    latest = blueno.checkpoint.latest()
    blueno.checkpoint.save(step, lambda folder: torch.save(model.state_dict(), folder / "model.pt"))

The directory is the same in all attempts of a run; outside a pod it is ./checkpoints. A checkpoint is a directory
`step-<12 digits>` that is written under another name, synced and renamed. See docs/reporting.md.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from blueno.pod import read_pod
from blueno.reporting import report_checkpoint

KEEP = 3  # newest checkpoints
STALE_SECONDS = 3600.0  # after which something half written is nobody's work in progress
_WHOLE = re.compile(r"step-(\d{12})")
_PART = ".part-"
_DIGITS = re.compile(r"(\d{1,18})\D*$")


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint: a directory, and the step after which it was saved."""

    path: Path
    step: int


def latest() -> Checkpoint | None:
    """The newest of this run, else the one that the run was told to resume from, else None."""
    pod = read_pod()
    found = _all(pod.checkpoint_dir)
    if found:
        return found[-1]
    if pod.resume_from is not None and pod.resume_from.exists():
        digits = _DIGITS.search(pod.resume_from.name)
        return Checkpoint(pod.resume_from, int(digits[1]) if digits else 0)
    return None


def save(step: int, write: Callable[[Path], object], *, keep: int = KEEP) -> Path | None:
    """Calls `write` with an empty directory; afterwards it is the checkpoint of this step. Its path.

    Keeps the newest `keep` (at least 1). Of several processes only rank 0 saves; the others get None and `write` is not
    called. Raises what `write` raises, and OSError when the disk is full; then there is no such checkpoint.
    """
    step = int(step)
    if not 0 <= step < 10**12:
        raise ValueError(f"step must be a whole number from 0 to 999999999999, not {step}")
    pod = read_pod()
    if not pod.first:
        return None
    folder = pod.checkpoint_dir
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{_PART}{step:012}-{secrets.token_hex(4)}"
    part.mkdir()
    try:
        write(part)
        _sync(part)
        path = _publish(part, folder / f"step-{step:012}")
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    _prune(folder, max(1, keep), path)
    report_checkpoint(path.absolute(), step)
    return path


def _all(folder: Path) -> list[Checkpoint]:
    """Oldest first."""
    try:
        named = [(path, _WHOLE.fullmatch(path.name)) for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    whole = [Checkpoint(path, int(digits[1])) for path, digits in named if digits and path.is_dir()]
    return sorted(whole, key=lambda one: one.step)


def _publish(part: Path, path: Path) -> Path:
    """A run that was resumed may come to a step for the second time: then the new one counts."""
    if path.exists():
        old = path.with_name(f"{_PART}old-{secrets.token_hex(4)}")
        path.rename(old)
        part.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        part.rename(path)
    _sync_one(path.parent)
    return path


def _prune(folder: Path, keep: int, newest: Path) -> None:
    """What was saved a moment ago stays, though there are later steps from before the run was resumed."""
    whole = [one.path for one in _all(folder) if one.path != newest]
    goes = whole[: max(0, len(whole) - (keep - 1))]
    with suppress(OSError):
        before = time.time() - STALE_SECONDS
        goes += [path for path in folder.iterdir() if path.name.startswith(_PART) and path.stat().st_mtime < before]
    for path in goes:
        shutil.rmtree(path, ignore_errors=True)


def _sync(folder: Path) -> None:
    for path, _, files in os.walk(folder):
        for name in files:
            _sync_one(Path(path, name))
        _sync_one(Path(path))


def _sync_one(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
