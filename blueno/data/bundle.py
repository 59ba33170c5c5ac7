"""A bundle: many samples in one body. Written by clients, read by blueno/dataserver. Standard library only.

8 bytes, little-endian: length of the head. Head: one line of JSON for each sample. Then the contents, one after the
other in that order, without anything between them; none for a line that names an upload.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

HEAD_BYTES: Final = 16 << 20
BUNDLE_BYTES: Final = 64 << 20  # of the whole
BUNDLE_SAMPLES: Final = 10_000
LARGE: Final = 32 << 20  # a content with more bytes is sent as an upload of its own
_Bytes = bytes  # inside Entry the word is taken
_LENGTH: Final = struct.Struct("<Q")
_FIELDS: Final = frozenset(
    ("key", "bytes", "sha256", "split", "label", "group", "metadata", "replace", "ifMatch", "upload")
)


class BadBundle(ValueError):
    """The whole cannot be understood: nothing of it is taken."""


@dataclass(frozen=True)
class Entry:
    """What a line of the head says, as it came: `label` and `metadata` are decoded JSON, None is the same as absent."""

    key: str
    bytes: int
    sha256: str | None = None
    split: str | None = None
    label: Any = None
    group: str | None = None
    metadata: Any = None
    replace: bool = False
    if_match: str | None = None
    upload: str | None = None

    def line(self) -> _Bytes:
        """As it stands in the head. Raises ValueError for what JSON cannot say."""
        body: dict[str, Any] = {"key": self.key, "bytes": self.bytes}
        optional = (
            ("sha256", self.sha256),
            ("split", self.split),
            ("label", self.label),
            ("group", self.group),
            ("metadata", self.metadata),
            ("replace", self.replace or None),
            ("ifMatch", self.if_match),
            ("upload", self.upload),
        )
        body.update((name, value) for name, value in optional if value is not None)
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


class BundleWriter:
    """Collects samples until the bundle is full: then send `parts()` and begin another one."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._contents: list[bytes] = []
        self._head = self._size = 0

    def __len__(self) -> int:
        """Samples in it."""
        return len(self._lines)

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        return _LENGTH.size + self._head + self._size

    def add(self, entry: Entry, content: bytes = b"") -> bool:
        """False when it does not fit any more; one that does not fit into an empty bundle must be an upload.

        Raises ValueError when `entry.bytes` is not the length of `content` (but for uploads, which have none here).
        """
        if len(content) != (0 if entry.upload is not None else entry.bytes):
            raise ValueError(f"{entry.key[:80]!r}: {entry.bytes} bytes were announced, {len(content)} are here")
        line = entry.line()
        if (
            len(self._lines) >= BUNDLE_SAMPLES
            or self._head + len(line) > HEAD_BYTES
            or self.size + len(line) + len(content) > BUNDLE_BYTES
        ):
            return False
        self._lines.append(line)
        self._contents.append(content)
        self._head += len(line)
        self._size += len(content)
        return True

    def parts(self) -> list[bytes]:
        """Pieces of the body, in order; the contents are not copied."""
        return [_LENGTH.pack(self._head), *self._lines, *(c for c in self._contents if c)]


def write_bundle(samples: Iterable[tuple[Entry, bytes]]) -> bytes:
    """The body with all of `samples`. Raises ValueError when they are more than fit."""
    writer = BundleWriter()
    for entry, content in samples:
        if not writer.add(entry, content):
            raise ValueError(f"{entry.key[:80]!r} does not fit into the bundle any more")
    return b"".join(writer.parts())


def head_length(start: bytes) -> int:
    """Of a body's first 8 bytes. Raises BadBundle."""
    if len(start) != _LENGTH.size:
        raise BadBundle("a bundle begins with 8 bytes: the length of its head")
    length: int = _LENGTH.unpack(start)[0]
    if not 0 < length <= HEAD_BYTES:
        raise BadBundle(f"the head has {length} bytes; it must have 1 to {HEAD_BYTES}")
    return length


def read_head(head: bytes) -> list[Mapping[str, Any]]:
    """The lines, decoded: objects with a text `key` and a size `bytes`, the rest not looked at. Raises BadBundle."""
    if not head.endswith(b"\n"):
        raise BadBundle("the head must end with a line feed")
    lines = head[:-1].split(b"\n")
    if len(lines) > BUNDLE_SAMPLES:
        raise BadBundle(f"{len(lines)} samples; at most {BUNDLE_SAMPLES} fit into a bundle")
    try:
        found: list[Any] = json.loads(b"[" + b",".join(lines) + b"]")  # at once: three times as fast as line by line
    except (ValueError, RecursionError):
        found = []
    if len(found) != len(lines):
        found = [_parse(line, number) for number, line in enumerate(lines, 1)]
    for number, body in enumerate(found, 1):
        if type(body) is not dict or type(body.get("key")) is not str:
            raise BadBundle(f"line {number} of the head must be an object with a text `key`")
        if type(body.get("bytes")) is not int or body["bytes"] < 0:
            raise BadBundle(f"line {number} of the head: `bytes` must be a whole number")
    return found


def unknown_fields(body: Mapping[str, Any]) -> list[str]:
    """Names in a line that mean nothing."""
    return [] if _FIELDS.issuperset(body) else sorted(str(name)[:64] for name in body.keys() - _FIELDS)


def _parse(line: bytes, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadBundle(f"line {number} of the head is no JSON: {str(error)[:100]}") from error
