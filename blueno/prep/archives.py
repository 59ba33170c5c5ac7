"""What is in a tar or zip, without ever unpacking it to names of its own. Called by sources/archive.py and tfds.py.

data/tars.py and zips.py know the two formats. Plain tars and zips are read in place; compressed tars are unpacked once
to a plain tar in staging. Nothing but regular files counts; every number that an archive claims has a limit; a bad
member is reported alone, a bad directory of members fails the archive (BadArchive).
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blueno.data.badsample import MAX_SAMPLE_BYTES, BadSample, BadSampleCode
from blueno.data.files import is_full, new_file, publish
from blueno.data.tars import BadTar, tar_members
from blueno.prep.entries import MAX_FILES, Entry
from blueno.prep.opened import OpenFile
from blueno.prep.space import NoRoom
from blueno.prep.zips import MAX_DICTIONARY, ZipMember, directory, overlapping

_Blocks = Callable[[Path], Generator[bytes, None, None]]  # a file's content, a piece at a time
MAX_RATIO = 100  # unpacked : packed
RATIO_FREE = 256 << 20  # bytes that may unpack to whatever ratio: small archives of flat images compress well
MAX_DEPTH = 32  # folders
MAX_NAME = 1024  # bytes
_BLOCK = 1 << 20
_STEPS = re.compile(r"/\.{0,2}/")  # empty, here, or up
_STRANGE = re.compile(r"[\x00-\x1f\\\x7f-\x9f]")  # controls, and the other system's separator


class BadArchive(Exception):
    """The archive as a whole cannot be used. The text says why."""


@dataclass
class Members:
    """The members of an archive by their name in it, and those that were refused."""

    entries: dict[str, Entry] = field(default_factory=dict)
    bad: list[tuple[str, BadSampleCode]] = field(default_factory=list)

    def refuse(self, name: str, code: BadSampleCode) -> None:
        """Counts a member that is not used. Of a name that is too long both ends stay: the last one says its kind."""
        text = name.encode("utf-8", "replace").decode()
        shown = text if len(text) <= MAX_NAME else f"{text[: MAX_NAME // 2]}…{text[-MAX_NAME // 4 :]}"
        self.bad.append((shown, code))
        if len(self.bad) + len(self.entries) > MAX_FILES:
            raise BadArchive(f"it has more than {MAX_FILES} members")

    def add(self, name: str, entry: Entry) -> bool:
        """Adds a member; refuses, with False, unsafe and repeated names and sizes beyond the limit."""
        name = name.removeprefix("./")
        if not safe_name(name):
            self.refuse(name, BadSampleCode.UNSAFE_NAME)
        elif name in self.entries:
            self.refuse(name, BadSampleCode.DUPLICATE_KEY)
        elif entry.size > MAX_SAMPLE_BYTES and "." in name:
            self.refuse(name, BadSampleCode.TOO_LARGE)
        else:
            self.entries[name] = entry
            if len(self.bad) + len(self.entries) > MAX_FILES:
                raise BadArchive(f"it has more than {MAX_FILES} members")
            return True
        return False


def safe_name(name: str) -> bool:
    """Relative, without `..`, empty parts, backslashes, control characters; not too deep, not too long, valid UTF-8."""
    try:
        raw = name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    if not name or len(raw) > MAX_NAME or name.count("/") >= MAX_DEPTH or name[1:2] == ":":
        return False
    return _STEPS.search(f"/{name}/") is None and _STRANGE.search(name) is None


def members_of(path: Path, scratch: Path, tag: str) -> Members:
    """Lists the archive `path`. `scratch`: where a compressed tar is unpacked to. Raises BadArchive, OSError."""
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _zip_members(path)
    for magic, blocks in _COMPRESSED.items():
        if start.startswith(magic):
            unpack(path, blocks, scratch, tag)
            return _tar_members(scratch)
    return _tar_members(path)


def unpack(path: Path, blocks: _Blocks, target: Path, tag: str) -> None:
    """Decompresses `path` into `target` durably, within the limits. Nothing is done when `target` is there already."""
    if target.exists():
        return
    temporary = target.with_name(f".{target.name}.{tag}.tmp")
    try:
        _decompress(path, blocks, temporary)
    except BadArchive:
        with suppress(OSError):  # it may be large, and nobody comes back for it
            temporary.unlink()
        raise
    publish(temporary, target)


def _decompress(path: Path, blocks: _Blocks, temporary: Path) -> None:
    packed = path.stat().st_size
    limit = max(RATIO_FREE, packed * MAX_RATIO)
    size = 0
    try:
        with closing(blocks(path)) as reader, new_file(temporary) as writer:
            for block in reader:
                size += len(block)
                if size > limit:
                    raise BadArchive(f"it unpacks to more than {MAX_RATIO} times its {packed} bytes")
                writer.write(block)
            writer.flush()
            os.fsync(writer.fileno())
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise BadArchive(f"its compression is damaged ({error})") from error
    except OSError as error:
        if error.errno is None:  # bz2 says "Invalid data stream" this way
            raise BadArchive(f"its compression is damaged ({error})") from error
        if is_full(error):
            raise NoRoom(size + _BLOCK, "unpacking the archive") from error
        raise


def _xz(path: Path) -> Generator[bytes, None, None]:
    """The content of an .xz of one or more streams, within MAX_DICTIONARY of memory."""
    with path.open("rb") as file:
        packed = file.read(_BLOCK)
        while packed:
            unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_DICTIONARY)
            while not unpacker.eof:
                if not packed and unpacker.needs_input:
                    packed = file.read(_BLOCK)
                    if not packed:
                        raise EOFError("it ends early")
                yield unpacker.decompress(packed, _BLOCK)
                packed = b""
            packed = unpacker.unused_data.lstrip(b"\0")
            while not packed and (more := file.read(_BLOCK)):
                packed = more.lstrip(b"\0")  # padding between streams


def _blocks(opener: Callable[[Path], Any]) -> _Blocks:
    def read(path: Path) -> Generator[bytes, None, None]:
        with opener(path) as reader:
            while block := reader.read(_BLOCK):
                yield block

    return read


_COMPRESSED: Mapping[bytes, _Blocks] = {
    b"\x1f\x8b": _blocks(gzip.open),
    b"BZh": _blocks(bz2.open),
    b"\xfd7zXZ\x00": _xz,
}


class _Piece:
    """Reads a member that lies in the file as it is."""

    __slots__ = ("_file", "_offset", "_size")

    def __init__(self, file: OpenFile, offset: int, size: int) -> None:
        self._file, self._offset, self._size = file, offset, size

    def __call__(self) -> bytes:
        return self.part(0, self._size)

    def part(self, offset: int, length: int) -> bytes:
        """Exactly these bytes of it. Raises BadSample."""
        handle, size, start = self._file.handle, min(length, self._size - offset), self._offset + offset
        data = os.pread(handle, size, start)
        while len(data) < size:
            more = os.pread(handle, size - len(data), start + len(data))
            if not more:
                raise BadSample(BadSampleCode.TRUNCATED, "the archive ends early")
            data += more
        return data


def _tar_members(path: Path) -> Members:
    members, length = Members(), path.stat().st_size
    file = OpenFile(path)
    try:
        for member in tar_members(lambda place, size: os.pread(file.handle, size, place), length):
            if member.kind == "file":
                piece = _Piece(file, member.offset, member.size)
                members.add(member.name, Entry(member.size, "", piece, piece.part))
            elif member.kind == "other":
                members.refuse(member.name, BadSampleCode.NOT_A_FILE)
    except BadTar as error:
        raise BadArchive(f"it is not a readable tar or zip ({error})") from error
    return members


def _zip_members(path: Path) -> Members:
    members, length = Members(), path.stat().st_size
    try:
        infos = directory(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, EOFError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BadArchive(f"its directory cannot be read ({error})") from error
    file = OpenFile(path)
    allowance = max(RATIO_FREE, length * MAX_RATIO)
    lying = overlapping(infos, length)
    infos.reverse()
    for place in range(len(infos)):
        info = infos.pop()  # what zipfile made of it goes as the entries come: both at once take half as much again
        if info.is_dir():
            continue
        kind = (info.external_attr >> 16) & 0o170000
        if info.flag_bits & 0x1:
            members.refuse(info.filename, BadSampleCode.ENCRYPTED)
        elif kind not in (0, 0o100000):
            members.refuse(info.filename, BadSampleCode.NOT_A_FILE)
        elif place in lying:
            members.refuse(info.filename, BadSampleCode.CORRUPT)
        elif info.file_size > max(allowance, 0):
            members.refuse(info.filename, BadSampleCode.SUSPICIOUS_RATIO)
        elif members.add(info.filename, Entry(info.file_size, f"{info.CRC:08x}", ZipMember(file, info))):
            allowance -= info.file_size
    return members
