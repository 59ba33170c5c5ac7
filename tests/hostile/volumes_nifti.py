"""Hostile and odd NIfTI. Used by tests/unit/hostile."""

from __future__ import annotations

import gzip
import struct
from typing import Any

import numpy as np

from tests.fakes.volumes import PERSONAL, nifti, patched, ramp
from tests.hostile.images import zeros
from tests.hostile.items import bad, corpus_of, fine

DIM, TYPE, BITS, PIXDIM, OFFSET, SLOPE = 40, 70, 72, 76, 108, 112
QFORM, SFORM, QUATERNION, ROWS, MAGIC = 252, 254, 256, 280, 344
VOLUME = nifti(ramp((5, 6, 7)))


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
    bad("cut in its header", "ends early", VOLUME[:200], "Truncated"),
    bad("cut before its pixels", "ends early", VOLUME[:350], "Truncated"),
    bad("cut in its pixels", "ends early", VOLUME[:-1], "Truncated"),
    bad("longer than it says", "hides something", VOLUME + b"x", "Corrupt"),
    bad("half of a pair", "pixels in another file", _lie(MAGIC, "4s", b"ni1\0"), "UnknownFormat"),
    bad("analyze", "no magic", _lie(MAGIC, "4s", bytes(4)), "UnknownFormat"),
    bad("no dimensions", "no shape", _lie(DIM, "<h", 0), "Corrupt"),
    bad("eight dimensions", "there are seven", _lie(DIM, "<h", 8), "Corrupt"),
    bad("negative count of dimensions", "reads backwards", _lie(DIM, "<h", -1), "Corrupt"),
    bad("one dimension", "a row", _lie(DIM, "<h", 1), "UnsupportedShape"),
    bad("negative dimension", "reads backwards", _lie(DIM + 4, "<h", -6), "Corrupt"),
    bad("no elements", "divides by zero", _lie(DIM + 4, "<h", 0), "UnsupportedShape"),
    bad("35 TiB", "memory by its word", _lie(DIM, "<4h", 3, 32767, 32767, 32767), "TooManyPixels"),
    bad("seven dimensions of 32767", "overflows", _lie(DIM, "<8h", 7, *[32767] * 7), "UnsupportedShape"),
    bad("2^62 in NIfTI-2", "overflows", _second(16, "<4q", 3, 2**62, 2**62, 2), "TooManyPixels"),
    bad("2^63 - 1 planes in NIfTI-2", "counted one by one", _second(16, "<4q", 3, 1, 1, 2**63 - 1), "TooManyPixels"),
    bad("a film of 2^63 - 1", "counted one by one", _second(16, "<5q", 4, 1, 1, 1, 2**63 - 1), "TooManyPixels"),
    bad("no type", "pixels of no size", _lie(TYPE, "<h", 0), "UnsupportedDtype"),
    bad("bits", "eight in a byte", _lie(TYPE, "<hh", 1, 1), "UnsupportedDtype"),
    bad("complex", "no intensity", _lie(TYPE, "<hh", 32, 64), "UnsupportedDtype"),
    bad("128 bits", "means another thing on every machine", _lie(TYPE, "<hh", 1536, 128), "UnsupportedDtype"),
    bad("unknown type", "guessed", _lie(TYPE, "<h", 12345), "UnsupportedDtype"),
    bad("wrong type", "twice the bytes", _lie(TYPE, "<hh", 16, 32), "Truncated"),
    bad("type and bits differ", "which holds?", _lie(BITS, "<h", 8), "Corrupt"),
    bad("pixels at NaN", "no byte", _lie(OFFSET, "<f", float("nan")), "Corrupt"),
    bad("pixels at infinity", "no byte", _lie(OFFSET, "<f", float("inf")), "Corrupt"),
    bad("pixels before the file", "reads other memory", _lie(OFFSET, "<f", -352.0), "Corrupt"),
    bad("pixels in the header", "reads texts as pixels", _lie(OFFSET, "<f", 0.0), "Corrupt"),
    bad("pixels at half a byte", "no byte", _lie(OFFSET, "<f", 352.5), "Corrupt"),
    bad("pixels past the end", "seeks into nothing", _lie(OFFSET, "<f", 1e6), "Truncated"),
    bad("pixels at 10^30", "overflows", _lie(OFFSET, "<f", 1e30), "Corrupt"),
    bad("NaN in its affine", "poisons geometry", _lie(ROWS + 4, "<f", float("nan")), "Corrupt"),
    bad("infinite origin", "poisons geometry", _lie(ROWS + 12, "<f", float("inf")), "Corrupt"),
    bad("affine of zeros", "cannot be inverted", _lie(ROWS, "<12f", *[0.0] * 12), "Corrupt"),
    bad("flat affine", "cannot be inverted", _lie(ROWS, "<12f", *[1.0, 0, 0, 0] * 3), "Corrupt"),
    bad("affine of 10^38", "overflows when squared", _lie(ROWS, "<f", 3e38), "Corrupt"),
    bad("NaN in its quaternion", "poisons geometry", patched(_quaternion(VOLUME), QUATERNION, "<f", float("nan")),
         "Corrupt"),
    bad("quaternion of 10^30", "no rotation", patched(_quaternion(VOLUME), QUATERNION, "<3f", *[1e30] * 3), "Corrupt"),
    bad("NaN between voxels", "poisons geometry", patched(_unplaced(VOLUME), PIXDIM + 4, "<f", float("nan")),
         "Corrupt"),
    bad("NaN as intercept", "poisons intensities", _lie(SLOPE, "<ff", 2.0, float("nan")), "Corrupt"),
    bad("gzip of something else", "a bomb in disguise", lambda: gzip.compress(b"x" * 5000), "UnknownFormat"),
    bad("gzip cut", "ends early", lambda: nifti(ramp((5, 6, 7)), packed=True)[:-9], "Truncated"),
    bad("gzip with a wrong sum", "damaged", lambda: patched(zlib_stream(VOLUME), -8, "<I", 7), "Corrupt"),
    bad("gzip damaged within", "damaged", lambda: patched(zlib_stream(VOLUME), 200, "<Q", 2**64 - 1), "Corrupt"),
    bad("gzip of too little", "ends early", lambda: zlib_stream(VOLUME[:-10]), "Truncated"),
    bad("gzip bomb behind a volume", "256 MB from 260 kB", _bomb, "Corrupt"),
    bad("gzip bomb by its header", "memory by its word", lambda: zlib_stream(
        _lie(DIM, "<4h", 3, 32767, 32767, 32767)), "TooManyPixels"),
    bad("gzip bomb of 4 GB of floats", "1 GiB is the most", lambda: zlib_stream(
        patched(_lie(DIM, "<4h", 3, 1024, 1024, 256), TYPE, "<hh", 64, 64)), "TooManyPixels"),
    bad("gzip of 100,000 streams", "each costs", lambda: zlib_stream(VOLUME) + zlib_stream(b"") * 100_000,
         "TooComplex"),
    bad("gzip with something behind", "hides something", lambda: zlib_stream(VOLUME) + b"<script>", "Corrupt"),
    fine("gzip in two streams", "as parallel compressors write", zlib_stream(VOLUME[:500]) + zlib_stream(VOLUME[500:]),
          (7, 6, 5), "<i2"),
    fine("big-endian", "read backwards it is another volume", nifti(ramp((5, 6, 7), ">i2")), (7, 6, 5), "<i2"),
    fine("slope of 0", "means none", _lie(SLOPE, "<ff", 0.0, 5.0), (7, 6, 5), "<i2"),
    fine("slope of NaN", "as nibabel writes it", _lie(SLOPE, "<ff", *[float("nan")] * 2), (7, 6, 5), "<i2"),
    fine("negative distances", "written by old programs", patched(_unplaced(VOLUME), PIXDIM + 4, "<3f", -1, -2, -3),
          (7, 6, 5), "<i2", (-1000,)),
    fine("no distances", "nothing known", patched(_unplaced(VOLUME), PIXDIM + 4, "<3f", 0, 0, 0), (7, 6, 5), "<i2"),
    fine("64 bits", "no float holds it", nifti(ramp((5, 6, 7), "<i8", 2**60)), (7, 6, 5), "<i8"),
    fine("floats that are none", "poison every mean", nifti(np.full((5, 6, 7), np.nan, "<f4")), (7, 6, 5), "<f4",
          ("nan",)),
    fine("constant", "its range is 0", nifti(np.full((5, 6, 7), 7, "<i2")), (7, 6, 5), "<i2", (7,)),
    fine("over time", "four dimensions", nifti(ramp((5, 6, 7, 3))), (7, 6, 5, 3), "<i2"),
    fine("one plane", "an image", nifti(ramp((5, 6, 1))), (6, 5, 1), "<i2", (-1000,)),
    fine("a comment that names people", "goes nowhere", _extended(), (7, 6, 5), "<i2"),
)  # fmt: skip
