"""The members of a zip: Python's zipfile reads the directory, their bytes are read here. Called by archives.py.

zipfile unpacks bzip2 and LZMA without a bound, whatever size a member claims: 4 kB become gigabytes. Here no member
unpacks to a byte more than it claims plus one, and none shares bytes with another. zipfile also takes a directory of
any length at once, and makes of each of its bytes up to 16 of memory: here it has a limit.
"""

from __future__ import annotations

import bz2
import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from blueno.data.badsample import BadSample, BadSampleCode
from blueno.prep.opened import OpenFile

MAX_DICTIONARY: Final = 256 << 20  # bytes an LZMA decoder may take: `xz -9` needs 65 MiB
MAX_DIRECTORY: Final = 256 << 20  # bytes: two million members with names of 60 signs and more
_LOCAL: Final = b"PK\x03\x04"
_HEADER: Final = 30
_BLOCK: Final = 1 << 20
UTF8: Final = 0x800  # flag: the name is UTF-8


class _Bounded(io.BufferedReader):
    """A zip as zipfile reads it: first records near its end, then the directory, by one call that names its length."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY:
            raise zipfile.BadZipFile(
                f"it takes {size} bytes, at most {MAX_DIRECTORY} are read: make a tar of it, or several zips"
            )
        return super().read(size)


def directory(path: Path) -> list[zipfile.ZipInfo]:
    """The members of the zip `path`. Raises OSError, and what zipfile raises where it understands nothing."""
    with _Bounded(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
        return archive.infolist()


class ZipMember:
    """Reads one member: whole, checked against its sum."""

    __slots__ = ("_crc", "_file", "_flags", "_method", "_name", "_offset", "_packed", "_size")

    def __init__(self, file: OpenFile, info: zipfile.ZipInfo) -> None:
        self._file, self._offset, self._name = file, info.header_offset, info.orig_filename
        self._packed, self._size, self._crc = info.compress_size, info.file_size, info.CRC
        self._method, self._flags = info.compress_type, info.flag_bits

    def __call__(self) -> bytes:
        """Raises BadSample; OSError when the volume cannot be read, which is nobody's bad sample."""
        try:
            data = self._unpacked(self._start())
        except OSError as error:
            if error.errno is not None:
                raise
            raise BadSample(BadSampleCode.CORRUPT, str(error)[:120]) from error  # bz2 says "Invalid data stream" so
        except (zlib.error, lzma.LZMAError, ValueError, EOFError, MemoryError) as error:
            raise BadSample(BadSampleCode.CORRUPT, str(error)[:120]) from error
        if len(data) < self._size:
            raise BadSample(BadSampleCode.TRUNCATED, f"{len(data)} bytes instead of {self._size}")
        if len(data) > self._size:
            raise BadSample(BadSampleCode.CORRUPT, f"unpacks to more than its {self._size} bytes")
        if zlib.crc32(data) != self._crc:
            raise BadSample(BadSampleCode.BAD_CHECKSUM)
        return data

    def _start(self) -> int:
        """Where its data begins."""
        header = os.pread(self._file.handle, _HEADER, self._offset)
        if len(header) < _HEADER or not header.startswith(_LOCAL):
            raise BadSample(BadSampleCode.CORRUPT, "it has no header")
        flags, name_length, extra_length = *struct.unpack_from("<H", header, 6), *struct.unpack_from("<HH", header, 26)
        name = os.pread(self._file.handle, name_length, self._offset + _HEADER)
        if name.decode("utf-8" if flags & UTF8 else "cp437") != self._name:
            raise BadSample(BadSampleCode.CORRUPT, "its header and the directory name it differently")
        return int(self._offset + _HEADER + name_length + extra_length)

    def _unpacked(self, start: int) -> bytes:
        """Never more than its size and one byte."""
        if self._method == zipfile.ZIP_STORED:
            return b"".join(self._blocks(start, min(self._packed, self._size + 1)))
        begin, skipped = b"", 0
        unpacker: Any
        if self._method == zipfile.ZIP_DEFLATED:
            unpacker = _Deflated()
        elif self._method == zipfile.ZIP_BZIP2:
            unpacker = bz2.BZ2Decompressor()
        elif self._method == zipfile.ZIP_LZMA:
            # Two numbers, five bytes of properties, and the stream: with a length it is an .lzma file.
            skipped = 9
            properties = os.pread(self._file.handle, skipped, start)[4:]
            begin = properties + struct.pack("<q", -1 if self._flags & 2 else self._size)
            unpacker = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=MAX_DICTIONARY)
        else:
            raise BadSample(BadSampleCode.CORRUPT, f"is packed by method {self._method}: use deflate")
        return self._through(unpacker, begin, start + skipped, self._packed - skipped)

    def _blocks(self, place: int, left: int) -> Iterator[bytes]:
        while left > 0 and (block := os.pread(self._file.handle, left, place)):
            place, left = place + len(block), left - len(block)
            yield block

    def _through(self, unpacker: Any, begin: bytes, place: int, left: int) -> bytes:
        out, missing = [], self._size + 1
        while missing > 0 and not unpacker.eof:
            block = begin
            if not block and unpacker.needs_input:
                block = os.pread(self._file.handle, max(0, min(left, _BLOCK)), place)
                place, left = place + len(block), left - len(block)
            begin = b""
            data = unpacker.decompress(block, missing)
            if not block and not data:
                break
            out.append(data)
            missing -= len(data)
        return b"".join(out)


class _Deflated:
    """zlib with the manners of bz2 and lzma."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(-15)

    @property
    def eof(self) -> bool:
        return self._unpacker.eof

    @property
    def needs_input(self) -> bool:
        return not self._unpacker.unconsumed_tail

    def decompress(self, data: bytes, most: int) -> bytes:
        return self._unpacker.decompress(self._unpacker.unconsumed_tail + data, most)


def overlapping(infos: Sequence[zipfile.ZipInfo], length: int) -> set[int]:
    """The places in `infos` of members that reach into the next one, or beyond the end of the file."""
    order = sorted(range(len(infos)), key=lambda place: infos[place].header_offset)
    found = set()
    following = length
    for place in reversed(order):
        info = infos[place]
        end = info.header_offset + _HEADER + len(info.orig_filename) + info.compress_size
        if info.header_offset < 0 or end > following:
            found.add(place)
        following = info.header_offset
    return found
