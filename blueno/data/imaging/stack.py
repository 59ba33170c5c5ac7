"""Planes of numbers in a file, and what they mean: the one form that NIfTI, DICOM and DICOM series are read into.

Made by nifti.py, dicom.py and series.py; used by blueno/data/decode.py (the whole array) and blueno/dataserver (single
planes). What comes out are true intensities: what a header says about slope and intercept has been applied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.headers import MAX_PIXELS
from blueno.data.imaging.content import Content, exactly
from blueno.data.imaging.geometry import Turn

MAX_ELEMENTS: Final = 4 * MAX_PIXELS  # as of a `.npy`
MAX_BYTES: Final = 1 << 30  # of the array that comes out
MAX_PLANES: Final = 1 << 16
MAX_COLUMNS: Final = 1 << 16
_INTEGERS: Final = ("<i2", "<i4")


@dataclass(frozen=True)
class Scaling:
    """true = stored * slope + intercept; `per_plane` holds a pair for each plane where they differ.

    `dtype`: of true values. Whole slopes and intercepts leave integers integers; all others make floats.
    """

    slope: float
    intercept: float
    dtype: np.dtype[Any]
    per_plane: tuple[tuple[float, float], ...] = ()

    def of(self, stored: npt.NDArray[Any], plane: int) -> npt.NDArray[Any]:
        """True values of a part of one plane."""
        slope, intercept = self.per_plane[plane] if self.per_plane else (self.slope, self.intercept)
        if self.dtype.kind == "i":
            return (stored.astype(np.int64) * int(slope) + int(intercept)).astype(self.dtype)
        with np.errstate(all="ignore"):
            return (stored.astype(np.float64) * slope + intercept).astype(self.dtype)


def scaling_of(
    pairs: Sequence[tuple[float, float]], stored: np.dtype[Any], limits: tuple[int, int] | None
) -> Scaling | None:
    """Of one pair for all planes, or one for each; None when they change nothing.

    `limits`: the least and the greatest value that can be stored, None for floats. Raises BadSample.
    """
    if not all(math.isfinite(slope) and math.isfinite(intercept) and slope for slope, intercept in pairs):
        raise BadSample(BadSampleCode.CORRUPT, "slope or intercept of its intensities is no number to compute with")
    if all(pair == (1.0, 0.0) for pair in pairs):
        return None
    whole = limits is not None and all(s.is_integer() and i.is_integer() for s, i in pairs)
    dtype = np.dtype("<f8") if stored.itemsize > 4 or (stored.itemsize == 4 and stored.kind != "f") else np.dtype("<f4")
    if whole and limits is not None:
        ends = [int(slope) * end + int(intercept) for slope, intercept in pairs for end in limits]
        fitting = [t for t in map(np.dtype, _INTEGERS) if np.iinfo(t).min <= min(ends) and max(ends) <= np.iinfo(t).max]
        dtype = fitting[0] if fitting else dtype
    alike = all(pair == pairs[0] for pair in pairs)
    return Scaling(*pairs[0], dtype, () if alike else tuple(pairs))


@dataclass(frozen=True)
class Look:
    """How it is shown unless somebody asks for more."""

    modality: str = ""
    window: tuple[float, float] | None = None  # (low, high) as the file recommends
    inverted: bool = False  # low values are white


@dataclass(frozen=True)
class Stack:
    """`offsets`: where each stored plane begins. Channels lie side by side, or `channel_step` bytes apart.

    `bits`: of each number, when fewer than its type has; the others mean nothing.
    """

    stored: np.dtype[Any]
    size: tuple[int, int, int]  # (planes, rows, columns) as stored
    offsets: Sequence[int]
    facts: Mapping[str, Any]  # for the sample's metadata; nothing personal
    channels: int = 1
    is_colour: bool = False  # channels are red, green, blue; else measurements or moments
    channel_step: int = 0
    bits: int = 0
    scaling: Scaling | None = None
    turn: Turn = field(default_factory=Turn)
    spacing: tuple[float, float, float] | None = None  # millimetres along the array's axes 0, 1, 2
    oriented: bool = False  # axes 0, 1, 2 are known to be axial, coronal, sagittal
    look: Look = field(default_factory=Look)
    is_volume: bool = True
    is_compressed: bool = False  # offsets are those in the content once it is inflated

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of true values, little-endian."""
        return self.stored.newbyteorder("<") if self.scaling is None else self.scaling.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, channels) of an image; (depth, height, width[, channels]) of a volume.

        A volume that is up to four elements wide has its channel written out: else it would look like an image.
        """
        if not self.is_volume:
            return (*self.size[1:], self.channels)
        depth, height, width = self.turn.shape(self.size)
        return (depth, height, width, self.channels) if self.channels > 1 or width <= 4 else (depth, height, width)

    @property
    def nbytes(self) -> int:
        """Of the whole array."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def plane_bytes(self) -> int:
        """That a stored plane takes in one piece: of one channel when those lie apart."""
        rows, columns = self.size[1:]
        return rows * columns * self.stored.itemsize * (1 if self.channel_step else self.channels)

    @property
    def end(self) -> int:
        """Bytes that the content must have at least."""
        return max(self.offsets) + (self.channels - 1) * self.channel_step + self.plane_bytes

    def check(self) -> Stack:
        """Itself. Raises BadSample when it would take too much memory."""
        planes, rows, columns = self.size
        if rows * columns > MAX_PIXELS or planes * rows * columns * self.channels > MAX_ELEMENTS:
            raise BadSample(BadSampleCode.TOO_MANY_PIXELS, f"{planes} x {rows} x {columns} x {self.channels}"[:120])
        if self.nbytes > MAX_BYTES or planes > MAX_PLANES or columns > MAX_COLUMNS:
            text = f"{planes} planes, {columns} columns, {self.nbytes} bytes"
            raise BadSample(BadSampleCode.TOO_MANY_PIXELS, text[:120])
        return self

    def rows(self, content: Content, plane: int, first: int, count: int, channels: int) -> npt.NDArray[Any]:
        """(count, columns, channels) of one stored plane: true values, in the machine's byte order.

        `channels`: the first so many, of those that lie apart; else all are read.
        """
        columns = self.size[2]
        width = columns * (1 if self.channel_step else self.channels)
        start, size = self.offsets[plane] + first * width * self.stored.itemsize, count * width * self.stored.itemsize
        if self.channel_step:
            starts = [start + c * self.channel_step for c in range(channels)]
            parts = [np.frombuffer(exactly(content, place, size), self.stored) for place in starts]
            found = np.stack(parts, axis=-1)
        else:
            found = np.frombuffer(exactly(content, start, size), self.stored)
        return self.true(found.reshape(count, columns, -1), plane)

    def plane(self, content: Content, number: int) -> npt.NDArray[Any]:
        """(rows, columns, channels) of one stored plane."""
        return self.rows(content, number, 0, self.size[1], self.channels)

    def true(self, stored: npt.NDArray[Any], plane: int) -> npt.NDArray[Any]:
        """True values of a part of a plane."""
        values = stored.astype(stored.dtype.newbyteorder("="), copy=False)
        spare = 8 * values.dtype.itemsize - self.bits if self.bits else 0
        if spare:  # up and down again: the highest bit that counts is the sign, if there is one
            values = (values << spare) >> spare
        return values if self.scaling is None else self.scaling.of(values, plane)

    def array(self, content: Content) -> npt.NDArray[Any]:
        """All true values. Raises BadSample."""
        if not self.is_volume:
            return np.ascontiguousarray(self.plane(content, 0), self.dtype)
        shape = self.turn.shape(self.size)
        found = np.empty((*shape, self.channels), self.dtype)
        stored = self.turn.back(found)
        for number in range(self.size[0]):
            stored[number] = self.plane(content, number)
        return found.reshape(self.shape)
