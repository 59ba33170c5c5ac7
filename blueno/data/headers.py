"""A look at a PNG or JPEG before a decoder sees it: is it of the size and of the make that decoding stays cheap?

Called by blueno/data/decode.py. Pillow takes images apart chunk by chunk in Python and keeps what it finds, and libjpeg
goes over all pixels again for every scan: a megabyte of either can cost minutes and gigabytes. Pure.
"""

from __future__ import annotations

import re
import struct
from typing import Final

from blueno.data.badsample import BadSample, BadSampleCode

MAX_PIXELS: Final = 8192 * 8192  # below the size at which Pillow only warns
MAX_CHUNKS: Final = 4096  # of a PNG besides its pixels, or segments of a JPEG
MAX_PIXEL_CHUNKS: Final = 1 << 18
MAX_JUNK: Final = 1 << 16  # bytes between a JPEG's segments
MAX_EXIF: Final = 64  # segments of a JPEG: Pillow copies all that came before for each of them
FREE_SCANS: Final = 20  # of a JPEG: the usual ways of writing one need at most 18
MAX_SCANNED: Final = 1 << 30  # pixels gone over, if there are more scans
_CHUNK: Final = struct.Struct(">I4s")
_SIZE: Final = struct.Struct(">HBHHB")
_MARKER: Final = re.compile(rb"[^\xff]*+\xff++([^\xff])")
_AFTER_SCAN: Final = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_PROGRESSIVE: Final = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers that Pillow takes without a body: what follows them is junk to it.
_ALONE: Final = frozenset((0x00, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)))


def check_png(data: bytes) -> None:
    """Raises BadSample. What is merely damaged passes: the decoder has better words for it."""
    if len(data) < 33:
        raise BadSample(BadSampleCode.TRUNCATED, f"{len(data)} bytes")
    if data[12:16] != b"IHDR":
        raise BadSample(BadSampleCode.CORRUPT, "IHDR does not come first")
    width, height = struct.unpack_from(">II", data, 16)
    check_size(width, height)
    if data.rfind(b"IEND") < 0:
        raise BadSample(BadSampleCode.TRUNCATED, "no end of image")
    place, end, pixels, others = 33, len(data) - 8, 0, 0
    while place <= end:
        length, kind = _CHUNK.unpack_from(data, place)
        if kind == b"IEND":
            return
        if kind == b"IHDR":
            raise BadSample(BadSampleCode.CORRUPT, "two headers")
        if kind == b"IDAT":
            pixels += 1
        else:
            others += 1
        if others > MAX_CHUNKS or pixels > MAX_PIXEL_CHUNKS:
            raise BadSample(BadSampleCode.TOO_COMPLEX, f"more than {others + pixels - 1} chunks")
        place += 12 + length


def check_jpeg(data: bytes) -> None:
    """Raises BadSample. What is merely damaged passes: the decoder has better words for it."""
    place, junk, frame, pixels, parts, exif = 2, 0, 0, 0, 0, 0
    for _ in range(MAX_CHUNKS):
        found = _MARKER.match(data, place)
        if found is None:
            if len(data) - place > MAX_JUNK:
                raise BadSample(BadSampleCode.TOO_COMPLEX, f"{len(data) - place} bytes that mean nothing")
            return
        junk += found.start(1) - place - 1
        if junk > MAX_JUNK:
            raise BadSample(BadSampleCode.TOO_COMPLEX, f"{junk} bytes between its segments")
        marker, place = found[1][0], found.end()
        if marker in _ALONE:
            junk += 1
            continue
        if place + 8 > len(data):
            return
        if marker in _FRAMES:
            frame = marker
            _, _, height, width, parts = _SIZE.unpack_from(data, place)
            check_size(width, height)
            pixels = width * height
        if marker == 0xDA:
            if frame in _PROGRESSIVE or data[place + 2] < parts:  # else the first scan is the only one
                _check_scans(data, place, pixels)
            return
        exif += marker == 0xE1 and data.startswith(b"Exif\0\0", place + 2)
        if exif > MAX_EXIF:
            raise BadSample(BadSampleCode.TOO_COMPLEX, f"more than {MAX_EXIF} segments of EXIF")
        place += int.from_bytes(data[place : place + 2], "big")
    raise BadSample(BadSampleCode.TOO_COMPLEX, f"more than {MAX_CHUNKS} segments")


def _check_scans(data: bytes, place: int, pixels: int) -> None:
    """`place`: behind the marker of the first scan."""
    most = max(FREE_SCANS, MAX_SCANNED // max(1, pixels))
    scans = 1
    for _ in range(MAX_CHUNKS + most):
        found = _AFTER_SCAN.search(data, place + int.from_bytes(data[place : place + 2], "big"))
        if found is None or found[1] == b"\xd9":
            return
        if found[1] == b"\xda":
            scans += 1
        if scans > most:
            raise BadSample(BadSampleCode.TOO_COMPLEX, f"more than {most} scans of {pixels} pixels")
        place = found.end()
    raise BadSample(BadSampleCode.TOO_COMPLEX, "too many segments between its scans")


def check_size(width: int, height: int) -> None:
    """Raises BadSample."""
    if width * height > MAX_PIXELS:
        raise BadSample(BadSampleCode.TOO_MANY_PIXELS, f"{width} x {height}")
