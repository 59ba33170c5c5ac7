"""Sealed files that change or end early while they lie there: reading with sums finds all of it, and it heals.

Readers that map files compare no sums while they read (docs/format.md); what is asked of them here is that damage they
do run into is an error, never an older version or a crash.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import blueno
from blueno.data.survey import survey
from blueno.data.verify import verify
from blueno.errors import BluenoError, NotFound
from blueno.prep import reuse
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, tar
from tests.faults.volume import torn

SEED = 7
PACK = {"shardBytes": 65536}
FILES = class_folders(60)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def problems(root: Path) -> list[str]:
    """What `blueno dataset verify` finds."""
    try:
        found = survey(root)
    except BluenoError as error:
        return [str(error)]
    versions = list(verify(found, lambda _: None))
    return [f"{p.path}: {p.code}" for p in (*found.problems, *(p for v in versions for p in v.problems))]


def flips(data: bytes, count: int) -> Iterator[bytes]:
    """`data` with one bit turned, at `count` places: the ends, and some between."""
    places = random.Random(SEED).sample(range(len(data)), min(count, len(data)))
    for at in {0, len(data) - 1, *places}:
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        yield bytes(damaged)


def sealed_files(place: Place) -> list[Path]:
    folders = [*(place.root / "versions").iterdir(), place.root / "works", place.root]
    return sorted(path for folder in folders for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize("kind", ["manifest.json", "index.arrow", ".npy", "data-00000.arrow", "works", "owner.json"])
def test_every_flipped_bit_and_every_truncation_is_found(place: Place, kind: str) -> None:
    print(f"seed {SEED}")
    outcome = place.sealed(archive_work(place.put("a.tar", tar(FILES)), pack=PACK))
    assert problems(place.root) == []
    paths = [p for p in sealed_files(place) if kind in (p.parent.name, p.name) or p.suffix == kind]
    assert paths
    for path in paths:
        good = path.read_bytes()
        path.chmod(0o644)
        ends = [good[: len(good) * part // 4] for part in range(4)]
        for damaged in (*flips(good, 24), *ends):
            path.write_bytes(damaged)
            assert problems(place.root) or harmless(path, place, outcome.digest), (path, damaged[:200])
        path.write_bytes(good)
    assert problems(place.root) == []


def harmless(path: Path, place: Place, digest: str) -> bool:
    """A pointer or owner whose words are others but point to the same: dates, sums of which another one is known."""
    if path.name == "owner.json":
        return True  # a uid: another one is refused by whoever is asked to take the directory over (test_guard.py)
    return path.parent.name == "works" and blueno.open_dataset(place.root, verify=True).digest == digest


@pytest.mark.parametrize("kind", ["manifest.json", "index.arrow", ".npy", "data-00000.arrow"])
def test_a_damaged_file_is_an_error_for_who_opens_with_sums(place: Place, kind: str) -> None:
    outcome = place.sealed(archive_work(place.put("a.tar", tar(FILES)), pack=PACK))
    (path, *_) = [p for p in place.version(outcome).iterdir() if p.name == kind or p.suffix == kind]
    good = path.read_bytes()
    path.chmod(0o644)
    for damaged in (*flips(good, 12), good[: len(good) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(BluenoError):
            blueno.open_dataset(place.root, verify=True)


def test_a_damaged_pointer_never_makes_an_older_version_the_newest(place: Place) -> None:
    old = place.sealed(archive_work(place.put("a.tar", tar(class_folders(3)))))
    work = archive_work(place.put("b.tar", tar(class_folders(4))))
    new = place.sealed(work)
    (place.root / "works" / f"{work.hash}.json").write_text("{")
    with pytest.raises(BluenoError, match="not known which version is the newest") as refused:
        blueno.open_dataset(place.root)
    assert not isinstance(refused.value, NotFound)
    assert blueno.open_dataset(place.version(old)).digest == old.digest
    assert place.sealed(work).digest == new.digest  # the preparation writes it again
    assert blueno.open_dataset(place.root).digest == new.digest


@pytest.mark.parametrize("change", [lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: data[:-1]])
def test_a_damaged_shard_does_not_go_on_to_the_next_version(place: Place, change: Callable[[bytes], bytes]) -> None:
    one = place.sealed(archive_work(place.put("a.tar", tar(FILES)), pack=PACK))
    for path in place.version(one).glob("data-*"):
        path.chmod(0o644)
        path.write_bytes(change(path.read_bytes()))
    two = place.sealed(archive_work(place.put("b.tar", tar({**FILES, "cat/new.png": FILES["cat/000.png"]})), pack=PACK))
    blueno.open_dataset(place.version(two), verify=True)


def test_a_changed_manifest_is_prepared_again(place: Place) -> None:
    work = archive_work(place.put("a.tar", tar(FILES)), pack=PACK)
    path = place.version(place.sealed(work)) / "manifest.json"
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"dog"', '"dig"'))
    with pytest.raises(BluenoError, match="changed since it was sealed"):
        blueno.open_dataset(place.root)
    place.sealed(work, attempt=2)
    assert blueno.open_dataset(place.root, verify=True).classes == ("cat", "dog")
    assert torn(place.root) == []


def test_a_link_that_cannot_be_renamed_leaves_the_version_before_whole(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the name under which the shard is written next: that must not be the sealed file itself."""
    one = place.sealed(archive_work(place.put("a.tar", tar(FILES)), pack=PACK))
    failed: list[Path] = []

    def refuse(temporary: Path, final: Path) -> None:
        failed.append(temporary)
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(reuse, "rename", refuse)
    place.sealed(archive_work(place.put("b.tar", tar({**FILES, "cat/new.png": FILES["cat/000.png"]})), pack=PACK))
    assert failed
    blueno.open_dataset(place.version(one), verify=True)
