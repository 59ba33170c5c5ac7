"""From a source to a sealed version: what is on the volume, what stays the same, what changes."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import blueno
from blueno.data.manifest import Manifest
from blueno.prep import prepare as prepare_module
from blueno.prep.leftovers import clear_leftovers
from tests.fakes.preparation import TOP, Place, archive_work, environment
from tests.fakes.source_server import Served, source_server
from tests.fakes.sources import class_folders, jpeg, npy, png, tar, zipped
from tests.fuzz import scaled


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def inodes(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_ino for p in folder.iterdir()}


def test_class_folders_become_a_sealed_version(place: Place) -> None:
    files = class_folders(6, top="pets/")
    work = archive_work(place.put("in/pets.tar.gz", tar(files)))
    outcome = place.sealed(work)
    assert (outcome.samples, outcome.sequence, outcome.classes) == (12, 1, 2)
    assert (outcome.splits, outcome.shapes) == ((("train", 12),), ("28x28x1 uint8",))
    assert outcome.capacity_bytes > outcome.free_bytes > 0
    version = f"versions/{outcome.digest[:16]}"
    assert place.files() == [
        "owner.json",
        f"{version}/data-00000.arrow",
        f"{version}/data-00000.npy",
        f"{version}/index.arrow",
        f"{version}/manifest.json",
        f"works/{work.hash}.json",
    ]
    assert outcome.bytes == sum((place.root / f).stat().st_size for f in place.files() if "data-" in f or "index" in f)
    pointer = json.loads((place.root / f"works/{work.hash}.json").read_text())
    about = hashlib.sha256((place.version(outcome) / "manifest.json").read_bytes()).hexdigest()
    known = {"digest": outcome.digest, "sequence": 1, "sealedAt": outcome.sealed_at, "manifest": about}
    assert pointer == known | {"base": work.hash}
    ds = blueno.open_dataset(place.root, verify=True)
    assert ds.raw(3) == files[f"pets/{ds[3].key}"]


@pytest.mark.parametrize("make", [tar, zipped])
def test_nothing_in_staging_is_open_when_it_is_cleared_away(
    place: Place, monkeypatch: pytest.MonkeyPatch, make: Callable[[dict[str, bytes]], bytes]
) -> None:
    """On NFS, what is removed while it is open stays as a file of another name, and with it its directory."""
    held: list[list[str]] = []

    def look(*arguments: Any) -> None:
        links = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]  # noqa: PTH115
        held.append([link for link in links if "/staging/" in link])
        clear_leftovers(*arguments)

    monkeypatch.setattr(prepare_module, "clear_leftovers", look)
    with source_server() as server:
        server.paths["/pets"] = Served(make(class_folders(6)))
        place.sealed(archive_work(server.url("/pets")))
    assert held == [[]]


def test_modes_are_readable_by_everyone_and_writable_by_nobody(place: Place) -> None:
    old = os.umask(0o077)
    try:
        outcome = place.sealed(archive_work(place.put("a.zip", zipped(class_folders()))))
    finally:
        os.umask(old)
    assert {oct(p.stat().st_mode & 0o777) for p in place.version(outcome).iterdir()} == {"0o444"}
    folders = [p for p in place.root.rglob("*") if p.is_dir()]
    assert {oct(p.stat().st_mode & 0o777) for p in (place.root, *folders)} == {"0o755"}


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_the_digest_does_not_depend_on_how_files_were_packed(place: Place, compression: str) -> None:
    files = class_folders()
    reference = place.sealed(archive_work(place.put("a.zip", zipped(files))))
    backwards = {f"wrap/{name}": files[name] for name in reversed(files)}
    other = place.sealed(archive_work(place.put("b.tar", tar(backwards, compression))))
    assert (other.digest, other.sequence) == (reference.digest, 1)
    assert len(list((place.root / "versions").iterdir())) == 1
    assert len(list((place.root / "works").iterdir())) == 2


def test_a_digest_of_today_is_the_digest_of_tomorrow(place: Place) -> None:
    """When this fails, every data set in the world would get a new version: raise the format version."""
    files = {f"{c}/{i}.npy": npy(np.full((2, 3, 1), i, "u1")) for c in "ab" for i in range(3)}
    outcome = place.sealed(archive_work(place.put("a.tar", tar(files))))
    assert outcome.digest == "dec1e6e8e2b2a80ad92ef97d25eead7defcf8ca2c320c4267ef3516f8c279109"


@settings(
    max_examples=scaled(5),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(shard_bytes=st.sampled_from([65536, 100_000, 1 << 20]), order=st.randoms(use_true_random=False))
def test_the_digest_does_not_depend_on_shards_or_order(
    tmp_path_factory: pytest.TempPathFactory, shard_bytes: int, order: Any
) -> None:
    place = Place(tmp_path_factory.mktemp("p"))
    files = list(class_folders(40).items())
    order.shuffle(files)
    outcome = place.sealed(archive_work(place.put("a.tar", tar(dict(files), "")), pack={"shardBytes": shard_bytes}))
    assert outcome.digest == digest_of_40()
    blueno.open_dataset(place.root, verify=True)


@functools.cache
def digest_of_40() -> str:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        return place.sealed(archive_work(place.put("a.zip", zipped(class_folders(40))))).digest


def test_packing_shows_in_the_layout_digest_only(tmp_path: Path) -> None:
    found = []
    for size in (65536, 1 << 20):
        folder = tmp_path / str(size)
        folder.mkdir()
        place = Place(folder)
        outcome = place.sealed(archive_work(place.put("a.tar", tar(class_folders(40))), pack={"shardBytes": size}))
        found.append(place.manifest(outcome))
    assert found[0]["digest"] == found[1]["digest"]
    assert found[0]["layoutDigest"] != found[1]["layoutDigest"]
    assert len(found[0]["shards"]) > len(found[1]["shards"])


def test_moving_a_sample_to_the_other_split_makes_another_version(place: Place) -> None:
    files = {f"{s}/cat/{i}.png": png(i) for s, i in (("train", 1), ("train", 2), ("test", 3))}
    one = place.sealed(archive_work(place.put("a.tar", tar(files))))
    files["test/cat/2.png"] = files.pop("train/cat/2.png")
    two = place.sealed(archive_work(place.put("b.tar", tar(files))))
    assert one.digest != two.digest
    assert (two.sequence, two.splits) == (2, (("train", 1), ("test", 2)))
    assert blueno.open_dataset(place.root).digest == two.digest


def test_the_same_work_again_is_found_without_touching_anything(place: Place) -> None:
    url = place.put("a.tar", tar(class_folders()))
    first = place.sealed(archive_work(url))
    (place.volume / "a.tar").unlink()  # no download, no packing: the source is not even looked at
    before = inodes(place.root / "works"), inodes(place.version(first))
    again = place.sealed(archive_work(url), attempt=2)
    assert (again.digest, again.sequence, again.sealed_at) == (first.digest, 1, first.sealed_at)
    assert (inodes(place.root / "works"), inodes(place.version(first))) == before


def test_finding_a_sealed_work_imports_neither_numpy_nor_pyarrow(place: Place) -> None:
    work = archive_work(place.put("a.tar", tar(class_folders())))
    place.sealed(work)
    code = (
        "import sys; sys.argv[0] = 'x'\nfrom tests.fakes.preparation import _main\n_main()\n"
        "print([m for m in ('numpy', 'pyarrow', 'PIL') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, *place.process(work)[3:]]
    done = subprocess.run(command, cwd=TOP, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_going_back_to_an_earlier_work_makes_it_current(place: Place) -> None:
    a, b = place.put("a.tar", tar(class_folders(3))), place.put("b.tar", tar(class_folders(4)))
    one, two, back = (place.sealed(archive_work(url)) for url in (a, b, a))
    assert (one.sequence, two.sequence, back.sequence) == (1, 2, 3)
    assert blueno.open_dataset(place.root).digest == back.digest == one.digest


def test_reading_an_unchanged_source_again_keeps_the_version_untouched(place: Place) -> None:
    url = place.put("a.tar", tar(class_folders()))
    one = place.sealed(archive_work(url))
    before = inodes(place.version(one))
    again = place.sealed(archive_work(url, requested_at="2030-01-01T00:00:00Z"))
    assert (again.digest, again.sequence) == (one.digest, 1)
    assert inodes(place.version(one)) == before


def test_unchanged_shards_of_the_version_before_are_hard_links(place: Place) -> None:
    files = class_folders(150)
    pack = {"shardBytes": 65536}
    one = place.sealed(archive_work(place.put("a.tar", tar(files)), pack=pack))
    two = place.sealed(archive_work(place.put("b.tar", tar({**files, "cat/new.png": png(9)})), pack=pack))
    old, new = inodes(place.version(one)), inodes(place.version(two))
    shared = set(old.values()) & set(new.values())
    shards = len(place.manifest(two)["shards"])
    assert shards >= 4
    assert 2 * (shards - 2) <= len(shared) < len(new)
    blueno.open_dataset(place.root, verify=True)


def test_a_damaged_version_is_prepared_again(place: Place) -> None:
    work = archive_work(place.put("a.tar", tar(class_folders())))
    one = place.sealed(work)
    (place.version(one) / "data-00000.npy").unlink()
    assert place.sealed(work).digest == one.digest
    blueno.open_dataset(place.root, verify=True)


def test_images_of_several_shapes_keep_their_bytes_and_have_no_pixels(place: Place) -> None:
    files = {
        "a/1.jpg": jpeg(1, (40, 30)),
        "a/2.jpg": jpeg(2, (20, 10)),
        "b/3.png": png(3),
        "b/4.npy": npy(np.ones((3, 4), "<u2")),
    }
    outcome = place.sealed(archive_work(place.put("a.zip", zipped(files))))
    assert outcome.shapes == ("3x4x1 uint16", "10x20x3 uint8", "28x28x1 uint8", "30x40x3 uint8")
    assert place.manifest(outcome)["dense"] is None
    assert not [f for f in place.files() if f.endswith(".npy")]
    ds = blueno.open_dataset(place.root)
    assert [ds.raw(i) for i in range(4)] == list(files.values())
    assert [ds[i].image.shape for i in range(4)] == [(30, 40, 3), (10, 20, 3), (28, 28, 1), (3, 4)]


def test_large_images_are_not_stored_twice(place: Place) -> None:
    files = {f"a/{i}.jpg": jpeg(i, (160, 160)) for i in range(3)}
    outcome = place.sealed(archive_work(place.put("a.tar", tar(files))))
    assert place.manifest(outcome)["dense"] is None
    assert blueno.open_dataset(place.root).batch([0, 2]).shape == (2, 160, 160, 3)


def test_csv_labels_groups_and_metadata_arrive_in_the_index(place: Place) -> None:
    files = {f"img/{i}.png": png(i) for i in range(3)}
    files["labels.csv"] = b"path,label,split,group,age\nimg/0.png,x,test,p1,7\nimg/1.png,y,,,\nimg/9.png,y,,,\n"
    outcome = place.sealed(archive_work(place.put("a.tar", tar(files))), max_bad_samples=1)
    assert (outcome.samples, outcome.bad_first) == (2, (("img/9.png", "MissingFile"),))
    ds = blueno.open_dataset(place.root)
    assert (ds[1].key, ds[1].split, ds[1].label, ds[1].group, ds[1].metadata) == (
        "img/0.png",
        "test",
        "x",
        "p1",
        {"age": "7"},
    )
    assert (ds.labels.tolist(), ds.classes) == ([1, 0], ("x", "y"))


def test_manifests_never_repeat_what_stands_in_a_query(place: Place) -> None:
    from blueno.prep.seal import without_secrets

    spec = {"archive": {"files": [{"url": "https://u:p@h/x.tar?sig=SECRET#f", "sha256": "ab"}]}}
    assert without_secrets(spec) == {"archive": {"files": [{"url": "https://h/x.tar", "sha256": "ab"}]}}


def test_the_manifest_reads_back(place: Place) -> None:
    outcome = place.sealed(archive_work(place.put("a.tar", tar(class_folders()))))
    text = (place.version(outcome) / "manifest.json").read_text()
    assert Manifest.from_json(text).to_json() == text
    with pytest.raises(ValueError, match="newer"):
        Manifest.from_json(text.replace('"formatVersion": 1', '"formatVersion": 9'))
