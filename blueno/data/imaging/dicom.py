"""One DICOM file → Stack: an image, or the frames of a film or volume. Called by blueno/data/decode.py and series.py.

Pixels must lie there as they are: of transfer syntaxes with compression none is decoded (UnsupportedCompression).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.imaging.content import Content
from blueno.data.imaging.dicom_values import Values, values_of
from blueno.data.imaging.geometry import ORIENTATION, Affine, Turn, described, rounded, spacing_of, turn_of
from blueno.data.imaging.stack import MAX_PLANES, Look, Stack, scaling_of

_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_LPS_TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
_UNIT: Final = 1e-2  # how far a direction may be from one of length 1
_UNEVEN: Final = 0.02  # of the usual distance: slices further from where they belong make spacing uneven


@dataclass(frozen=True)
class Pixels:
    """How the numbers of one file lie there."""

    dtype: np.dtype[Any]
    bits: int
    frames: int
    rows: int
    columns: int
    channels: int
    planar: bool
    offset: int

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * self.channels * self.dtype.itemsize


def stack_of(content: Content) -> Stack:
    """Where the pixels of one file lie, checked. Raises BadSample."""
    values = values_of(content)
    pixels = pixels_of(values, content.size)
    planes = [Plane.of(values, frame) for frame in range(pixels.frames)]
    offsets = range(pixels.offset, pixels.offset + pixels.frames * pixels.frame_bytes, pixels.frame_bytes)
    return stack_from(values, pixels, planes, offsets)


def pixels_of(values: Values, size: int) -> Pixels:
    """Checked against each other and against the file's size. Raises BadSample."""
    if values.walked.pixels is None:
        raise BadSample(BadSampleCode.NO_PIXELS, "a DICOM file without pixels")
    offset, length = values.walked.pixels
    rows, columns = values.count("Rows"), values.count("Columns")
    frames = values.count("NumberOfFrames", 1) or 1
    if not rows or not columns:
        raise BadSample(BadSampleCode.UNSUPPORTED_SHAPE, f"{rows} rows of {columns} columns")
    if frames > MAX_PLANES:
        raise BadSample(BadSampleCode.TOO_MANY_PIXELS, f"{frames} frames"[:80])
    dtype, bits = _type(values)
    channels = _channels(values, dtype)
    planar = channels > 1 and values.count("PlanarConfiguration", 0) == 1
    pixels = Pixels(dtype, bits, frames, rows, columns, channels, planar, offset)
    wanted = frames * pixels.frame_bytes
    found = min(length, size - offset)
    if found < wanted:
        raise BadSample(BadSampleCode.TRUNCATED, f"{found} bytes of pixels where the header says {wanted}"[:120])
    if length > wanted + 1:
        raise BadSample(BadSampleCode.CORRUPT, f"{length} bytes of pixels where the header says {wanted}"[:120])
    return pixels


def _type(values: Values) -> tuple[np.dtype[Any], int]:
    """(type of a number as it is stored, how many of its bits count)."""
    allocated = values.count("BitsAllocated")
    stored = values.count("BitsStored", allocated)
    if allocated not in (8, 16, 32):
        raise BadSample(BadSampleCode.UNSUPPORTED_DTYPE, f"{allocated} bits allocated"[:80])
    if not 1 <= stored <= allocated or values.count("HighBit", stored - 1) != stored - 1:
        raise BadSample(BadSampleCode.UNSUPPORTED_DTYPE, f"{stored} bits stored in {allocated}"[:80])
    signed = values.count("PixelRepresentation", 0)
    if signed > 1:
        raise BadSample(BadSampleCode.CORRUPT, "PixelRepresentation is neither 0 nor 1")
    dtype = np.dtype(f"{'i' if signed else 'u'}{allocated // 8}")
    return dtype.newbyteorder("<" if values.walked.syntax.little else ">"), 0 if stored == allocated else stored


def _channels(values: Values, dtype: np.dtype[Any]) -> int:
    channels, meaning = values.count("SamplesPerPixel", 1), values.text("PhotometricInterpretation")
    if channels == 1 and meaning in _GREY:
        return 1
    if channels == 3 and meaning == "RGB" and dtype.kind == "u":
        return 3
    raise BadSample(BadSampleCode.UNSUPPORTED_DTYPE, f"neither grey nor RGB, {channels} samples a pixel"[:80])


@dataclass(frozen=True)
class Plane:
    """Where one slice or frame lies (millimetres, LPS as DICOM has it), and what its numbers mean."""

    slope: float
    intercept: float
    position: tuple[float, ...] | None
    directions: tuple[float, ...] | None  # of a row, of a column: six numbers
    spacing: tuple[float, float] | None  # between rows, between columns
    thickness: float | None  # between slices, as the file says

    @classmethod
    def of(cls, values: Values, frame: int | None = None) -> Plane:
        """Raises BadSample."""
        slope = values.numbers("RescaleSlope", 1, frame) or (1.0,)
        intercept = values.numbers("RescaleIntercept", 1, frame) or (0.0,)
        spacing = values.numbers("PixelSpacing", 2, frame) or values.numbers("ImagerPixelSpacing", 2, frame)
        between = values.numbers("SpacingBetweenSlices", 1, frame) or values.numbers("SliceThickness", 1, frame)
        return cls(
            slope[0],
            intercept[0],
            values.numbers("ImagePositionPatient", 3, frame),
            values.numbers("ImageOrientationPatient", 6, frame),
            (spacing[0], spacing[1]) if spacing and min(spacing) > 0 else None,
            abs(between[0]) if between and between[0] else None,
        )

    @property
    def normal(self) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        """The direction from slice to slice; None when this one does not say how it lies. Raises BadSample."""
        if self.directions is None or self.position is None or self.spacing is None:
            return None
        row, column = np.array(self.directions[:3]), np.array(self.directions[3:])
        with np.errstate(all="ignore"):
            lengths, product = [float(row @ row), float(column @ column)], float(row @ column)
        if not (all(abs(length - 1) <= _UNIT for length in lengths) and abs(product) <= _UNIT):
            raise BadSample(BadSampleCode.CORRUPT, "the directions of its rows and columns are none")
        return np.cross(row, column)


def stack_from(values: Values, pixels: Pixels, planes: list[Plane], offsets: Any) -> Stack:
    """Of planes in the order in which they lie in the body. Raises BadSample."""
    limits = _limits(pixels)
    scaling = scaling_of([(plane.slope, plane.intercept) for plane in planes], pixels.dtype, limits)
    turn, spacing, facts = Turn(), _flat_spacing(planes), dict[str, Any]()
    size = (len(planes), pixels.rows, pixels.columns)
    if len(planes) > 1 and (affine := _affine(planes)) is not None:
        turn, turned = turn_of(_LPS_TO_RAS @ affine, size)
        spacing = spacing_of(turned)
        facts = {"affine": described(turned), "orientation": ORIENTATION}
        if _is_uneven(planes):
            facts["uneven"] = True
    if spacing is not None:
        facts["spacing"] = [rounded(s) for s in (spacing if len(planes) > 1 else spacing[1:])]
    if scaling is not None and not scaling.per_plane:
        facts |= {"slope": scaling.slope, "intercept": scaling.intercept}
    elif scaling is not None:
        facts["perSlice"] = True
    facts |= {name: text for name, text in (("modality", values.modality), ("unit", values.unit)) if text}
    return Stack(
        pixels.dtype, size, offsets, facts, pixels.channels, pixels.channels > 1,
        pixels.rows * pixels.columns * pixels.dtype.itemsize if pixels.planar else 0, pixels.bits, scaling, turn,
        spacing, "affine" in facts, look_of(values), len(planes) > 1,
    ).check()  # fmt: skip


def look_of(values: Values) -> Look:
    """The window that the file recommends is a hint: a bad one counts as none."""
    try:
        centre, width = values.numbers("WindowCenter", 1), values.numbers("WindowWidth", 1)
    except BadSample:
        centre = width = None
    window = None
    if centre and width and width[0] >= 1 and math.isfinite(centre[0] - width[0]):
        window = (centre[0] - width[0] / 2, centre[0] + width[0] / 2)
    return Look(values.modality, window, values.text("PhotometricInterpretation") == "MONOCHROME1")


def _limits(pixels: Pixels) -> tuple[int, int]:
    bits = pixels.bits or 8 * pixels.dtype.itemsize
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if pixels.dtype.kind == "i" else (0, (1 << bits) - 1)


def _flat_spacing(planes: list[Plane]) -> tuple[float, float, float] | None:
    first = planes[0]
    return None if first.spacing is None else (first.thickness or 1.0, *first.spacing)


def _affine(planes: list[Plane]) -> Affine | None:
    """(x, y, z) → millimetres, LPS; None unless all planes say where they lie, one by one. Raises BadSample."""
    first, last = planes[0], planes[-1]
    normal = first.normal
    if normal is None or first.position is None or last.position is None or first.spacing is None:
        return None
    if not all(_is_beside(first, p) for p in planes):
        return None
    step = (np.array(last.position) - np.array(first.position)) / (len(planes) - 1)
    places = np.array([p.position for p in planes]) @ normal
    steps = np.diff(places)
    if not ((steps > 0).all() or (steps < 0).all()):
        return None
    row, column = np.array(first.directions[:3]), np.array(first.directions[3:])  # type: ignore[index]
    found = np.eye(4)
    found[:3, 0], found[:3, 1], found[:3, 2] = row * first.spacing[1], column * first.spacing[0], step
    found[:3, 3] = first.position
    return found


def _is_beside(first: Plane, other: Plane) -> bool:
    """Whether the other lies parallel to it, with elements as far apart."""
    if other.directions is None or other.position is None or other.spacing is None:
        return False
    mine, theirs = (*first.directions, *first.spacing), (*other.directions, *other.spacing)  # type: ignore[misc]
    return bool(np.allclose(mine, theirs, rtol=1e-3, atol=1e-3))


def _is_uneven(planes: list[Plane]) -> bool:
    """Whether slices are missing, or further apart in places."""
    positions = np.array([p.position for p in planes])
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    usual = float(np.median(steps))
    return bool(np.abs(steps - usual).max() > _UNEVEN * usual)
