"""Files on another claim."""

from __future__ import annotations

from pathlib import Path

import pytest

import blueno
from blueno.resources.work import Work
from tests.fakes.preparation import Place
from tests.fakes.sources import class_folders


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    for name, data in class_folders(3).items():
        path = tmp_path / "source" / "pets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return place


def work(path: str = "pets", **layout: object) -> Work:
    return Work(source={"claim": {"name": "other", "path": path}}, layout=layout)


def test_a_directory_of_class_folders(place: Place) -> None:
    outcome = place.sealed(work())
    assert (outcome.samples, outcome.classes) == (6, 2)
    assert blueno.open_dataset(place.root)[0].key == "cat/000.png"


def test_links_are_never_followed(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.png").write_bytes(class_folders(1)["cat/000.png"])
    top = tmp_path / "source" / "pets"
    (top / "cat" / "link.png").symlink_to(secret / "s.png")
    (top / "stolen").symlink_to(secret)
    outcome = place.sealed(work(), max_bad_samples=1)
    assert (outcome.samples, outcome.bad_first) == (6, (("cat/link.png", "NotAFile"),))


@pytest.mark.parametrize("path", ["../volume", "out", "pets/../../volume"])
def test_the_path_cannot_leave_the_claim(place: Place, tmp_path: Path, path: str) -> None:
    (tmp_path / "source" / "out").symlink_to(tmp_path)
    assert place.failed(work(path), "SourceNotAllowed").permanent


@pytest.mark.parametrize("path", ["nothing", "pets/cat/000.png", "empty"])
def test_a_directory_that_is_not_there_or_empty(place: Place, tmp_path: Path, path: str) -> None:
    (tmp_path / "source" / "empty").mkdir()
    place.failed(work(path), "SourceNotFound")


def test_a_changed_file_is_seen_though_an_attempt_finished_its_shard(place: Place, tmp_path: Path) -> None:
    bad = tmp_path / "source" / "pets" / "dog" / "bad.png"
    bad.write_bytes(b"x")
    place.failed(work(), "TooManyBadSamples")
    bad.write_bytes(class_folders(1)["cat/000.png"])
    assert place.sealed(work()).samples == 7
