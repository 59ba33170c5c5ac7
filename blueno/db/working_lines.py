"""Lines of a working set's feed as rows for PostgreSQL. Called by working_write.py and the recorder. Pure.

A line comes from a journal on a volume that belongs to users, through a data server: one that is not as it should be is
passed over and counted, since the others are as good as before.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from blueno.db.copy_text import NULL, escaped, unescaped
from blueno.db.text import storable

KEY_CHARACTERS = 512  # of a key in the index
LONGEST_KEY = 1024
LONGEST_SPLIT = 128
LONGEST_TEXT = 1024  # of a group, and of who it was
LINE_BYTES = 1 << 20  # longer ones are passed over
LINE_END = 4096
REMOVED = -1
COLUMNS = (
    "key",
    "tail",
    "seq",
    "split",
    "label_sum",
    "bytes",
    "at",
    "sha256",
    "rest",
    "label",
    "group",
    "metadata",
    "by",
)

Place = tuple[str, int]  # key and tail, as the table has them
Kind = tuple[str, int]  # split and label_sum, as working_count has them

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
_SEQ = re.compile(rb'"seq":([0-9]{1,18})[,}]')
_T = r"[^\x00-\x1f\"\\]"  # a character of a text that needs no escape, neither in JSON nor for COPY
_N = "(0|[1-9][0-9]{0,17})"
_PLAIN = re.compile(
    rf'\{{"by":"({_T}{{0,1024}})","bytes":{_N}(?:,"group":"({_T}{{0,1024}})")?,"key":"({_T}{{1,{KEY_CHARACTERS}}})"'
    rf'(?:,"label":("{_T}*"|-?[0-9]{{1,15}}|true|false))?(?:,"metadata":(\{{[^\x00-\x1f{{}}\\]*\}}))?'
    rf',"object":"((?s:.{{64}}))","offset":(?:{_N[1:-1]}),"op":"put","seq":{_N},"sha256":"((?s:.{{64}}))"'
    rf'(?:,"split":"({_T}{{1,{LONGEST_SPLIT}}})")?,"time":"([^"]{{20,30}})"\}}'
)
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_LARGEST = 2**63 - 1
_NOTHING = "\t\\N" * 4 + "\t"  # rest, label, group, metadata; and an empty `by`


class Strange(ValueError):
    """A line that no data server of ours writes."""


class Facts(NamedTuple):
    """What a row says of its sample besides itself."""

    seq: int
    kind: Kind
    bytes: int
    label: str | None


def facts_of(row: str) -> Facts:
    """Read back from a row, since nobody asks for them when a whole set is made anew: keeping them for each of a
    million lines takes longer than finding the line's fields."""
    _, _, seq, split, label, size, _, _, _, text, _ = row.split("\t", 10)
    return Facts(int(seq), (unescaped(split) or "", int(label)), int(size), unescaped(text))


@dataclass
class Part:
    """Some lines of the feed, folded: of each key only the last word counts."""

    puts: dict[Place, str] = field(default_factory=dict)  # place → the sample's row in COPY's text format
    removed: dict[Place, int] = field(default_factory=dict)  # place → seq of the removal
    last: int = 0  # the highest seq, of strange lines too where it can be read
    lines: int = 0
    strange: int = 0
    in_long_line: bool = False

    def take(self, raw: bytes) -> None:
        """One line."""
        self.lines += 1
        seq = self.last
        try:
            body = json.loads(raw)
            seq = _whole(body["seq"])
            self._take(body, seq)
        except (ValueError, KeyError, TypeError, RecursionError, UnicodeDecodeError):
            self.strange += 1
        self.last = max(self.last, seq)

    def take_all(self, raw: bytes) -> bytes:
        """Every whole line; what is left of another one. Of a line that is too long only the end is kept."""
        whole, end, rest = raw.rpartition(b"\n")
        for line in whole.split(b"\n") if end else ():
            if self.in_long_line or len(line) > LINE_BYTES:
                self._pass_over(line[-LINE_END:])
            elif not self._take_plain(line):
                self.take(line)
            self.in_long_line = False
        if len(rest) > LINE_BYTES:
            self.in_long_line = True
        return rest[-LINE_END:] if self.in_long_line else rest

    def _take_plain(self, line: bytes) -> bool:
        """Takes a line whose texts are written without escapes, as nearly all are: four times as fast as `take`, and
        the same. False for any other line."""
        try:
            found = _PLAIN.fullmatch(line.decode())
            if found is None:
                return False
            by, size, group, key, label, metadata, stored, number, sha256, split, at = found.groups()
            _check_time(at)
            if bytes.fromhex(sha256).hex() != sha256:  # much faster than a class of characters
                return False
            if stored != sha256 and bytes.fromhex(stored).hex() != stored:
                return False
            its_sum = 0 if label is None else _sum_of_json(label)
            if metadata is not None:
                _check_json(metadata)
        except (ValueError, RecursionError):
            return False
        place = key, 0
        self.puts[place] = (
            f"{key}\t0\t{number}\t{split or NULL}\t{its_sum}\t{size}\t{at}\t\\\\x{sha256}\t{NULL}\t"
            f"{label or NULL}\t{NULL if group is None else group}\t{metadata or NULL}\t{by}\n"
        )
        if self.removed:
            self.removed.pop(place, None)
        self.lines += 1
        self.last = max(self.last, int(number))
        return True

    def _pass_over(self, end: bytes) -> None:
        """A line of which only the end was read: its number stands there."""
        self.lines += 1
        self.strange += 1
        numbers = _SEQ.findall(end)
        if numbers:
            self.last = max(self.last, int(numbers[-1]))

    def upto(self, seq: int) -> Part:
        """Without what was written after that."""
        if self.last <= seq:
            return self
        puts = {place: row for place, row in self.puts.items() if facts_of(row).seq <= seq}
        removed = {place: when for place, when in self.removed.items() if when <= seq}
        return Part(puts, removed, min(self.last, seq), self.lines, self.strange)

    def _take(self, body: dict[str, Any], seq: int) -> None:
        op, place = body["op"], place_of(body["key"])
        if op == "put":
            self.puts[place] = _row(body, place, seq)
            self.removed.pop(place, None)
        elif op == "remove":
            self.puts.pop(place, None)
            self.removed[place] = seq
        else:
            raise Strange(op)

    def text(self) -> str:
        """Rows of the samples, for COPY."""
        return "".join(self.puts.values())

    def removals(self) -> str:
        """Removals as rows that stand for them, with REMOVED in the place of their bytes."""
        return "".join(
            f"{escaped(key)}\t{tail}\t{seq}\t\\N\t0\t{REMOVED}\t1970-01-01T00:00:00Z\t\\\\x{_NOTHING}\n"
            for (key, tail), seq in self.removed.items()
        )

    def facts(self) -> list[Facts]:
        """Of every sample."""
        return [facts_of(row) for row in self.puts.values()]


def fold(lines: Iterable[bytes]) -> Part:
    """Several lines, in the order of their seq."""
    part = Part()
    for line in lines:
        part.take(line)
    return part


def place_of(key: Any) -> Place:
    """Where a key stands. Raises Strange for one that cannot be."""
    if type(key) is not str or not 1 <= len(key) <= LONGEST_KEY or not storable(key):
        raise Strange("key")
    if len(key) <= KEY_CHARACTERS:
        return key, 0
    return key[:KEY_CHARACTERS], sum_of(key[KEY_CHARACTERS:]) or 1


@functools.lru_cache(maxsize=65_536)
def sum_of(text: str) -> int:
    """Stands for a text in an index: the first 8 bytes of its sha256."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


def label_sum(label: str | None) -> int:
    """Of a label's canonical JSON; 0 for none."""
    return 0 if label is None else sum_of(label) or 1


def canonical(value: Any) -> str:
    """As blueno/data/digest.py writes it, which this package does not import."""
    return encode_basestring(value) if type(value) is str else _ENCODER.encode(value)


def etag(sha256: str, split: str | None, label: str | None, group: str | None, metadata: str | None) -> str:
    """By which one says which state of a sample is meant; `label` and `metadata` are canonical JSON."""
    texts = {
        "group": _json(group),
        "label": label,
        "metadata": metadata,
        "sha256": _json(sha256),
        "split": _json(split),
    }
    record = ",".join(f'"{name}":{"null" if text is None else text}' for name, text in texts.items())
    return hashlib.sha256(f"{{{record}}}".encode()).hexdigest()[:32]


def _json(text: str | None) -> str | None:
    return None if text is None else canonical(text)


@functools.lru_cache(maxsize=1024)
def _check_time(text: str) -> None:
    """Raises ValueError. No 30th of February: PostgreSQL would refuse the others with it."""
    if not _TIME.fullmatch(text):
        raise Strange("time")
    datetime.fromisoformat(text)


@functools.lru_cache(maxsize=65_536)
def _check_json(text: str) -> None:
    """Raises ValueError for JSON that is not written canonically."""
    if canonical(json.loads(text)) != text or text == "null":
        raise Strange("not canonical")


@functools.lru_cache(maxsize=65_536)
def _sum_of_json(text: str) -> int:
    """label_sum, of what has to be checked first. Raises ValueError."""
    _check_json(text)
    return label_sum(text)


def _row(body: dict[str, Any], place: Place, seq: int) -> str:
    split, label = _text(body.get("split"), LONGEST_SPLIT), _canonical(body.get("label"))
    sha256, at, size = body["sha256"], body["time"], _whole(body["bytes"])
    if not _SHA256.fullmatch(sha256):
        raise Strange("sha256")
    _check_time(at)
    by = _text(body.get("by"), LONGEST_TEXT) or ""
    group, metadata = _text(body.get("group"), LONGEST_TEXT), _canonical(body.get("metadata"))
    rest = body["key"][KEY_CHARACTERS:] or None
    return (
        f"{escaped(place[0])}\t{place[1]}\t{seq}\t{escaped(split)}\t{label_sum(label)}\t{size}\t{at}\t\\\\x{sha256}\t"
        f"{escaped(rest)}\t{escaped(label)}\t{escaped(group)}\t{escaped(metadata)}\t{escaped(by)}\n"
    )


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise Strange("a number")
    return value


def _text(value: Any, longest: int) -> str | None:
    if value is None:
        return None
    if type(value) is not str or len(value) > longest or not storable(value):
        raise Strange("a text")
    return value


def _canonical(value: Any) -> str | None:
    if value is None:
        return None
    text = canonical(value)
    if not storable(text):
        raise Strange("half a surrogate pair")
    return text
