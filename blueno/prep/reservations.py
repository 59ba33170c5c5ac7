"""Who still needs how much of the volume: small files that the preparations on it leave for each other.

Called by blueno/prep/space.py and erase.py. One file for each preparation under way, `.blueno/reservations/<uid>.json`
at the volume's root; where that cannot be written, in the directory above the data set's own. A file that was not
refreshed for STALE seconds counts as left behind by a pod that died. Everything here is best effort: without it a
preparation sees free bytes only. Whoever may write the volume may write these files, so nothing in them is believed
beyond what a data set could ask for.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from blueno.data.files import is_full, make_directory
from blueno.prep.config import PrepConfig

log = logging.getLogger("blueno.prep")

FOLDER = Path(".blueno", "reservations")
REFRESH = 20.0  # seconds between two signs of life
STALE = 120.0  # seconds without one; by the clock of the volume's server, as far as it can be seen
FORGOTTEN = 3600.0  # seconds after which anybody's file is removed
_SIZE = 1024  # bytes of every file: rewritten in place, so that a full volume can still be told about
_LOOKED_AT = 20_000  # names in the folder
_READ = 512  # files
_UID = re.compile(r"[A-Za-z0-9-]{1,64}")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_LATEST = 1 << 62  # nanoseconds


@dataclass(frozen=True)
class Reservation:
    """What one preparation still needs."""

    uid: str  # of the Dataset
    started: int  # nanoseconds since 1970: who began first goes first
    needed: int  # bytes
    admitted: bool  # it has begun to write
    waiting: bool = False
    namespace: str = ""
    name: str = ""

    @property
    def place(self) -> tuple[int, str]:
        """Its place in the line: the smallest goes first."""
        return self.started, self.uid

    @classmethod
    def parse(cls, uid: str, data: bytes, most: int) -> Reservation | None:
        """None for what no preparation has written, or for more bytes than the volume has (`most`)."""
        try:
            body = json.loads(data)
            found = cls(**{key: body[key] for key in cls.__dataclass_fields__})
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        numbers = ((found.started, _LATEST), (found.needed, most))
        if any(type(value) is not int or not 0 <= value <= limit for value, limit in numbers):
            return None
        texts = (found.namespace, found.name)
        if any(type(text) is not str or (text and not _NAME.fullmatch(text)) for text in texts):
            return None
        flags = type(found.admitted) is bool and type(found.waiting) is bool
        return found if flags and found.uid == uid else None


class Reservations:
    """Our own reservation, and a look at those of others."""

    def __init__(self, config: PrepConfig) -> None:
        self._uid = config.dataset_uid
        self._namespace, _, self._name = config.dataset.partition("/")
        top, above = config.volume, config.root.parent
        self._folders = [top / FOLDER] + ([above / FOLDER] if above != top else [])
        self._all_folders = tuple(self._folders)
        self._folder: Path | None = None
        self._started = 0
        self._lock = threading.Lock()
        self._over = threading.Event()

    @property
    def place(self) -> tuple[int, str]:
        """Ours in the line."""
        return self._started, self._uid

    def write(self, needed: int, *, admitted: bool, waiting: bool = False) -> None:
        """Says what we still need. Never fails: without a place for it nobody is told."""
        if not _UID.fullmatch(self._uid):
            return
        with self._lock:
            for folder in list(self._folders):
                if self._over.is_set() or self._try(folder, needed, admitted, waiting):
                    return

    def keep(self, current: Callable[[], tuple[int, bool, bool]], look: Callable[[], object]) -> None:
        """From now on, in a thread: says every REFRESH seconds what `current` is (needed, admitted, waiting)."""

        def run() -> None:
            while not self._over.wait(REFRESH):
                with suppress(OSError):
                    look()
                needed, admitted, waiting = current()
                self.write(needed, admitted=admitted, waiting=waiting)

        threading.Thread(target=run, name="reservation", daemon=True).start()

    def others(self, most: int) -> list[Reservation]:
        """Those of others that are alive, in the order of the line; `most`: bytes that the volume has."""
        if self._folder is None:
            return []
        found: list[Reservation] = []
        with suppress(OSError):
            now = self._path(self._folder).stat().st_mtime  # we have just written it: what the server's clock says
            for entry, age in self._fresh(self._folder, now):
                uid = entry.name.removesuffix(".json")
                data = _read(Path(entry.path)) if uid != self._uid else None
                one = Reservation.parse(uid, data, most) if data is not None else None
                if one is not None and age < STALE:
                    found.append(one)
                if len(found) >= _READ:
                    break
        return sorted(found, key=lambda one: one.place)

    def remove(self) -> None:
        """At the end, however it ends. Takes away what is empty then."""
        self._over.set()
        if not self._lock.acquire(timeout=1):
            return  # the volume hangs: the file grows stale
        try:
            remove_of(self._uid, self._all_folders)
        finally:
            self._lock.release()

    def _path(self, folder: Path) -> Path:
        return folder / f"{self._uid}.json"

    def _try(self, folder: Path, needed: int, admitted: bool, waiting: bool) -> bool:
        try:
            _refuse_links(folder)
            make_directory(folder)
            self._started = self._started or self._earlier(folder) or time.time_ns()
            mine = Reservation(self._uid, self._started, needed, admitted, waiting, self._namespace, self._name)
            _write(self._path(folder), json.dumps(asdict(mine)).encode())
        except OSError as error:
            if not is_full(error) and error.errno != errno.EIO:
                self._folders.remove(folder)
                if not self._folders:
                    log.info("no reservation can be left on the volume (%s): others see free bytes only", error)
            return False
        self._folder = folder
        return True

    def _earlier(self, folder: Path) -> int:
        """When an attempt before this one began: its place in the line is kept."""
        data = _read(self._path(folder))
        known = Reservation.parse(self._uid, data, _LATEST) if data is not None else None
        return known.started if known is not None and known.started <= time.time_ns() else 0

    def _fresh(self, folder: Path, now: float) -> Iterator[tuple[os.DirEntry[str], float]]:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= _LOOKED_AT:
                    return
                uid = entry.name.removesuffix(".json")
                if uid == entry.name or not _UID.fullmatch(uid) or not entry.is_file(follow_symlinks=False):
                    continue
                age = now - entry.stat(follow_symlinks=False).st_mtime
                if age > FORGOTTEN:
                    with suppress(OSError):
                        Path(entry.path).unlink()
                elif -STALE < age < STALE:  # nor is it believed that somebody has written in the future
                    yield entry, age


def folders_of(config: PrepConfig) -> list[Path]:
    """Where the reservation of a data set may lie."""
    return [config.volume / FOLDER, config.root.parent / FOLDER]


def remove_of(uid: str, folders: Sequence[Path]) -> None:
    """Removes the reservation of the Dataset `uid`, and folders that are empty then."""
    if not _UID.fullmatch(uid):
        return
    for folder in folders:
        with suppress(OSError):
            _refuse_links(folder)
            (folder / f"{uid}.json").unlink(missing_ok=True)
            folder.rmdir()
            folder.parent.rmdir()


def _refuse_links(folder: Path) -> None:
    for path in (folder.parent, folder):
        if path.is_symlink():
            raise OSError(errno.ELOOP, "is a symbolic link", str(path))


def _read(path: Path) -> bytes | None:
    """The content of a regular file of a sane size; None for anything else."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        return os.read(handle, 4 * _SIZE)
    except OSError:
        return None
    finally:
        os.close(handle)


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    try:
        os.pwrite(handle, data[: _SIZE - 1].ljust(_SIZE - 1) + b"\n", 0)
        os.utime(handle)
    finally:
        os.close(handle)
