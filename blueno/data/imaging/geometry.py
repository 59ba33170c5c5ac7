"""Where an array lies in the body: its axes, turned to one orientation without resampling. Pure; numpy only.

Called by stack.py, nifti.py and dicom.py. Positions are millimetres, x from left to right, y from back to front, z from
feet to head (RAS+, as in nibabel). Arrays are turned so that their axes go from feet to head, from front to back and
from right to left: then axial, coronal and sagittal are axes 0, 1 and 2 of every volume, and a slice lies before the
eye as radiologists hang it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from blueno.data.badsample import BadSample, BadSampleCode

ORIENTATION: Final = "LPS"  # where x, y and z of a turned array grow to: left, posterior, superior
_WORLD: Final = (2, 1, 0)  # the world's axis that each axis of a turned array goes along
_SIGNS: Final = (1.0, -1.0, -1.0)  # and which way
_DIGITS: Final = 6
_FLATTEST: Final = 1e-3  # volume of the box that three unit vectors span: less, and they lie in a plane
_FURTHEST: Final = 1e9  # millimetres

Affine = npt.NDArray[np.float64]  # (4, 4): (x, y, z, 1) of stored elements → millimetres


@dataclass(frozen=True)
class Turn:
    """`axes`: the stored axis that becomes array axis 0, 1, 2; `flips`: whether that array axis runs backwards."""

    axes: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)

    def of(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A view of (plane, row, column[, channel]), turned."""
        turned = stored.transpose(*self.axes, *range(3, stored.ndim))
        return turned[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]

    def back(self, turned: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The view of a turned array in which it is as stored."""
        unflipped = turned[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]
        return unflipped.transpose(*np.argsort(self.axes).tolist(), *range(3, turned.ndim))

    def shape(self, stored: tuple[int, int, int]) -> tuple[int, int, int]:
        """Of the turned array."""
        return stored[self.axes[0]], stored[self.axes[1]], stored[self.axes[2]]


def turn_of(affine: Affine, stored: tuple[int, int, int]) -> tuple[Turn, Affine]:
    """How to turn (planes, rows, columns), and the affine of (x, y, z) of what comes out. Raises BadSample.

    Each stored axis goes with the axis of the body that it is closest to.
    """
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or np.abs(affine).max() > _FURTHEST:
        raise BadSample(BadSampleCode.CORRUPT, "its affine holds what are no millimetres")
    with np.errstate(all="ignore"):
        units = affine[:3, :3] / lengths
    if not (np.isfinite(units).all() and abs(np.linalg.det(units)) > _FLATTEST):
        raise BadSample(BadSampleCode.CORRUPT, "its affine is singular")
    axes = max(itertools.permutations(range(3)), key=lambda order: _closeness(units, order))
    flips = [bool(np.sign(units[_WORLD[a], 2 - axes[a]]) == -_SIGNS[a]) for a in range(3)]
    turned = np.eye(4)
    turned[:3, 3] = affine[:3, 3]
    for axis, (place, flip) in enumerate(zip(axes, flips, strict=True)):
        column = affine[:3, 2 - place]
        turned[:3, 2 - axis] = -column if flip else column
        if flip:
            turned[:3, 3] += column * (stored[place] - 1)
    return Turn((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2])), turned


def _closeness(units: npt.NDArray[np.float64], order: tuple[int, ...]) -> float:
    return float(sum(round(abs(units[_WORLD[a], 2 - order[a]]), _DIGITS) for a in range(3)))


def spacing_of(affine: Affine) -> tuple[float, float, float]:
    """Millimetres between elements along array axes 0, 1, 2."""
    z, y, x = np.linalg.norm(affine[:3, :3], axis=0)[::-1].tolist()
    return z, y, x


def rounded(value: float) -> float:
    """As metadata says it: six digits, so that equal geometry is equal text; never -0."""
    return round(float(value), _DIGITS) + 0.0


def described(affine: Affine) -> list[list[float]]:
    """Three rows of a turned array's affine, for metadata."""
    return [[rounded(value) for value in row] for row in affine[:3].tolist()]
