"""What a run has written: its directories page by page, its files and archives saved. Called by runs.py; calls http.py.

The server of outputs sleeps until somebody looks: while it starts we ask again, for a few minutes at most.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from blueno import filenames
from blueno.client.reading import Fields
from blueno.errors import BluenoError, Conflict, InvalidSpec, Rejected, Unavailable

if TYPE_CHECKING:
    from blueno.client.http import Download, Http

T = TypeVar("T")
Waiting = Callable[[str], None]
Progress = Callable[[int, int | None], None]

WAKE = 180.0  # seconds that a server of outputs may take: pulling its image on a new node included
LONGEST_PAUSE = 5.0  # seconds between two tries
BREAKS = 5  # in a row, each without a byte more
_NAME = 200  # characters of a file's name that we choose


@dataclass(frozen=True)
class OutputEntry:
    """Something in a directory. `path` is what to ask for it by; `bytes` is known of files only."""

    name: str
    path: str
    kind: str  # file, directory, link (never followed), or other: pipes, sockets, devices
    bytes: int | None
    modified: datetime | None
    raw: Mapping[str, Any]

    @classmethod
    def parse(cls, fields: Fields, folder: str) -> OutputEntry:
        """From JSON. Raises BluenoError."""
        name = fields.text("name")
        path = f"{folder}/{name}" if folder else name
        raw = {**fields.raw, "path": path}
        return cls(name, path, fields.text("kind"), fields.whole_or_none("bytes"), fields.time("modified"), raw)


def entries(http: Http, place: str, path: str, waiting: Waiting | None) -> Iterator[OutputEntry]:
    """Everything in a directory, by name. `place` is the run's path in the API."""
    folder = _clean(path)
    cursor: str | None = None
    while True:
        query = {"path": folder, **({} if cursor is None else {"cursor": cursor})}
        answer = patient(lambda query=query: http.send("GET", place, query=query), waiting)  # type: ignore[misc]
        fields = Fields(answer.body, "outputs")
        for entry in fields.each("items"):
            yield OutputEntry.parse(entry, folder)
        before, cursor = cursor, fields.text_or_none("next")
        if cursor is None:
            return
        if cursor == before:
            raise BluenoError("the server repeats a page of outputs instead of going on: this is a fault of its")


def patient(call: Callable[[], T], waiting: Waiting | None) -> T:
    """What `call` returns, once the server of outputs is up. Raises Unavailable when nothing says that it comes."""
    end = time.monotonic() + WAKE
    while True:
        try:
            return call()
        except Unavailable as error:
            if error.retry_after is None or time.monotonic() > end:
                raise
            if waiting is not None:
                waiting(str(error))
            time.sleep(min(error.retry_after, LONGEST_PAUSE))


class Saving:
    """One download. The bytes go to `.NAME.part` beside the target, which gets its name when they are all there."""

    def __init__(self, http: Http, place: str, path: str, progress: Progress | None, waiting: Waiting | None) -> None:
        self._http, self._place, self._path = http, place, _clean(path)
        self._progress, self._waiting = progress, waiting

    def run(self, target: Path | None, run: str) -> Path:
        """Saves it; where it lies. Raises BluenoError, InvalidSpec for a target that cannot be written."""
        is_directory = self._is_directory()
        name = local_name(self._path.rpartition("/")[2] or run) + (".tar" if is_directory else "")
        goal = Path(name) if target is None else target / name if target.is_dir() else target
        part = goal.with_name(f".{goal.name[:_NAME]}.part")
        try:
            if is_directory:
                self._save("tar", part, resumes=False)
            else:
                self._save("raw", part, resumes=True)
            part.replace(goal)
            _mark(part).unlink(missing_ok=True)
        except OSError as error:
            raise InvalidSpec(str(goal), f"cannot be written: {error.strerror or error}") from error
        return goal

    def _is_directory(self) -> bool:
        try:
            query = {"path": self._path, "limit": 1}
            patient(lambda: self._http.send("GET", self._place, query=query), self._waiting)
        except Conflict:  # a file; or something that its own request will explain
            if not self._path:
                raise
            return False
        return True

    def _save(self, what: str, part: Path, *, resumes: bool) -> None:
        """Until it is whole. What breaks off is asked for again, from where it broke off if that can be."""
        breaks = 0
        while True:
            held = part.stat().st_size if resumes and part.is_file() and _mark(part).is_file() else 0
            try:
                patient(lambda held=held: self._once(what, part, held), self._waiting)  # type: ignore[misc]
            except _Broken as broken:
                grown = part.stat().st_size > held if part.is_file() else False
                breaks = 0 if grown and resumes else breaks + 1
                if breaks >= BREAKS:
                    raise Unavailable(f"{broken}; what has come is kept, try again") from None
                time.sleep(min(0.5 * 2**breaks, LONGEST_PAUSE))
            else:
                return

    def _once(self, what: str, part: Path, held: int) -> None:
        headers = {"Range": f"bytes={held}-", "If-Range": _mark(part).read_text("ascii", "replace")} if held else {}
        begun = False
        try:
            with self._http.stream(f"{self._place}/{what}", {"path": self._path}, headers) as answer:
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
                file.write(piece)
                done += len(piece)
                self._tell(done, total)
            file.flush()
            os.fsync(file.fileno())
        if total is not None and done != total:
            raise Unavailable(f"{done} of {total} bytes came")

    def _tell(self, done: int, total: int | None) -> None:
        if self._progress is not None:
            self._progress(done, total)


class _Broken(BluenoError):
    """An answer ended before its end."""


def local_name(text: str) -> str:
    """What a file is called here: no separator of any system, not hidden, not too long."""
    name = text.replace("\\", "_").replace("/", "_").replace(":", "_").lstrip(".")
    while len(name.encode()) > _NAME:
        name = name[1:]  # its ending says more than its beginning
    return name or "output"


def _mark(part: Path) -> Path:
    """Which state of the file the part is of."""
    return part.with_name(f"{part.name}.etag")


def _clean(path: str) -> str:
    """Raises InvalidSpec for a path that cannot be."""
    try:
        filenames.steps(path)
    except ValueError as error:
        raise InvalidSpec("PATH", str(error)) from None
    return path.strip("/")
