"""Hostile archives: tars. Each holds two good images besides what is hostile. Used by tests/unit/hostile."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from typing import Any

from tests.fakes.sources import png, tar, zipped
from tests.hostile.items import Item, corpus_of

GOOD = png(1)
_BLOCK = 512
END = bytes(1024)


def member(name: str | bytes, data: bytes = b"", kind: bytes = b"0", **fields: bytes) -> bytes:
    """One member as bytes. `fields`: `mode`, `size`, `link`, `magic`, `rest` (from byte 345 on)."""
    raw = name.encode() if isinstance(name, str) else name
    size = fields.get("size", f"{len(data):011o}".encode() + b"\0")
    head = raw[:100].ljust(100, b"\0") + fields.get("mode", b"0000644\0") + b"0000000\0" * 2 + size + b"00000000000\0"
    tail = kind + fields.get("link", b"").ljust(100, b"\0") + fields.get("magic", b"ustar\x0000")
    block = (head + b" " * 8 + tail + bytes(80) + fields.get("rest", b"")).ljust(_BLOCK, b"\0")
    block = block[:148] + f"{sum(block):06o}".encode() + b"\0 " + block[156:]
    return block + data + bytes(-len(data) % _BLOCK)


def good(name: str = "cat/1.png") -> bytes:
    """A member that is one."""
    return member(name, GOOD)


def record(key: str, value: str | bytes) -> bytes:
    """A line of a PAX header."""
    body = b" " + key.encode() + b"=" + (value if isinstance(value, bytes) else value.encode()) + b"\n"
    length = len(body)
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def pax(*records: bytes, kind: bytes = b"x") -> bytes:
    """A PAX header."""
    return member("PaxHeaders/x", b"".join(records), kind)


def around(*between: bytes) -> Callable[[], bytes]:
    """A tar with a good member before and one after what is hostile."""
    return lambda: good() + b"".join(between) + good("dog/2.png") + END


def _alone(name: str, why: str, code: str, *between: bytes) -> Item:
    return Item(name, why, around(*between), codes={code: 1})


def _fails(name: str, why: str, says: str, make: Callable[[], bytes] | bytes) -> Item:
    return Item(name, why, make if callable(make) else lambda: make, fails="SourceNotFound", says=says)


def _fine(name: str, why: str, samples: int, *between: bytes) -> Item:
    return Item(name, why, around(*between), samples=samples)


def _slip(name: str | bytes, why: str = "leads out of the directory") -> Item:
    return _alone(f"tar slip {name!r:.40}", why, "UnsafeName", member(name, GOOD))


def packed(pack: Callable[[], Any], size: int) -> Callable[[], bytes]:
    """So many zeros behind a tar header, packed piece by piece."""

    def make() -> bytes:
        packer, block = pack(), bytes(1 << 20)
        head = packer.compress(good() + member("cat/bomb.png", b"", size=f"{size:011o}".encode() + b"\0")[:_BLOCK])
        return head + b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()

    return make


def _gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _sparse_old(blocks: int) -> bytes:
    """An old GNU sparse file that needs `blocks` further headers to say where its pieces are."""
    pieces = (b"00000000001\0" * 2) * 21
    first = (b"00000000001\0" * 2) * 4
    rest = bytes(41) + first + b"\1" + f"{2**40:o}".encode().rjust(12, b"0")
    header = member("cat/s.png", b"", b"S", size=b"00000000000\0", magic=b"ustar  \0", rest=rest)
    return header + (pieces + b"\1" + bytes(7)) * (blocks - 1) + (pieces + bytes(8))


def _sparse_pax(pieces: str, data: bytes) -> bytes:
    extra = [("major", "1"), ("minor", "0"), ("realsize", pieces), ("name", "cat/s.png")]
    return pax(*(record(f"GNU.sparse.{key}", value) for key, value in extra)) + member("GNUSparse/s", data)


def _many(count: int) -> Callable[[], bytes]:
    """A tar of so many empty members that are no samples, gzipped."""

    def make() -> bytes:
        out = io.BytesIO()
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as file:
            file.write(good())
            for start in range(0, count, 1000):
                file.write(b"".join(member(f"n/{number:07d}") for number in range(start, start + 1000)))
            file.write(good("dog/2.png") + END)
        return out.getvalue()

    return make


_SLIPS: tuple[str | bytes, ...] = (
    *("../../evil.png", "/etc/evil.png", "cat/../../evil.png", "cat//x.png", "cat/./x.png", "cat\\..\\x.png"),
    *("c:/x.png", "cat/\x07.png", "cat/\x1b[2J.png", "cat/\x9b.png", b"cat/\xff\xfe.png", "a\n/b.png"),
    "x/" * 40 + "a.png",
)  # fmt: skip

TARS = corpus_of(
    *(_slip(name) for name in _SLIPS),
    _alone("tar name of 2000 bytes", "longer than any file system takes", "UnsafeName",
           pax(record("path", "x" * 2000 + ".png")), member("x", GOOD)),
    _alone("PAX slip", "the long name leads out", "UnsafeName",
           pax(record("path", "../../evil.png")), member("x", GOOD)),
    _alone("GNU long slip", "the long name leads out", "UnsafeName", member("L", b"../../evil.png\0", b"L"),
           member("x", GOOD)),
    _alone("prefix slip", "the second part of the name leads out", "UnsafeName",
           member("evil.png", GOOD, rest=b"../..".ljust(155, b"\0"))),
    _alone("symbolic link", "shows another file", "NotAFile", member("cat/l.png", b"", b"2", link=b"/etc/passwd")),
    _alone("hard link", "shows another file", "NotAFile", member("cat/l.png", b"", b"1", link=b"../../canary")),
    _alone("link that claims data", "parsers disagree where the next header is", "NotAFile",
           member("cat/l.png", b"", b"2", size=b"00000001000\0", link=b"x")),
    _alone("character device", "never ends", "NotAFile", member("cat/d.png", b"", b"3")),
    _alone("block device", "a disk", "NotAFile", member("cat/d.png", b"", b"4")),
    _alone("pipe", "waits for ever", "NotAFile", member("cat/p.png", b"", b"6")),
    _alone("unknown type", "read by guessing", "NotAFile", member("cat/u.png", GOOD, b"Z")),
    _fine("file below a link", "written through the link, were it made", 3,
          member("cat/up", b"", b"2", link=b"../.."), member("cat/up/evil.png", GOOD)),
    _fine("setuid and sticky", "modes are not taken over", 3, member("cat/3.png", GOOD, mode=b"0007777\0")),
    _alone("the same name twice", "the second hides the first", "DuplicateKey", good()),
    _fine("case twins", "one file where names have no case", 3, good("CAT/1.PNG")),
    _fine("twins of accents", "one file where names are normalised", 4, good("cat/\u00e9.png"),
          good("cat/e\u0301.png")),
    _fine("contiguous file", "an old type of plain file", 3, member("cat/3.png", GOOD, b"7")),
    _alone("old sparse file", "terabytes of nothing", "NotAFile", _sparse_old(1)),
    _alone("old sparse file of 2 million pieces", "a list of all pieces in memory", "NotAFile", _sparse_old(100_000)),
    _alone("PAX sparse file of 10^12 pieces", "a list of all pieces in memory", "NotAFile",
           _sparse_pax("1", f"{10**12}\n".encode() + b"0\n" * 2_000_000)),
    _alone("PAX sparse file that is huge", "terabytes of nothing", "NotAFile",
           _sparse_pax(str(2**60), b"1\n0\n1\n".ljust(512, b"\0"))),
    _fails("PAX header of digits", "tarfile looks for hours (CVE-2024-6232)", "PAX header is damaged",
           around(member("x", b"1" * 900_000, b"x"), member("y", GOOD))),
    _fails("PAX header of 3 MB", "memory by its word", "extended header",
           around(member("x", b"0" * (3 << 20), b"x"), member("y", GOOD))),
    _fails("PAX header of 8 GB", "memory by its word", "extended header",
           around(member("x", b"", b"x", size=f"{2**33 - 1:011o}".encode() + b"\0"))),
    _fails("PAX record of length 0", "never gets on", "PAX header is damaged",
           around(member("x", b"0 a=b\n", b"x"), member("y", GOOD))),
    _fails("PAX size below 0", "reads backwards", "PAX header is damaged",
           around(pax(record("size", "-512")), good("b"))),
    _fails("PAX size of 2^63", "overflows", "it ends within", around(pax(record("size", str(2**63))), good("b.png"))),
    _fails("PAX size for all", "every member has another size", "", around(pax(record("size", "7"), kind=b"g"))),
    _fails("chain of long names", "the stack of tarfile", "extended headers before one",
           around(member("L", b"x\0", b"L") * 5000, good("x.png"))),
    _fails("size below 0", "reads backwards", "is damaged", around(member("a", b"", size=b"\xff" * 12))),
    _fails("size of 2^88", "overflows", "it ends within", around(member("a.png", b"", size=b"\x80" + b"\xff" * 11))),
    _fails("size that is no number", "read by guessing", "is damaged",
           around(member("a", b"", size=b"0x10\0".ljust(12)))),
    _fails("size beyond the end", "half of it is missing", "it ends within",
           around(member("a.png", b"", size=b"77777777777\0"))),
    _fails("damaged in the middle", "what follows would be lost without a word", "is damaged", around(b"x" * _BLOCK)),
    _fails("cut within a member", "what follows is lost", "it ends within", lambda: around()()[:1000]),
    _fails("cut within a header", "what follows is lost", "it ends within the header", lambda: around()()[:1700]),
    _fails("gzip bomb", "40 MB from 40 kB", "100 times", packed(lambda: _Gzip(), 40 << 20)),
    _fails("bzip2 bomb", "40 MB from 200 bytes", "100 times", packed(bz2.BZ2Compressor, 40 << 20)),
    _fails("xz bomb", "40 MB from 6 kB", "100 times",
           packed(lambda: lzma.LZMACompressor(preset=0), 40 << 20)),
    _fails("xz with a dictionary of 1.5 GB", "memory by its word", "compression is damaged",
           lambda: lzma.compress(around()(), filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}])),
    _fails("tar in tar in gzip in gzip", "depth 2", "not a readable tar", lambda: _gzipped(_gzipped(around()()))),
    _fine("archives in an archive", "unpacked on and on they never end", 2, member("inner.zip", zipped({"a": b"b"})),
          member("inner.tar.gz", tar({"a.png": GOOD})), member("42.zip", zipped({"42.zip": zipped({"x": b"x"})}))),
    _fails("cut gzip", "ends early", "damaged", lambda: _gzipped(around()())[:-20]),
    _fails("gzip with a wrong sum", "damaged", "damaged", lambda: _gzipped(around()())[:-8] + bytes(8)),
    Item("40,000 members", "each becomes an object", _many(40_000)),
)  # fmt: skip

MILLION = corpus_of(Item("a million members", "each becomes an object", _many(1_000_000)))


class _Gzip:
    """gzip with the manners of bz2."""

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._file = gzip.GzipFile(fileobj=self._out, mode="wb", compresslevel=6, mtime=0)

    def compress(self, data: bytes) -> bytes:
        self._file.write(data)
        return b""

    def flush(self) -> bytes:
        self._file.close()
        return self._out.getvalue()


def tarfile_names(data: bytes) -> list[tuple[str, int]]:
    """What Python's tarfile finds, of good tars: to compare with."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [(found.name, found.size) for found in archive if found.isreg() and not found.issparse()]
