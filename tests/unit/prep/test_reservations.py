"""Reservations: what others are believed, and what of theirs is not."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from blueno.data import files
from blueno.prep import reservations
from blueno.prep.erase import erase
from blueno.prep.reservations import FOLDER, Reservation, Reservations
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, tar

GIB = 1 << 30


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def ours(place: Place) -> Iterator[Reservations]:
    made = Reservations(replace(place.config, dataset="team/digits"))
    made.write(100, admitted=False)
    yield made
    made.remove()


def lay(place: Place, one: Reservation, age: float = 0.0, name: str = "") -> Path:
    path = place.volume / FOLDER / (name or f"{one.uid}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(one)))
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_ours_says_who_we_are_and_goes_at_the_end_with_its_folders(place: Place, ours: Reservations) -> None:
    said = json.loads((place.volume / FOLDER / "uid-1.json").read_text())
    assert (said["namespace"], said["name"], said["needed"], said["admitted"]) == ("team", "digits", 100, False)
    ours.write(50, admitted=True)
    assert json.loads((place.volume / FOLDER / "uid-1.json").read_text())["needed"] == 50
    ours.remove()
    assert not list(place.volume.iterdir())
    ours.write(1, admitted=True)  # a thread that was late
    assert not list(place.volume.iterdir())


def test_others_stand_in_the_order_in_which_they_began(place: Place, ours: Reservations) -> None:
    lay(place, Reservation("b", 2, 10, True))
    lay(place, Reservation("a", 2, 10, False))
    lay(place, Reservation("c", 1, 10, False))
    assert [one.uid for one in ours.others(GIB)] == ["c", "a", "b"]


def test_a_new_attempt_keeps_its_place(place: Place, ours: Reservations) -> None:
    before = ours.place
    again = Reservations(place.config)
    again.write(7, admitted=False)
    assert again.place == before
    again.remove()


def test_a_pod_that_died_is_not_waited_for(place: Place, ours: Reservations) -> None:
    lay(place, Reservation("dead", 1, 10, True), age=reservations.STALE + 1)
    lay(place, Reservation("alive", 1, 10, True), age=reservations.STALE - 20)
    lay(place, Reservation("tomorrow", 1, 10, True), age=-9999)
    forgotten = lay(place, Reservation("forgotten", 1, 10, True), age=reservations.FORGOTTEN + 1)
    assert [one.uid for one in ours.others(GIB)] == ["alive"]
    assert not forgotten.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 5000,
        b"[" * 4000,
        b"9" * 4000,
        b'{"uid": "x"}',
        b"[]",
        b'"x"',
        json.dumps(asdict(Reservation("other", 1, 10, True))).encode(),
        json.dumps(asdict(Reservation("x", 1, 2 * GIB, True))).encode(),
        json.dumps(asdict(Reservation("x", 1, -1, True))).encode(),
        json.dumps(asdict(Reservation("x", 1 << 70, 1, True))).encode(),
        json.dumps({**asdict(Reservation("x", 1, 10, True)), "needed": 1e3}).encode(),
        json.dumps({**asdict(Reservation("x", 1, 10, True)), "needed": True}).encode(),
        json.dumps({**asdict(Reservation("x", 1, 10, True)), "admitted": "no"}).encode(),
        json.dumps(asdict(Reservation("x", 1, 10, True, False, "team", "a\nb: is down, run curl"))).encode(),
        json.dumps({**asdict(Reservation("x", 1, 10, True)), "name": ["team"]}).encode(),
    ],
)
def test_nonsense_is_nobodys_reservation(place: Place, ours: Reservations, content: bytes) -> None:
    (place.volume / FOLDER / "x.json").write_bytes(content)
    assert ours.others(GIB) == []


def test_links_pipes_and_folders_are_not_followed(place: Place, ours: Reservations, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps(asdict(Reservation("link", 1, 10, True))))
    folder = place.volume / FOLDER
    (folder / "link.json").symlink_to(outside)
    os.mkfifo(folder / "pipe.json")
    (folder / "folder.json").mkdir()
    (folder / "loop.json").symlink_to("loop.json")
    assert ours.others(GIB) == []
    assert outside.exists()


def test_our_own_name_as_a_link_writes_nothing_elsewhere(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    (place.volume / FOLDER).mkdir(parents=True)
    (place.volume / FOLDER / "uid-1.json").symlink_to(target)
    ours = Reservations(place.config)
    ours.write(5, admitted=False)
    assert target.read_text() == "precious"
    assert ours.others(GIB) == []
    (place.volume / FOLDER / "uid-1.json").unlink()
    (place.volume / FOLDER).rmdir()
    (place.volume / FOLDER).symlink_to(tmp_path)
    Reservations(place.config).write(5, admitted=False)
    assert not (tmp_path / "uid-1.json").exists()


def test_of_very_many_files_some_are_looked_at(
    place: Place, ours: Reservations, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place.volume / FOLDER
    for number in range(reservations._LOOKED_AT + 5000):
        os.close(os.open(folder / f"{number}.json", os.O_CREAT | os.O_WRONLY))
    looked: list[Path] = []
    monkeypatch.setattr(reservations, "_read", looked.append)
    assert ours.others(GIB) == []
    assert reservations._LOOKED_AT - 1 <= len(looked) <= reservations._LOOKED_AT


def test_where_the_root_may_not_be_written_it_lies_above_the_data_set(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = files.make_directory

    def denied(path: Path) -> None:
        if path == place.volume / FOLDER or (everywhere and path.name == FOLDER.name):
            raise PermissionError(13, "Permission denied", str(path))
        real(path)

    everywhere = False
    monkeypatch.setattr(reservations, "make_directory", denied)
    place.root.mkdir(parents=True)
    ours = Reservations(place.config)
    ours.write(5, admitted=False)
    assert (place.root.parent / FOLDER / "uid-1.json").is_file()
    ours.remove()
    assert [p.name for p in place.root.parent.iterdir()] == ["set"]
    everywhere = True
    lonely = Reservations(place.config)
    lonely.write(5, admitted=False)
    assert lonely.others(GIB) == []
    assert place.sealed(archive_work(place.put("a.tar", tar(class_folders())))).samples


def test_erasing_takes_a_reservation_that_was_left_behind(place: Place) -> None:
    place.sealed(archive_work(place.put("keep/a.tar", tar(class_folders()))))
    lay(place, Reservation("uid-1", 1, 10, True))
    erase(place.config)
    assert [p.name for p in place.volume.iterdir()] == ["keep"]
