"""Records what a preparation in this process does to a volume: every fsync, rename and link. Used by tests.

The calls are made as ever; afterwards the state of what they concern is read. Small volumes only: after every rename
the whole volume is read.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from blueno import names
from tests.checker.steps import Named, Node, Synced, Told, Trace

_IGNORED = {".blueno"}  # reservations are best effort, and written by a thread of their own


class Killed(BaseException):
    """Ends an attempt where a SIGKILL would."""


class Recorder:
    """`trace` is what was recorded so far, over all attempts that were recorded."""

    def __init__(self, volume: Path) -> None:
        self._volume = volume.resolve()
        self._begin = look(self._volume)
        self._steps: list[Synced | Named | Told] = []
        self._lock = threading.Lock()
        self.calls = 0
        self._last = -1

    @property
    def trace(self) -> Trace:
        return Trace(self._begin, tuple(self._steps))

    def told(self, root: Path, work: str) -> None:
        """The attempt has answered that it sealed `work`."""
        self._steps.append(Told(str(root.resolve().relative_to(self._volume)), work, look(self._volume)))

    @contextmanager
    def recording(self, calls: int = -1) -> Iterator[Recorder]:
        """Record while the block runs. Raises Killed instead of making the call after so many `calls`."""
        self.calls, self._last = 0, calls
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", self._watched(os.fsync, self._synced))
            for call in ("replace", "rename", "link"):
                patch.setattr(os, call, self._watched(getattr(os, call), self._named))
            yield self

    def _watched(self, call: Callable[..., Any], note: Callable[[Path], Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            path = _path_of(arguments[-1])
            if not self._is_ours(path):
                return call(*arguments, **options)
            with self._lock:
                if self.calls == self._last:
                    raise Killed
                self.calls += 1
                answer = call(*arguments, **options)
                self._steps.append(note(path))
            return answer

        return called

    def _synced(self, path: Path) -> Synced:
        return Synced(str(path.relative_to(self._volume)), look(path, depth=1))

    def _named(self, path: Path) -> Named:
        return Named(str(path.relative_to(self._volume)), look(self._volume))

    def _is_ours(self, path: Path) -> bool:
        inside = path.is_relative_to(self._volume)
        return inside and not _IGNORED & set(path.relative_to(self._volume).parts)


def _path_of(argument: Any) -> Path:
    """Of an open file or directory, or of a name."""
    if isinstance(argument, int):
        return Path(os.readlink(f"/proc/self/fd/{argument}"))  # noqa: PTH115  # not the file that it leads to
    return Path(argument).absolute()


def look(path: Path, depth: int = 99) -> Node:
    """A file or directory as it is now."""
    about = path.stat()
    if not stat.S_ISDIR(about.st_mode):
        data = path.read_bytes()
        text = data.decode(errors="replace") if path.parent.name == names.WORKS_DIR else ""
        return Node(about.st_ino, hashlib.sha256(data).hexdigest(), text=text)
    entries = {}
    for entry in os.scandir(path):
        try:
            if entry.name not in _IGNORED:
                entries[entry.name] = look(Path(entry), depth - 1) if depth else Node(entry.inode())
        except OSError:
            continue  # gone meanwhile: another thread's
    return Node(about.st_ino, entries=entries)
