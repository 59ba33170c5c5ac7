"""Writes the 1,797 handwritten digits of scikit-learn as digits.zip: `make_archive.py digits.zip`. Called by hack/demo.

The same bytes on every machine, so that the sha256 in dataset.yaml is right: fixed order and dates, and nothing is
compressed, because two versions of zlib compress differently. Needs scikit-learn only.
"""

from __future__ import annotations

import hashlib
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

DATE = (2026, 1, 1, 0, 0, 0)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """An 8-bit grey PNG of `pixels`, shape (height, width), stored without compression."""
    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)  # each row begins with its filter: none
    stored = b"\x78\x01\x01" + struct.pack("<HH", len(rows), 0xFFFF - len(rows)) + rows
    stored += struct.pack(">I", zlib.adler32(rows))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", stored), (b"IEND", b""))
    body = (struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def main(target: Path) -> None:
    """Write the archive, then print its sha256."""
    digits = load_digits()
    images = (digits.images * 255 // 16).astype(np.uint8)  # 0 … 16 become 0 … 255
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for number, (image, label) in enumerate(zip(images, digits.target, strict=True)):
            member = zipfile.ZipInfo(f"{label}/{number:04d}.png", DATE)
            member.create_system, member.external_attr = 3, 0o100644 << 16  # as on Linux, wherever this runs
            archive.writestr(member, png(image))
    print(f"{hashlib.sha256(target.read_bytes()).hexdigest()}  {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
