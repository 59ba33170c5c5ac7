"""All samples of one manifest into the working set, in a pass over its lines. Called by lanes.py; calls put.py.

Which keys it has brought is kept on disk, in SQLite: a key that comes twice is found, and so is what an earlier form of
the manifest brought and this one lists no more.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import urlsplit

from blueno import names
from blueno.ingest.config import IngestConfig
from blueno.ingest.failure import Failed
from blueno.ingest.items import Item
from blueno.ingest.manifest import MAX_BYTES, Line, count_lines, read_lines
from blueno.ingest.put import Putter
from blueno.ingest.remote import fetch
from blueno.ingest.remove import on_disk, own_keys, remove_keys
from blueno.ingest.server import DataServer
from blueno.resources.ingest import REJECTED_FIRST, REJECTED_KEY, Result, Task
from blueno.resources.sample_reasons import SampleReason as Reason

_CODES_OF_ALL = (Reason.NO_SPACE, Reason.DATA_SERVER_UNAVAILABLE)


@dataclass
class Count:
    """What became of the lines."""

    samples: int = 0
    bytes: int = 0
    rejected: int = 0
    may_heal: Failed | None = None
    first: list[tuple[str, str]] = field(default_factory=list)

    def reject(self, place: str, code: str) -> None:
        self.rejected += 1
        if len(self.first) < REJECTED_FIRST:
            self.first.append((place[:REJECTED_KEY], code))


class ManifestPut:
    """One per lane."""

    def __init__(
        self, config: IngestConfig, server: DataServer, putter: Putter, pause: Callable[[float], None]
    ) -> None:
        self._config, self._server, self._putter, self._pause = config, server, putter, pause

    def put(self, task: Task) -> Result:
        """Raises Failed when it is not worth going on (no space, no server), Stale, Dismissed, Unavailable."""
        with tempfile.TemporaryDirectory(dir=self._config.scratch, prefix="manifest-") as folder:
            file, is_csv = self._open(task)
            with file, closing(on_disk(folder)) as known:
                count_lines(file, is_csv)
                count = Count()
                for outcome in self._putter.put(self._items(task, read_lines(file, is_csv), known, count)):
                    if outcome.failed is None:
                        count.samples += 1
                        count.bytes += outcome.size
                        continue
                    if outcome.failed.reason in _CODES_OF_ALL:
                        raise outcome.failed
                    if not outcome.failed.permanent:
                        count.may_heal = outcome.failed
                    count.reject(f"{outcome.item.place}: {outcome.item.key}", outcome.failed.code)
                if task.settled or task.strayed:
                    self._drop_others(task, known)
        return _result(task, count)

    def _open(self, task: Task) -> tuple[IO[bytes], bool]:
        """Opened once: what has its name later may be another file."""
        if task.config_map:
            path = self._config.manifests / task.config_map / task.config_key
            if not path.is_file():
                text = f"there is no ConfigMap {task.config_map} with the key {task.config_key}"
                raise Failed(Reason.CONFIG_MAP_NOT_FOUND, text)
            return path.open("rb"), task.config_key.endswith(".csv")
        try:
            content = fetch(self._config, task.manifest_uri, task.secret, self._pause, MAX_BYTES)
        except Failed as error:
            if error.reason == Reason.BAD_SAMPLE:
                raise Failed(Reason.BAD_MANIFEST, str(error)) from error
            raise
        if task.manifest_sha256 and content.sha256 != task.manifest_sha256:
            content.close()
            text = f"the manifest has sha256 {content.sha256}, {task.manifest_sha256} was given: correct one of them"
            raise Failed(Reason.CHECKSUM_MISMATCH, text)
        return content.opened(), urlsplit(task.manifest_uri).path.endswith(".csv")

    def _items(self, task: Task, lines: Iterator[Line], known: sqlite3.Connection, count: Count) -> Iterator[Item]:
        for line in lines:
            place = f"line {line.number}"
            if line.code:
                count.reject(place, line.code)
                continue
            item = item_of(task, line)
            if known.execute("INSERT OR IGNORE INTO keys VALUES (?)", (item.key,)).rowcount:
                yield item
            else:
                count.reject(f"{place}: {item.key}", "DuplicateKey")

    def _drop_others(self, task: Task, known: sqlite3.Connection) -> None:
        """What this Sample brought before and does not list now leaves the working set."""

        def is_listed(key: str) -> bool:
            return known.execute("SELECT 1 FROM keys WHERE key = ?", (key,)).fetchone() is not None

        with own_keys(self._server, [task], self._config.scratch) as keys:
            remove_keys(self._server, (key for key in keys if not is_listed(key)), purge=False)


def item_of(task: Task, line: Line) -> Item:
    """What a line does not say is taken from the Sample."""
    fields = line.fields
    return Item(
        uri=fields["uri"],
        key=fields.get("key") or key_of(fields["uri"]),
        author=names.sample_author(task.uid),
        sha256=fields.get("sha256", "").lower(),
        secret=task.secret if not fields["uri"].startswith("file:") else "",
        label=fields.get("label", task.label_value),
        split=fields.get("split", task.split),
        group=fields.get("group", task.group),
        metadata=fields.get("metadata", task.metadata_value),
        media_type=task.media_type,
        place=f"line {line.number}",
    )


def key_of(uri: str) -> str:
    """The path in a URI, as people write it: `s3://scans/a/1.png` → `a/1.png`."""
    try:
        path = urlsplit(uri).path
    except ValueError:
        path = uri
    return path.lstrip("/")[:1024] or uri[:1024]


def _result(task: Task, count: Count) -> Result:
    first = tuple(count.first)
    if count.samples:
        reason = Reason.PARTLY_AVAILABLE if count.rejected else Reason.AVAILABLE
        message = ""
    elif count.may_heal is not None:
        reason, message = count.may_heal.reason, str(count.may_heal)
    else:
        reason = Reason.NOTHING_USABLE
        listed = "; ".join(f"{place} ({code})" for place, code in first)
        message = f"none of {count.rejected} samples could be taken: {listed}"
    return Result(
        uid=task.uid,
        generation=task.generation,
        reason=reason,
        message=message[:600],
        request=task.request,
        samples=count.samples,
        bytes=count.bytes,
        rejected=count.rejected,
        first=first,
    )
