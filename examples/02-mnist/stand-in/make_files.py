"""Writes four files in MNIST's format that are not MNIST: `make_files.py DIRECTORY`. Called by hack/demo.

The 1,797 real 8×8 digits of scikit-learn, enlarged to 20×20 in a 28×28 frame as in MNIST and moved by up to three
pixels, until there are 60,000 and 10,000 as the TFDS builder expects. No digit is in both splits. Needs scikit-learn.
"""

from __future__ import annotations

import gzip
import struct
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

Pixels = npt.NDArray[np.uint8]

TRAIN_DIGITS = 1500  # the other 297 make the test split
SPLITS = {"train": (slice(None, TRAIN_DIGITS), 60_000), "t10k": (slice(TRAIN_DIGITS, None), 10_000)}
# Neighbours in the file are different digits, and yet near enough for gzip (32 KiB) to find the last place of each.
BLOCK = 20


def shifts() -> list[tuple[int, int]]:
    """(down, right): 49 of them, the smallest first."""
    return sorted(((y, x) for y in range(-3, 4) for x in range(-3, 4)), key=lambda s: (max(map(abs, s)), s))


def enlarge(images: npt.NDArray[np.float64]) -> Pixels:
    """(n, 8, 8) of 0 … 16 → (n, 20, 20) of 0 … 255, bilinear, in whole numbers: the same on every machine."""
    at = np.clip((2 * np.arange(20) + 1) * 8 - 20, 0, 280)  # position in the small image, in 40ths of a pixel
    low, part = np.minimum(at // 40, 6), at - 40 * np.minimum(at // 40, 6)
    whole = images.astype(np.int64)
    rows = whole[:, low] * (40 - part)[:, None] + whole[:, low + 1] * part[:, None]
    both = rows[:, :, low] * (40 - part) + rows[:, :, low + 1] * part
    return (both * 255 // (16 * 1600)).astype(np.uint8)


def pictures(small: Pixels, count: int) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """`count` frames of shape (28, 28), and which of the digits each shows."""
    order: list[tuple[int, tuple[int, int]]] = []
    for start in range(0, len(small), BLOCK):
        digits = range(start, min(start + BLOCK, len(small)))
        order += [(digit, shift) for shift in shifts()[: -(-count // len(small))] for digit in digits]
    frames = np.zeros((count, 28, 28), np.uint8)
    for frame, (digit, (down, right)) in zip(frames, order[:count], strict=True):
        frame[4 + down : 24 + down, 4 + right : 24 + right] = small[digit]
    return frames, np.array([digit for digit, _ in order[:count]])


def write(path: Path, magic: int, values: Pixels) -> None:
    """An idx file: magic number, sizes, bytes."""
    head = struct.pack(f">{1 + values.ndim}I", magic, *values.shape)
    path.write_bytes(gzip.compress(head + values.tobytes(), 9, mtime=0))


def main(folder: Path) -> None:
    """Write the four files."""
    digits = load_digits()
    folder.mkdir(parents=True, exist_ok=True)
    for name, (part, count) in SPLITS.items():
        frames, which = pictures(enlarge(digits.images[part]), count)
        write(folder / f"{name}-images-idx3-ubyte.gz", 2051, frames)
        write(folder / f"{name}-labels-idx1-ubyte.gz", 2049, digits.target[part][which].astype(np.uint8))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
