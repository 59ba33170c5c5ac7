"""Hostile and odd NIfTI, DICOM and DICOM series. Used by tests/unit/hostile and, piece by piece, by other tests."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Callable
from typing import Any

import numpy as np

from blueno.data.imaging.series import MAX_SLICES, pack
from tests.fakes import volumes as fake
from tests.fakes.sources import png
from tests.fakes.volumes import PERSONAL, dicom, nifti, patched, ramp, series
from tests.hostile.images import zeros
from tests.hostile.items import Item, corpus_of

DIM, TYPE, BITS, PIXDIM, OFFSET, SLOPE, INTERCEPT = 40, 70, 72, 76, 108, 112, 116
QFORM, SFORM, QUATERNION, ROWS, MAGIC = 252, 254, 256, 280, 344
VOLUME = nifti(ramp((5, 6, 7)))
IMAGE = ramp((6, 8))
EXPLICIT = "1.2.840.10008.1.2.1"


def _bad(name: str, why: str, data: bytes | Callable[[], bytes], code: str) -> Item:
    return Item(name, why, data if callable(data) else lambda: data, codes={code: 1})


def _fine(name: str, why: str, data: bytes, shape: tuple[int, ...], dtype: str, first: tuple[Any, ...] = ()) -> Item:
    return Item(name, why, lambda: data, samples=3, shape=shape, dtype=dtype, first=first)


def _lie(place: int, form: str, *values: Any) -> bytes:
    return patched(VOLUME, place, form, *values)


def _unplaced(data: bytes) -> bytes:
    return patched(patched(data, QFORM, "<h", 0), SFORM, "<h", 0)


def _quaternion(data: bytes) -> bytes:
    return patched(patched(data, QFORM, "<h", 1), SFORM, "<h", 0)


def _second(place: int, form: str, *values: Any) -> bytes:
    return patched(nifti(ramp((5, 6, 7)), version=2), place, form, *values)


def _bomb() -> bytes:
    """A header of 210 voxels before 256 MB of zeros."""
    head = zlib_stream(VOLUME)
    return head + gzip_of_zeros(256 << 20)


def zlib_stream(data: bytes) -> bytes:
    """A gzip stream: another one may follow it."""
    return gzip.compress(data, 6, mtime=0)


def gzip_of_zeros(count: int) -> bytes:
    """So many zeros, without ever having them at once. Its sum is wrong, which nobody may live to see."""
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + zeros(count)[2:-4] + bytes(8)


def _extended() -> bytes:
    """A comment full of personal data between header and pixels."""
    text = " ".join(PERSONAL).encode().ljust(600, b"\0")
    extension = struct.pack("<ii", 16 + len(text) - 8, 6) + text
    head = patched(VOLUME[:348], OFFSET, "<f", float(352 + len(extension)))
    return patched(head, 148, "80s", b"DOE^JANE 1970") + b"\1\0\0\0" + extension + VOLUME[352:]


NIFTI = corpus_of(
    _bad("cut in its header", "ends early", VOLUME[:200], "Truncated"),
    _bad("cut before its pixels", "ends early", VOLUME[:350], "Truncated"),
    _bad("cut in its pixels", "ends early", VOLUME[:-1], "Truncated"),
    _bad("longer than it says", "hides something", VOLUME + b"x", "Corrupt"),
    _bad("half of a pair", "pixels in another file", _lie(MAGIC, "4s", b"ni1\0"), "UnknownFormat"),
    _bad("analyze", "no magic", _lie(MAGIC, "4s", bytes(4)), "UnknownFormat"),
    _bad("no dimensions", "no shape", _lie(DIM, "<h", 0), "Corrupt"),
    _bad("eight dimensions", "there are seven", _lie(DIM, "<h", 8), "Corrupt"),
    _bad("negative count of dimensions", "reads backwards", _lie(DIM, "<h", -1), "Corrupt"),
    _bad("one dimension", "a row", _lie(DIM, "<h", 1), "UnsupportedShape"),
    _bad("negative dimension", "reads backwards", _lie(DIM + 4, "<h", -6), "Corrupt"),
    _bad("no elements", "divides by zero", _lie(DIM + 4, "<h", 0), "UnsupportedShape"),
    _bad("35 TiB", "memory by its word", _lie(DIM, "<4h", 3, 32767, 32767, 32767), "TooManyPixels"),
    _bad("seven dimensions of 32767", "overflows", _lie(DIM, "<8h", 7, *[32767] * 7), "UnsupportedShape"),
    _bad("2^62 in NIfTI-2", "overflows", _second(16, "<4q", 3, 2**62, 2**62, 2), "TooManyPixels"),
    _bad("2^63 - 1 planes in NIfTI-2", "counted one by one", _second(16, "<4q", 3, 1, 1, 2**63 - 1), "TooManyPixels"),
    _bad("a film of 2^63 - 1", "counted one by one", _second(16, "<5q", 4, 1, 1, 1, 2**63 - 1), "TooManyPixels"),
    _bad("no type", "pixels of no size", _lie(TYPE, "<h", 0), "UnsupportedDtype"),
    _bad("bits", "eight in a byte", _lie(TYPE, "<hh", 1, 1), "UnsupportedDtype"),
    _bad("complex", "no intensity", _lie(TYPE, "<hh", 32, 64), "UnsupportedDtype"),
    _bad("128 bits", "means another thing on every machine", _lie(TYPE, "<hh", 1536, 128), "UnsupportedDtype"),
    _bad("unknown type", "guessed", _lie(TYPE, "<h", 12345), "UnsupportedDtype"),
    _bad("wrong type", "twice the bytes", _lie(TYPE, "<hh", 16, 32), "Truncated"),
    _bad("type and bits differ", "which holds?", _lie(BITS, "<h", 8), "Corrupt"),
    _bad("pixels at NaN", "no byte", _lie(OFFSET, "<f", float("nan")), "Corrupt"),
    _bad("pixels at infinity", "no byte", _lie(OFFSET, "<f", float("inf")), "Corrupt"),
    _bad("pixels before the file", "reads other memory", _lie(OFFSET, "<f", -352.0), "Corrupt"),
    _bad("pixels in the header", "reads texts as pixels", _lie(OFFSET, "<f", 0.0), "Corrupt"),
    _bad("pixels at half a byte", "no byte", _lie(OFFSET, "<f", 352.5), "Corrupt"),
    _bad("pixels past the end", "seeks into nothing", _lie(OFFSET, "<f", 1e6), "Truncated"),
    _bad("pixels at 10^30", "overflows", _lie(OFFSET, "<f", 1e30), "Corrupt"),
    _bad("NaN in its affine", "poisons geometry", _lie(ROWS + 4, "<f", float("nan")), "Corrupt"),
    _bad("infinite origin", "poisons geometry", _lie(ROWS + 12, "<f", float("inf")), "Corrupt"),
    _bad("affine of zeros", "cannot be inverted", _lie(ROWS, "<12f", *[0.0] * 12), "Corrupt"),
    _bad("flat affine", "cannot be inverted", _lie(ROWS, "<12f", *[1.0, 0, 0, 0] * 3), "Corrupt"),
    _bad("affine of 10^38", "overflows when squared", _lie(ROWS, "<f", 3e38), "Corrupt"),
    _bad("NaN in its quaternion", "poisons geometry", patched(_quaternion(VOLUME), QUATERNION, "<f", float("nan")),
         "Corrupt"),
    _bad("quaternion of 10^30", "no rotation", patched(_quaternion(VOLUME), QUATERNION, "<3f", *[1e30] * 3), "Corrupt"),
    _bad("NaN between voxels", "poisons geometry", patched(_unplaced(VOLUME), PIXDIM + 4, "<f", float("nan")),
         "Corrupt"),
    _bad("NaN as intercept", "poisons intensities", _lie(SLOPE, "<ff", 2.0, float("nan")), "Corrupt"),
    _bad("gzip of something else", "a bomb in disguise", lambda: gzip.compress(b"x" * 5000), "UnknownFormat"),
    _bad("gzip cut", "ends early", lambda: nifti(ramp((5, 6, 7)), packed=True)[:-9], "Truncated"),
    _bad("gzip with a wrong sum", "damaged", lambda: patched(zlib_stream(VOLUME), -8, "<I", 7), "Corrupt"),
    _bad("gzip damaged within", "damaged", lambda: patched(zlib_stream(VOLUME), 200, "<Q", 2**64 - 1), "Corrupt"),
    _bad("gzip of too little", "ends early", lambda: zlib_stream(VOLUME[:-10]), "Truncated"),
    _bad("gzip bomb behind a volume", "256 MB from 260 kB", _bomb, "Corrupt"),
    _bad("gzip bomb by its header", "memory by its word", lambda: zlib_stream(
        _lie(DIM, "<4h", 3, 32767, 32767, 32767)), "TooManyPixels"),
    _bad("gzip bomb of 4 GB of floats", "1 GiB is the most", lambda: zlib_stream(
        patched(_lie(DIM, "<4h", 3, 1024, 1024, 256), TYPE, "<hh", 64, 64)), "TooManyPixels"),
    _bad("gzip of 100,000 streams", "each costs", lambda: zlib_stream(VOLUME) + zlib_stream(b"") * 100_000,
         "TooComplex"),
    _bad("gzip with something behind", "hides something", lambda: zlib_stream(VOLUME) + b"<script>", "Corrupt"),
    _fine("gzip in two streams", "as parallel compressors write", zlib_stream(VOLUME[:500]) + zlib_stream(VOLUME[500:]),
          (7, 6, 5), "<i2"),
    _fine("big-endian", "read backwards it is another volume", nifti(ramp((5, 6, 7), ">i2")), (7, 6, 5), "<i2"),
    _fine("slope of 0", "means none", _lie(SLOPE, "<ff", 0.0, 5.0), (7, 6, 5), "<i2"),
    _fine("slope of NaN", "as nibabel writes it", _lie(SLOPE, "<ff", *[float("nan")] * 2), (7, 6, 5), "<i2"),
    _fine("negative distances", "written by old programs", patched(_unplaced(VOLUME), PIXDIM + 4, "<3f", -1, -2, -3),
          (7, 6, 5), "<i2", (-1000,)),
    _fine("no distances", "nothing known", patched(_unplaced(VOLUME), PIXDIM + 4, "<3f", 0, 0, 0), (7, 6, 5), "<i2"),
    _fine("64 bits", "no float holds it", nifti(ramp((5, 6, 7), "<i8", 2**60)), (7, 6, 5), "<i8"),
    _fine("floats that are none", "poison every mean", nifti(np.full((5, 6, 7), np.nan, "<f4")), (7, 6, 5), "<f4",
          ("nan",)),
    _fine("constant", "its range is 0", nifti(np.full((5, 6, 7), 7, "<i2")), (7, 6, 5), "<i2", (7,)),
    _fine("over time", "four dimensions", nifti(ramp((5, 6, 7, 3))), (7, 6, 5, 3), "<i2"),
    _fine("one plane", "an image", nifti(ramp((5, 6, 1))), (6, 5, 1), "<i2", (-1000,)),
    _fine("a comment that names people", "goes nowhere", _extended(), (7, 6, 5), "<i2"),
)  # fmt: skip


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


def _compressed(syntax: str) -> bytes:
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
    _bad("zeros", "no elements", bytes(128) + b"DICM" + bytes(4000), "Corrupt"),
    _bad("nothing but a magic", "ends early", bytes(128) + b"DICM", "Truncated"),
    _bad("cut among its elements", "ends early", _said()[:500], "Truncated"),
    _bad("cut in its pixels", "ends early", _said()[:-1], "Truncated"),
    _bad("no pixels", "a report", dicom(IMAGE, keep_pixels=False), "NoPixels"),
    _bad("directory", "leads to other files", meta() + element(0x00041220, "SQ", item(element(
        0x00041500, "CS", b"..\\..\\etc\\passwd")), ENDLESS) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0), "NoPixels"),
    _bad("JPEG", "no decoder for it", lambda: _compressed("1.2.840.10008.1.2.4.50"), "UnsupportedCompression"),
    _bad("JPEG 2000", "tiles take any memory", lambda: _compressed("1.2.840.10008.1.2.4.90"),
         "UnsupportedCompression"),
    _bad("RLE", "no decoder for it", lambda: _compressed("1.2.840.10008.1.2.5"), "UnsupportedCompression"),
    _bad("video", "no decoder for it", lambda: _compressed("1.2.840.10008.1.2.4.102"), "UnsupportedCompression"),
    _bad("deflated bomb", "64 MB from 65 kB", _deflated, "UnsupportedCompression"),
    _bad("private syntax", "nobody knows it", lambda: _compressed("1.2.3.4.5"), "UnsupportedCompression"),
    _bad("syntax that is a page", "shown it would run", lambda: _compressed("<script>alert(1)</script>"), "Corrupt"),
    _bad("no syntax", "guessed", bytes(128) + b"DICM" + _said()[400:], "Corrupt"),
    _bad("fragments in a plain syntax", "compressed after all", lambda: _plain(pixels=_fragments()), "Corrupt"),
    _bad("pixels that are floats", "parametric maps", lambda: _plain(pixels=element(0x7FE00008, "OF", bytes(16))),
         "UnsupportedDtype"),
    _bad("more rows than pixels", "reads other memory", _said(Rows=60000), "Truncated"),
    _bad("fewer rows than pixels", "another image", _said(Rows=3), "Corrupt"),
    _bad("no rows", "divides by zero", _said(Rows=0), "UnsupportedShape"),
    _bad("rows missing", "no shape", _said(Rows=None), "Corrupt"),
    _bad("several rows", "which holds?", lambda: _plain(element(0x00280010, "US", bytes(8))).replace(
        element(0x00280010, "US", b"\2\0"), b""), "Corrupt"),
    _bad("12 bits in 12", "packed", _said(BitsAllocated=12, BitsStored=12, HighBit=11), "UnsupportedDtype"),
    _bad("more bits stored than there are", "shifts by -1", _said(BitsStored=17, HighBit=16), "UnsupportedDtype"),
    _bad("no bits stored", "shifts by 16", _said(BitsStored=0), "UnsupportedDtype"),
    _bad("pixels in the high bits", "of before 1993", _said(BitsStored=12, HighBit=15), "UnsupportedDtype"),
    _bad("signed seven times", "neither", _said(PixelRepresentation=7), "Corrupt"),
    _bad("four samples", "no colours", _said(SamplesPerPixel=4), "UnsupportedDtype"),
    _bad("65535 samples", "memory by its word", _said(SamplesPerPixel=65535), "UnsupportedDtype"),
    _bad("palette", "numbers of colours", _said(PhotometricInterpretation="PALETTE COLOR"), "UnsupportedDtype"),
    _bad("YBR", "other colours", _said(PhotometricInterpretation="YBR_FULL"), "UnsupportedDtype"),
    _bad("100,000 frames", "each a plane", _said(NumberOfFrames=100_000), "TooManyPixels"),
    _bad("a thousand frames in one", "ends early", _said(NumberOfFrames=1000), "Truncated"),
    _bad("-1 frames", "reads backwards", _said(NumberOfFrames=-1), "Corrupt"),
    _bad("frames of 5000 digits", "Python cannot convert it", lambda: _plain(element(0x00280008, "IS", b"9" * 5000)),
         "Corrupt"),
    _bad("frames that are a text", "no number", lambda: _plain(element(0x00280008, "IS", b"DOE^JANE")), "Corrupt"),
    _bad("slope of 0", "everything is alike", _said(RescaleSlope=0), "Corrupt"),
    _bad("slope of NaN", "poisons intensities", lambda: _plain(element(0x00281053, "DS", b"NaN ")), "Corrupt"),
    _bad("slope beyond floats", "infinity", lambda: _plain(element(0x00281053, "DS", b"1e99999 ")), "Corrupt"),
    _bad("slope that is a name", "no number", lambda: _plain(element(0x00281053, "DS", b"DOE^JANE")), "Corrupt"),
    _bad("spacing of one number", "two are needed", lambda: _plain(element(0x00280030, "DS", b"1.5 ")), "Corrupt"),
    _bad("a million elements", "each costs", lambda: _plain(element(0x00081030, "LO") * 1_000_000), "TooComplex"),
    _bad("a million nested sequences", "the stack", lambda: _plain(_nested(1_000_000)), "TooComplex"),
    _bad("a hundred nested sequences", "the stack", lambda: _plain(_nested(100)), "TooComplex"),
    _bad("100 nested sequences that are read", "the stack", lambda: _plain(_nested_known(100)), "TooComplex"),
    _bad("a million items", "each becomes an object", lambda: _plain(element(SHARED, "SQ", item(b"") * 1_000_000)),
         "TooComplex"),
    _bad("sequence that never ends", "reads on", lambda: _plain(pixels=element(0x00081140, "SQ", b"", ENDLESS)),
         "Truncated"),
    _bad("item outside of a sequence", "no structure", lambda: _plain(item(b"")), "Corrupt"),
    _bad("item longer than its sequence", "no structure", lambda: _plain(element(SHARED, "SQ", item(b"12345678", 99))),
         "Corrupt"),
    _bad("element of 4 GB", "memory by its word", lambda: _plain(element(0x00280030, "UN", b"1", 0xFFFFFFF0)),
         "Corrupt"),
    _bad("element beyond the file", "ends early", lambda: _plain(element(0x00091001, "UN", b"1", 0xFFFFFFF0)),
         "Truncated"),
    _bad("16 MB before its pixels", "read for nothing", lambda: _plain(element(0x00091001, "OB", bytes(16 << 20))),
         "TooComplex"),
    _bad("elements about the file, 1 MB", "read for nothing", lambda: bytes(128) + b"DICM" + element(
        0x00020102, "OB", bytes(1 << 20)) + _plain()[132:], "Corrupt"),
    _fine("full of names", "none may leave the file", _said(), (6, 8, 1), "<i2", (-1000,)),
    _fine("implicit", "types are not written", dicom(IMAGE, syntax="implicit"), (6, 8, 1), "<i2", (-1000,)),
    _fine("big-endian", "read backwards", dicom(IMAGE, syntax="big-endian"), (6, 8, 1), "<i2", (-1000,)),
    _fine("an odd number of bytes", "padded", dicom(ramp((3, 5), "u1", 0)), (3, 5, 1), "|u1", (0,)),
    _fine("junk above twelve bits", "no pixels", _junk_bits(), (2, 2, 1), "<u2", (0x801, 0x802, 0, 0xFFF)),
    _fine("colours", "three channels", dicom(ramp((4, 5, 3), "u1", 0)), (4, 5, 3), "|u1", (0, 1, 2)),
    _fine("constant", "its range is 0", dicom(np.full((4, 5), 9, "<i2"), RescaleIntercept=-1000, RescaleSlope=1),
          (4, 5, 1), "<i4", (-991,)),
    _fine("a window that is none", "divides by zero", _said(WindowCenter=40, WindowWidth=0), (6, 8, 1), "<i2"),
    _fine("a script for a modality", "no word of the list", _said(Modality="<B>X</B>"), (6, 8, 1), "<i2"),
    _fine("frames", "a film", dicom(ramp((7, 6, 8))), (7, 6, 8), "<i2"),
)  # fmt: skip

SLICES = series(ramp((5, 6, 8)))


def packed(files: list[bytes]) -> bytes:
    """A tar of slices, named by their numbers."""
    return pack((f"{number:05}.dcm", data) for number, data in enumerate(files))


def _with_link() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        link = tarfile.TarInfo("IM1.dcm")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return out.getvalue()


def _folder_only() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        folder = tarfile.TarInfo("series")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    return out.getvalue()


def _moved(number: int, **elements: Any) -> bytes:
    """A slice that differs from its neighbours."""
    said: dict[str, Any] = {
        "SeriesInstanceUID": f"{PERSONAL[5]}.3", "ImagePositionPatient": [-10.0, -20.0, -30.0 + 2.5 * number],
        "ImageOrientationPatient": list(map(float, fake.AXIAL)), "PixelSpacing": [0.7, 0.7],
    }  # fmt: skip
    return dicom(IMAGE, **{**said, **elements})


SERIES = corpus_of(
    _bad("tar of pictures", "no slices", packed([png(1), png(2)]), "UnknownFormat"),
    _bad("tar of a link", "leads out", _with_link(), "NotAFile"),
    _bad("tar of a folder", "no slices", _folder_only(), "NoPixels"),
    _bad("tar that is cut", "ends early", packed(SLICES)[:6000], "Corrupt"),
    _bad("tar with a broken sum", "damaged", patched(packed(SLICES), 1, "2s", b"zz"), "Corrupt"),
    _bad("a slice that is cut", "ends early", packed([*SLICES[:2], SLICES[2][:-10]]), "Truncated"),
    _bad("a slice that is compressed", "no decoder for it", packed([*SLICES, _compressed("1.2.840.10008.1.2.4.70")]),
         "UnsupportedCompression"),
    _bad("a slice without pixels", "a report", packed([*SLICES, dicom(IMAGE, keep_pixels=False)]), "NoPixels"),
    _bad("two series", "two volumes", packed([*SLICES, _moved(9, SeriesInstanceUID="1.2.3")]), "UnsupportedShape"),
    _bad("a larger slice", "no volume", packed([*SLICES, dicom(ramp((7, 8)))]), "UnsupportedShape"),
    _bad("a slice of frames", "no volume", packed([dicom(ramp((2, 6, 8))), *SLICES]), "UnsupportedShape"),
    _bad("two slices in one place", "time, or a copy", packed([*SLICES, _moved(2)]), "UnsupportedShape"),
    _bad("a slice across the others", "no volume", packed([*SLICES, _moved(
        9, ImageOrientationPatient=[0.0, 1, 0, 0, 0, -1])]), "UnsupportedShape"),
    _bad("rows without a direction", "divides by zero", packed([_moved(n, ImageOrientationPatient=[0.0] * 6)
                                                                for n in range(3)]), "Corrupt"),
    _bad("slices at 10^300", "overflows", packed([_moved(n, ImagePositionPatient=[0.0, 0.0, n * 1e300])
                                                  for n in range(3)]), "Corrupt"),
    _bad("too many slices", "each costs", lambda: packed([b"x"] * (MAX_SLICES + 1)), "UnknownFormat"),
    _fine("in any order", "sorted by where they lie", packed([SLICES[n] for n in (3, 0, 4, 2, 1)]), (5, 6, 8), "<i2",
          (-1000, -999)),
    _fine("a slice missing", "uneven", packed([SLICES[n] for n in (0, 1, 2, 4)]), (4, 6, 8), "<i2"),
    _fine("one slice", "an image", packed(SLICES[:1]), (6, 8, 1), "<i2"),
    _fine("no places", "sorted by number", packed([dicom(ramp((6, 8), first=n), InstanceNumber=9 - n,
                                                         SeriesInstanceUID="1.2") for n in range(3)]), (3, 6, 8), "<i2",
          (2, 3)),
)  # fmt: skip
