"""Writes synthetic volumes with their masks as NIfTI files: `make_volumes.py FOLDER`. Run by claim.yaml, or by hand.

FOLDER/train/case-00.nii … and FOLDER/test/…, each with case-00-mask.nii beside it. A volume shows one bright ellipsoid,
which is the mask, in noise whose level slopes; and thin plates as bright as it, which are not. The same on every
machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nifti
import numpy as np

SHAPE, SPACING = (24, 40, 40), (2.0, 1.0, 1.0)  # (z, y, x); mm
CASES = {"train": 16, "test": 4}


def one(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(intensities, mask), both (24, 40, 40) uint8; the mask is 0 or 1."""
    random = np.random.default_rng([14, seed])
    place = np.moveaxis(np.indices(SHAPE), 0, -1).astype(float)  # (z, y, x, 3)
    radii = random.uniform((4, 6, 6), (7, 10, 10))
    centre = random.uniform(radii + 1, np.array(SHAPE) - radii - 1)
    mask = (((place - centre) / radii) ** 2).sum(axis=-1) < 1
    bright = mask.copy()
    for _ in range(4):
        axis = int(random.integers(3))
        first = int(random.integers(1, SHAPE[axis] - 1))
        bright |= (place[..., axis] >= first) & (place[..., axis] < first + 1)
    slope = (place / SHAPE - 0.5) @ random.uniform(-25, 25, 3)
    level = 90 + slope + 50 * bright + random.normal(0, 12, SHAPE)
    return level.clip(0, 255).astype(np.uint8), mask.astype(np.uint8)


def main(folder: Path) -> None:
    """Write all of them."""
    seed = 0
    for split, count in CASES.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            intensities, mask = one(seed)
            seed += 1
            nifti.write(folder / split / f"case-{number:02d}.nii", intensities, SPACING, "synthetic")
            nifti.write(folder / split / f"case-{number:02d}-mask.nii", mask, SPACING, "its mask")
    print(f"wrote {seed} volumes with their masks to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
