"""The headers of a tar, read by rules of our own. Called by blueno/prep/archives.py and blueno/data/imaging/series.py.

Python's tarfile trusts what it reads: digits in a PAX header cost it hours (CVE-2024-6232), headers about headers its
stack, lists of sparse pieces the memory, and a damaged header in the middle ends its list as if nothing had followed.
Here every header costs the same, and what cannot be understood fails the archive. Nothing but headers is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_BLOCK: Final = 512
_ZEROS: Final = bytes(_BLOCK)
MAX_EXTENDED: Final = 1 << 20  # bytes of an extended header: a long name, times, attributes
MAX_CHAIN: Final = 16  # extended headers of one member; two are usual
_OCTAL: Final = re.compile(rb" *([0-7]{1,12})?[ \0]*")
_DECIMAL: Final = re.compile(rb"[0-9]{1,19}")
_REGULAR: Final = frozenset(b"\x0007")
_DIRECTORY: Final = ord("5")
_SPARSE: Final = ord("S")
_WITHOUT_DATA: Final = frozenset(b"123456")  # links, devices, directories, pipes: whatever size they claim
_EXTENDED: Final = frozenset(b"LKxXg")
_KEPT: Final = (b"path", b"size")


Read = Callable[[int, int], bytes]  # (offset, length) → the bytes there, fewer at the end


class BadTar(Exception):
    """It is no tar, or damaged. The text says how."""


class TarMember(NamedTuple):
    """One member. `kind`: "file", "directory", or "other" (links, devices, sparse files, whatever it may be)."""

    name: str
    kind: str
    offset: int
    size: int


def tar_members(read: Read, length: int) -> Iterator[TarMember]:
    """The members of `length` bytes, in their order. Raises BadTar, and what `read` raises."""
    place, shared = 0, {}
    if not length:
        raise BadTar("it is empty")
    while place < length:
        said: dict[bytes, bytes] = {}
        for chain in range(MAX_CHAIN + 1):
            header = read(place, _BLOCK)
            if header == _ZEROS and not chain:
                return
            kind, size = _checked(header, place)
            place += _BLOCK
            if kind not in _EXTENDED:
                break
            data = _extended(read, place, size)
            place += _rounded(size)
            if kind == ord("L"):
                said[b"path"] = data.partition(b"\0")[0]
            elif kind == ord("g"):
                shared = _records(data)
            elif kind != ord("K"):  # the target of a link leads nowhere here
                said |= _records(data)
        else:
            raise BadTar(f"more than {MAX_CHAIN} extended headers before one member")
        member, place = _member(read, header, (place, size), {**shared, **said})
        yield member
        if place > length + _BLOCK or (member.offset + member.size > length and member.kind == "file"):
            raise BadTar(f"it ends within its member {member.name[:200]!r}")


def _checked(header: bytes, place: int) -> tuple[int, int]:
    """(kind, size) of a header that matches its own sum. Raises BadTar."""
    if len(header) < _BLOCK:
        raise BadTar(f"it ends within the header at byte {place}" if place else "it is too short")
    field = header[148:156]
    claimed, total = _number(field, place), sum(header) - sum(field) + 8 * 32
    if claimed != total and claimed != total - 256 * sum(1 for c in header[:148] + header[156:] if c > 127):
        raise BadTar(f"the header at byte {place} is damaged")
    return header[156], _number(header[124:136], place)


def _number(field: bytes, place: int) -> int:
    """Octal digits, or binary after a byte of 128. Raises BadTar."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    found = _OCTAL.fullmatch(field.partition(b"\0")[0])
    if found is None:
        raise BadTar(f"the header at byte {place} is damaged")
    return int(found[1] or b"0", 8)


def _extended(read: Read, place: int, size: int) -> bytes:
    if size > MAX_EXTENDED:
        raise BadTar(f"an extended header of {size} bytes")
    data = read(place, size)
    if len(data) < size:
        raise BadTar("it ends within an extended header")
    return data


def _records(data: bytes) -> dict[bytes, bytes]:
    """What matters of a PAX header: each record is `<length> <key>=<value>\\n`. Raises BadTar."""
    found: dict[bytes, bytes] = {}
    place = 0
    while place < len(data) and data[place]:
        digits, space, _ = data[place : place + 20].partition(b" ")
        if not space or not _DECIMAL.fullmatch(digits):
            raise BadTar("a PAX header is damaged")
        end = max(place + int(digits), place + len(digits) + 1)
        key, equals, value = data[place + len(digits) + 1 : end - 1].partition(b"=")
        if not equals or end > len(data) or data[end - 1] != ord("\n"):
            raise BadTar("a PAX header is damaged")
        if key in _KEPT or key.startswith(b"GNU.sparse."):
            found[key[:100]] = value
        place = end
    return found


def _member(read: Read, header: bytes, where: tuple[int, int], said: dict[bytes, bytes]) -> tuple[TarMember, int]:
    """(the member, where the next header is). `where`: place and size of its data, as the header says."""
    kind, (place, size) = header[156], where
    raw = header[:100].partition(b"\0")[0]
    if said.get(b"size"):
        if not _DECIMAL.fullmatch(said[b"size"]):
            raise BadTar("a PAX header is damaged")
        size = int(said[b"size"])
    sparse = kind == _SPARSE or (bool(said) and any(key.startswith(b"GNU.sparse.") for key in said))
    more = header[482] if kind == _SPARSE else 0
    while more:  # where the pieces of a sparse file lie: passed over
        block = read(place, _BLOCK)
        place += _BLOCK
        more = block[504] if len(block) == _BLOCK else 0
    name = said.get(b"GNU.sparse.name") or said.get(b"path") or _joined(header, raw)
    is_directory = kind == _DIRECTORY or (kind == 0 and raw.endswith(b"/"))
    regular = kind in _REGULAR and not sparse
    word = "directory" if is_directory else "file" if regular else "other"
    member = TarMember(name.decode("utf-8", "surrogateescape"), word, place, size)
    return member, place + (0 if kind in _WITHOUT_DATA or is_directory else _rounded(size))


def _joined(header: bytes, raw: bytes) -> bytes:
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + raw if prefix else raw


def _rounded(size: int) -> int:
    return (size + _BLOCK - 1) // _BLOCK * _BLOCK
