"""The working set in memory: a million samples in some 250 MB. Changed by working_set.py's writer thread alone.

Other threads may read at any time: each look-up takes one entry, which is never changed but replaced. An entry is one
bytes object: numbers and sum packed, then what only this sample says. What many samples say alike stands once.
"""

from __future__ import annotations

import json
import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime

from blueno.data.digest import canonical_json
from blueno.data.journal import JournalDamaged, time_text
from blueno.data.working import WorkingSample, parse_line, parse_move

_ENTRY = struct.Struct("<IIIQIHI32s")  # pack, offset, bytes, seq, seconds, milliseconds, common, sha256
_OWN = 0xFFFFFFFF  # in place of a pack: the sample is a pack of its own, named by its sha256
_ALONE = 0xFFFFFFFF  # in place of a common: all its texts follow
_COMMON = 1 << 16  # combinations of texts that are kept once
_NONE = b"\1"  # a text that was not given; canonical JSON and our texts hold no control characters
_LARGEST = 0xFFFFFFFE
_SLACK = 10_000

Common = tuple[str | None, str | None, str | None, str]  # split, label, group, by


class State:
    """Samples by key, and by the number of the line that wrote them."""

    def __init__(self) -> None:
        self.revision = self.bytes = 0
        self.due: set[str] = set()  # packs that hold purged bytes
        self._entries: dict[str, bytes] = {}
        self._packs: list[str] = []
        self._pack_numbers: dict[str, int] = {}
        self._common: list[Common] = []
        self._common_numbers: dict[Common, int] = {}
        # Of every line so far: numbers, which grow, and keys; what was changed or removed since is left in.
        self._lines: tuple[array[int], list[str]] = (array("Q"), [])
        self._time = ("", (0, 0))

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> WorkingSample | None:
        """A sample as it is now."""
        entry = self._entries.get(key)
        return None if entry is None else self._sample(key, entry)

    def by_seq(self, seq: int) -> WorkingSample | None:
        """The sample that this line wrote, unless it was written again or removed since."""
        seqs, keys = self._lines
        at = bisect_left(seqs, seq)
        if at >= len(keys) or seqs[at] != seq:
            return None
        found = self.get(keys[at])
        return found if found is not None and found.seq == seq else None

    def is_live(self, seq: int) -> bool:
        """Whether a sample is as that line wrote it."""
        return self.by_seq(seq) is not None

    def put(self, sample: WorkingSample) -> None:
        """Adds or replaces it."""
        key, size, seq = sample.key, sample.bytes, sample.seq
        if size > _LARGEST or sample.offset > _LARGEST:
            raise JournalDamaged(f"{key[:80]!r} has a size that no sample can have")
        if key in self._entries:
            self._drop(key)
        self._entries[key] = self._entry(sample)
        self.bytes += size
        self.revision = seq
        seqs, keys = self._lines
        seqs.append(seq)
        keys.append(key)
        if len(keys) > 2 * len(self._entries) + _SLACK:
            self._tidy()

    def remove(self, key: str, seq: int, purged: str = "") -> None:
        """Takes it out; `purged`: the pack whose bytes of it shall go."""
        self._drop(key)
        self.revision = seq
        if purged:
            self.due.add(purged)

    def move(self, key: str, old: tuple[str, int], new: tuple[str, int]) -> None:
        """Its content lies elsewhere now, unless it has become another one."""
        found = self.get(key)
        if found is not None and (found.object, found.offset) == old:
            self._entries[key] = self._entry(_moved(found, new))

    def in_packs(self, packs: set[str]) -> Iterator[WorkingSample]:
        """All samples whose content lies in one of these. Looks at every sample."""
        numbers = {self._pack_numbers[name] for name in packs if name in self._pack_numbers}
        sums = {bytes.fromhex(name) for name in packs}
        for key, entry in self._entries.items():
            number = int.from_bytes(entry[:4], "little")
            if number in numbers or (number == _OWN and entry[_ENTRY.size - 32 : _ENTRY.size] in sums):
                yield self._sample(key, entry)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= _ENTRY.unpack_from(entry)[2]

    def _entry(self, sample: WorkingSample) -> bytes:
        _, sha256, name, offset, size, split, label, group, metadata, seq, time, by = sample
        pack = _OWN if name == sha256 and not offset else self._pack(name)
        common = self._common_number((split, label, group, by))
        tail = b"" if metadata is None else metadata.encode()
        if common == _ALONE:
            tail = b"\0".join(_NONE if text is None else text.encode() for text in (split, label, group, by, metadata))
        if self._time[0] != time:  # a batch has one time
            self._time = (time, _split_time(time))
        seconds, milliseconds = self._time[1]
        entry = _ENTRY.pack(pack, offset, size, seq, seconds, milliseconds, common, bytes.fromhex(sha256))
        return entry + tail if tail else entry

    def _sample(self, key: str, entry: bytes) -> WorkingSample:
        pack, offset, size, seq, seconds, milliseconds, common, content = _ENTRY.unpack_from(entry)
        sha256, tail = content.hex(), entry[_ENTRY.size :]
        if common == _ALONE:
            texts = [None if text == _NONE else text.decode() for text in tail.split(b"\0")]
            split, label, group, by, metadata = texts
        else:
            split, label, group, by = self._common[common]
            metadata = tail.decode() if tail else None
        name = sha256 if pack == _OWN else self._packs[pack]
        time = time_text(seconds, milliseconds)
        return WorkingSample(key, sha256, name, offset, size, split, label, group, metadata, seq, time, by or "")

    def _pack(self, name: str) -> int:
        number = self._pack_numbers.get(name)
        if number is None:
            number = self._pack_numbers[name] = len(self._packs)
            self._packs.append(name)
        return number

    def _common_number(self, texts: Common) -> int:
        number = self._common_numbers.get(texts)
        if number is None:
            number = len(self._common)
            if number >= _COMMON:
                return _ALONE
            self._common.append(texts)
            self._common_numbers[texts] = number
        return number

    def _tidy(self) -> None:
        """Forgets the numbers of lines that are no sample's any more. Readers keep what they hold."""
        live = [(seq, key) for seq, key in zip(*self._lines, strict=True) if self._is(key, seq)]
        self._lines = (array("Q", [seq for seq, _ in live]), [key for _, key in live])

    def _is(self, key: str, seq: int) -> bool:
        entry = self._entries.get(key)
        return entry is not None and _ENTRY.unpack_from(entry)[3] == seq


def apply(state: State, line: bytes) -> None:
    """One line. Raises JournalDamaged."""
    if not line.startswith(b'{"by":'):
        moved = parse_move(line)
        state.move(moved["key"], (moved["from"], moved["at"]), (moved["object"], moved["offset"]))
        return
    body = parse_line(line)
    if body["op"] == "remove":
        state.remove(body["key"], body["seq"], body["object"] if body.get("purge") else "")
        return
    label, metadata = body.get("label"), body.get("metadata")
    state.put(
        WorkingSample(
            body["key"], body["sha256"], body["object"], body["offset"], body["bytes"], body.get("split"),
            None if label is None else canonical_json(label), body.get("group"),
            None if metadata is None else canonical_json(metadata), body["seq"], body["time"], body["by"],
        )
    )  # fmt: skip


def to_json(sample: WorkingSample) -> dict[str, object]:
    """As GET /v1/working/samples answers."""
    texts = {"split": sample.split, "group": sample.group}
    values = {"label": sample.label, "metadata": sample.metadata}
    return {
        "key": sample.key,
        "sha256": sample.sha256,
        "bytes": sample.bytes,
        "seq": sample.seq,
        "time": sample.time,
        "by": sample.by,
        "etag": sample.etag,
        **{name: text for name, text in texts.items() if text is not None},
        **{name: json.loads(text) for name, text in values.items() if text is not None},
    }


def _moved(old: WorkingSample, new: tuple[str, int]) -> WorkingSample:
    return WorkingSample(
        old.key, old.sha256, new[0], new[1], old.bytes, old.split, old.label, old.group, old.metadata, old.seq,
        old.time, old.by,
    )  # fmt: skip


def _split_time(text: str) -> tuple[int, int]:
    """Seconds and milliseconds since 1970 of a time that `time_text` wrote; zeros for anything else."""
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return 0, 0
    return max(0, min(_LARGEST, int(at.replace(microsecond=0).timestamp()))), at.microsecond // 1000
