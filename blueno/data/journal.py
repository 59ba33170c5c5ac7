"""The journals of a working set: how a line is written, and which lines of which files count. Docs: format.md.

Called by working.py (readers) and blueno/dataserver (the only writer). Every incarnation of the writer has a journal of
its own, numbered. It begins with what it took over of the others, so the newest one that is whole says what counts; and
what an earlier writer, that did not know of it, still wrote afterwards does not. A batch of lines counts once its
`commit` line is there, which holds their sum.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple, Protocol

from blueno.data.digest import canonical_json
from blueno.errors import BluenoError

FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
CONTROL: Final = b'{"op":'  # begins every line that is none of a sample; those of samples begin with "by"
BLOCK: Final = 1 << 20
_NAME = re.compile(r"journal-([0-9]{10})\.ndjson")
_LONGEST = 64 << 20  # bytes of one line
_SEQ = re.compile(rb"[0-9]{1,19}")
_TRIES = 10  # readings that a compaction may disturb


class JournalDamaged(BluenoError):
    """What was acknowledged is not there as it was written: a person has to restore it."""


@dataclass(frozen=True)
class Part:
    """The first `size` bytes of a journal count."""

    name: str
    size: int


class Record(NamedTuple):
    """What people say of a sample. `label` and `metadata` are canonical JSON; None: not given."""

    split: str | None = None
    label: str | None = None
    group: str | None = None
    metadata: str | None = None


@dataclass
class Chain:
    """What counts, in order; the last part is the head. `epoch`: the highest number there is, whole or not.

    `useful`: lines that the last compaction kept.
    """

    parts: list[Part] = field(default_factory=list)
    epoch: int = 0
    useful: int = 0


class Sink(Protocol):
    """Is given the lines that count."""

    def clear(self) -> None:
        """Everything so far was for nothing."""

    def batch(self, lines: list[bytes], part: str, offset: int) -> None:
        """Lines of samples, without their ends, and where in the journal the first one lies."""


def journal_name(epoch: int) -> str:
    """Of the writer with this number."""
    return f"journal-{epoch:010d}.ndjson"


def epoch_of(name: str) -> int | None:
    """Inverse of `journal_name`."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def time_text(seconds: int, milliseconds: int) -> str:
    """RFC 3339 of a time since 1970."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"


def quoted(text: str) -> str:
    """As canonical JSON writes it."""
    return encode_basestring(text)


def record_fields(record: Record) -> tuple[str, str, str]:
    """The pieces of a line in which a record stands: (group, label and metadata, split). Many samples share them."""
    group = "" if record.group is None else f',"group":{quoted(record.group)}'
    label = "" if record.label is None else f',"label":{record.label}'
    metadata = "" if record.metadata is None else f',"metadata":{record.metadata}'
    return group, label + metadata, "" if record.split is None else f',"split":{quoted(record.split)}'


class Place(NamedTuple):
    """Where a sample's content lies: `size` bytes of a pack."""

    object: str
    offset: int
    size: int


def put_line(
    key: str, sha256: str, place: Place, seq: int, by_time: tuple[str, str], fields: tuple[str, str, str]
) -> str:
    """One sample, added or changed; `by_time` is (who as JSON, time), `fields` from `record_fields`."""
    (pack, offset, size), (group, middle, split), (by, time) = place, fields, by_time
    return (
        f'{{"by":{by},"bytes":{size}{group},"key":{encode_basestring(key)}{middle},"object":"{pack}"'
        f',"offset":{offset},"op":"put","seq":{seq},"sha256":"{sha256}"{split},"time":"{time}"}}\n'
    )


def remove_line(key: str, seq: int, by_time: tuple[str, str], purged: str) -> str:
    """One sample, taken out; `purged`: the pack whose bytes of it shall go."""
    pack, extra = (f',"object":"{purged}"', ',"purge":true') if purged else ("", "")
    return f'{{"by":{by_time[0]},"key":{quoted(key)}{pack},"op":"remove"{extra},"seq":{seq},"time":"{by_time[1]}"}}\n'


def move_line(key: str, old: Place, new: Place) -> str:
    """Its content lies elsewhere now: no change of the sample, so it has no number."""
    return (
        f'{{"at":{old.offset},"from":"{old.object}","key":{quoted(key)},"object":"{new.object}",'
        f'"offset":{new.offset},"op":"move"}}\n'
    )


def control_line(op: str, **more: Any) -> bytes:
    """A line of ours. All its names sort behind "op"."""
    return canonical_json({"op": op, **more}).encode() + b"\n"


def committed(lines: bytes) -> bytes:
    """A batch as it is appended."""
    return lines + control_line("commit", sum=f"{zlib.crc32(lines):08x}")


def seq_of(line: bytes) -> int:
    """The number of a sample's line. The last one that looks like it: a label may look like anything."""
    at = line.rfind(b'"seq":')
    match = _SEQ.match(line, at + 6) if at >= 0 else None
    if match is None:
        raise JournalDamaged("a line of the working set's journal has no number")
    return int(match[0])


def read_journals(folder: int, sink: Sink) -> Chain:
    """Gives `sink` what counts of the journals in an open directory. Raises JournalDamaged, OSError."""
    for _ in range(_TRIES):
        sink.clear()
        try:
            return _read(folder, sink)
        except FileNotFoundError:  # a compaction has taken them away: the head is another one now
            continue
    raise JournalDamaged("the working set's journals name files that are not there: restore them")


def open_folder(path: str, parent: int | None = None) -> int:
    """A handle of a directory that is no link. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def journal_names(folder: int) -> list[str]:
    """The oldest first. The directory is opened anew, since that is when NFS asks the server about it."""
    fresh = open_folder(".", folder)
    try:
        with os.scandir(fresh) as entries:
            return sorted(entry.name for entry in entries if _NAME.fullmatch(entry.name))
    finally:
        os.close(fresh)


def _read(folder: int, sink: Sink) -> Chain:
    names = journal_names(folder)
    epoch = (epoch_of(names[-1]) or 0) if names else 0
    for name in reversed(names):
        with _Journal(folder, name) as head:
            begin = head.begin()
            if begin is None:
                continue  # its writer died, or was overtaken, before it took over: it has acknowledged nothing
            parts, useful = _taken(begin, name), 0
            for part in parts:
                with _Journal(folder, part.name) as earlier:
                    if earlier.begin() is None or not _whole(earlier, sink, part.size):
                        raise JournalDamaged(f"{part.name} is not what {name} took over: restore it")
                    useful = max(useful, earlier.based)
            if not _whole(head, sink, None):
                sink.clear()
                continue  # a compaction that was not finished
            return Chain([*parts, Part(name, head.good)], epoch, max(useful, head.based))
    return Chain([], epoch)


def _whole(journal: _Journal, sink: Sink, size: int | None) -> bool:
    """Reads it. False when it lacks what it must have; what follows the last commit counts only when nobody took it."""
    for lines, offset in journal.batches(size):
        sink.batch(lines, journal.name, offset)
    return journal.complete and (size is None or journal.good == size)


def _taken(begin: dict[str, Any], name: str) -> list[Part]:
    takes = begin.get("takes")
    if not isinstance(takes, dict) or not all(
        _NAME.fullmatch(part) and part < name and type(size) is int and size > 0 for part, size in takes.items()
    ):
        raise JournalDamaged(f"{name} does not say what it took over: restore it")
    return [Part(part, size) for part, size in sorted(takes.items())]


class _Journal:
    """One file, read from its beginning."""

    def __init__(self, folder: int, name: str) -> None:
        self.name, self.good = name, 0
        self._file = os.fdopen(os.open(name, FLAGS, dir_fd=folder), "rb", buffering=BLOCK)
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            self._file.close()
            raise JournalDamaged(f"{name} is no plain file")
        self._compacted = False
        self.based = -1  # lines before its `base` line, once that was read

    def __enter__(self) -> _Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def complete(self) -> bool:
        """Whether nothing is missing that its first line promises."""
        return self.based >= 0 or not self._compacted

    def begin(self) -> dict[str, Any] | None:
        """Its first line; None when that is not there, or not whole."""
        line = self._file.readline(_LONGEST)
        body = _control(line)
        if body is None or body["op"] != "begin":
            return None
        self.good = len(line)
        self._compacted = body.get("whole") is True
        return body

    def batches(self, size: int | None) -> Iterator[tuple[list[bytes], int]]:
        """(lines, offset of the first) of every batch that was committed, within the first `size` bytes."""
        lines: list[bytes] = []
        at, start, crc, bad, count = self.good, self.good, 0, False, 0
        for line in iter(lambda: self._file.readline(_LONGEST), b""):
            at += len(line)
            if size is not None and at > size:
                return
            if not line.startswith(CONTROL):
                lines.append(line[:-1])
                crc = zlib.crc32(line, crc)
                continue
            body = _control(line)
            if body is not None and body["op"] == "commit" and lines:
                if bad or body.get("sum") != f"{crc:08x}":
                    if bad and body.get("sum") == f"{crc:08x}":
                        raise JournalDamaged(f"{self.name} is damaged before byte {start}: restore it")
                    bad = True
                else:
                    self.good = at
                    count += len(lines)
                    yield lines, start
            elif body is not None and body["op"] == "base" and not lines and not bad:
                self.based, self.good = count, at
            else:
                bad = True
            lines, start, crc = [], at, 0


def _control(line: bytes) -> dict[str, Any] | None:
    """None for what is not one whole line of ours."""
    if not line.startswith(CONTROL) or not line.endswith(b"\n"):
        return None
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) and isinstance(body.get("op"), str) else None
