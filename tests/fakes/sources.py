"""Small data sets in published formats: images, archives, MNIST and CIFAR-10 files. Used by tests and bench/."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def png(seed: int = 0, size: tuple[int, int] = (28, 28), mode: str = "L") -> bytes:
    """Bytes of a PNG; `size` is (width, height)."""
    return _encode(seed, size, mode, "PNG")


def jpeg(seed: int = 0, size: tuple[int, int] = (32, 24), mode: str = "RGB") -> bytes:
    """Bytes of a JPEG."""
    return _encode(seed, size, mode, "JPEG")


def npy(array: np.ndarray, **options: object) -> bytes:
    """Bytes of a .npy as numpy writes it."""
    out = io.BytesIO()
    np.save(out, array, **options)  # type: ignore[arg-type]
    return out.getvalue()


def _encode(seed: int, size: tuple[int, int], mode: str, kind: str) -> bytes:
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels, mode).save(out, kind)
    return out.getvalue()


def class_folders(samples: int = 6, classes: tuple[str, ...] = ("cat", "dog"), top: str = "") -> dict[str, bytes]:
    """`<class>/<number>.png` → bytes, `samples` of each class."""
    return {f"{top}{c}/{i:03d}.png": png(1000 * n + i) for n, c in enumerate(classes) for i in range(samples)}


def tar(files: Mapping[str, bytes], compression: str = "gz") -> bytes:
    """A tar of these files; `compression`: "", "gz", "bz2" or "xz"."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def write_mnist(folder: Path, *, train: int = 60_000, test: int = 10_000, distinct: int = 60_000) -> None:
    """The files of MNIST with made-up pixels, four fifths of them 0 as in real digits; `distinct` images repeat."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for part, count in (("train", train), ("t10k", test)):
        pixels = random.integers(0, 256, (min(count, distinct), 28, 28), dtype=np.uint8)
        pixels[random.random(pixels.shape, dtype=np.float32) < 0.8] = 0
        pixels = np.resize(pixels, (count, 28, 28))
        labels = random.integers(0, 10, count, dtype=np.uint8)
        images = struct.pack(">IIII", 2051, count, 28, 28) + pixels.tobytes()
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images, 1, mtime=0))
        numbers = struct.pack(">II", 2049, count) + labels.tobytes()
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(numbers, 1, mtime=0))


CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def write_cifar10(folder: Path, *, batch: int = 20) -> None:
    """CIFAR-10's archive with `batch` made-up images in each of its six files."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    top = "cifar-10-batches-bin"
    files = {f"{top}/batches.meta.txt": ("\n".join(CIFAR10) + "\n\n").encode()}
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        rows = random.integers(0, 256, (batch, 3073), dtype=np.uint8)
        rows[:, 0] %= 10
        files[f"{top}/{name}.bin"] = rows.tobytes()
    (folder / "cifar-10-binary.tar.gz").write_bytes(tar(files))
