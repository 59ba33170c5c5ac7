"""A walk over the elements of a DICOM file before pydicom sees any: what is allowed is cut out, the rest passed over.

Called by dicom.py. Only elements on the allow-list leave this module, as bytes; names of patients, dates, private and
unknown elements are never decoded. The walk does not recurse and counts its steps, so that neither a million nested
sequences nor a million elements cost more than a moment. Pure.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from blueno.data.badsample import BadSample, BadSampleCode

PREAMBLE: Final = 128
MAGIC: Final = b"DICM"
MAX_STEPS: Final = 100_000  # elements, items and delimiters of one file
MAX_DEPTH: Final = 32  # sequences within sequences
MAX_META: Final = 1 << 16  # bytes of the elements of group 2
MAX_VALUE: Final = 4 << 20  # bytes of one element that is cut out
_META: Final = 0x0002
_SYNTAX: Final = 0x00020010
_PIXELS: Final = 0x7FE00010
_OTHER_PIXELS: Final = frozenset((0x7FE00008, 0x7FE00009))  # floats: nobody writes them but parametric maps
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNKNOWN: Final = 0xFFFFFFFF
_LONG: Final = frozenset((b"OB", b"OD", b"OF", b"OL", b"OW", b"OV", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_UID: Final = re.compile(rb"[0-9][0-9.]{0,63}")


@dataclass(frozen=True)
class Syntax:
    """How a transfer syntax writes elements."""

    implicit: bool
    little: bool


# The others compress the pixels, or everything: see dicom.py.
SYNTAXES: Final = {
    "1.2.840.10008.1.2": Syntax(implicit=True, little=True),
    "1.2.840.10008.1.2.1": Syntax(implicit=False, little=True),
    "1.2.840.10008.1.2.2": Syntax(implicit=False, little=False),
}


class NeedMore(BadSample):
    """The bytes end before the pixels: whoever has more of the file may come again with them."""

    def __init__(self) -> None:
        super().__init__(BadSampleCode.TRUNCATED, "ends among its elements")


@dataclass(frozen=True)
class Walked:
    """`kept`: the allowed elements as they are written. `pixels`: (offset, bytes); None when the file has none."""

    syntax: Syntax
    kept: bytes
    pixels: tuple[int, int] | None
    steps: int


@dataclass
class _Level:
    """A sequence, an item of one, or the fragments of compressed pixels; `end` None: until its delimiter."""

    kind: str
    end: int | None
    implicit: bool


@dataclass
class _Walk:
    data: bytes
    syntax: Syntax
    allowed: Collection[int]
    entered: Collection[int]
    place: int
    stack: list[_Level] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)
    steps: int = 0
    begun: int | None = None  # where the allowed sequence begins that is being walked over

    def __post_init__(self) -> None:
        order = "<" if self.syntax.little else ">"
        self._tag, self._short, self._long = (struct.Struct(order + f).unpack_from for f in ("HH", "H", "I"))

    def run(self) -> tuple[int, int] | None:
        """Where the pixels are, None when the data end without."""
        while True:
            self._close()
            if self.place == len(self.data) and not self.stack:
                return None
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise BadSample(BadSampleCode.TOO_COMPLEX, f"more than {MAX_STEPS} elements")
            start = self.place
            group, element = self._tag(self._bytes(8), 0)
            tag = group << 16 | element
            if self.stack and self.stack[-1].kind != "item":
                self._within_sequence(tag)
            elif tag == _ITEM_END and self.stack and self.stack[-1].end is None:
                self.place += 8
                self.stack.pop()
            elif group == 0xFFFE:
                raise BadSample(BadSampleCode.CORRUPT, "an item outside of a sequence")
            elif (found := self._element(tag, start)) is not None:
                return found

    def _bytes(self, count: int) -> bytes:
        if self.place + count > len(self.data):
            raise NeedMore
        return self.data[self.place : self.place + count]

    def _close(self) -> None:
        """Ends the levels of known length that end here."""
        while self.stack and self.stack[-1].end is not None and self.place >= self.stack[-1].end:
            if self.place > self.stack[-1].end:
                raise BadSample(BadSampleCode.CORRUPT, "an element is longer than what holds it")
            self.stack.pop()
        if self.begun is not None and not self.stack:
            self.kept.append(self.data[self.begun : self.place])
            self.begun = None

    def _within_sequence(self, tag: int) -> None:
        level = self.stack[-1]
        (length,) = self._long(self._bytes(8), 4)
        self.place += 8
        if tag == _SEQUENCE_END and level.end is None:
            self.stack.pop()
        elif tag != _ITEM:
            raise BadSample(BadSampleCode.CORRUPT, "a sequence holds what is no item")
        elif level.kind == "fragments":
            if length == _UNKNOWN:
                raise BadSample(BadSampleCode.CORRUPT, "compressed pixels without a length")
            self.place += length
        else:
            self._open("item", length, level.implicit)

    def _open(self, kind: str, length: int, implicit: bool) -> None:
        if len(self.stack) >= 2 * MAX_DEPTH:
            raise BadSample(BadSampleCode.TOO_COMPLEX, f"sequences within sequences, more than {MAX_DEPTH} deep")
        self.stack.append(_Level(kind, None if length == _UNKNOWN else self.place + length, implicit))

    def _element(self, tag: int, start: int) -> tuple[int, int] | None:
        """Passes over an element, or enters it; where the pixels are when it is those."""
        implicit = self.stack[-1].implicit if self.stack else self.syntax.implicit
        kind, length = self._head(implicit)
        if not self.stack:
            if tag == _PIXELS:
                return self.place, length
            if tag in _OTHER_PIXELS:
                raise BadSample(BadSampleCode.UNSUPPORTED_DTYPE, "pixels that are floats")
            if tag in self.allowed and length != _UNKNOWN and tag not in self.entered:
                if length > MAX_VALUE:
                    raise BadSample(BadSampleCode.CORRUPT, f"an element of {length} bytes")
                self._bytes(length)
                self.kept.append(self.data[start : self.place + length])
        if length == _UNKNOWN:
            if kind in (b"SQ", b"UN", b""):
                self._enter(tag, start, length, implicit or kind == b"UN")
            else:
                self._open("fragments", length, implicit)
        elif tag in self.entered and kind in (b"SQ", b""):
            self._enter(tag, start, length, implicit)
        else:
            self.place += length
        return None

    def _enter(self, tag: int, start: int, length: int, implicit: bool) -> None:
        if not self.stack and tag in self.entered:
            self.begun = start
        self._open("sequence", length, implicit)

    def _head(self, implicit: bool) -> tuple[bytes, int]:
        """(VR, length) of the element here, b"" where it is not written; then the place is that of its value."""
        head = self._bytes(8)
        kind = b"" if implicit else head[4:6]
        if not kind.isalpha() or not kind.isupper():  # some writers fall back to it within one file
            (length,) = self._long(head, 4)
            self.place += 8
            return b"", length
        if kind in _LONG:
            (length,) = self._long(self._bytes(12), 8)
            self.place += 12
            return kind, length
        (length,) = self._short(head, 6)
        self.place += 8
        return kind, length


def is_dicom(start: bytes) -> bool:
    """By the first 132 bytes of a file."""
    return start[PREAMBLE : PREAMBLE + 4] == MAGIC


def walk(data: bytes, allowed: Collection[int], entered: Collection[int]) -> Walked:
    """`data`: the file's bytes, at least up to its pixels. `entered`: sequences that are walked through.

    Raises NeedMore when they end before that; BadSample.
    """
    if not is_dicom(data):
        raise BadSample(BadSampleCode.UNKNOWN_FORMAT, "not DICOM")
    name, place = _syntax(data)
    if name not in SYNTAXES:
        raise BadSample(BadSampleCode.UNSUPPORTED_COMPRESSION, f"transfer syntax {name}")
    walking = _Walk(data, SYNTAXES[name], allowed, entered, place)
    pixels = walking.run()
    if pixels is not None and pixels[1] == _UNKNOWN:
        raise BadSample(BadSampleCode.CORRUPT, "compressed pixels in a transfer syntax without compression")
    return Walked(walking.syntax, b"".join(walking.kept), pixels, walking.steps)


def _syntax(data: bytes) -> tuple[str, int]:
    """(transfer syntax, where the elements begin that are written in it)."""
    place, found = PREAMBLE + 4, b""
    while True:
        if place + 8 > len(data):
            raise NeedMore
        group, element, kind, length = struct.unpack_from("<HH2sH", data, place)
        if group != _META:
            break
        start = place + 8
        if kind in _LONG:
            if place + 12 > len(data):
                raise NeedMore
            (length,) = struct.unpack_from("<I", data, place + 8)
            start = place + 12
        if not (kind.isalpha() and kind.isupper()) or start + length > MAX_META:
            raise BadSample(BadSampleCode.CORRUPT, "the elements about the file are damaged")
        if start + length > len(data):
            raise NeedMore
        if group << 16 | element == _SYNTAX:
            found = data[start : start + length].rstrip(b"\0 ")
        place = start + length
    if not _UID.fullmatch(found):
        raise BadSample(BadSampleCode.CORRUPT, "it does not say its transfer syntax")
    return found.decode("ascii"), place
