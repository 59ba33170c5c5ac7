"""What is in a tar or zip, without ever unpacking it to names of its own. Called by sources/archive.py and tfds.py.

Plain tars and zips are read in place; compressed tars are unpacked once to a plain tar in staging. Nothing but regular
files counts; every number that an archive claims has a limit; a bad member is reported alone, a bad directory of
members fails the archive (BadArchive).
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.decode import MAX_SAMPLE_BYTES
from blueno.data.files import is_full, new_file, publish
from blueno.prep.failure import Stopped
from blueno.prep.space import NoRoom
from blueno.prep.tree import MAX_FILES, Entry

MAX_RATIO = 100  # unpacked : packed
RATIO_FREE = 256 << 20  # bytes that may unpack to whatever ratio: small archives of flat images compress well
MAX_DEPTH = 32  # folders
MAX_NAME = 1024  # bytes
_MAX_TAR_HEADER = 1 << 20  # bytes tarfile may read at once: its extended headers, never a member
_BLOCK = 1 << 20
_COMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}


class BadArchive(Exception):
    """The archive as a whole cannot be used. The text says why."""


@dataclass
class Members:
    """The members of an archive by their name in it, and those that were refused."""

    entries: dict[str, Entry] = field(default_factory=dict)
    bad: list[tuple[str, BadSampleCode]] = field(default_factory=list)

    def refuse(self, name: str, code: BadSampleCode) -> None:
        """Counts a member that is not used."""
        self.bad.append((name.encode("utf-8", "replace").decode()[:MAX_NAME], code))
        if len(self.bad) + len(self.entries) > MAX_FILES:
            raise BadArchive(f"it has more than {MAX_FILES} members")

    def add(self, name: str, entry: Entry) -> None:
        """Adds a member; refuses unsafe and repeated names and sizes beyond the limit."""
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


def safe_name(name: str) -> bool:
    """Relative, without `..`, empty parts, backslashes, control characters; not too deep, not too long, valid UTF-8."""
    try:
        raw = name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    parts = name.split("/")
    if not name or len(raw) > MAX_NAME or len(parts) > MAX_DEPTH or any(p in ("", ".", "..") for p in parts):
        return False
    return not any(ord(c) < 32 or c == "\\" or 127 <= ord(c) < 160 for c in name) and name[1:2] != ":"


def members_of(path: Path, scratch: Path, tag: str) -> Members:
    """Lists the archive `path`. `scratch`: where a compressed tar is unpacked to. Raises BadArchive, OSError."""
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _zip_members(path)
    for magic, opener in _COMPRESSED.items():
        if start.startswith(magic):
            unpack(path, opener, scratch, tag)
            return _tar_members(scratch)
    return _tar_members(path)


def unpack(path: Path, opener: Callable[[Path], Any], target: Path, tag: str) -> None:
    """Decompresses `path` into `target` durably, within the limits. Nothing is done when `target` is there already."""
    if target.exists():
        return
    temporary = target.with_name(f".{target.name}.{tag}.tmp")
    try:
        _decompress(path, opener, temporary)
    except BadArchive:
        with suppress(OSError):  # it may be large, and nobody comes back for it
            temporary.unlink()
        raise
    publish(temporary, target)


def _decompress(path: Path, opener: Callable[[Path], Any], temporary: Path) -> None:
    packed = path.stat().st_size
    limit = max(RATIO_FREE, packed * MAX_RATIO)
    size = 0
    try:
        with opener(path) as reader, new_file(temporary) as writer:
            while block := reader.read(_BLOCK):
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


class _HeadersOnly(io.RawIOBase):
    """The file tarfile sees: it may read headers, not hundreds of megabytes of an extended one."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _MAX_TAR_HEADER:
            raise tarfile.ReadError("an extended header is too large")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _tar_members(path: Path) -> Members:
    members, length = Members(), path.stat().st_size
    handle = os.open(path, os.O_RDONLY)  # kept open: members are read through it while the process lives
    try:
        with os.fdopen(os.dup(handle), "rb") as file, tarfile.open(fileobj=_HeadersOnly(file), mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]
                _add_tar_member(members, member, handle, length)
    except (tarfile.TarError, ValueError, UnicodeError, OverflowError, struct.error, EOFError) as error:
        raise BadArchive(f"it is not a readable tar or zip ({error})") from error
    return members


def _add_tar_member(members: Members, member: tarfile.TarInfo, handle: int, length: int) -> None:
    if member.isdir():
        return
    if not member.isreg() or member.issparse():
        members.refuse(member.name, BadSampleCode.NOT_A_FILE)
        return
    offset, size = member.offset_data, member.size
    if size < 0 or offset + size > length:
        members.refuse(member.name, BadSampleCode.TRUNCATED)
        return

    def read() -> bytes:
        data = os.pread(handle, size, offset)
        while len(data) < size:
            more = os.pread(handle, size - len(data), offset + len(data))
            if not more:
                raise BadSample(BadSampleCode.TRUNCATED, "the archive ends early")
            data += more
        return data

    members.add(member.name, Entry(size, "", read))


def _zip_members(path: Path) -> Members:
    members = Members()
    try:
        archive = zipfile.ZipFile(path)
        infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, EOFError) as error:
        raise BadArchive(f"its directory cannot be read ({error})") from error
    allowance = max(RATIO_FREE, path.stat().st_size * MAX_RATIO)
    for info in infos:
        if info.is_dir():
            continue
        kind = (info.external_attr >> 16) & 0o170000
        allowance -= info.file_size
        if info.flag_bits & 0x1:
            members.refuse(info.filename, BadSampleCode.ENCRYPTED)
        elif kind not in (0, 0o100000):
            members.refuse(info.filename, BadSampleCode.NOT_A_FILE)
        elif allowance < 0:
            members.refuse(info.filename, BadSampleCode.SUSPICIOUS_RATIO)
        else:
            members.add(info.filename, Entry(info.file_size, f"{info.CRC:08x}", _zip_reader(archive, info)))
    return members


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with archive.open(info) as file:
                data = file.read(info.file_size + 1)
        except Stopped:
            raise
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error) as error:
            code = BadSampleCode.BAD_CHECKSUM if "CRC" in str(error) else BadSampleCode.CORRUPT
            raise BadSample(code, str(error)[:120]) from error
        except (NotImplementedError, RuntimeError, ValueError, OSError) as error:
            raise BadSample(BadSampleCode.CORRUPT, str(error)[:120]) from error
        if len(data) != info.file_size:
            raise BadSample(BadSampleCode.TRUNCATED, f"{len(data)} bytes instead of {info.file_size}")
        return data

    return read
