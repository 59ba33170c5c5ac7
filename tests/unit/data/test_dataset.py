"""open_dataset, and the same files read without Blueno."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import blueno
from blueno.errors import BluenoError, NotFound
from tests.fakes.preparation import TOP, Place, archive_work, environment
from tests.fakes.sources import jpeg, npy, png, tar

FILES = {
    **{f"train/{c}/{i:03d}.png": png(100 * n + i) for n, c in enumerate(("cat", "dog")) for i in range(40)},
    **{f"test/dog/{i:03d}.png": png(900 + i) for i in range(10)},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("dataset"))
    place.sealed(archive_work(place.put("a.tar", tar(FILES)), pack={"shardBytes": 65536}))
    return place


@pytest.fixture
def ds(place: Place) -> blueno.data.dataset.Dataset:  # type: ignore[name-defined]
    return blueno.open_dataset(place.root)


def test_samples_and_splits(ds: blueno.data.dataset.Dataset) -> None:  # type: ignore[name-defined]
    assert (len(ds), len(ds.split("train")), len(ds.split("test"))) == (90, 80, 10)
    assert (ds.splits, ds.classes, ds.shape) == ({"train": 80, "test": 10}, ("cat", "dog"), (28, 28, 1))
    first = ds.split("test")[0]
    assert (first.key, first.split, first.label, first.group, first.metadata) == (
        "test/dog/000.png",
        "test",
        "dog",
        None,
        None,
    )
    assert ds.split("test")[-1].key == "test/dog/009.png"
    assert ds.split("train").labels.tolist() == [0] * 40 + [1] * 40
    assert ds.split("test").keys == sorted(k for k in FILES if k.startswith("test"))
    assert [s.key for s in ds] == ds.keys
    assert "90 samples" in repr(ds)


def test_batches_come_from_the_map_in_the_order_asked_for(ds: blueno.data.dataset.Dataset) -> None:  # type: ignore[name-defined]
    assert len(ds.manifest.shards) >= 3
    wanted = np.random.default_rng(0).integers(0, 90, 64)
    out = np.empty((64, 28, 28, 1), np.uint8)
    assert ds.batch(wanted, out) is out
    np.testing.assert_array_equal(out, np.stack([ds[i].image for i in wanted]))
    np.testing.assert_array_equal(ds.batch([-1, 0]), np.stack([ds[89].image, ds[0].image]))
    assert ds.batch([]).shape == (0, 28, 28, 1)
    test = ds.split("test")
    np.testing.assert_array_equal(test.batch([3]), ds.batch([83]))
    for wrong in ([90], [-91]):
        with pytest.raises(IndexError):
            ds.batch(wrong)
    with pytest.raises(IndexError):
        test[10]
    with pytest.raises(TypeError):
        ds[0:3]


def test_original_bytes(ds: blueno.data.dataset.Dataset) -> None:  # type: ignore[name-defined]
    assert all(ds.raw(i) == FILES[key] for i, key in enumerate(ds.keys))


def test_variable_shapes_are_decoded_when_asked_for(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.sealed(
        archive_work(
            place.put("a.tar", tar({"a/1.jpg": jpeg(1, (9, 7)), "b/2.npy": npy(np.ones((2, 3, 4, 1), "<f4"))}))
        )
    )
    ds = blueno.open_dataset(place.root)
    assert (ds.shape, ds[0].image.shape, ds[1].image.shape) == (None, (7, 9, 3), (2, 3, 4, 1))
    with pytest.raises(ValueError, match="2 different shapes"):
        ds.batch([0, 1])


def test_it_opens_a_root_a_version_or_a_manifest(place: Place) -> None:
    (version,) = (place.root / "versions").iterdir()
    digests = {blueno.open_dataset(p).digest for p in (place.root, str(version), version / "manifest.json")}
    assert len(digests) == 1


def test_errors_say_what_is_wrong(place: Place, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such directory"):
        blueno.open_dataset(tmp_path / "none")
    with pytest.raises(NotFound, match="no sealed version"):
        blueno.open_dataset(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(BluenoError, match="not a manifest"):
        blueno.open_dataset(tmp_path)
    with pytest.raises(NotFound, match="train, test"):
        blueno.open_dataset(place.root).split("val")
    with pytest.raises(AttributeError):
        blueno.nothing  # noqa: B018


def test_verify_sees_a_changed_file(tmp_path: Path) -> None:
    place = Place(tmp_path)
    outcome = place.sealed(archive_work(place.put("a.tar", tar(FILES))))
    blueno.open_dataset(place.root, verify=True)
    file = place.version(outcome) / "data-00000.npy"
    file.chmod(0o644)
    with file.open("r+b") as opened:
        opened.seek(500)
        opened.write(b"\xff\x00\xff")
    with pytest.raises(BluenoError, match="has been changed"):
        blueno.open_dataset(place.root, verify=True)


def test_the_format_is_open(place: Place, tmp_path: Path) -> None:
    """A reader of thirty lines, with numpy and pyarrow only, finds the same pixels and labels."""
    script = TOP / "examples" / "open_format.py"
    lines = script.read_text().splitlines()
    assert len(lines) <= 30
    assert "blueno" not in "".join(line for line in lines if "import" in line)
    (version,) = (place.root / "versions").iterdir()
    command = [sys.executable, "-W", "error", "-I", str(script), str(version), str(tmp_path / "out.npz")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert "90 samples" in done.stdout
    ds = blueno.open_dataset(place.root)
    with np.load(tmp_path / "out.npz") as found:
        np.testing.assert_array_equal(found["x"], ds.batch(range(90)))
        np.testing.assert_array_equal(found["y"], ds.labels)


def test_importing_blueno_loads_nothing_heavy() -> None:
    code = (
        "import blueno, sys; print(json.dumps([m for m in ('numpy', 'pyarrow', 'PIL', 'aiohttp') if m in sys.modules]))"
    )
    command = [sys.executable, "-c", f"import json; {code}"]
    done = subprocess.run(command, cwd=TOP, env=environment(), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
    reader = "import blueno.data.dataset, sys; print([m for m in ('PIL', 'aiohttp', 'kubernetes') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", reader], cwd=TOP, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
