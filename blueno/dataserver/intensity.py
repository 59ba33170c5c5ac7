"""True intensities → 8 bits: windows that are safe for anything a file may hold. Called by views.py, about.py. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

MID_GREY = 128
_BLOCK = 1 << 18  # values converted at once: bounds the memory that floating point takes


@dataclass(frozen=True)
class Window:
    """`low` becomes black and `high` white. Equal: there is nothing to tell apart, everything is mid grey."""

    low: float
    high: float


# Hounsfield units: centre and width as radiologists set them, level 40 and width 400 and so on.
CT_PRESETS: Final = {
    "soft tissue": Window(-160.0, 240.0),
    "lung": Window(-1350.0, 150.0),
    "bone": Window(-500.0, 1300.0),
    "brain": Window(0.0, 80.0),
    "liver": Window(-45.0, 105.0),
    "mediastinum": Window(-125.0, 225.0),
}
CT: Final = CT_PRESETS["soft tissue"]


def window_of(values: npt.NDArray[Any]) -> Window:
    """From percentile 0.5 to 99.5 of the finite values; from the least to the greatest where those coincide."""
    found = finite(values)
    if not found.size:
        return Window(0.0, 0.0)
    low, high = percentiles(found, 0.5, 99.5)
    if low == high:
        low, high = float(found.min()), float(found.max())
    return Window(low, high)


def percentiles(values: npt.NDArray[Any], lower: float, upper: float) -> tuple[float, float]:
    """Of at least one value, all of them finite. "nearest" computes nothing, so that huge ones cannot overflow."""
    low, high = np.percentile(values, [lower, upper], method="nearest")
    return float(low), float(high)


def finite(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(n,): without NaN and infinities; half floats and booleans as types that can be computed with."""
    flat = values.reshape(-1)
    if flat.dtype.kind == "f":
        real: npt.NDArray[np.float64] = flat[np.isfinite(flat)].astype(np.float64, copy=False)
        return real
    return flat.astype(np.uint8) if flat.dtype.kind == "b" else flat


def shown(values: npt.NDArray[Any], window: Window | None) -> npt.NDArray[np.uint8]:
    """Same shape. Without a window bytes are themselves and booleans black and white."""
    if window is not None:
        return to_8bit(values, window)
    if values.dtype == np.uint8:
        same: npt.NDArray[np.uint8] = values
        return same
    white: npt.NDArray[np.uint8] = np.where(values != 0, np.uint8(255), np.uint8(0))
    return white


def to_8bit(values: npt.NDArray[Any], window: Window) -> npt.NDArray[np.uint8]:
    """Same shape. NaN is black, infinities are the ends of the window."""
    found = np.empty(values.shape, np.uint8)
    source, target = values.reshape(-1), found.reshape(-1)
    with np.errstate(all="ignore"):
        for first in range(0, source.size, _BLOCK):
            level = _level(source[first : first + _BLOCK].astype(np.float64), window)
            level = np.clip(np.nan_to_num(level, copy=False, nan=0.0, posinf=255.0, neginf=0.0), 0, 255)
            target[first : first + _BLOCK] = np.rint(level)
    return found


def _level(values: npt.NDArray[np.float64], window: Window) -> npt.NDArray[np.float64]:
    low, span = window.low / 2, window.high / 2 - window.low / 2  # halves: the difference of huge numbers is no number
    if span > 0:
        return (values / 2 - low) / span * 255
    return np.where(np.isfinite(values), float(MID_GREY), values)
