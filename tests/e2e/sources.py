"""Small, real image archives for the tests, and Datasets that read them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from typing import Any

from PIL import Image


def png(seed: int, size: int = 16) -> bytes:
    """A small grey picture; the same for the same seed."""
    pixels = bytes((seed * 37 + i * 11) % 256 for i in range(size * size))
    buffer = io.BytesIO()
    Image.frombytes("L", (size, size), pixels).save(buffer, "PNG")
    return buffer.getvalue()


def tar(files: Mapping[str, bytes]) -> bytes:
    """An uncompressed tar, the same for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in sorted(files):
            info = tarfile.TarInfo(name)
            info.size = len(files[name])
            archive.addfile(info, io.BytesIO(files[name]))
    return buffer.getvalue()


def class_folders(count: int = 40, classes: int = 4, broken: int = 0, size: int = 16) -> bytes:
    """`count` good samples in class folders, and `broken` truncated ones."""
    files = {f"pictures/class{i % classes}/{i:05d}.png": png(i, size) for i in range(count)}
    files |= {f"pictures/class0/broken{i}.png": png(i)[:40] for i in range(broken)}
    return tar(files)


def archive_dataset(name: str, url: str, content: bytes | None = None, **spec: Any) -> dict[str, Any]:
    """A Dataset of one archive; with `content` its right checksum is named."""
    file: dict[str, Any] = {"url": url}
    archive: dict[str, Any] = {"files": [file]}
    if content is not None:
        file["sha256"] = hashlib.sha256(content).hexdigest()
    else:
        archive["allowUnverified"] = True
    return {
        "apiVersion": "blueno.dev/v1alpha1",
        "kind": "Dataset",
        "metadata": {"name": name},
        "spec": {"source": {"archive": archive}, **spec},
    }
