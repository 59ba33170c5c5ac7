"""A directory of a run as a tar, made while it is sent. Called by outputs_app.py, in worker threads.

Plain files and directories only. What is left out - links, pipes, devices, what may not be read, what went away
meanwhile - is named in a text at the archive's end, so that nobody takes a part for the whole. A run may be writing:
each file has the size that it had when its turn came, and one that shrinks while it is read ends the answer.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field

from blueno import filenames
from blueno.dataserver.files import File
from blueno.dataserver.outputs import Directory, kind_of
from blueno.dataserver.problems import Problem
from blueno.dataserver.stream import PIECE
from blueno.dataserver.workers import Job

MOST_ENTRIES = 100_000
MOST_BYTES = 1 << 40
LEFT_OUT = b"LEFT-OUT.txt"
_LINES = 1000  # in that text
_BLOCK = 512
_FAREST = (1 << 33) - 1  # seconds: what eleven octal digits hold


@dataclass(frozen=True)
class Member:
    """Something in the archive: `step` in `folder`."""

    path: bytes
    folder: Directory
    step: bytes
    about: os.stat_result
    kind: str


@dataclass
class Notes:
    """What is left out, and why: the first thousand."""

    lines: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, path: bytes, why: str) -> None:
        """One more."""
        if len(self.lines) < _LINES:
            self.lines.append(f"{filenames.shown(path)}: {why}")
        else:
            self.more += 1

    def text(self) -> bytes:
        """Of the file; empty when nothing is left out."""
        if not self.lines:
            return b""
        rest = [f"and {self.more} more"] if self.more else []
        return "\n".join(["What this archive does not hold:", *self.lines, *rest, ""]).encode()


def check(top: Directory, job: Job) -> None:
    """Raises Problem 409 for more than an archive may hold, before a byte is sent; Abandoned."""
    total = 0
    for count, member in enumerate(walk(top, b"", Notes(), job), 1):
        total += member.about.st_size if member.kind == "file" else 0
        if count > MOST_ENTRIES or total > MOST_BYTES:
            text = f"more than {MOST_ENTRIES} files or {MOST_BYTES >> 40} TiB: download its parts"
            raise Problem(409, "archive_too_large", text)


def walk(top: Directory, prefix: bytes, notes: Notes, job: Job | None = None) -> Iterator[Member]:
    """Everything below `top`, directories before what is in them, by name. Holds one open directory for each level."""
    job = job or Job(float("inf"))
    levels = [(top, prefix, _sorted(top, prefix, notes, job))]
    while levels:
        folder, above, names = levels[-1]
        if (name := next(names, None)) is None:
            levels.pop()
            continue
        path = above + name
        try:
            about = folder.look(name)
            kind = kind_of(about)
            deeper = folder.directory(name) if kind == "directory" else None
        except Problem as problem:
            notes.add(path, _why(problem))
            continue
        if kind not in ("file", "directory"):
            notes.add(path, "a link, which is not followed" if kind == "link" else "no plain file")
        elif len(levels) > filenames.MOST_STEPS:
            notes.add(path, "too many directories below each other")
        else:
            yield Member(path, folder, name, about, kind)
            if deeper is not None:
                levels.append((deeper, path + b"/", _sorted(deeper, path + b"/", notes, job)))


def pieces(top: Directory, name: bytes) -> Iterator[bytes]:
    """The archive, `name` being the directory that it unpacks to, about PIECE bytes at a time. Raises Problem."""
    out = bytearray(_header(name + b"/", 0, None))
    notes = Notes()
    for member in walk(top, name + b"/", notes):
        if member.kind == "directory":
            out += _header(member.path + b"/", 0, member.about)
        else:
            for piece in _file(member, notes):
                out += piece
                if len(out) >= PIECE:
                    yield bytes(out)
                    out.clear()
    text = notes.text()
    if text:
        out += _header(LEFT_OUT, len(text), None) + _padded(text)
    yield bytes(out) + bytes(2 * _BLOCK)


def _sorted(folder: Directory, path: bytes, notes: Notes, job: Job) -> Iterator[bytes]:
    """Names in order; of a directory with more than an archive may hold, only so many."""
    found: list[bytes] = []
    try:
        for name in folder.names(job):
            found.append(name)
            if len(found) > MOST_ENTRIES:
                break
    except Problem as problem:
        notes.add(path, _why(problem))
    return iter(sorted(found))


def _file(member: Member, notes: Notes) -> Iterator[bytes]:
    try:
        file: File = member.folder.file(member.step)
        first = file.read(0, min(PIECE, file.size))
    except Problem as problem:
        notes.add(member.path, _why(problem))
        return
    yield _header(member.path, file.size, member.about)
    yield first
    for start in range(len(first), file.size, PIECE):
        yield file.read(start, min(PIECE, file.size - start))
    yield bytes(-file.size % _BLOCK)


def _header(path: bytes, size: int, about: os.stat_result | None) -> bytes:
    info = tarfile.TarInfo(path.rstrip(b"/").decode("utf-8", "surrogateescape"))
    info.size = size
    info.mtime = min(_FAREST, max(0, about.st_mtime_ns // 10**9)) if about is not None else 0
    info.type, info.mode = (tarfile.DIRTYPE, 0o755) if path.endswith(b"/") else (tarfile.REGTYPE, 0o644)
    # GNU's: names are bytes in it, of any length and in no encoding.
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)


def _why(problem: Problem) -> str:
    if problem.code == "output_unreadable":
        return "may be read by the run's own user only"
    return "went away or changed meanwhile" if problem.status in (404, 409) else str(problem)
