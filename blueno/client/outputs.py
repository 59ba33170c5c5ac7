"""What a run has written: its directories page by page, its files and archives saved.

Called by runs.py; calls transfer.py.

The server of outputs sleeps until somebody looks: while it starts we ask again, for a few minutes at most.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from blueno import filenames
from blueno.client import transfer
from blueno.client.driving import Blocking, Transport, run
from blueno.client.exchange import Request
from blueno.client.reading import Fields
from blueno.client.transfer import Progress, Saving, Waiting, Wanted, local_name
from blueno.errors import BluenoError, Conflict, InvalidSpec


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


async def entries(transport: Transport, place: str, path: str, waiting: Waiting | None) -> AsyncIterator[OutputEntry]:
    """Everything in a directory, by name. `place` is the run's path in the API."""
    folder = _clean(path)
    cursor: str | None = None
    while True:
        request = Request("GET", place, {"path": folder, **({} if cursor is None else {"cursor": cursor})})
        answer = await transfer.awake(transport, lambda request=request: transport.send(request), waiting)  # type: ignore[misc]
        fields = Fields(answer.body, "outputs")
        for entry in fields.each("items"):
            yield OutputEntry.parse(entry, folder)
        before, cursor = cursor, fields.text_or_none("next")
        if cursor is None:
            return
        if cursor == before:
            raise BluenoError("the server repeats a page of outputs instead of going on: this is a fault of its")


@dataclass(frozen=True)
class Asked:
    """What of a run is saved, and where to: None is the working directory."""

    place: str  # the run's path in the API
    path: str
    target: Path | None
    run: str


def save(blocking: Blocking, asked: Asked, progress: Progress | None, waiting: Waiting | None) -> Path:
    """A file, or a directory as a tar; where it lies. Raises BluenoError."""
    path = _clean(asked.path)
    is_directory = run(transfer.awake(blocking, lambda: _is_directory(blocking, asked.place, path), waiting))
    name = local_name(path.rpartition("/")[2] or asked.run) + (".tar" if is_directory else "")
    what = "tar" if is_directory else "raw"
    wanted = Wanted(f"{asked.place}/{what}", {"path": path}, resumes=not is_directory)
    return Saving(blocking, wanted, progress, waiting).to(transfer.goal_of(asked.target, name))


async def _is_directory(transport: Transport, place: str, path: str) -> bool:
    try:
        await transport.send(Request("GET", place, {"path": path, "limit": 1}))
    except Conflict:  # a file; or something that its own request will explain
        if not path:
            raise
        return False
    return True


def _clean(path: str) -> str:
    """Raises InvalidSpec for a path that cannot be."""
    try:
        filenames.steps(path)
    except ValueError as error:
        raise InvalidSpec("PATH", str(error)) from None
    return path.strip("/")
