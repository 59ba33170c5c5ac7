"""Opens and reads what lies on the volume, trusting none of it. Called by library.py, version.py and stream.py.

Three rules. No name leads anywhere else: every step is opened below the directory before it, and symbolic links,
devices and pipes are refused. No read can hang the process: `pread` lets go of the interpreter, while a page fault on a
memory map of a volume that hangs would keep it. No read can kill it: a mapped file that somebody truncates is a SIGBUS,
`pread` only comes back short.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from blueno.dataserver.problems import Damaged, Gone, Problem, Stale, Unreadable

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not be waited for
_REFUSED = {errno.ELOOP, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ENXIO, errno.EINVAL, errno.ENAMETOOLONG}


def problem_of(error: OSError, what: str) -> Problem:
    """What an error of the file system means to a caller."""
    if error.errno == errno.ENOENT:
        return Gone(what)
    if error.errno == errno.ESTALE:
        return Stale(what)
    reason = os.strerror(error.errno) if error.errno else "no reason given"
    if error.errno in _REFUSED:
        return Damaged(f"{what} is neither a plain file nor a plain directory ({reason})")
    return Unreadable(f"{what} cannot be read now ({reason})")


class Handle:
    """An open descriptor, closed when nobody uses it any more: threads may still read what a cache has let go."""

    _descriptor = -1

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor, self.name = descriptor, name

    @property
    def descriptor(self) -> int:
        """Open as long as this object is."""
        return self._descriptor

    def detach(self) -> int:
        """The descriptor, which is the caller's to close from now on."""
        found, self._descriptor = self._descriptor, -1
        return found

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


class File(Handle):
    """A regular file of known size."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(descriptor, name)
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise Damaged(f"{name} is not a plain file")
        self.size = about.st_size
        self.identity = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)

    @property
    def path(self) -> str:
        """A path that opens this very file, whatever its name has become."""
        return f"/proc/self/fd/{self._descriptor}"

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises Damaged when the file has become shorter, Gone, Unreadable."""
        try:
            data = os.pread(self._descriptor, length, offset)
            while len(data) < length:  # a signal, or a network file system
                more = os.pread(self._descriptor, length - len(data), offset + len(data))
                if not more:
                    raise Damaged(f"{self.name} is shorter than it was")
                data += more
        except OSError as error:
            raise problem_of(error, self.name) from error
        return data

    def fill(self, offset: int, target: npt.NDArray[Any]) -> None:
        """Like `read`, into a C-contiguous array and without a copy."""
        view = memoryview(target.reshape(-1).view(np.uint8).data)
        done = 0
        try:
            while done < len(view):
                count = os.preadv(self._descriptor, [view[done:]], offset + done)
                if not count:
                    raise Damaged(f"{self.name} is shorter than it was")
                done += count
        except OSError as error:
            raise problem_of(error, self.name) from error


class Span(io.RawIOBase):
    """A part of a File as a file of its own, for readers that take it piece by piece."""

    def __init__(self, file: File, offset: int, size: int) -> None:
        super().__init__()
        self._file, self._offset, self._size, self._at = file, offset, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, target: Any, /) -> int:
        view = memoryview(target).cast("B")
        count = max(0, min(len(view), self._size - self._at))
        view[:count] = self._file.read(self._offset + self._at, count)
        self._at += count
        return count


class Folder(Handle):
    """A directory. Names given to it are single steps: neither `/` nor `..`."""

    def __init__(self, path: str, parent: int | None = None) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if parent is None else os.O_NOFOLLOW)
        try:
            descriptor = os.open(path, flags, dir_fd=parent)
        except OSError as error:
            raise problem_of(error, path) from error
        super().__init__(descriptor, path)

    @classmethod
    def below(cls, mount: PurePath, root: PurePath) -> Folder:
        """`root`, a path below `mount`; only the mount point itself may be a link."""
        folder = cls(os.fspath(mount))
        for step in root.relative_to(mount).parts:
            folder = folder.folder(step)
        return folder

    def folder(self, name: str) -> Folder:
        """A directory in this one. Raises Gone, Damaged when it is a link, Unreadable."""
        return Folder(_step(name), self._descriptor)

    def file(self, name: str, size: int | None = None) -> File:
        """A file in this directory, of `size` bytes when given. Raises Gone, Damaged, Unreadable."""
        try:
            descriptor = os.open(_step(name), _FLAGS, dir_fd=self._descriptor)
        except OSError as error:
            raise problem_of(error, name) from error
        file = File(descriptor, name)
        if size is not None and file.size != size:
            raise Damaged(f"{name} has {file.size} bytes; {size} were sealed")
        return file

    def text(self, name: str, most: int) -> str:
        """A small file's text. Raises Damaged when it has more than `most` bytes or is not UTF-8."""
        file = self.file(name)
        if file.size > most:
            raise Damaged(f"{name} has {file.size} bytes; at most {most} are read")
        try:
            return file.read(0, file.size).decode()
        except UnicodeDecodeError as error:
            raise Damaged(f"{name} is not UTF-8") from error

    def names(self) -> list[str]:
        """What lies in it, sorted. Raises Gone, Unreadable."""
        try:
            with os.scandir(self._descriptor) as entries:
                return sorted(entry.name for entry in entries)
        except OSError as error:
            raise problem_of(error, self.name) from error

    def modified(self, name: str) -> float:
        """When a file was last written, in seconds since 1970; 0 when it is not there. Raises Unreadable."""
        about = self.identity_of(name)
        return 0.0 if about is None else about[3] / 1e9

    def identity_of(self, name: str) -> tuple[int, int, int, int] | None:
        """Changes when the file of this name is another one; None when there is none. Raises Unreadable."""
        try:
            about = os.stat(_step(name), dir_fd=self._descriptor, follow_symlinks=False)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise problem_of(error, name) from error
        return (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)


def _step(name: str) -> str:
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise Damaged(f"{name!r:.80} is no file name")
    return name
