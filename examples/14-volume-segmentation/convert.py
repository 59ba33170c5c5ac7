"""Makes samples for a Dataset of NIfTI files: `convert.py FOLDER SAMPLES`. Run by claim.yaml, or by hand.

Each pair <split>/<case>.nii and <case>-mask.nii becomes SAMPLES/<split>/<case>.npy of shape (z, y, x, 2): intensity and
mask, uint8. Both have to have the same shape and spacing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nifti
import numpy as np


def pair(case: Path) -> np.ndarray:
    """(z, y, x, 2) uint8 of a volume and the mask beside it. Raises ValueError when they do not fit."""
    (volume, spacing), (mask, mask_spacing) = nifti.read(case), nifti.read(case.with_name(f"{case.stem}-mask.nii"))
    if volume.shape != mask.shape or not np.allclose(spacing, mask_spacing):
        raise ValueError(f"{case} is {volume.shape} at {spacing} mm, its mask {mask.shape} at {mask_spacing} mm")
    if volume.min() < 0 or volume.max() > 255:
        raise ValueError(f"{case} has values from {volume.min()} to {volume.max()}: bring them to 0 … 255 first")
    return np.stack([volume, mask > 0], axis=-1).astype(np.uint8)


def main(folder: Path, samples: Path) -> None:
    """Convert all of them."""
    cases = sorted(case for case in folder.glob("*/*.nii") if not case.stem.endswith("-mask"))
    if not cases:
        raise SystemExit(f"there is no <split>/<case>.nii below {folder}")
    for case in cases:
        target = samples / case.parent.name / f"{case.stem}.npy"
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            np.save(target, pair(case))
        except (OSError, ValueError) as error:
            raise SystemExit(f"{error}") from None
    print(f"wrote {len(cases)} samples to {samples}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
