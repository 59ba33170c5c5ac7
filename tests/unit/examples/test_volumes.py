"""examples/14-volume-segmentation without jax: its NIfTI files, the samples made of them, and the data set."""

from __future__ import annotations

import gzip
import importlib.util
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import blueno
from tests.fakes.examples import VOLUMES, volumes_version


@pytest.fixture(scope="module")
def nifti() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nifti", VOLUMES / "nifti.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("dtype", ["u1", "<i2", "<f4"])
def test_what_is_written_is_read(nifti: ModuleType, tmp_path: Path, dtype: str) -> None:
    volume = np.arange(24).reshape(2, 3, 4).astype(dtype)
    nifti.write(tmp_path / "a.nii", volume, (2.0, 1.5, 0.5), "a" * 200)
    found, spacing = nifti.read(tmp_path / "a.nii")
    assert found.dtype == volume.dtype and np.array_equal(found, volume)
    assert spacing == (2.0, 1.5, 0.5)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    assert np.array_equal(nifti.read(tmp_path / "a.nii.gz")[0], volume)


def test_the_header_is_that_of_the_format(nifti: ModuleType, tmp_path: Path) -> None:
    """Offsets and codes as in nifti1.h, x first."""
    nifti.write(tmp_path / "a.nii", np.zeros((2, 3, 4), "<i2"), (2.0, 1.5, 0.5))
    data = (tmp_path / "a.nii").read_bytes()
    assert len(data) == 352 + 2 * 24
    assert struct.unpack_from("<i", data)[0] == 348
    assert struct.unpack_from("<4h", data, 40) == (3, 4, 3, 2)
    assert struct.unpack_from("<2h", data, 70) == (4, 16)
    assert struct.unpack_from("<4f", data, 76) == (1.0, 0.5, 1.5, 2.0)
    assert struct.unpack_from("<f", data, 108)[0] == 352
    assert struct.unpack_from("<4f", data, 312) == (0.0, 0.0, 2.0, 0.0)
    assert data[344:352] == b"n+1\0" + b"\0" * 4


def test_slope_and_intercept_make_the_true_values(nifti: ModuleType, tmp_path: Path) -> None:
    nifti.write(tmp_path / "a.nii", np.full((1, 1, 2), 3, "u1"), (1.0, 1.0, 1.0))
    data = bytearray((tmp_path / "a.nii").read_bytes())
    struct.pack_into("<2f", data, 112, 2.0, -1.0)
    (tmp_path / "a.nii").write_bytes(bytes(data))
    assert nifti.read(tmp_path / "a.nii")[0].tolist() == [[[5.0, 5.0]]]


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [(0, "<i", 1543569408), (344, "<4s", b"ni1\0"), (42, "<h", 3000), (42, "<h", -1), (70, "<h", 64), (108, "<f", 1e9)],
)
def test_what_is_no_volume_is_refused(nifti: ModuleType, tmp_path: Path, at: int, form: str, value: object) -> None:
    nifti.write(tmp_path / "a.nii", np.zeros((2, 2, 2), "u1"), (1.0, 1.0, 1.0))
    data = bytearray((tmp_path / "a.nii").read_bytes())
    struct.pack_into(form, data, at, value)
    (tmp_path / "a.nii").write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"a\.nii"):
        nifti.read(tmp_path / "a.nii")


def test_the_data_set_holds_volume_and_mask(tmp_path: Path) -> None:
    ds = blueno.open_dataset(volumes_version(tmp_path), verify=True)
    assert ds.splits == {"train": 16, "test": 4}
    sample = ds.split("test")[0]
    assert (sample.image.shape, sample.image.dtype) == ((24, 40, 40, 2), np.dtype("u1"))
    assert set(np.unique(sample.image[..., 1])) == {0, 1}
    inside, outside = (sample.image[..., 0][sample.image[..., 1] == n].mean() for n in (1, 0))
    assert inside > outside + 30


def test_a_mask_of_another_shape_is_refused_in_a_sentence(nifti: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    nifti.write(tmp_path / "train" / "a.nii", np.zeros((2, 2, 2), "u1"), (1.0, 1.0, 1.0))
    nifti.write(tmp_path / "train" / "a-mask.nii", np.zeros((2, 2, 3), "u1"), (1.0, 1.0, 1.0))
    command = [sys.executable, VOLUMES / "convert.py", tmp_path, tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "its mask (2, 2, 3)" in done.stderr and "Traceback" not in done.stderr
