"""Packs: immutable files below objects/ that hold the contents of samples. Called by working_receive.py and others.

A pack is written under a temporary name, fsynced, renamed to its sha256, and its directory fsynced: then a journal may
name it. Until the journal does, it is pinned, so that no purge takes it away in between. Every step is taken below an
open directory and follows no link: the volume belongs to users.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from blueno.data.files import sync_handle
from blueno.dataserver.files import File, Folder
from blueno.dataserver.problems import Gone
from blueno.names import OBJECTS_DIR

FILE_MODE: Final = 0o644
COPIED: Final = 1 << 20  # bytes at a time
ABANDONED: Final = 3600.0  # seconds after which a temporary file belongs to nobody
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE: Final = re.compile(r"\.([0-9a-f]{64})\.gone")
_TEMPORARY: Final = re.compile(r"\.[0-9a-f]{32}\.tmp")


class Packs:
    """The packs of a data set. Thread-safe."""

    def __init__(self, root: Folder) -> None:
        self.root = root  # replaced when it is opened anew; pins stay
        self._lock = threading.Lock()
        self._pins: Counter[str] = Counter()
        self._synced: set[str] = set()

    def new(self) -> NewPack:
        """One that is being written. Raises OSError."""
        return NewPack(self, self._folder())

    def file(self, name: str) -> File:
        """A pack to read. Raises Gone, Damaged, Unreadable."""
        return self.root.folder(OBJECTS_DIR).folder(name[:2]).file(name)

    def publish(self, source: int, temporary: str, name: str) -> None:
        """Renames a file of the directory `source` to the pack that it is, and pins that. Raises OSError."""
        folder = self.folder_of(name)
        with self._lock:
            self._pins[name] += 1
            try:
                os.rename(temporary, name, src_dir_fd=source, dst_dir_fd=folder.descriptor)
            except BaseException:
                self._unpin(name)
                raise
        try:
            sync_handle(folder.descriptor)
        except BaseException:
            self.unpin(name)
            raise

    def unpin(self, name: str) -> None:
        """It stands in the journal now, or is not needed."""
        with self._lock:
            self._unpin(name)

    def remove(self, name: str, confirm: Callable[[], None]) -> bool:
        """Takes a pack away that nobody needs. False when somebody is about to name it. Raises OSError, Problem.

        `confirm` raises when another server has taken over, which may just have published the very same pack: then it
        is put back. A name that only this server knows is what is deleted in the end.
        """
        gone = f".{name}.gone"
        with self._lock:
            if self._pins[name]:
                return False
            try:
                top = self.root.folder(OBJECTS_DIR)
                folder = top.folder(name[:2])
            except Gone:
                return True
            with suppress(FileNotFoundError):  # renamed before, and not deleted then
                os.rename(name, gone, src_dir_fd=folder.descriptor, dst_dir_fd=top.descriptor)
            try:
                confirm()
            except BaseException:
                with suppress(FileNotFoundError):
                    os.rename(gone, name, src_dir_fd=top.descriptor, dst_dir_fd=folder.descriptor)
                raise
            with suppress(FileNotFoundError):
                os.unlink(gone, dir_fd=top.descriptor)
        return True

    def is_gone(self, name: str) -> bool:
        """Whether a pack is neither there nor on its way to be removed. Raises Problem."""
        try:
            top = self.root.folder(OBJECTS_DIR)
        except Gone:
            return True
        return self.size(name) is None and top.identity_of(f".{name}.gone") is None

    def restore(self, needed: Callable[[set[str]], set[str]]) -> None:
        """Ends what a server that died was about to do. `needed`: which of these packs are. Raises OSError."""
        try:
            top = self.root.folder(OBJECTS_DIR)
        except Gone:
            return
        found = {match[1] for name in top.names() if (match := _GONE.fullmatch(name))}
        kept = needed(found) if found else set()
        for name in found:
            if name in kept and self.size(name) is None:
                folder = self.folder_of(name)
                os.rename(f".{name}.gone", name, src_dir_fd=top.descriptor, dst_dir_fd=folder.descriptor)
                sync_handle(folder.descriptor)
            else:
                os.unlink(f".{name}.gone", dir_fd=top.descriptor)

    def size(self, name: str) -> int | None:
        """Of a pack; None when it is not there."""
        try:
            return self.file(name).size
        except Gone:
            return None

    def folder_of(self, name: str) -> Folder:
        """Where a pack of this name lies; made when it is missing, and its own name durable."""
        top = self._folder()
        with self._lock:
            folder = made(top, name[:2])
            if name[:2] not in self._synced:  # one that was there already may have been made by a process that died
                sync_handle(top.descriptor)
                self._synced.add(name[:2])
        return folder

    def clear(self) -> None:
        """Removes temporary files that were left behind. Raises OSError."""
        now = time.time()
        try:
            top = self.root.folder(OBJECTS_DIR)
        except Gone:
            return
        for name in top.names():
            if _TEMPORARY.fullmatch(name):
                with suppress(FileNotFoundError):
                    if now - top.modified(name) > ABANDONED:
                        os.unlink(name, dir_fd=top.descriptor)

    def _folder(self) -> Folder:
        return made(self.root, OBJECTS_DIR, self._synced)

    def _unpin(self, name: str) -> None:
        self._pins[name] -= 1
        if self._pins[name] <= 0:
            del self._pins[name]


class NewPack:
    """A pack that grows. `seal` or `discard` ends it."""

    def __init__(self, packs: Packs, folder: Folder) -> None:
        self._packs, self._folder = packs, folder
        self._name = f".{secrets.token_hex(16)}.tmp"
        self._handle = os.open(self._name, _NEW, FILE_MODE, dir_fd=folder.descriptor)
        self._hasher = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Appends. Raises OSError."""
        self._hasher.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._handle, view) :]
        self.size += len(data)

    def seal(self) -> str:
        """The pack's name: durable, and pinned. Raises OSError; then it is still to be discarded."""
        os.fsync(self._handle)
        name = self._hasher.hexdigest()
        self._packs.publish(self._folder.descriptor, self._name, name)
        self._close()
        return name

    def discard(self) -> None:
        """Takes it away, unless it was sealed. May be repeated."""
        if self._handle >= 0:
            self._close()
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._folder.descriptor)

    def _close(self) -> None:
        os.close(self._handle)
        self._handle = -1


def copied(packs: Packs, spans: Iterable[tuple[File, int, int]]) -> str:
    """A new pack of these parts of others, (file, offset, size); pinned. Raises OSError, Problem."""
    with new_pack(packs) as target:
        for file, offset, size in spans:
            for at in range(0, size, COPIED):
                target.write(file.read(offset + at, min(COPIED, size - at)))
        return target.seal()


@contextmanager
def new_pack(packs: Packs) -> Iterator[NewPack]:
    """Discarded at the end unless it was sealed."""
    pack = packs.new()
    try:
        yield pack
    finally:
        pack.discard()


def made(parent: Folder, name: str, synced: set[str] | None = None) -> Folder:
    """A directory in `parent`, made when it is missing; its name durable, once for `synced`. Raises OSError."""
    try:
        os.mkdir(name, 0o755, dir_fd=parent.descriptor)
    except FileExistsError:
        folder = parent.folder(name)
    else:
        folder = parent.folder(name)
        os.fchmod(folder.descriptor, 0o755)  # whatever the umask is
    if synced is not None and name not in synced:
        sync_handle(parent.descriptor)
        synced.add(name)
    return folder
