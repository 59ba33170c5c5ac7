"""A reader of `.npy` that trusts nothing: no pickle, a short list of types, sizes checked before memory is taken.

Called by blueno/data/decode.py and blueno/dataserver. Pure but for numpy.
"""

from __future__ import annotations

import ast
import math
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from blueno.data.badsample import BadSample, BadSampleCode

MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000
_LONGEST = 1 << 63
_DTYPES = {f"{order}{kind}" for order in "<>=" for kind in ("u2", "u4", "u8", "i2", "i4", "i8", "f2", "f4", "f8")} | {
    f"{order}{kind}" for order in "|<>=" for kind in ("u1", "i1", "b1")
}


def header_of(data: bytes | memoryview, most: int = 4) -> tuple[np.dtype[Any], bool, tuple[int, ...], int]:
    """(dtype, Fortran order, shape of 2 to `most` dimensions, offset of the first element). Raises BadSample."""
    if len(data) < 10:
        raise BadSample(BadSampleCode.TRUNCATED, "shorter than a .npy header")
    major = data[6]
    if major not in (1, 2, 3):
        raise BadSample(BadSampleCode.CORRUPT, f".npy version {major}")
    wide = major > 1
    length = struct.unpack_from("<I" if wide else "<H", data, 8)[0]
    start = 12 if wide else 10
    if length > MAX_HEADER:
        raise BadSample(BadSampleCode.CORRUPT, f"a header of {length} bytes")
    if len(data) < start + length:
        raise BadSample(BadSampleCode.TRUNCATED, "the header ends early")
    return *_parse(bytes(data[start : start + length]), most), start + length


def _parse(text: bytes, most: int) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    try:
        body = ast.literal_eval(text.decode("utf-8").strip())
        descr, fortran, shape = body["descr"], body["fortran_order"], body["shape"]
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
        raise BadSample(BadSampleCode.CORRUPT, "the header is not readable") from error
    if not isinstance(descr, str) or descr not in _DTYPES:
        named = descr if isinstance(descr, str) else f"a {type(descr).__name__}"
        raise BadSample(BadSampleCode.UNSUPPORTED_DTYPE, f"{named!r:.60}")
    if not isinstance(fortran, bool) or not isinstance(shape, tuple):
        raise BadSample(BadSampleCode.CORRUPT, "the header is not readable")
    if any(isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < _LONGEST for n in shape):
        # Not shown: Python refuses to write integers of more than 4300 digits, which a header can hold.
        raise BadSample(BadSampleCode.CORRUPT, "a dimension is no number of elements")
    if not 2 <= len(shape) <= most or 0 in shape:
        raise BadSample(BadSampleCode.UNSUPPORTED_SHAPE, f"{shape!r:.60}")
    return np.dtype(descr), fortran, shape


def checked(data: bytes | memoryview, max_pixels: int) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """(dtype, shape, bytes of its elements) of a `.npy` file that is whole. Raises BadSample."""
    dtype, _, shape, offset = header_of(data)
    count = math.prod(shape)  # Python integers: cannot overflow
    if count > max_pixels * 4:
        raise BadSample(BadSampleCode.TOO_MANY_PIXELS, f"{shape!r:.60}")
    found, wanted = len(data) - offset, count * dtype.itemsize
    if found != wanted:
        code = BadSampleCode.TRUNCATED if found < wanted else BadSampleCode.CORRUPT
        raise BadSample(code, f"{found} bytes where the header says {wanted}")
    return dtype, shape, wanted


def decode(data: bytes | memoryview, max_pixels: int) -> npt.NDArray[Any]:
    """The array of a `.npy` file, little-endian, C order. Raises BadSample."""
    checked(data, max_pixels)
    dtype, fortran, shape, offset = header_of(data)
    array = np.frombuffer(data, dtype, math.prod(shape), offset).reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(array, dtype=dtype.newbyteorder("<"))


def encode(array: npt.NDArray[Any]) -> bytes:
    """The bytes of a `.npy` file, version 1.0, C order, little-endian; equal arrays give equal bytes."""
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return header(plain.dtype, plain.shape) + plain.tobytes()


def header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """A version 1.0 header of exactly 128 bytes, so that it can be rewritten once the number of rows is known."""
    text = f"{{'descr': '{dtype.newbyteorder('<').str}', 'fortran_order': False, 'shape': {shape!r}, }}"
    return MAGIC + b"\x01\x00" + struct.pack("<H", 118) + text.ljust(117).encode() + b"\n"
