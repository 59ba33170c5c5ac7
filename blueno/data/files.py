"""Durable small steps on a volume that may be NFS. Called by blueno/prep and blueno/data/shards.py.

Order of every publication: write under a temporary name, fsync, rename, fsync the directory.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

DIRECTORY_MODE = 0o755
FILE_MODE = 0o444  # sealed files: kubelet may read them as a squashed root
_LINK_FAILS = {errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EACCES}


def is_full(error: OSError) -> bool:
    """Whether it says that the volume, or what this user may have of it, is used up."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def make_directory(path: Path) -> None:
    """Makes `path` and its parents, each 0755 whatever the umask is; directories that exist are left as they are.

    A repeated MKDIR may answer EEXIST though the first one made it: a directory of ours gets its mode all the same.
    Raises OSError, FileExistsError when something else has the name.
    """
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        try:
            directory.mkdir()
        except FileExistsError:
            about = directory.stat()
            if not stat.S_ISDIR(about.st_mode):
                raise
            if about.st_uid != os.geteuid():
                continue
        directory.chmod(DIRECTORY_MODE)


def sync_directory(path: Path) -> None:
    """Makes renames and new names in `path` durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_handle(handle)
    finally:
        os.close(handle)


def sync_names(directory: Path, top: Path) -> None:
    """Makes the names in `directory`, its own and those of the directories above it durable, up to those in `top`.

    What may be entered but not be read cannot be fsynced: it stays as durable as its file system makes it.
    """
    for folder in (directory, *directory.parents):
        with suppress(PermissionError):
            sync_directory(folder)
        if folder == top:
            break


def sync_handle(handle: int) -> None:
    """The same for an open directory."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot fsync a directory
            raise


def publish(temporary: Path, final: Path) -> None:
    """Renames a file that was fsynced, then fsyncs the directory.

    After a server restart a repeated RENAME may answer ENOENT though the first one succeeded, so on ENOENT the final
    name is compared with what the temporary one was. Raises OSError when it is not there.
    """
    rename(temporary, final)
    sync_directory(final.parent)


def rename(temporary: Path, final: Path) -> None:
    """The renaming alone, of a file or a directory, with the same care. Raises OSError."""
    before = temporary.stat()
    try:
        temporary.replace(final)
    except FileNotFoundError as error:
        try:
            after = final.stat()
        except FileNotFoundError:
            raise error from None
        if (after.st_ino, after.st_size) != (before.st_ino, before.st_size):
            raise


def new_file(temporary: Path, buffering: int = -1) -> BinaryIO:
    """Opens a temporary file for writing that shares nothing with what had its name.

    An attempt that failed may have left a hard link there, to a file of a sealed version: truncating it would destroy
    that version. Raises OSError.
    """
    temporary.unlink(missing_ok=True)
    return temporary.open("xb", buffering=buffering)


def write_file(final: Path, data: bytes, tag: str) -> None:
    """Writes `data` durably as `final`; `tag` keeps the temporary names of two attempts apart."""
    temporary = final.with_name(f".{final.name}.{tag}.tmp")
    with new_file(temporary) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    publish(temporary, final)


def create_file(final: Path, data: bytes, tag: str) -> bool:
    """Like `write_file`, but never replaces: False when `final` exists already."""
    temporary = final.with_name(f".{final.name}.{tag}.tmp")
    with new_file(temporary) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, final)
    except FileExistsError:
        if not temporary.samefile(final):  # else it is ours: a repeated LINK says so of the first one
            return False
    except OSError as error:
        if error.errno not in _LINK_FAILS:
            raise
        try:  # no hard links here: O_EXCL is the next best thing, though a crash may leave a short file
            handle = os.open(final, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    sync_directory(final.parent)
    return True


def link_or_copy(source: Path, target: Path) -> bool:
    """Gives `target` the content of `source`: True for a hard link, False for a copy that was fsynced."""
    try:
        os.link(source, target)
    except OSError as error:
        if isinstance(error, FileExistsError) and source.samefile(target):
            return True  # a repeated LINK says so of the first one
        if error.errno not in _LINK_FAILS:
            raise
        with source.open("rb") as reader, new_file(target) as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)
            writer.flush()
            os.fsync(writer.fileno())
        return False
    return True


def remove_tree(path: str | Path, *, dir_fd: int | None = None) -> None:
    """Removes a directory and everything in it, following no link. What is gone already is done: a repeated REMOVE may
    say that of the first one. One thing that cannot go does not keep the rest: on NFS a file that is still open leaves
    its directory full. Raises the first OSError when everything was tried.
    """
    errors: list[OSError] = []

    def judge(_function: Any, _path: Any, raised: Any) -> None:
        if not isinstance(raised[1], FileNotFoundError):
            errors.append(raised[1])

    shutil.rmtree(path, onerror=judge, dir_fd=dir_fd)
    if errors:
        raise errors[0]


def file_sha256(path: Path) -> str:
    """64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def free_and_capacity(path: Path) -> tuple[int, int]:
    """(bytes this process may still write, bytes in all) of the file system that holds `path`."""
    stats = os.statvfs(path)
    return stats.f_bavail * stats.f_frsize, stats.f_blocks * stats.f_frsize


def free_inodes(path: Path) -> int | None:
    """Files that can still be made there, however many bytes are free. None where the file system does not count."""
    stats = os.statvfs(path)
    return stats.f_favail if stats.f_files else None
