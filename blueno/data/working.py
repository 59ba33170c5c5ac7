"""The working set of a data set: samples that were added one by one. Reads only; docs/format.md has the format.

Called by preparation, which seals it into a version, and by blueno/dataserver, the only writer, whose own state is more
compact. Imports numpy through digest.py, nothing else that is heavy.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.digest import canonical_json
from blueno.data.journal import FLAGS, JournalDamaged, Record, open_folder, quoted, read_journals
from blueno.names import OBJECTS_DIR, WORKING_DIR

KEY_CHARACTERS: Final = 1024
SPLIT_CHARACTERS: Final = 128
GROUP_CHARACTERS: Final = 1024
LABEL_BYTES: Final = 64 << 10  # of its canonical JSON
METADATA_BYTES: Final = 256 << 10
ETAG_DIGITS: Final = 32
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # and lone surrogates, which no file can hold
_HEX64 = re.compile(r"[0-9a-f]{64}")


class WorkingSample(NamedTuple):
    """A sample as it is now. `label` and `metadata` are canonical JSON; None: not given.

    A tuple, since millions of them are made, which is four times as fast as a frozen dataclass of so many fields.
    """

    key: str
    sha256: str  # of the content
    object: str  # the pack that holds it
    offset: int
    bytes: int
    split: str | None
    label: str | None
    group: str | None
    metadata: str | None
    seq: int
    time: str
    by: str

    @property
    def record(self) -> Record:
        """What people say of it."""
        return Record(self.split, self.label, self.group, self.metadata)

    @property
    def etag(self) -> str:
        """Says which state of the sample this is."""
        return etag(self.sha256, self.record)


@dataclass
class WorkingSet:
    """`revision`: number of the last change; 0 when there was none."""

    samples: dict[str, WorkingSample] = field(default_factory=dict)
    revision: int = 0


def etag(sha256: str, record: Record) -> str:
    """32 hexadecimal digits: another content or another record has another one."""
    group, split = (None if text is None else quoted(text) for text in (record.group, record.split))
    texts = {
        "group": group,
        "label": record.label,
        "metadata": record.metadata,
        "sha256": f'"{sha256}"',
        "split": split,
    }
    body = ",".join(f'"{name}":{"null" if text is None else text}' for name, text in texts.items())
    return hashlib.sha256(f"{{{body}}}".encode()).hexdigest()[:ETAG_DIGITS]


def wrong_key(key: str) -> str:
    """What is wrong with a sample's name; "" when nothing is."""
    if not 1 <= len(key) <= KEY_CHARACTERS:
        return f"key must have 1 to {KEY_CHARACTERS} characters"
    return "key must not hold control characters" if _CONTROLS.search(key) else ""


def wrong_text(name: str, text: str, most: int) -> str:
    """The same for a split or a group."""
    if not 1 <= len(text) <= most:
        return f"{name} must have 1 to {most} characters"
    return f"{name} must not hold control characters" if _CONTROLS.search(text) else ""


def read_working_set(root: Path) -> WorkingSet:
    """The working set of the data set in `root`, as it is at one moment; empty when there is none.

    Raises JournalDamaged when something that was acknowledged is not there, OSError.
    """
    try:
        folder = open_folder(os.fspath(root / WORKING_DIR))
    except FileNotFoundError:
        return WorkingSet()
    try:
        sink = _Fold()
        read_journals(folder, sink)
        return sink.found
    finally:
        os.close(folder)


def content(root: Path, sample: WorkingSample) -> bytes:
    """A sample's bytes, which are those that were sent.

    Raises BadSample when they are not; FileNotFoundError when a purge, of this sample or of a neighbour in its pack,
    came after the working set was read: read it again, and look the sample up; OSError.
    """
    objects = root / OBJECTS_DIR
    handle = os.open(objects / sample.object[:2] / sample.object, FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise BadSample(BadSampleCode.NOT_A_FILE, sample.object)
        data = read_exactly(handle, sample.offset, sample.bytes)
    finally:
        os.close(handle)
    if len(data) < sample.bytes:
        raise BadSample(BadSampleCode.TRUNCATED, f"{len(data)} of {sample.bytes} bytes are there")
    if hashlib.sha256(data).hexdigest() != sample.sha256:
        raise BadSample(BadSampleCode.BAD_CHECKSUM, "its bytes are not those that were sent")
    return data


def read_exactly(handle: int, offset: int, size: int) -> bytes:
    """`size` bytes, fewer only where the file ends."""
    parts, done = [], 0
    while done < size and (part := os.pread(handle, min(size - done, 1 << 30), offset + done)):
        parts.append(part)
        done += len(part)
    return b"".join(parts)


def parse_line(line: bytes) -> dict[str, Any]:
    """A sample's line, each field of its own type. Raises JournalDamaged."""
    try:
        body = json.loads(line)
        texts = [body["key"], body["by"], body["time"], body["op"]]
        numbers = [body["seq"]]
        if body["op"] == "put":
            texts += [body["sha256"], body["object"]]
            numbers += [body["offset"], body["bytes"]]
            if not _HEX64.fullmatch(body["sha256"]) or not _HEX64.fullmatch(body["object"]):
                raise ValueError("sums")
            texts += [body[name] for name in ("group", "split") if name in body]
        if not all(type(text) is str for text in texts) or not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError("types")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise JournalDamaged(f"a line of the working set's journal cannot be understood: {line[:80]!r}") from error
    found: dict[str, Any] = body
    return found


def parse_move(line: bytes) -> dict[str, Any]:
    """A line that says where a sample's content lies since its pack was written anew. Raises JournalDamaged."""
    try:
        body = json.loads(line)
        fields = (body["from"], body["key"], body["object"])
        if not all(type(text) is str for text in fields) or not _HEX64.fullmatch(body["object"]):
            raise ValueError("texts")
        if not all(type(number) is int and number >= 0 for number in (body["at"], body["offset"])):
            raise ValueError("numbers")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise JournalDamaged(f"a line of the working set's journal cannot be understood: {line[:80]!r}") from error
    found: dict[str, Any] = body
    return found


class _Fold:
    """The lines, one after the other."""

    def __init__(self) -> None:
        self.found = WorkingSet()
        self._shared: dict[Any, Any] = {}

    def clear(self) -> None:
        self.found = WorkingSet()

    def batch(self, lines: list[bytes], _part: str, _offset: int) -> None:
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        samples = self.found.samples
        if not line.startswith(b'{"by":'):
            moved = parse_move(line)
            old = samples.get(moved["key"])
            if old is not None and (old.object, old.offset) == (moved["from"], moved["at"]):
                samples[old.key] = _moved(old, moved)
            return
        body = parse_line(line)
        key = body["key"]
        samples.pop(key, None)
        if body["op"] == "put":
            samples[key] = WorkingSample(
                key, body["sha256"], self._same(body["object"]), body["offset"], body["bytes"],
                self._same(body.get("split")), self._same(_json(body.get("label"))), self._same(body.get("group")),
                _json(body.get("metadata")), body["seq"], self._same(body["time"]), self._same(body["by"]),
            )  # fmt: skip
        self.found.revision = body["seq"]

    def _same(self, text: Any) -> Any:
        """The one copy of a text that many samples share; None stays None."""
        return self._shared.setdefault(text, text)


def _json(value: Any) -> str | None:
    return None if value is None else canonical_json(value)


def _moved(old: WorkingSample, moved: dict[str, Any]) -> WorkingSample:
    return WorkingSample(
        old.key, old.sha256, moved["object"], moved["offset"], old.bytes, old.split, old.label, old.group, old.metadata,
        old.seq, old.time, old.by,
    )  # fmt: skip
