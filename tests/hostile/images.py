"""Hostile and odd images. Each goes into a tar beside two good ones: see `in_a_tar`. Used by tests/unit/hostile."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from tests.fakes.sources import jpeg, png
from tests.hostile.items import Item, corpus_of

_MAGIC = b"\x89PNG\r\n\x1a\n"
_BIG = 8192  # pixels of a side: the most that is decoded


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """A PNG chunk with its sum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(
    width: int, height: int, *, depth: int = 8, colour: int = 0, before: bytes = b"", body: bytes | None = None
) -> bytes:
    """A PNG whose pixels are all 0, or whose compressed `body` is given; `before` are chunks before its pixels."""
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    data = zeros((width * bits + 7) // 8 * height + height) if body is None else body
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return _MAGIC + header + before + chunk(b"IDAT", data) + chunk(b"IEND")


def zeros(count: int) -> bytes:
    """So many zeros, deflated, without ever having them at once."""
    packer = zlib.compressobj(1)
    block = b"\0" * (1 << 20)
    packed = [packer.compress(block[: min(1 << 20, count - start)]) for start in range(0, count, 1 << 20)]
    return b"".join(packed) + packer.flush()


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """As Pillow writes it."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def claims(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header lies about its size."""
    at = min(p for p in (data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) if p >= 0) + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def scans(side: int, count: int) -> bytes:
    """A progressive JPEG that goes over the same coefficients `count` times more than its pixels need."""
    data = saved(Image.new("L", (side, side)), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")  # the last scan refines: it may come as often as one likes
    return data[:start] + data[start:-2] * (count + 1) + b"\xff\xd9"


def progressive() -> bytes:
    """As large as an image may be."""
    return saved(Image.new("RGB", (_BIG, _BIG)), "JPEG", progressive=True, subsampling=0)


def segments(kind: int, count: int, data: bytes = b"") -> bytes:
    """A JPEG with `count` segments before its pixels."""
    good = jpeg()
    return good[:2] + (struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data) * count + good[2:]


def _text_bomb() -> bytes:
    return png_of(4, 4, before=chunk(b"zTXt", b"Comment\0\0" + zeros(64 << 20)))


def _itxt_bombs() -> bytes:
    one = chunk(b"iTXt", b"Comment\0\1\0\0\0" + zeros(1_000_000))
    return png_of(4, 4, before=one * 300)


def _icc_bomb() -> bytes:
    return png_of(4, 4, before=chunk(b"iCCP", b"profile\0\0" + zeros(64 << 20)))


def _xmp(text: bytes) -> bytes:
    """A JPEG segment with XMP."""
    return _app(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + text)


def _xmp_bomb() -> bytes:
    return png_of(4, 4, before=chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zeros(64 << 20)))


# XML whose last entity is 10^9 words long, and one that names a file.
_LAUGHS = (
    b'<!DOCTYPE x [<!ENTITY a0 "lol"><!ENTITY f SYSTEM "file:///etc/passwd">'
    + b"".join(b'<!ENTITY a%d "%s">' % (level + 1, b"&a%d;" % level * 10) for level in range(9))
    + b"]><x:xmpmeta xmlns:x='adobe:ns:meta/'>&a9;&f;</x:xmpmeta>"
)


def _exif(count: int) -> bytes:
    """An EXIF segment whose directory leads back to itself and claims `count` values."""
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 0x011A, 5, count, 0) + struct.pack("<I", 8)
    return b"Exif\0\0" + tiff


def _animated(kind: str, frames: int) -> bytes:
    images = [Image.new("P" if kind == "GIF" else "L", (4, 4), n % 256) for n in range(frames)]
    return saved(images[0], kind, save_all=True, append_images=images[1:])


def _claims_frames(count: int) -> bytes:
    return png_of(4, 4, before=chunk(b"acTL", struct.pack(">II", count, 0)))


def _grey16() -> bytes:
    return saved(Image.fromarray(np.array([[4660, 65535], [0, 1]], np.uint16)), "PNG")


def _rgb16() -> bytes:
    return png_of(1, 1, depth=16, colour=2, body=zlib.compress(b"\0" + struct.pack(">HHH", 0x1234, 0xFFFF, 0)))


def _palette(transparent: bool) -> bytes:
    image = Image.new("RGB", (2, 2), (10, 20, 30)).quantize(4)
    return saved(image, "PNG", **({"transparency": image.getpixel((0, 0))} if transparent else {}))


def _bit(name: str, why: str, make: Callable[[], bytes], **what: Any) -> Item:
    """One that is accepted."""
    return Item(name, why, make, samples=3, **what)


def _bad(name: str, why: str, make: Callable[[], bytes], code: str) -> Item:
    return Item(name, why, make, codes={code: 1})


def _other(name: str, magic: bytes, why: str = "a decoder that nobody asked for") -> Item:
    return _bad(name, why, lambda: magic + bytes(4000), "UnknownFormat")


def _saved_as(kind: str) -> Item:
    return _bad(kind.lower(), "no decoder but two is ever tried", lambda: saved(Image.new("L", (4, 4)), kind),
                "UnknownFormat")  # fmt: skip


IMAGES = corpus_of(
    _bad("empty", "no bytes", lambda: b"", "Empty"),
    _bad("half a magic", "ends within its first bytes", lambda: _MAGIC[:5], "Truncated"),
    _bad("html", "shown as a page it would run", lambda: b"<!DOCTYPE html><script>", "UnknownFormat"),
    _bad("svg", "holds programs", lambda: b"<svg onload='x()'/>", "UnknownFormat"),
    _other("eps", b"%!PS-Adobe-3.0 EPSF-3.0\n", "starts Ghostscript"),
    _other("wmf", b"\xd7\xcd\xc6\x9a", "a renderer of its own"),
    _other("emf", b"\x01\0\0\0" + bytes(36) + b" EMF", "a renderer of its own"),
    _other("fits", b"SIMPLE  =                    T" + b" " * 50, "its gzip is a bomb (CVE-2026-40192)"),
    _other("psd", b"8BPS\0\1"),
    _other("jpeg 2000", b"\0\0\0\x0cjP  \r\n\x87\n", "tiles take any memory"),
    _other("avif", b"\0\0\0\x1cftypavif"),
    _other("hdf5", b"\x89HDF\r\n\x1a\n", "reads other files through external links"),
    _other("pickle", b"\x80\x04\x95", "runs a program when it is read"),
    _other("elf", b"\x7fELF"),
    *map(_saved_as, ("GIF", "TIFF", "BMP", "WEBP", "PPM", "ICO", "TGA", "PCX", "SGI")),
    _bad("gif of 50 frames", "each is an image", lambda: _animated("GIF", 50), "UnknownFormat"),
    _bad("png named jpeg with a jpeg inside", "two formats in one", lambda: png()[:40] + jpeg(), "Truncated"),
    _bad("png cut in its header", "ends early", lambda: png()[:20], "Truncated"),
    _bad("png cut in its pixels", "ends early", lambda: png()[:-100], "Truncated"),
    _bad("png without its end", "ends early", lambda: png()[:-12], "Truncated"),
    _bad("png of too few pixels", "declares more than it has", lambda: png_of(99, 99, body=zlib.compress(b"")),
         "Truncated"),
    _bad("png of no width", "0 × n divides", lambda: png_of(0, 5, body=b""), "Corrupt"),
    _bad("png of 1 × 2^31", "overflows", lambda: png_of(1, 2**31 - 1, body=b""), "TooManyPixels"),
    _bad("png of 2^32 × 2^32", "overflows", lambda: png_of(2**32 - 1, 2**32 - 1, body=b""), "TooManyPixels"),
    _bad("png of 10^10 pixels", "10 GB of zeros in a few bytes", lambda: png_of(10**5, 10**5, body=b""),
         "TooManyPixels"),
    _bad("png of one pixel too many", "past the cap", lambda: png_of(_BIG, _BIG + 1, depth=1), "TooManyPixels"),
    _bad("png with a broken sum", "damaged", lambda: png().replace(b"IDAT", b"IDAT\0", 1), "Corrupt"),
    _bad("png without IHDR", "no header", lambda: _MAGIC + bytes(40), "Corrupt"),
    _bad("png of two headers", "the second says another size",
         lambda: png_of(4, 4, before=chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))),
         "Corrupt"),
    _bad("png whose chunk is 2 GiB long", "its length lies", lambda: png_of(4, 4, before=b"\x7f\xff\xff\xffzzzz"),
         "Truncated"),
    _bad("png of 300,000 chunks", "each becomes an object in memory",
         lambda: png_of(4, 4, before=chunk(b"ruBb") * 300_000), "TooComplex"),
    _bad("png with 200,000 chunks after its pixels", "kept in a list while it is decoded",
         lambda: png()[:-12] + chunk(b"ruBb") * 200_000 + chunk(b"IEND"), "TooComplex"),
    _bad("png of 300,000 empty IDAT", "read one by one",
         lambda: png_of(4, 4, before=chunk(b"IDAT") * 300_000), "TooComplex"),
    _bad("zTXt bomb", "64 MB of text", _text_bomb, "Corrupt"),
    _bad("iTXt bombs", "300 texts of 1 MB", _itxt_bombs, "Corrupt"),
    _bad("iCCP bomb", "64 MB of colour profile", _icc_bomb, "Corrupt"),
    _bad("animated png", "a film is no sample", lambda: _animated("PNG", 5), "Animated"),
    _bad("png that claims 10^5 frames", "each is an image", lambda: _claims_frames(10**5), "Animated"),
    _bad("jpeg of 60000 × 60000", "3.6 GB of pixels in 1 kB", lambda: claims(jpeg(), 60_000, 60_000), "TooManyPixels"),
    _bad("jpeg of 81 megapixels", "past the cap, below Pillow's", lambda: claims(jpeg(), 9_000, 9_000),
         "TooManyPixels"),
    _bad("jpeg cut", "ends early", lambda: jpeg()[:-200], "Truncated"),
    _bad("jpeg of nothing", "no tables", lambda: b"\xff\xd8\xff\xe0" + bytes(30), "Corrupt"),
    _bad("jpeg of 3000 scans", "1 MB that takes minutes", lambda: scans(4096, 3000), "TooComplex"),
    _bad("jpeg of 300,000 segments", "each becomes an object", lambda: segments(0xE5, 300_000), "TooComplex"),
    _bad("jpeg of 5 MB of padding", "read byte by byte", lambda: b"\xff\xd8" + b"\xff" * 5_000_000 + jpeg()[3:],
         "TooComplex"),
    _bad("jpeg of 5 MB of junk between markers", "read byte by byte",
         lambda: b"\xff\xd8\xff\xfe\0\x02" + b"x" * 5_000_000 + jpeg()[2:], "TooComplex"),
    _bad("jpeg whose EXIF claims 2^31 values", "memory by its word",
         lambda: jpeg()[:2] + _app(0xE1, _exif(2**31 - 1)) + jpeg()[20:], "Corrupt"),
    _bad("jpeg of 900 EXIF segments", "each is copied behind all before it: 12 s",
         lambda: segments(0xE1, 900, _exif(1) + bytes(64_000)), "TooComplex"),
    _bit("jpeg of 64 EXIF segments", "some cameras write several", lambda: segments(0xE1, 64, _exif(1) + bytes(1000)),
         shape=(24, 32, 3), dtype="|u1"),
    _bit("png whose EXIF is of 64 MB", "all of it is kept until the pixels are there",
         lambda: png_of(4, 4, before=chunk(b"eXIf", _exif(1)[6:] + bytes(64 << 20))), shape=(4, 4, 1), dtype="|u1",
         first=(0,)),
    _bit("png whose EXIF is none", "nobody reads it", lambda: png_of(4, 4, before=chunk(b"eXIf", b"junk" * 100)),
         shape=(4, 4, 1), dtype="|u1", first=(0,)),
    _bit("XMP in 500 segments", "32 MB that claim to be 4 GB",
         lambda: segments(0xE1, 500, b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + b"\xff" * 64_000),
         shape=(24, 32, 3), dtype="|u1"),
    _bad("XMP bomb", "64 MB of XML", _xmp_bomb, "Corrupt"),
    _bit("XMP of a billion laughs", "XML that nobody parses",
         lambda: jpeg()[:2] + _xmp(_LAUGHS) + jpeg()[2:], shape=(24, 32, 3), dtype="|u1"),
    _bit("XMP of a billion laughs in a png", "the same, packed",
         lambda: png_of(4, 4, before=chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + _LAUGHS)), shape=(4, 4, 1),
         dtype="|u1", first=(0,)),
    _bit("jpeg with an end before its pixels'", "the rest is grey, as everywhere", lambda: claims(jpeg(), 700, 900),
         shape=(900, 700, 3), dtype="|u1"),
    _bit("png whose EXIF turns it", "pixels stay where they are",
         lambda: png_of(3, 2, before=chunk(b"eXIf", b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0" + bytes(4))),
         shape=(2, 3, 1), dtype="|u1", first=(0,)),
    _bit("grey, 16 bits", "true intensities", _grey16, shape=(2, 2, 1), dtype="<u2", first=(4660,)),
    _bit("colour, 16 bits", "as docs/format.md says", _rgb16, shape=(1, 1, 3), dtype="|u1", first=(0x12, 0xFF, 0)),
    _bit("one bit", "0 and 255", lambda: saved(Image.new("1", (3, 2), 1), "PNG"), shape=(2, 3, 1), dtype="|u1",
         first=(255,)),
    _bit("palette", "colours, not numbers", lambda: _palette(False), shape=(2, 2, 3), dtype="|u1",
         first=(10, 20, 30)),
    _bit("palette with transparency", "four channels", lambda: _palette(True), shape=(2, 2, 4), dtype="|u1",
         first=(10, 20, 30, 0)),
    _bit("CMYK", "three channels", lambda: saved(Image.new("CMYK", (4, 3)), "JPEG"), shape=(3, 4, 3), dtype="|u1",
         first=(255, 255, 255)),
    _bit("progressive jpeg", "ten scans are ordinary", lambda: saved(Image.new("RGB", (64, 64)), "JPEG",
         progressive=True), shape=(64, 64, 3), dtype="|u1", first=(0, 0, 0)),
    _bit("polyglot of png and html", "text in a comment stays a comment",
         lambda: png_of(2, 2, before=chunk(b"tEXt", b"Comment\0<script>alert(1)</script>")), shape=(2, 2, 1),
         dtype="|u1", first=(0,)),
)  # fmt: skip


def _app(kind: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data


# As large as an image may be: accepted, within the memory of its own size, one after the other.
LARGEST = corpus_of(
    _bit("RGBA of 64 megapixels", "268 MB from 260 kB", lambda: png_of(_BIG, _BIG, colour=6)),
    _bit("16-bit RGBA of 64 megapixels", "537 MB from 520 kB", lambda: png_of(_BIG, _BIG, colour=6, depth=16)),
    _bit("16-bit grey of 64 megapixels", "134 MB", lambda: png_of(_BIG, _BIG, depth=16)),
    _bit("1-bit of 64 megapixels", "8 MB become 64", lambda: png_of(_BIG, _BIG, depth=1)),
    _bit("jpeg of 64 megapixels", "201 MB from 1 MB", lambda: saved(Image.new("RGB", (_BIG, _BIG)), "JPEG")),
    _bit("progressive jpeg of 64 megapixels", "coefficients besides pixels: 650 MB", progressive),
)
