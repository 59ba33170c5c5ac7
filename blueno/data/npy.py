"""A reader of `.npy` that trusts nothing: no pickle, a short list of types, sizes checked before memory is taken.

Called by blueno/data/decode.py and blueno/dataserver. Pure but for numpy.
"""

from __future__ import annotations

import math
import re
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from blueno.data.badsample import BadSample, BadSampleCode

MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000
_FIELD = re.compile(
    r"""\s*(?P<quote>['"])(?P<key>\w{1,32})(?P=quote)\s*:\s*
    (?P<value>'[^'\\\n]*'|"[^"\\\n]*"|\w+|\([\s\w,+-]*\)|[\[(])\s*(?:,|(?=\})|(?<=[\[(]))""",
    re.VERBOSE,
)
_NUMBER = re.compile("[0-9]{1,19}")
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
    fields = _fields(text)
    descr, fortran, shape = fields["descr"][1:-1], fields["fortran_order"], fields["shape"]
    if fields["descr"][0] not in "'\"" or descr not in _DTYPES:
        raise BadSample(BadSampleCode.UNSUPPORTED_DTYPE, f"{fields['descr']:.60}")
    if fortran not in ("True", "False") or shape[0] != "(":
        raise BadSample(BadSampleCode.CORRUPT, "the header is not readable")
    numbers = [part.strip() for part in shape[1:-1].split(",")]
    if not numbers[-1]:
        numbers.pop()
    dimensions = tuple(int(number) if _NUMBER.fullmatch(number) else -1 for number in numbers)
    if not all(0 <= dimension < _LONGEST for dimension in dimensions):
        raise BadSample(BadSampleCode.CORRUPT, "a dimension is no number of elements")
    if not 2 <= len(dimensions) <= most or 0 in dimensions:
        raise BadSample(BadSampleCode.UNSUPPORTED_SHAPE, f"{dimensions!r:.60}")
    return np.dtype(descr), fortran == "True", dimensions


def _fields(text: bytes) -> dict[str, str]:
    """The three fields as they are written. Raises BadSample.

    Not `ast.literal_eval`: what nests deeply leaves Python 3.11's parser unusable for the rest of the process.
    """
    written, place, fields = text.decode("latin-1").strip(), 1, {}
    while found := _FIELD.match(written, place):
        place = found.end()
        if found["value"] in ("[", "(") and found["key"] == "descr":
            raise BadSample(BadSampleCode.UNSUPPORTED_DTYPE, f"{written[found.start('value') :]:.60}")
        if found["key"] in fields:
            break
        fields[found["key"]] = found["value"]
    if written[:1] != "{" or written[place:].strip() != "}" or fields.keys() != {"descr", "fortran_order", "shape"}:
        raise BadSample(BadSampleCode.CORRUPT, "the header is not readable")
    return fields


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
