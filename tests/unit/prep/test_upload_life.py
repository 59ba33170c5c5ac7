"""Samples that people add, over the whole life of a data set: kept, taken over, erased, on volumes that change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from blueno.prep.erase import erase
from blueno.prep.space import Room, Space
from tests.fakes.people import People
from tests.fakes.preparation import Place
from tests.fakes.sources import png
from tests.unit.prep.test_upload import FILES, NEW, seal


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def people(place: Place) -> People:
    """After the volume was opened."""
    assert place.prepare(NEW).opened
    return People(place.root)


def test_a_kept_directory_is_taken_over_with_its_versions_and_its_working_set(place: Place, people: People) -> None:
    people.add(FILES)
    sealed = place.sealed(seal("t1"))
    people.add({"later.png": png(77)})
    adopted = place.sealed(NEW, dataset_uid="uid-2", adopt_from="uid-1")
    assert (adopted.digest, adopted.sequence, adopted.revision) == (sealed.digest, 1, sealed.revision)
    again = place.sealed(seal("t2"), dataset_uid="uid-2")
    assert (again.samples, again.sequence) == (len(FILES) + 1, 2)


def test_one_that_was_never_sealed_is_taken_over_open(place: Place, people: People) -> None:
    people.add(FILES)
    assert place.prepare(NEW, dataset_uid="uid-2", adopt_from="uid-1").opened
    assert place.sealed(seal("t1"), dataset_uid="uid-2").samples == len(FILES)


def test_an_adopted_version_on_a_read_only_volume_takes_no_samples(
    place: Place, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.add(FILES)
    sealed = place.sealed(seal("t1"))

    def refused(directory: Path, _tag: str) -> None:
        raise OSError(30, "Read-only file system", str(directory))

    monkeypatch.setattr("blueno.prep.guard.probe", refused)
    outcome = place.sealed(NEW, dataset_uid="uid-2", adopt_from="uid-1")
    assert (outcome.digest, outcome.writable) == (sealed.digest, False)


def test_erasing_takes_everything_that_was_added(place: Place, people: People) -> None:
    people.add(FILES)
    place.sealed(seal("t1"))
    (place.root / "uploads").mkdir()
    (place.root / "uploads" / "half").write_bytes(b"1")
    erase(place.config)
    assert list(place.volume.iterdir()) == []


def test_what_was_added_counts_when_room_is_looked_for(
    place: Place, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume that could hold the version alone, and will never hold it beside the samples as they were sent."""
    people.add(FILES)
    size = sum(map(len, FILES.values()))
    monkeypatch.setattr(Space, "look", lambda _self: Room(size, int(1.5 * size)))
    said = place.failed(seal("t1"), "NoSpace")
    assert "of added samples" in said.message


def test_a_volume_that_was_replaced_by_an_empty_one_is_opened_again(place: Place, people: People) -> None:
    people.add(FILES)
    place.sealed(seal("t1"))
    shutil.rmtree(place.root)
    assert place.prepare(seal("t1"), attempt=2).opened
    assert json.loads((place.root / "owner.json").read_text())["datasetUid"] == "uid-1"
