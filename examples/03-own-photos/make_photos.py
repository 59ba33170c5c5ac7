"""Writes photos.zip, a small folder of photos as people have them: `make_photos.py photos.zip`. Called by hack/demo.

Pieces of the two photos that scikit-learn ships, JPEG and PNG, in many sizes; and three files that are broken as files
break in real life. Needs scikit-learn and Pillow.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_image

PHOTOS = {"temple": "china.jpg", "flower": "flower.jpg"}
EACH = 12
DATE = (2026, 1, 1, 0, 0, 0)


def pieces(photo: Image.Image) -> list[tuple[str, bytes]]:
    """(file name, content), every third a PNG, from 96 to 216 pixels wide."""
    found = []
    for number in range(EACH):
        width, height = 96 + 24 * (number % 6), 96 + 16 * (number % 5)
        left = (photo.width - width) * (number * 5 % EACH) // EACH
        top = (photo.height - height) * number // EACH
        piece = photo.crop((left, top, left + width, top + height))
        kind = "png" if number % 3 == 2 else "jpg"
        buffer = io.BytesIO()
        piece.save(buffer, "PNG" if kind == "png" else "JPEG")
        found.append((f"{number:02d}.{kind}", buffer.getvalue()))
    return found


def main(target: Path) -> None:
    """Write the archive: photos/<class>/<file>."""
    files: dict[str, bytes] = {}
    for label, name in PHOTOS.items():
        for file, content in pieces(Image.fromarray(load_sample_image(name))):
            files[f"photos/{label}/{file}"] = content
    whole = files["photos/temple/00.jpg"]
    files["photos/temple/copy-broke-off.jpg"] = whole[: len(whole) // 2]
    files["photos/temple/card-was-full.png"] = b""
    files["photos/flower/not-a-photo.jpg"] = b"Remember to copy the photos of Sunday, too.\n"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(path, DATE), content)
    print(f"{len(files)} files, three of them broken: {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
