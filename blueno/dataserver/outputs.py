"""Directories and files that training runs have written, read without trusting any of them.

Called by outputs_app.py and archive.py, in worker threads. The rules of files.py hold here, too: each step is opened
below the one before it, nothing that is no plain file or directory is ever opened, and links are shown but not
followed. A run may be writing while we read.
"""

from __future__ import annotations

import errno
import heapq
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blueno import filenames
from blueno.dataserver.files import File, Folder, Handle
from blueno.dataserver.problems import Problem, Unreadable
from blueno.dataserver.workers import Job
from blueno.resources.conditions import rfc3339

PAGE = 1000  # entries in one answer at most
_LOOK = 4096  # names between two looks whether anybody still waits
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_GONE = {errno.ENOENT, errno.ESTALE, errno.ENAMETOOLONG}
_CHANGED = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO}  # it was something else a moment ago
_LATEST = 253402300799  # the last second of the year 9999


class Directory(Handle):
    """An open directory. `name` is the text of its path below the run's own directory."""

    def look(self, step: bytes) -> os.stat_result:
        """What there is of this name, itself and not where it leads. Raises Problem."""
        try:
            return os.stat(step, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError as error:
            raise problem_of(error, self.path(step)) from error

    def directory(self, step: bytes) -> Directory:
        """Raises Problem 404; 409 for what is no directory."""
        if not stat.S_ISDIR((about := self.look(step)).st_mode):
            kind = "a link" if stat.S_ISLNK(about.st_mode) else "a file"
            raise Problem(409, "not_a_directory", f"{self.path(step)} is {kind}, not a directory")
        return Directory(self._open(step, _DIRECTORY), self.path(step))

    def file(self, step: bytes) -> File:
        """A plain file. Raises Problem 404; 409 for links, directories, pipes, devices, and what we may not read."""
        kind = kind_of(self.look(step))
        if kind == "link":
            text = f"{self.path(step)} is a symbolic link: links are not followed, download what it stands for"
            raise Problem(409, "output_is_a_link", text)
        if kind != "file":
            what = "a directory: download it as an archive" if kind == "directory" else "a pipe, a socket or a device"
            raise Problem(409, "not_a_file", f"{self.path(step)} is {what}")
        return File(self._open(step, _FILE), self.path(step))

    def names(self, job: Job) -> Iterator[bytes]:
        """What lies in it, in no order. Raises Problem, Abandoned."""
        try:
            with os.scandir(self.descriptor) as entries:
                for number, entry in enumerate(entries):
                    if number % _LOOK == 0:
                        job.check()
                    yield os.fsencode(entry.name)
        except OSError as error:
            raise problem_of(error, self.name or "the directory") from error

    def path(self, step: bytes) -> str:
        """The text of a path."""
        return f"{self.name}/{filenames.shown(step)}" if self.name else filenames.shown(step)

    def _open(self, step: bytes, flags: int) -> int:
        try:
            return os.open(step, flags, dir_fd=self.descriptor)
        except OSError as error:
            raise problem_of(error, self.path(step)) from error


def problem_of(error: OSError, path: str) -> Problem:
    """What an error of the file system means to a person who looks at outputs."""
    if error.errno in _GONE:
        return Problem(404, "output_not_found", f"{path} is not there, or not any more")
    if error.errno in (errno.EACCES, errno.EPERM):
        text = f"{path} may be read by the run's own user only: give others the right to read it (umask 022)"
        return Problem(409, "output_unreadable", text)
    if error.errno in _CHANGED:
        return Problem(409, "output_changed", f"{path} has just become something else: look again")
    return Unreadable(f"{path} cannot be read now ({os.strerror(error.errno) if error.errno else 'no reason given'})")


def kind_of(about: os.stat_result) -> str:
    """file, directory, link, or other: pipes, sockets, devices."""
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    return kinds.get(stat.S_IFMT(about.st_mode), "other")


class Outputs:
    """A claim that runs write to, each to a directory of its own in the claim's root."""

    def __init__(self, mount: Path) -> None:
        self._mount = mount

    def check(self) -> None:
        """Raises Problem unless the claim can be read."""
        Folder(os.fspath(self._mount))

    def directory(self, run: str, steps: tuple[bytes, ...]) -> Directory:
        """A directory below a run's own. Raises Problem."""
        root = Directory(Folder(os.fspath(self._mount)).detach(), "")
        try:
            found = Directory(root.directory(run.encode()).detach(), "")
        except Problem as problem:
            if problem.code not in ("output_not_found", "not_a_directory"):
                raise
            text = "there is no directory of this run on the claim: it has not begun yet, or its outputs were removed"
            raise Problem(404, "no_outputs", text) from None
        for step in steps:
            found = found.directory(step)
        return found

    def file(self, run: str, steps: tuple[bytes, ...]) -> File:
        """A file below a run's directory. Raises Problem."""
        if not steps:
            raise Problem(409, "not_a_file", "this is the run's own directory: download it as an archive")
        return self.directory(run, steps[:-1]).file(steps[-1])


def page(folder: Directory, after: bytes, limit: int, job: Job) -> dict[str, Any]:
    """The first `limit` entries whose names come after `after`, by the bytes of their names. Raises Problem, Abandoned.

    Takes memory for one page, however many entries there are. What goes away meanwhile is left out.
    """
    found = heapq.nsmallest(limit + 1, (name for name in folder.names(job) if name > after))
    chosen = found[:limit]
    items = []
    for number, name in enumerate(chosen):
        if number % 100 == 0:
            job.check()
        if (entry := _entry(folder, name)) is not None:
            items.append(entry)
    more = filenames.shown(chosen[-1]) if len(found) > limit else None
    return {"path": folder.name, "items": items, "next": more}


def _entry(folder: Directory, name: bytes) -> dict[str, Any] | None:
    try:
        about = folder.look(name)
    except Problem as problem:
        if problem.status == 404:
            return None
        raise
    kind = kind_of(about)
    size = about.st_size if kind == "file" else None
    return {"name": filenames.shown(name), "kind": kind, "bytes": size, "modified": time_text(about)}


def time_text(about: os.stat_result) -> str | None:
    """When it was changed last; None when that is no time that can be written."""
    seconds = about.st_mtime_ns // 10**9
    return rfc3339(datetime.fromtimestamp(seconds, UTC)) if 0 <= seconds <= _LATEST else None
