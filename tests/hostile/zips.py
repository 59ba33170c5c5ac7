"""Hostile zips, each with two good images besides what is hostile. Used by tests/unit/hostile."""

from __future__ import annotations

import bz2
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from tests.hostile.archives import GOOD
from tests.hostile.items import Item, corpus_of

Z = zipfile
_CENTRAL = b"PK\x01\x02"


def zip_of(*members: tuple[str | Z.ZipInfo, bytes], method: int = Z.ZIP_DEFLATED) -> bytes:
    """A zip with a good member before and one after what is hostile."""
    out = io.BytesIO()
    with Z.ZipFile(out, "w", method) as archive:
        for name, data in (("cat/1.png", GOOD), *members, ("dog/2.png", GOOD)):
            archive.writestr(name, data, compresslevel=9)
    return out.getvalue()


def central(data: bytes, name: str) -> int:
    """Where the directory's entry of a member begins."""
    raw, place = name.encode(), -1
    while True:
        place = data.index(_CENTRAL, place + 1)
        if data[place + 46 : place + 46 + struct.unpack_from("<H", data, place + 28)[0]] == raw:
            return place


def lie(data: bytes, name: str, field: str, value: int, *, local: bool = False) -> bytes:
    """The zip with another number in the directory, and in the member's own header if that shall lie too."""
    places = {"flags": (8, 6, "<H"), "method": (10, 8, "<H"), "crc": (16, 14, "<I"), "packed": (20, 18, "<I"),
              "size": (24, 22, "<I"), "offset": (42, 0, "<I")}  # fmt: skip
    at, beside, form = places[field]
    out, place = bytearray(data), central(data, name)
    struct.pack_into(form, out, place + at, value)
    if local:
        struct.pack_into(form, out, struct.unpack_from("<I", data, place + 42)[0] + beside, value)
    return bytes(out)


def _info(name: str, mode: int) -> Z.ZipInfo:
    info = Z.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def _with(name: str, data: bytes = GOOD, method: int = Z.ZIP_DEFLATED) -> bytes:
    return zip_of((name, data), method=method)


def _smuggled(payload: bytes, method: int) -> bytes:
    """A member whose bytes unpack to far more than the 10 that it claims."""
    data = _with("cat/x.png", b"y" * len(payload), Z.ZIP_STORED).replace(b"y" * len(payload), payload)
    for field, value in (("method", method), ("size", 10)):
        data = lie(data, "cat/x.png", field, value, local=True)
    return data


def _lzma_of(dictionary: int) -> bytes:
    """A member packed by LZMA that wants so much memory."""
    data = _with("cat/x.png", GOOD, Z.ZIP_LZMA)
    at = data.index(b"\x09\x04\x05\x00", data.index(b"cat/x.png"))
    return data[: at + 5] + struct.pack("<I", dictionary) + data[at + 9 :]


def _zip64(size: int) -> bytes:
    """A member whose size stands, and lies, in a field of 64 bits."""
    info = Z.ZipInfo("cat/x.png")
    info.extra = struct.pack("<HHQ", 1, 8, size)
    return lie(zip_of((info, GOOD), method=Z.ZIP_STORED), "cat/x.png", "size", 0xFFFFFFFF)


def _overlapping(count: int) -> bytes:
    """`count` members that share the bytes of one that unpacks to 10 MB: each header is quoted by the one before."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = kernel.compress(bytes(10 << 20)) + kernel.flush()
    crc, size = zlib.crc32(bytes(10 << 20)), 10 << 20
    names = [f"cat/{number:03d}.png".encode() for number in range(count)]
    good = _with("dog/9.png", GOOD, Z.ZIP_STORED)
    start = good[: good.index(_CENTRAL)]
    headers = [
        struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 33, crc, len(body), size, len(n), 0) + n for n in names
    ]
    local = start + b"".join(headers) + body
    directory = good[good.index(_CENTRAL) : good.index(b"PK\x05\x06")]
    place = len(start)
    for header, name in zip(headers, names, strict=True):
        rest = len(start) + sum(map(len, headers)) + len(body) - place - len(header)
        directory += struct.pack(
            "<4s6H3I5H2I", _CENTRAL, 20, 20, 0, 8, 0, 33, crc, rest, size, len(name), 0, 0, 0, 0, 0, place
        )
        directory += name
        place += len(header)
    return (
        local
        + directory
        + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count + 3, count + 3, len(directory), len(local), 0)
    )


def _twice_in_the_directory() -> bytes:
    """Two names for the same bytes."""
    data = _with("cat/x.png")
    at = central(data, "cat/x.png")
    entry = data[at : at + 46 + 9].replace(b"cat/x.png", b"cat/y.png")
    end = data.index(b"PK\x05\x06")
    place, count = struct.unpack_from("<I", data, end + 16)[0], 4
    return (
        data[:end]
        + entry
        + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, end + len(entry) - place, place, 0)
    )


def _listed(count: int) -> bytes:
    """A member that the directory names so many times; the last record says two."""
    data = _with("cat/x.png")
    at, end = central(data, "cat/x.png"), data.index(b"PK\x05\x06")
    place = struct.unpack_from("<I", data, end + 16)[0]
    entries = data[place:end] + data[at : at + 46 + 9] * count
    return data[:place] + entries + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 2, 2, len(entries), place, 0)


def _cp437() -> bytes:
    """A name as old programs write it: 0x81 is ü."""
    return _with("cat/AAA.png").replace(b"cat/AAA.png", b"cat/A\x81A.png")


def _not_utf8() -> bytes:
    return _with("cat/\u00fcA.png").replace("cat/\u00fcA".encode(), b"cat/\xff\xfeA")


def _many(count: int) -> Callable[[], bytes]:
    return lambda: zip_of(*((f"n/{number}", b"") for number in range(count)), method=Z.ZIP_STORED)


def _end(field: int, form: str, value: int) -> bytes:
    """A zip whose last record lies."""
    data = bytearray(_with("cat/3.png"))
    struct.pack_into(form, data, data.index(b"PK\x05\x06") + field, value)
    return bytes(data)


def _alone(name: str, why: str, code: str, make: Callable[[], bytes], count: int = 1) -> Item:
    return Item(name, why, make, codes={code: count}, samples=3 - count)


def _fine(name: str, why: str, make: Callable[[], bytes], samples: int = 3) -> Item:
    return Item(name, why, make, samples=samples)


def _fails(name: str, why: str, says: str, make: Callable[[], bytes], **more: Any) -> Item:
    return Item(name, why, make, fails="SourceNotFound", says=says, **more)


def _slip(name: str) -> Item:
    return _alone(f"zip slip {name!r:.40}", "leads out of the directory", "UnsafeName", lambda: _with(name))


def _three_bombs() -> bytes:
    """Two of 20 MB that are no samples use the limit up."""
    bomb = bytes(20 << 20)
    return zip_of(("a/1", bomb), ("a/2", bomb), ("cat/3.png", bomb))


_ONE = lambda: _with("cat/x.png", GOOD, Z.ZIP_STORED)  # noqa: E731

ZIPS = corpus_of(
    *map(_slip, ("../../evil.png", "/etc/evil.png", "cat/../../evil.png", "cat\\..\\evil.png", "c:/evil.png")),
    *map(_slip, ("cat//x.png", "cat/\x07.png", "cat/\x1b[2J.png", "x/" * 40 + "a.png", "y" * 3000 + ".png")),
    _alone("link in a zip", "shows another file", "NotAFile",
           lambda: zip_of((_info("cat/l.png", 0o120777), b"/etc/passwd"))),
    _alone("device in a zip", "never ends", "NotAFile", lambda: zip_of((_info("cat/d.png", 0o020666), b""))),
    _fine("setuid in a zip", "modes are not taken over", lambda: zip_of((_info("cat/3.png", 0o104755), GOOD))),
    _alone("the same name in a zip twice", "the second hides the first", "DuplicateKey",
           lambda: _with("cat/3.png").replace(b"cat/3.png", b"cat/1.png")),
    _fine("case twins in a zip", "one file where names have no case", lambda: _with("CAT/1.PNG")),
    _alone("encrypted", "needs a password", "Encrypted", lambda: lie(_ONE(), "cat/x.png", "flags", 1, local=True)),
    _alone("wrong sum", "damaged", "BadChecksum", lambda: lie(_ONE(), "cat/x.png", "crc", 1, local=True)),
    _alone("claims less than it holds", "more memory than it said", "Corrupt",
           lambda: lie(_with("cat/x.png"), "cat/x.png", "size", 10, local=True)),
    _alone("claims more than it holds", "memory by its word", "Truncated",
           lambda: lie(_with("cat/x.png"), "cat/x.png", "size", 20 << 20, local=True)),
    _alone("claims 4 GB", "memory by its word", "SuspiciousRatio",
           lambda: lie(_with("cat/x.png"), "cat/x.png", "size", 0xFFFFFFF0, local=True)),
    _alone("claims 2^62 bytes", "uses up what the others may unpack to", "SuspiciousRatio", lambda: _zip64(2**62)),
    _alone("claims 2^64 - 1 bytes", "overflows", "SuspiciousRatio", lambda: _zip64(2**64 - 1)),
    _alone("packed size beyond the file", "reads other members' bytes", "Corrupt",
           lambda: lie(_with("cat/x.png"), "cat/x.png", "packed", 10**9)),
    _alone("lies beyond the file", "reads nothing", "Corrupt",
           lambda: lie(_with("cat/x.png"), "cat/x.png", "offset", 10**9)),
    _alone("begins in the middle of nowhere", "overlaps a good one: nobody knows whose the bytes are", "Corrupt",
           lambda: lie(_with("cat/x.png"), "cat/x.png", "offset", 7), 2),
    _alone("two names for itself", "programs disagree which it is", "Corrupt",
           lambda: _with("cat/x.png").replace(b"cat/x.png", b"cat/y.png", 1)),
    Item("two entries for the same bytes", "counted twice, stored once", _twice_in_the_directory, codes={"Corrupt": 2}),
    _alone("unknown method", "read by guessing", "Corrupt", lambda: lie(_ONE(), "cat/x.png", "method", 99, local=True)),
    _alone("deflate of noise", "damaged", "Corrupt", lambda: lie(_ONE(), "cat/x.png", "method", 8, local=True)),
    _alone("1000:1", "20 MB from 20 kB: unpacked, since it is within the limit", "UnknownFormat",
           lambda: _with("cat/x.png", bytes(20 << 20))),
    _alone("1000:1 three times", "past what all together may unpack to", "SuspiciousRatio", _three_bombs),
    _alone("bzip2 that unpacks to 1.2 GB", "zipfile unpacks all of it, whatever it claims", "Corrupt",
           lambda: _smuggled(bz2.compress(bytes(12 << 20)) * 100, Z.ZIP_BZIP2)),
    _alone("deflate that unpacks to 20 MB", "more memory than it said", "Corrupt",
           lambda: _smuggled(zlib.compress(bytes(20 << 20), 9)[2:-4], Z.ZIP_DEFLATED)),
    _alone("LZMA with a dictionary of 4 GB", "memory by its word", "Corrupt", lambda: _lzma_of(0xFFFFFFFF)),
    _fine("packed by bzip2", "old, but honest", lambda: _with("cat/x.png", GOOD, Z.ZIP_BZIP2)),
    _fine("packed by LZMA", "rare, but honest", lambda: _with("cat/x.png", GOOD, Z.ZIP_LZMA)),
    Item("overlapping members", "300 MB from 10 kB: the bytes of one are those of all", lambda: _overlapping(30),
         codes={"Corrupt": 29, "UnknownFormat": 1}, samples=3),
    _fine("name in cp437", "old programs", _cp437),
    _fails("name that is no UTF-8", "the directory lies about its names", "directory", _not_utf8),
    _fails("directory cut off", "what follows is lost", "directory", lambda: _with("cat/3.png")[:-30]),
    _fails("directory said to be elsewhere", "reads what is none", "no sample", lambda: _end(16, "<I", 10**9)),
    _fails("directory said to be of 4 GB", "memory by its word", "directory", lambda: _end(12, "<I", 0xFFFFFF00)),
    _fine("a count that lies", "nobody relies on it", lambda: _end(10, "<H", 60_000)),
    _fine("behind a program", "zips are read from their end", lambda: b"PK\x03\x04" + _with("cat/3.png")),
    Item("10,000 members of a zip", "each becomes an object", _many(10_000)),
    _fails("a directory past the limit", "16 bytes of memory for each of them", "directory", lambda: _listed(40_000)),
)  # fmt: skip
