"""Samples into the working set, many at a time: fetched side by side, written in bundles. Called by lanes.py and
manifest_put.py; calls items.py and server.py.

A key that is taken stays with whoever has it, unless that is the very same Sample: then it is replaced, by what the
record was when we looked.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from blueno.ingest.config import IngestConfig
from blueno.ingest.failure import Changed, Dismissed, Failed
from blueno.ingest.items import Item, Ready, prepare
from blueno.ingest.server import DataServer, head_line
from blueno.resources.sample_reasons import SampleReason as Reason

THREADS = 8
TOGETHER = 32  # samples that are fetched before any of them is written
BUNDLE_BYTES = 24 << 20  # of contents; with one more sample it is still below what a bundle may have
BUNDLE_LINES = 2000
HEAD_BYTES = 2 << 20  # of their lines: half of what a head may have, the other half is for what is asked beside them
ALONE = 32 << 20  # a larger file is sent in pieces
CHANGED = "digest_mismatch"  # in the data server's words: bytes were hashed before, only a file's can have changed
LARGE = 1 << 20  # counted for each of those, so that few are open at a time


@dataclass(frozen=True)
class Outcome:
    """How one Item ended: `failed` None, or why not."""

    item: Item
    failed: Failed | None
    size: int = 0
    sha256: str = ""
    shape: str = ""
    dtype: str = ""


class Putter:
    """Used by one lane."""

    def __init__(self, config: IngestConfig, server: DataServer, stop: threading.Event) -> None:
        self._config, self._server, self._stop = config, server, stop
        self._pool = ThreadPoolExecutor(THREADS, "fetch")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def put(self, items: Iterable[Item]) -> Iterator[Outcome]:
        """How each of them ended. Raises Failed when nothing can be written, Stale, Dismissed, Unavailable."""
        batch: list[Ready] = []
        size, head, keys = 0, 0, set[str]()
        items = iter(items)
        while some := list(itertools.islice(items, TOGETHER)):
            for item, ready in zip(some, self._pool.map(self._prepare, some), strict=True):
                if isinstance(ready, Failed):
                    yield Outcome(item, ready)
                    continue
                weight = ready.content.size if ready.content.size <= ALONE else LARGE
                line = len(head_line(ready.line()))
                full = size + weight > BUNDLE_BYTES + ALONE or len(batch) >= BUNDLE_LINES or head + line > HEAD_BYTES
                if item.key in keys or full:
                    yield from self._write(batch)
                    batch, size, head, keys = [], 0, 0, set()
                batch.append(ready)
                keys.add(item.key)
                size, head = size + weight, head + line
            if size > BUNDLE_BYTES:
                yield from self._write(batch)
                batch, size, head, keys = [], 0, 0, set()
        yield from self._write(batch)

    def _prepare(self, item: Item) -> Ready | Failed:
        return prepare(self._config, item, self._pause)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Dismissed("this pod is to end")

    def _write(self, batch: Sequence[Ready]) -> Iterator[Outcome]:
        if not batch:
            return
        try:
            refused = self._send(batch, {})
            taken = [ready for ready in batch if refused.get(ready.item.key, {}).get("code") == "conflict"]
            ours = {ready.item.key: etag for ready in taken if (etag := self._own_etag(ready)) is not None}
            if ours:
                again = [ready for ready in taken if ready.item.key in ours]
                for ready in again:
                    del refused[ready.item.key]
                refused |= self._send(again, ours)
            for ready in batch:
                yield _outcome(ready, refused.get(ready.item.key))
        finally:
            for ready in batch:
                ready.content.close()

    def _send(self, batch: Sequence[Ready], known: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
        """What was refused, by key. `known`: etags of the records that are replaced."""
        lines, contents = [], []
        refused: dict[str, Mapping[str, Any]] = {}
        for ready in batch:
            line = ready.line()
            if etag := known.get(ready.item.key):
                line |= {"replace": True, "ifMatch": etag}
            try:
                if ready.content.size > ALONE and ready.content.file is not None:
                    line["upload"] = self._server.upload(ready.content.file, ready.content.size, ready.content.sha256)
                else:
                    contents.append(ready.content.read())
            except Changed:
                refused[ready.item.key] = {"code": CHANGED}
                continue
            lines.append(line)
        answer = self._server.bundle(lines, contents) if lines else {}
        return refused | {str(one["key"]): one for one in answer.get("refused", ())}

    def _own_etag(self, ready: Ready) -> str | None:
        """The etag of what has the key now if the same Sample has put it there; "" when it is free again."""
        record = self._server.sample(ready.item.key)
        if record is None:
            return ""
        return str(record.get("etag", "")) if record.get("by") == ready.item.author else None


def _outcome(ready: Ready, refused: Mapping[str, Any] | None) -> Outcome:
    if refused is None:
        content = ready.content
        return Outcome(ready.item, None, content.size, content.sha256, ready.shape, ready.dtype)
    code, detail = str(refused.get("code", "")), str(refused.get("detail", ""))[:300]
    if code == CHANGED:
        return Outcome(ready.item, Changed())
    if code in ("conflict", "precondition_failed"):
        text = f"the working set has another sample with the key {ready.item.key[:200]!r}"
        return Outcome(ready.item, Failed(Reason.KEY_CONFLICT, text))
    if code in ("invalid", "too_large"):
        return Outcome(ready.item, Failed(Reason.BAD_SAMPLE, f"the data server says: {detail}", "Invalid"))
    return Outcome(ready.item, Failed(Reason.INGEST_FAILED, f"the data server refuses it ({code}): {detail}"))
