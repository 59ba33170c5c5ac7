"""Hostile and odd images and arrays: each fails with its own code, or keeps its true intensities."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from blueno.data import npy as our_npy
from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.decode import decode, dimensions, sniff
from tests.fakes.sources import jpeg, npy, png
from tests.fuzz import scaled

C = BadSampleCode


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, body: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def npy_header(text: str, version: int = 1, body: bytes = b"") -> bytes:
    raw = text.encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(raw)) + raw + body


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def resized(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header lies about its size."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def animated() -> bytes:
    frames = [Image.new("L", (4, 4), n) for n in (0, 255)]
    return saved(frames[0], "PNG", save_all=True, append_images=frames[1:])


BAD = {
    "empty": (b"", C.EMPTY),
    "html": (b"<!DOCTYPE html><html>", C.UNKNOWN_FORMAT),
    "gif": (saved(Image.new("L", (2, 2)), "GIF"), C.UNKNOWN_FORMAT),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0", C.UNKNOWN_FORMAT),
    "half a magic": (b"\x89PN", C.TRUNCATED),
    "png cut in its header": (png()[:20], C.TRUNCATED),
    "png cut in its pixels": (png()[:-100], C.TRUNCATED),
    "png without its end": (png()[:-12], C.TRUNCATED),
    "png of 1 x 2^31": (png_of(1, 2**31 - 1), C.TOO_MANY_PIXELS),
    "png bomb": (png_of(50_000, 50_000), C.TOO_MANY_PIXELS),
    "png of too few pixels": (png_of(100, 100, b"\0"), C.TRUNCATED),
    "png of no width": (png_of(0, 5), C.CORRUPT),
    "png with a broken sum": (png().replace(b"IDAT", b"IDAT\0", 1), C.CORRUPT),
    "png without IHDR": (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, C.CORRUPT),
    "animated png": (animated(), C.ANIMATED),
    "jpeg bomb": (resized(jpeg(), 60_000, 60_000), C.TOO_MANY_PIXELS),
    "jpeg of 81 megapixels": (resized(jpeg(), 9_000, 9_000), C.TOO_MANY_PIXELS),
    "jpeg cut": (jpeg()[:-200], C.TRUNCATED),
    "jpeg of nothing": (b"\xff\xd8\xff\xe0" + b"\0" * 30, C.CORRUPT),
    "pickle": (npy(np.array([{}], dtype=object), allow_pickle=True), C.UNSUPPORTED_DTYPE),
    "structured": (npy(np.zeros((2, 2), [("a", "u1")])), C.UNSUPPORTED_DTYPE),
    "text array": (npy(np.array([["a"]])), C.UNSUPPORTED_DTYPE),
    "complex": (npy(np.zeros((2, 2), "c8")), C.UNSUPPORTED_DTYPE),
    "7 TiB": (npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (2000000, 4000000)}"), C.TOO_MANY_PIXELS),
    "overflow": (npy_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**62}, 4)}}"), C.TOO_MANY_PIXELS),
    "negative": (npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 4)}"), C.CORRUPT),
    "no dimensions": (npy(np.array(1, "u1")), C.UNSUPPORTED_SHAPE),
    "no elements": (npy(np.zeros((0, 4), "u1")), C.UNSUPPORTED_SHAPE),
    "five dimensions": (npy(np.zeros((1, 1, 1, 1, 1), "u1")), C.UNSUPPORTED_SHAPE),
    "code in the header": (npy_header("__import__('os').system('true')"), C.CORRUPT),
    "deep header": (npy_header("(" * 3000), C.CORRUPT),
    "long header": (npy_header(" " * 60_000, 2), C.CORRUPT),
    "header beyond the file": (b"\x93NUMPY\x01\x00\xff\x00{", C.TRUNCATED),
    "array cut": (npy(np.zeros((4, 4), "u1"))[:-1], C.TRUNCATED),
    "array with more": (npy(np.zeros((4, 4), "u1")) + b"x", C.CORRUPT),
    "unknown npy version": (b"\x93NUMPY\x09\x00\x00\x00\x00\x00", C.CORRUPT),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bytes_fail_alone_with_their_code(name: str) -> None:
    data, code = BAD[name]
    with pytest.raises(BadSample) as caught:
        decode(data)
    assert caught.value.code is code, caught.value


@settings(max_examples=scaled(150), deadline=None)
@given(st.sampled_from([png(), jpeg(), npy(np.zeros((3, 4, 1), "<i2"))]), st.data())
def test_damage_raises_bad_sample_or_nothing(good: bytes, data: st.DataObject) -> None:
    broken = bytearray(good)
    for place in data.draw(st.lists(st.integers(0, len(good) - 1), min_size=1, max_size=8)):
        broken[place] = data.draw(st.integers(0, 255))
    try:
        kind, array = decode(bytes(broken[: data.draw(st.integers(0, len(good)))]))
    except BadSample as bad:
        assert bad.code in BadSampleCode
    else:
        assert kind in ("png", "jpeg", "npy")
        assert array.size > 0


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)])
def test_png_pixels_are_kept(mode: str, channels: int) -> None:
    kind, array = decode(png(1, (5, 3), mode))
    assert (kind, array.shape, array.dtype.str) == ("png", (3, 5, channels), "|u1")


def test_sixteen_bits_stay_sixteen_bits() -> None:
    values = np.array([[0, 1, 65535]], np.uint16)
    _, array = decode(saved(Image.fromarray(values), "PNG"))
    assert (array.dtype.str, array[0, :, 0].tolist()) == ("<u2", [0, 1, 65535])


def test_one_bit_and_palettes_become_plain_pixels() -> None:
    _, bits = decode(saved(Image.new("1", (2, 2), 1), "PNG"))
    assert (bits.shape, int(bits.max())) == ((2, 2, 1), 255)
    palette = Image.new("RGB", (2, 2), (10, 20, 30)).quantize(4)
    _, colours = decode(saved(palette, "PNG"))
    assert colours[0, 0].tolist() == [10, 20, 30]


def test_cmyk_becomes_rgb() -> None:
    kind, array = decode(saved(Image.new("CMYK", (4, 4)), "JPEG"))
    assert (kind, array.shape) == ("jpeg", (4, 4, 3))


@pytest.mark.parametrize("array", [np.arange(12, dtype=">i4").reshape(3, 4), np.asfortranarray(np.eye(3, dtype="f2"))])
def test_npy_becomes_little_endian_in_c_order(array: np.ndarray) -> None:
    kind, found = decode(npy(array))
    assert kind == "npy"
    assert found.dtype.byteorder in "<="
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, array)
    np.testing.assert_array_equal(np.load(io.BytesIO(our_npy.encode(found))), array)


def test_what_each_dimension_is() -> None:
    assert dimensions((3, 5)) == (5, 3, 1, 1)
    assert dimensions((3, 5, 4)) == (5, 3, 1, 4)
    assert dimensions((7, 3, 5)) == (5, 3, 7, 1)
    assert dimensions((7, 3, 5, 2)) == (5, 3, 7, 2)
    assert sniff(jpeg()) == "jpeg"


def test_a_header_that_nests_deeply_is_bad_and_the_next_one_is_read() -> None:
    """Python 3.11's own parser is unusable after such a text."""
    good = io.BytesIO()
    np.save(good, np.arange(12, dtype=np.uint8).reshape(3, 4))
    for nest in (
        "[" * 4000 + "]" * 4000,
        "-" * 9000 + "1",
        "+".join("1" * 4000),
        "not " * 2000 + "1",
        "a" + ".a" * 4000,
    ):
        text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {nest}}}".encode()
        with pytest.raises(BadSample):
            decode(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(12))
        assert decode(good.getvalue())[1].shape == (3, 4)
