"""A bundle: many samples in one body. Written by clients, read by blueno/dataserver. Standard library only.

8 bytes, little-endian: length of the head. Head: one line of JSON for each sample. Then the contents, one after the
other in that order, without anything between them; none for a line that names an upload.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple

HEAD_BYTES: Final = 4 << 20  # decoded it may be thirty times as large
BUNDLE_BYTES: Final = 64 << 20  # of the whole
BUNDLE_SAMPLES: Final = 10_000
LARGE: Final = 32 << 20  # a content with more bytes is sent as an upload of its own
_Bytes = bytes  # inside Entry the word is taken
_LENGTH: Final = struct.Struct("<Q")
_json: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_FIELDS: Final = frozenset(
    ("key", "bytes", "sha256", "split", "label", "group", "metadata", "replace", "ifMatch", "upload", "by")
)


class BadBundle(ValueError):
    """The whole cannot be understood: nothing of it is taken."""


class HeadTooLarge(BadBundle):
    """The same samples fit into several bundles."""


class Entry(NamedTuple):
    """What a line of the head says, as it came: `label` and `metadata` are decoded JSON, None is the same as absent.

    A tuple, and not a frozen dataclass, since there is one for each of many small files: that costs a quarter.
    """

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
    by: str | None = None  # whose sample it is, when the bundle carries those of many: the operator alone may say it

    def line(self) -> _Bytes:
        """As it stands in the head. Raises ValueError, TypeError for what JSON cannot say."""
        key, size, sha256, split, label, group, metadata, replace, if_match, upload, by = self
        # Piece by piece: an encoder for each line, and a dictionary for it, took three times as long.
        text = f'{{"key":{_text(key)},"bytes":{size if type(size) is int else _json(size)}'
        if sha256 is not None:
            text += f',"sha256":{_text(sha256)}'
        if split is not None:
            text += f',"split":{_text(split)}'
        if label is not None:
            text += f',"label":{_text(label)}'
        if group is not None:
            text += f',"group":{_text(group)}'
        if metadata is not None:
            text += f',"metadata":{_json(metadata)}'
        if replace:
            text += f',"replace":{_json(replace)}'
        if if_match is not None:
            text += f',"ifMatch":{_text(if_match)}'
        if upload is not None:
            text += f',"upload":{_text(upload)}'
        if by is not None:
            text += f',"by":{_text(by)}'
        return f"{text}}}\n".encode()


def _text(value: Any) -> str:
    """Almost always a plain text, which needs no encoder; anything else is as JSON has it."""
    return encode_basestring(value) if type(value) is str else _json(value)


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
        head, size = self._head + len(line), self._size + len(content)
        if len(self._lines) >= BUNDLE_SAMPLES or head > HEAD_BYTES or _LENGTH.size + head + size > BUNDLE_BYTES:
            return False
        self._lines.append(line)
        self._contents.append(content)
        self._head, self._size = head, size
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
    """Of a body's first 8 bytes. Raises BadBundle, HeadTooLarge."""
    if len(start) != _LENGTH.size:
        raise BadBundle("a bundle begins with 8 bytes: the length of its head")
    length: int = _LENGTH.unpack(start)[0]
    if not 0 < length <= BUNDLE_BYTES:
        raise BadBundle(f"the head has {length} bytes; it must have 1 to {HEAD_BYTES}")
    if length > HEAD_BYTES:
        raise HeadTooLarge(f"the head has {length} bytes; at most {HEAD_BYTES} are taken: send fewer samples at once")
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
