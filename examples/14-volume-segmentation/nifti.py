"""Writes and reads NIfTI-1 files, the common format of medical volumes. Used by the programs beside it; needs numpy.

A file is a header of 348 bytes, 4 bytes that announce no extensions, and the voxels, x fastest. Of the header
(https://nifti.nimh.nih.gov, nifti1.h), little-endian, at these bytes:

    0  int32     348, the header's size: tells the byte order, too
   40  int16[8]  number of dimensions, then the size of each: x, y, z, and 1 for the others
   70  int16     type of a voxel: 2 uint8, 4 int16, 16 float32;  72  int16  its bits
   76  float[8]  1, then the distance of voxels along each axis
  108  float     352, where the voxels begin
  112  float     slope, then intercept: true value = slope · voxel + intercept; slope 0 means neither
  123  byte      unit of the distances: 2 is mm
  148  char[80]  a description
  252  int16     code of the quaternion (0: none), then of the matrix (1: scanner coordinates)
  280  float[12] the matrix: three rows that make mm of x, y, z, 1
  344  char[4]   "n+1\\0"
"""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path

import numpy as np

_SIZE, _START = 348, 352
_TYPES = {2: np.dtype("u1"), 4: np.dtype("<i2"), 16: np.dtype("<f4")}
_MOST_VOXELS = 1 << 28


def write(path: Path, volume: np.ndarray, spacing: tuple[float, float, float], about: str = "") -> None:
    """Write `volume`, shape (z, y, x) of uint8, int16 or float32; `spacing` in mm, in the order z, y, x."""
    plain = np.ascontiguousarray(volume, volume.dtype.newbyteorder("<"))
    code = next((code for code, dtype in _TYPES.items() if dtype == plain.dtype), None)
    if code is None or plain.ndim != 3:
        raise ValueError(f"{plain.ndim} dimensions of {plain.dtype}: only three of uint8, int16 or float32 are written")
    dz, dy, dx = spacing
    header = bytearray(_START)
    struct.pack_into("<i", header, 0, _SIZE)
    struct.pack_into("<8h", header, 40, 3, *reversed(plain.shape), 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, code, plain.itemsize * 8)
    struct.pack_into("<8f", header, 76, 1, dx, dy, dz, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, _START, 1, 0)
    header[123] = 2
    struct.pack_into("<80s", header, 148, about.encode()[:79])
    struct.pack_into("<2h", header, 252, 0, 1)
    struct.pack_into("<12f", header, 280, dx, 0, 0, 0, 0, dy, 0, 0, 0, 0, dz, 0)
    struct.pack_into("<4s", header, 344, b"n+1")
    path.write_bytes(bytes(header) + plain.tobytes())


def read(path: Path) -> tuple[np.ndarray, tuple[float, float, float]]:
    """(volume of shape (z, y, x) with its true values, spacing in mm in that order). Raises ValueError saying why not."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if len(data) < _START or data[344:348] != b"n+1\0":
        raise ValueError(f"{path} is no NIfTI-1 file in one piece")
    if struct.unpack_from("<i", data, 0)[0] != _SIZE:
        raise ValueError(f"{path} is big-endian, which is not read here")
    dims, (code,) = struct.unpack_from("<8h", data, 40), struct.unpack_from("<h", data, 70)
    start, slope, intercept = struct.unpack_from("<3f", data, 108)
    if dims[0] < 3 or any(n != 1 for n in dims[4 : dims[0] + 1]) or min(dims[1:4]) < 1 or code not in _TYPES:
        raise ValueError(f"{path} holds dimensions {dims} of type {code}: only three of uint8, int16, float32 are read")
    count, dtype = math.prod(dims[1:4]), _TYPES[code]
    if count > _MOST_VOXELS or not _START <= start <= len(data) - count * dtype.itemsize:
        raise ValueError(f"{path} is shorter than its header says")
    voxels = np.frombuffer(data, dtype, count, int(start)).reshape(dims[3:0:-1])
    dx, dy, dz = struct.unpack_from("<3f", data, 80)
    changed = slope not in (0.0, 1.0) or (slope == 1.0 and intercept != 0.0)
    return (voxels * np.float32(slope) + np.float32(intercept) if changed else voxels), (dz, dy, dx)
