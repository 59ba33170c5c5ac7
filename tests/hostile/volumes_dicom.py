"""Hostile and odd DICOM files. Used by tests/unit/hostile and, for its compressed ones, by volumes_series.py."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from tests.fakes.volumes import dicom, ramp
from tests.hostile.images import zeros
from tests.hostile.items import bad, corpus_of, fine

IMAGE = ramp((6, 8))
EXPLICIT = "1.2.840.10008.1.2.1"


def meta(syntax: str = EXPLICIT) -> bytes:
    """What stands before the elements."""
    raw = syntax.encode()
    return bytes(128) + b"DICM" + element(0x00020010, "UI", raw + b"\0" * (len(raw) % 2))


def element(tag: int, vr: str, value: bytes = b"", length: int | None = None) -> bytes:
    """One element, explicit, little-endian; `length` lies about its value."""
    size = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr in ("OB", "OW", "SQ", "UN", "UT", "OF"):
        return head + b"\0\0" + struct.pack("<I", size) + value
    return head + struct.pack("<H", size) + value


def item(value: bytes, length: int | None = None) -> bytes:
    """An item of a sequence."""
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value) if length is None else length) + value


ENDLESS = 0xFFFFFFFF
SHARED = 0x52009229


def _plain(before: bytes = b"", pixels: bytes | None = None) -> bytes:
    """The elements that are needed, with others before them."""
    numbers = {0x00280002: 1, 0x00280010: 2, 0x00280011: 2, 0x00280100: 8, 0x00280101: 8, 0x00280102: 7, 0x00280103: 0}
    needed = [element(0x00280004, "CS", b"MONOCHROME2 "), *(element(t, "US", struct.pack("<H", n))
              for t, n in numbers.items())]  # fmt: skip
    return meta() + before + b"".join(needed) + (element(0x7FE00010, "OB", b"1234") if pixels is None else pixels)


def _fragments() -> bytes:
    return element(0x7FE00010, "OB", item(b"") + item(b"\xff\xd8" * 20) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0),
                   ENDLESS)  # fmt: skip


def compressed(syntax: str) -> bytes:
    """Pixels in fragments, as this transfer syntax has them."""
    return _plain(pixels=_fragments()).replace(meta(), meta(syntax))


def _deflated() -> bytes:
    return meta("1.2.840.10008.1.2.1.99") + zeros(64 << 20)


def _nested(count: int) -> bytes:
    return b"".join(element(0x00081140, "SQ", item(b"", ENDLESS), ENDLESS) for _ in range(count))


def _nested_known(count: int) -> bytes:
    """Sequences that are read, each in the one before, all of known length."""
    inner = b""
    for _ in range(count):
        inner = element(SHARED, "SQ", item(inner))
    return inner


def _said(**elements: Any) -> bytes:
    return dicom(IMAGE, **elements)


def _junk_bits() -> bytes:
    """Twelve bits that count, four that hold an overlay, as of old."""
    pixels = np.array([[0xF801, 0x0802], [0xA000, 0x5FFF]], "<u2")
    return dicom(pixels, BitsStored=12, HighBit=11)


DICOM = corpus_of(
    bad("zeros", "no elements", bytes(128) + b"DICM" + bytes(4000), "Corrupt"),
    bad("nothing but a magic", "ends early", bytes(128) + b"DICM", "Truncated"),
    bad("cut among its elements", "ends early", _said()[:500], "Truncated"),
    bad("cut in its pixels", "ends early", _said()[:-1], "Truncated"),
    bad("no pixels", "a report", dicom(IMAGE, keep_pixels=False), "NoPixels"),
    bad("directory", "leads to other files", meta() + element(0x00041220, "SQ", item(element(
        0x00041500, "CS", b"..\\..\\etc\\passwd")), ENDLESS) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0), "NoPixels"),
    bad("JPEG", "no decoder for it", lambda: compressed("1.2.840.10008.1.2.4.50"), "UnsupportedCompression"),
    bad("JPEG 2000", "tiles take any memory", lambda: compressed("1.2.840.10008.1.2.4.90"),
         "UnsupportedCompression"),
    bad("RLE", "no decoder for it", lambda: compressed("1.2.840.10008.1.2.5"), "UnsupportedCompression"),
    bad("video", "no decoder for it", lambda: compressed("1.2.840.10008.1.2.4.102"), "UnsupportedCompression"),
    bad("deflated bomb", "64 MB from 65 kB", _deflated, "UnsupportedCompression"),
    bad("private syntax", "nobody knows it", lambda: compressed("1.2.3.4.5"), "UnsupportedCompression"),
    bad("syntax that is a page", "shown it would run", lambda: compressed("<script>alert(1)</script>"), "Corrupt"),
    bad("no syntax", "guessed", bytes(128) + b"DICM" + _said()[400:], "Corrupt"),
    bad("fragments in a plain syntax", "compressed after all", lambda: _plain(pixels=_fragments()), "Corrupt"),
    bad("pixels that are floats", "parametric maps", lambda: _plain(pixels=element(0x7FE00008, "OF", bytes(16))),
         "UnsupportedDtype"),
    bad("more rows than pixels", "reads other memory", _said(Rows=60000), "Truncated"),
    bad("fewer rows than pixels", "another image", _said(Rows=3), "Corrupt"),
    bad("no rows", "divides by zero", _said(Rows=0), "UnsupportedShape"),
    bad("rows missing", "no shape", _said(Rows=None), "Corrupt"),
    bad("several rows", "which holds?", lambda: _plain(element(0x00280010, "US", bytes(8))).replace(
        element(0x00280010, "US", b"\2\0"), b""), "Corrupt"),
    bad("12 bits in 12", "packed", _said(BitsAllocated=12, BitsStored=12, HighBit=11), "UnsupportedDtype"),
    bad("more bits stored than there are", "shifts by -1", _said(BitsStored=17, HighBit=16), "UnsupportedDtype"),
    bad("no bits stored", "shifts by 16", _said(BitsStored=0), "UnsupportedDtype"),
    bad("pixels in the high bits", "of before 1993", _said(BitsStored=12, HighBit=15), "UnsupportedDtype"),
    bad("signed seven times", "neither", _said(PixelRepresentation=7), "Corrupt"),
    bad("four samples", "no colours", _said(SamplesPerPixel=4), "UnsupportedDtype"),
    bad("65535 samples", "memory by its word", _said(SamplesPerPixel=65535), "UnsupportedDtype"),
    bad("palette", "numbers of colours", _said(PhotometricInterpretation="PALETTE COLOR"), "UnsupportedDtype"),
    bad("YBR", "other colours", _said(PhotometricInterpretation="YBR_FULL"), "UnsupportedDtype"),
    bad("100,000 frames", "each a plane", _said(NumberOfFrames=100_000), "TooManyPixels"),
    bad("a thousand frames in one", "ends early", _said(NumberOfFrames=1000), "Truncated"),
    bad("-1 frames", "reads backwards", _said(NumberOfFrames=-1), "Corrupt"),
    bad("frames of 5000 digits", "Python cannot convert it", lambda: _plain(element(0x00280008, "IS", b"9" * 5000)),
         "Corrupt"),
    bad("frames that are a text", "no number", lambda: _plain(element(0x00280008, "IS", b"DOE^JANE")), "Corrupt"),
    bad("slope of 0", "everything is alike", _said(RescaleSlope=0), "Corrupt"),
    bad("slope of NaN", "poisons intensities", lambda: _plain(element(0x00281053, "DS", b"NaN ")), "Corrupt"),
    bad("slope beyond floats", "infinity", lambda: _plain(element(0x00281053, "DS", b"1e99999 ")), "Corrupt"),
    bad("slope that is a name", "no number", lambda: _plain(element(0x00281053, "DS", b"DOE^JANE")), "Corrupt"),
    bad("spacing of one number", "two are needed", lambda: _plain(element(0x00280030, "DS", b"1.5 ")), "Corrupt"),
    bad("a million elements", "each costs", lambda: _plain(element(0x00081030, "LO") * 1_000_000), "TooComplex"),
    bad("a million nested sequences", "the stack", lambda: _plain(_nested(1_000_000)), "TooComplex"),
    bad("a hundred nested sequences", "the stack", lambda: _plain(_nested(100)), "TooComplex"),
    bad("100 nested sequences that are read", "the stack", lambda: _plain(_nested_known(100)), "TooComplex"),
    bad("a million items", "each becomes an object", lambda: _plain(element(SHARED, "SQ", item(b"") * 1_000_000)),
         "TooComplex"),
    bad("sequence that never ends", "reads on", lambda: _plain(pixels=element(0x00081140, "SQ", b"", ENDLESS)),
         "Truncated"),
    bad("item outside of a sequence", "no structure", lambda: _plain(item(b"")), "Corrupt"),
    bad("item longer than its sequence", "no structure", lambda: _plain(element(SHARED, "SQ", item(b"12345678", 99))),
         "Corrupt"),
    bad("element of 4 GB", "memory by its word", lambda: _plain(element(0x00280030, "UN", b"1", 0xFFFFFFF0)),
         "Corrupt"),
    bad("element beyond the file", "ends early", lambda: _plain(element(0x00091001, "UN", b"1", 0xFFFFFFF0)),
         "Truncated"),
    bad("16 MB before its pixels", "read for nothing", lambda: _plain(element(0x00091001, "OB", bytes(16 << 20))),
         "TooComplex"),
    bad("elements about the file, 1 MB", "read for nothing", lambda: bytes(128) + b"DICM" + element(
        0x00020102, "OB", bytes(1 << 20)) + _plain()[132:], "Corrupt"),
    fine("full of names", "none may leave the file", _said(), (6, 8, 1), "<i2", (-1000,)),
    fine("implicit", "types are not written", dicom(IMAGE, syntax="implicit"), (6, 8, 1), "<i2", (-1000,)),
    fine("big-endian", "read backwards", dicom(IMAGE, syntax="big-endian"), (6, 8, 1), "<i2", (-1000,)),
    fine("an odd number of bytes", "padded", dicom(ramp((3, 5), "u1", 0)), (3, 5, 1), "|u1", (0,)),
    fine("junk above twelve bits", "no pixels", _junk_bits(), (2, 2, 1), "<u2", (0x801, 0x802, 0, 0xFFF)),
    fine("colours", "three channels", dicom(ramp((4, 5, 3), "u1", 0)), (4, 5, 3), "|u1", (0, 1, 2)),
    fine("constant", "its range is 0", dicom(np.full((4, 5), 9, "<i2"), RescaleIntercept=-1000, RescaleSlope=1),
          (4, 5, 1), "<i4", (-991,)),
    fine("a window that is none", "divides by zero", _said(WindowCenter=40, WindowWidth=0), (6, 8, 1), "<i2"),
    fine("a script for a modality", "no word of the list", _said(Modality="<B>X</B>"), (6, 8, 1), "<i2"),
    fine("frames", "a film", dicom(ramp((7, 6, 8))), (7, 6, 8), "<i2"),
)  # fmt: skip
