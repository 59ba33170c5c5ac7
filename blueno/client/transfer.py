"""Saves what a server sends into a file: goes on with what breaks off, waits for a server that wakes.

Called by outputs.py and samples.py; calls http.py.

The bytes go to `.NAME.part` beside the target, which gets its name when they are all there.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from blueno.client.driving import Blocking, Transport, run
from blueno.errors import BluenoError, InvalidSpec, Rejected, Unavailable

if TYPE_CHECKING:
    from blueno.client.http import Download

T = TypeVar("T")
Waiting = Callable[[str], None]
Progress = Callable[[int, int | None], None]

WAKE = 180.0  # seconds that a data server may take: pulling its image on a new node included
LONGEST_PAUSE = 5.0  # seconds between two tries
BREAKS = 5  # in a row, each without a byte more
_NAME = 200  # characters of a file's name that we choose


@dataclass(frozen=True)
class Wanted:
    """What is saved. `resumes`: the server can go on in the middle. `sha256`: what the bytes must come to."""

    path: str
    query: Mapping[str, Any]
    resumes: bool = True
    sha256: str | None = None


async def awake(transport: Transport, call: Callable[[], Awaitable[T]], waiting: Waiting | None) -> T:
    """What `call` gives, once the data server is up. Raises Unavailable when nothing says that it comes."""
    end = time.monotonic() + WAKE
    while True:
        try:
            return await call()
        except Unavailable as error:
            if error.retry_after is None or time.monotonic() > end:
                raise
            if waiting is not None:
                waiting(str(error))
            await transport.pause(min(error.retry_after, LONGEST_PAUSE))


class Saving:
    """One download."""

    def __init__(self, blocking: Blocking, wanted: Wanted, progress: Progress | None, waiting: Waiting | None) -> None:
        self._blocking, self._wanted = blocking, wanted
        self._progress, self._waiting = progress, waiting

    def to(self, goal: Path) -> Path:
        """Saves it; where it lies. Raises BluenoError, InvalidSpec for a target that cannot be written."""
        part = goal.with_name(f".{goal.name[:_NAME]}.part")
        try:
            self._save(part)
            self._verify(part)
            part.replace(goal)
            _mark(part).unlink(missing_ok=True)
        except OSError as error:
            raise InvalidSpec(str(goal), f"cannot be written: {error.strerror or error}") from error
        return goal

    def _save(self, part: Path) -> None:
        """Until it is whole. What breaks off is asked for again, from where it broke off if that can be."""
        breaks, resumes = 0, self._wanted.resumes
        while True:
            held = part.stat().st_size if resumes and part.is_file() and _mark(part).is_file() else 0
            try:
                run(awake(self._blocking, lambda held=held: self._once(part, held), self._waiting))  # type: ignore[misc]
            except _Broken as broken:
                grown = part.stat().st_size > held if part.is_file() else False
                breaks = 0 if grown and resumes else breaks + 1
                if breaks >= BREAKS:
                    raise Unavailable(f"{broken}; what has come is kept, try again") from None
                run(self._blocking.pause(min(0.5 * 2**breaks, LONGEST_PAUSE)))
            else:
                return

    async def _once(self, part: Path, held: int) -> None:
        headers = {"Range": f"bytes={held}-", "If-Range": _mark(part).read_text("ascii", "replace")} if held else {}
        begun = False
        try:
            with self._blocking.connection().stream(self._wanted.path, self._wanted.query, headers) as answer:
                begun = True
                self._write(answer, part, held if answer.is_part else 0)
        except Rejected as error:
            if error.status != 416:
                raise
            _mark(part).unlink(missing_ok=True)  # there is no more: what we hold is of another state
            raise _Broken(str(error)) from error
        except Unavailable as error:
            if begun:
                raise _Broken(str(error)) from error
            raise

    def _write(self, answer: Download, part: Path, begin: int) -> None:
        length = answer.headers.get("Content-Length", "")
        total = begin + int(length) if length.isdecimal() and len(length) < 19 else None
        if etag := answer.headers.get("ETag"):
            _mark(part).write_text(etag[:200], "ascii", "replace")
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | (0 if begin else os.O_TRUNC)
        with os.fdopen(os.open(part, flags, 0o644), "wb") as file:
            file.seek(begin)
            file.truncate()
            done = begin
            self._tell(done, total)
            for piece in answer.pieces:
                self._blocking.check()
                file.write(piece)
                done += len(piece)
                self._tell(done, total)
            file.flush()
            os.fsync(file.fileno())
        if total is not None and done != total:
            raise Unavailable(f"{done} of {total} bytes came")

    def _verify(self, part: Path) -> None:
        if self._wanted.sha256 is None:
            return
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self._wanted.sha256:
            part.unlink()
            _mark(part).unlink(missing_ok=True)
            raise Unavailable("the bytes that came are not those that were asked for (their sha256 differs): try again")

    def _tell(self, done: int, total: int | None) -> None:
        if self._progress is not None:
            self._progress(done, total)


class _Broken(BluenoError):
    """An answer ended before its end."""


def goal_of(target: Path | None, name: str) -> Path:
    """The file that is meant by a target: itself, or one of that name in it, or here."""
    return Path(name) if target is None else target / name if target.is_dir() else target


def local_name(text: str) -> str:
    """What a file is called here: no separator of any system, not hidden, not too long."""
    name = text.replace("\\", "_").replace("/", "_").replace(":", "_").lstrip(".")
    while len(name.encode(errors="replace")) > _NAME:
        name = name[1:]  # its ending says more than its beginning
    return name or "output"


def _mark(part: Path) -> Path:
    """Which state of the file the part is of."""
    return part.with_name(f"{part.name}.etag")
