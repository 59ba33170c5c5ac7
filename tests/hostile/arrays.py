"""Hostile and odd `.npy` files, each beside two good images: see images.py. Used by tests/unit/hostile."""

from __future__ import annotations

import struct
import zipfile
from typing import Any

import numpy as np

from tests.fakes.sources import npy, zipped
from tests.hostile.items import Item, corpus_of


def npy_of(header: str | bytes, body: bytes = b"", version: int = 1) -> bytes:
    """A `.npy` with a header of one's own."""
    raw = header.encode() if isinstance(header, str) else header
    length = struct.pack("<H" if version == 1 else "<I", len(raw))
    return b"\x93NUMPY" + bytes([version, 0]) + length + raw + body


def said(shape: str, descr: str = "'|u1'", order: str = "False") -> str:
    """A header as numpy writes it."""
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


class _Runs:
    """Writes a canary when a pickle that holds it is read."""

    def __reduce__(self) -> Any:
        import os

        return os.system, ("touch evil.png",)


def _pickle() -> bytes:
    return npy(np.array([[_Runs(), 1], [2, 3]], dtype=object), allow_pickle=True)


def _bad(name: str, why: str, data: bytes | Any, code: str) -> Item:
    return Item(name, why, data if callable(data) else lambda: data, codes={code: 1})


def _fine(name: str, array: np.ndarray, dtype: str, why: str = "true values", **what: Any) -> Item:
    first = tuple(array.reshape(-1, array.shape[-1] if array.ndim > 2 else 1)[0].tolist())
    return Item(name, why, lambda: npy(array), samples=3, shape=array.shape, dtype=dtype, first=first, **what)


_FOUR = np.array([[1, 2], [3, 4]])

ARRAYS = corpus_of(
    _bad("object", "a pickle runs programs", _pickle, "UnsupportedDtype"),
    _bad("pickle without a header", "a pickle runs programs", b"\x80\x04\x95" + bytes(100), "UnknownFormat"),
    _bad("structured", "fields have names and offsets", npy(np.zeros((2, 2), [("a", "u1")])), "UnsupportedDtype"),
    _bad("sub-array", "a type within a type", npy_of(said("(2, 2)", "('|u1', (9999, 9999))")), "UnsupportedDtype"),
    _bad("void", "bytes without a meaning", npy(np.zeros((2, 2), "V8")), "UnsupportedDtype"),
    _bad("text", "no pixels", npy(np.array([["a", "b"]])), "UnsupportedDtype"),
    _bad("bytes", "no pixels", npy(np.array([[b"a", b"b"]])), "UnsupportedDtype"),
    _bad("dates", "no pixels", npy(np.zeros((2, 2), "M8[s]")), "UnsupportedDtype"),
    _bad("complex", "no intensity", npy(np.zeros((2, 2), "c8")), "UnsupportedDtype"),
    _bad("80 bits", "means another thing on every machine", npy(np.zeros((2, 2), "g")), "UnsupportedDtype"),
    _bad("type of 10^9 bytes", "memory by its word", npy_of(said("(2, 2)", "'|V1000000000'")), "UnsupportedDtype"),
    _bad("no dimensions", "a number", npy(np.array(1, "u1")), "UnsupportedShape"),
    _bad("one dimension", "a row", npy(np.zeros(4, "u1")), "UnsupportedShape"),
    _bad("five dimensions", "nobody shows it", npy(np.zeros((1,) * 5, "u1")), "UnsupportedShape"),
    _bad("a thousand dimensions", "numpy has 64", npy_of(said(f"({'1, ' * 1000})"), b"\0"), "UnsupportedShape"),
    _bad("no elements", "divides by zero", npy(np.zeros((0, 4), "u1")), "UnsupportedShape"),
    _bad("7 TiB", "a MemoryError from 128 bytes", npy_of(said("(2000000, 4000000)")), "TooManyPixels"),
    _bad("2^62 × 4", "overflows 64 bits to 0", npy_of(said(f"({2**62}, 4)", "'<f8'")), "TooManyPixels"),
    _bad("2^64", "no C integer", npy_of(said(f"({2**64}, 1)")), "Corrupt"),
    _bad("dimension of 36000 bits", "Python cannot write it into a message", npy_of(said(f"(0x{'f' * 9000}, 4)")),
         "Corrupt"),
    _bad("type of 36000 bits", "Python cannot write it into a message", npy_of(said("(2, 2)", f"0x{'f' * 9000}")),
         "UnsupportedDtype"),
    _bad("negative", "reads backwards", npy_of(said("(-1, -4)"), b"1234"), "Corrupt"),
    _bad("truth as a dimension", "True is 1", npy_of(said("(True, 4)"), b"1234"), "Corrupt"),
    _bad("float as a dimension", "no number of elements", npy_of(said("(1e9, 4)")), "Corrupt"),
    _bad("shape that is a list", "not what numpy writes", npy_of(said("[2, 2]"), b"1234"), "Corrupt"),
    _bad("order that is a text", "'False' is true", npy_of(said("(2, 2)", order="'False'"), b"1234"), "Corrupt"),
    _bad("code in the header", "would run", npy_of("__import__('os').system('touch evil.png')"), "Corrupt"),
    _bad("deep header", "the parser's stack", npy_of("(" * 9000), "Corrupt"),
    _bad("long sum in the header", "the parser's stack", npy_of("+".join("1" * 4000)), "Corrupt"),
    _bad("bad escape in the header", "a warning of the compiler", npy_of(said("(2, 2)", r"'\d'"), b"1234"), "Corrupt"),
    _bad("header that is no text", "bytes beyond ASCII", npy_of(b"\xff\xfe{}"), "Corrupt"),
    _bad("header with NUL", "cut by C", npy_of(said("(2, 2)") + "\0", b"1234"), "Corrupt"),
    _bad("header of 60 kB", "parsed for seconds", npy_of(" " * 60_000), "Corrupt"),
    _bad("header of 4 GB", "memory by its word", b"\x93NUMPY\x02\0\xff\xff\xff\xff{}", "Corrupt"),
    _bad("header beyond the file", "ends early", b"\x93NUMPY\x01\0\xff\0{", "Truncated"),
    _bad("nothing but a magic", "ends early", b"\x93NUMPY", "Truncated"),
    _bad("unknown version", "read by guessing", npy_of(said("(2, 2)"), b"1234", 9), "Corrupt"),
    _bad("cut", "ends early", npy(np.zeros((4, 4), "u1"))[:-1], "Truncated"),
    _bad("longer than it says", "hides something", npy(np.zeros((4, 4), "u1")) + b"x", "Corrupt"),
    _bad("npz", "an archive in disguise", lambda: zipped({"a.npy": npy(_FOUR)}, zipfile.ZIP_DEFLATED), "UnknownFormat"),
    _fine("big-endian", _FOUR.astype(">i4"), "<i4", "read backwards it is another image"),
    _fine("Fortran order", np.asfortranarray(np.arange(6, dtype="<i2").reshape(2, 3)), "<i2", "transposed"),
    _fine("float16", _FOUR.astype("f2"), "<f2"),
    _fine("float64 at its ends", np.array([[1e308, -1e308], [5e-324, 0.0]]), "<f8", "overflows when scaled"),
    _fine("NaN and infinity", np.array([[np.inf, -np.inf], [np.nan, 1]], "f4"), "<f4", "poisons every mean"),
    _fine("constant", np.full((2, 2), 7, "u1"), "|u1", "its range is 0: normalising divides by it"),
    _fine("64 bits", np.array([[2**63, 1], [0, 2**64 - 1]], "u8"), "<u8", "no float holds it"),
    _fine("truth", np.array([[True, False]]), "|b1", "bits"),
    _fine("volume", np.arange(24, dtype="u1").reshape(4, 2, 3), "|u1", "slices, not channels"),
)  # fmt: skip
