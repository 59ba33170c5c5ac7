"""Volumes made by the real preparation, once per session, and data servers on them."""

from __future__ import annotations

import copy
import io
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from tests.fakes.data_server import Served, serving
from tests.fakes.outputs_server import RUN, SECRET, serving_outputs
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, jpeg, npy, png, tar

DIGITS = class_folders(60, ("0", "1"))  # 28 x 28 grey, both as files and as pixels


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def gradient(height: int, width: int) -> np.ndarray[Any, Any]:
    return np.add.outer(np.arange(height), np.arange(width))


def _odd() -> dict[str, np.ndarray[Any, Any] | bytes]:
    """Everything a data set may hold, by name; the names sort in this order."""
    random = np.random.default_rng(1)
    nan = gradient(20, 30).astype("<f4")
    nan[0, 0], nan[1, 1], nan[2, 2] = np.nan, np.inf, -np.inf
    huge = np.full((4, 4), 1e308)
    huge[0] = -1e308
    volume = random.integers(-1000, 3000, (12, 16, 20)).astype("<i2")
    return {
        "00-rgb.png": png(1, (40, 20), "RGB"),
        "01-rgba.png": png(2, (30, 30), "RGBA"),
        "02-grey16.png": saved(Image.fromarray(gradient(16, 16).astype("u2") * 2000)),
        "03-palette.png": saved(Image.new("P", (10, 12), 3)),
        "04-bits.png": saved(Image.new("1", (9, 9), 1)),
        "05-photo.jpeg": saved(Image.fromarray(gradient(300, 500).astype("u1")).convert("RGB"), "JPEG"),
        "06-cmyk.jpeg": saved(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG"),
        "07-one-pixel.png": png(3, (1, 1)),
        "08-long.png": png(4, (3000, 1)),
        "09-float.npy": nan,
        "10-constant.npy": np.full((8, 8), 7.5, "<f8"),
        "11-nothing-finite.npy": np.full((8, 8), np.nan, "<f4"),
        "12-huge.npy": huge,
        "13-bool.npy": np.eye(10, dtype=bool),
        "14-int64.npy": gradient(5, 5).astype("<i8") * 2**55,
        "15-big-endian.npy": gradient(7, 9).astype(">u2") * 100,
        "16-half.npy": gradient(7, 7).astype("<f2"),
        "17-volume.npy": volume,
        "18-volume-fortran.npy": np.asfortranarray(volume),
        "19-volume-rgb.npy": random.integers(0, 256, (3, 10, 8, 3), np.uint8),
        "20-many-channels.npy": random.random((2, 6, 6, 9)).astype("<f4"),
        "21-two-channels.npy": random.random((6, 6, 2)).astype("<f4"),
        "22-large.npy": gradient(1500, 1400).astype("<u4"),
    }


ODD = _odd()
ROW = {name.partition("-")[2].rpartition(".")[0]: number for number, name in enumerate(ODD)}


PER_VERSION = [
    "/manifest",
    "/index",
    "/sheet?rows=0-99",
    "/samples/0/image",
    "/samples/0/montage",
    "/samples/0/about",
    "/samples/0/raw",
]


def folder(place: Place) -> Path:
    (found,) = (place.root / "versions").iterdir()
    return found


def path_of(place: Place) -> str:
    return f"/v1/versions/{folder(place).name}"


def _sealed(top: Path, files: dict[str, bytes]) -> Place:
    top.mkdir()
    place = Place(top)
    place.sealed(archive_work(place.put("in.tar", tar(files, ""))))
    return place


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """120 digits."""
    return _sealed(tmp_path_factory.mktemp("served") / "digits", DIGITS)


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One sample of each kind; rows as in ROW."""
    files = {f"x/{name}": data if isinstance(data, bytes) else npy(data) for name, data in ODD.items()}
    return _sealed(tmp_path_factory.mktemp("served") / "odd", files)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """24 JPEGs of different sizes."""
    files = {f"a/{n:02}.jpg": jpeg(n, (100 + 10 * n, 300 - 5 * n)) for n in range(24)}
    return _sealed(tmp_path_factory.mktemp("served") / "photos", files)


@pytest.fixture
def own(digits: Place, tmp_path: Path) -> Place:
    """A copy of the digits that a test may harm."""
    shutil.copytree(digits.volume, tmp_path / "copy" / "volume")
    place = copy.copy(digits)
    place.volume = tmp_path / "copy" / "volume"
    place.root = place.volume / "ns" / "set"
    place.config = replace(digits.config, volume=place.volume, root=place.root)
    for path in place.root.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return place


@pytest_asyncio.fixture
async def digit_server(digits: Place) -> AsyncIterator[Served]:
    async with serving(digits) as served:
        yield served


@pytest_asyncio.fixture
async def odd_server(odd: Place) -> AsyncIterator[Served]:
    async with serving(odd) as served:
        yield served


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The run's directory on a claim that another run and a secret lie beside."""
    claim = tmp_path / "claim"
    folder = claim / RUN
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "model.npz").write_bytes(bytes(range(256)) * 4)
    (folder / "empty").write_bytes(b"")
    (folder / "checkpoints" / "step-10").write_bytes(b"ten")
    (claim / "other-11111111").mkdir()
    (claim / "other-11111111" / "secret").write_bytes(SECRET)
    (tmp_path / "secret").write_bytes(SECRET)
    return folder


@pytest_asyncio.fixture
async def outputs(run: Path) -> AsyncIterator[Served]:
    async with serving_outputs(run.parent) as server:
        yield server
