"""Whose directory it is, and erasing it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from blueno.data.volume import root_below
from blueno.errors import InvalidSpec
from blueno.prep.config import PrepConfig
from blueno.prep.erase import erase
from blueno.prep.failure import PrepFailure
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, tar


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def owner(place: Place) -> dict[str, str]:
    body: dict[str, str] = json.loads((place.root / "owner.json").read_text())
    return body


def snapshot(place: Place) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in place.volume.rglob("*")}


def test_another_data_set_is_refused_and_nothing_is_written(place: Place) -> None:
    work = archive_work(place.put("a.tar", tar(class_folders())))
    place.sealed(work, cluster_uid="c")
    before = snapshot(place)
    outcome = place.failed(work, "AdoptionMismatch", dataset_uid="uid-2", cluster_uid="c")
    assert (outcome.owner, outcome.permanent) == ("uid-1", True)
    assert "uid-1" in outcome.message
    assert place.failed(work, "AdoptionMismatch", dataset_uid="uid-1", cluster_uid="d").owner == ""
    assert place.failed(work, "AdoptionMismatch", dataset_uid="uid-2", adopt_from="uid-3").owner == ""
    assert snapshot(place) == before


def test_a_directory_whose_owner_is_gone_is_adopted_without_preparing(place: Place) -> None:
    work = archive_work(place.put("a.tar", tar(class_folders())))
    one = place.sealed(work)
    (place.volume / "a.tar").unlink()
    two = place.sealed(work, dataset_uid="uid-2", adopt_from="uid-1")
    assert (two.digest, two.sequence) == (one.digest, 1)
    assert owner(place)["datasetUid"] == "uid-2"
    place.failed(work, "AdoptionMismatch", dataset_uid="uid-1")


def test_an_adopted_directory_with_another_work_gets_a_next_version(place: Place) -> None:
    place.sealed(archive_work(place.put("a.tar", tar(class_folders(2)))))
    other = archive_work(place.put("b.tar", tar(class_folders(3))))
    assert place.sealed(other, dataset_uid="uid-2", adopt_from="uid-1").sequence == 2


def test_a_directory_with_files_of_somebody_else_is_refused(place: Place) -> None:
    place.put("ns/set/holiday.jpg", b"x")
    outcome = place.failed(archive_work("file:///a.tar"), "AdoptionMismatch")
    assert "not made by Blueno" in outcome.message
    assert place.files() == ["holiday.jpg"]


def test_a_directory_in_which_an_attempt_died_at_its_first_step_goes_on(place: Place) -> None:
    place.put("ns/set/.blueno-probe-1-pod", b"x")
    place.sealed(archive_work(place.put("a.tar", tar(class_folders()))))


def test_a_link_as_directory_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (place.volume / "ns").symlink_to(tmp_path / "else")
    place.failed(archive_work("file:///a.tar"), "AdoptionMismatch")
    assert not list((tmp_path / "else").iterdir())


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to act as another uid")
def test_a_volume_that_may_not_be_written_names_path_and_uid(place: Place, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    place.volume.chmod(0o755)
    os.seteuid(65532)
    try:
        outcome = place.failed(archive_work("file:///a.tar"), "VolumePermissionDenied")
    finally:
        os.seteuid(0)
    assert not outcome.permanent
    assert outcome.message.startswith(f"uid 65532 may not write {place.root.parent}:")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to mount a small tmpfs")
def test_a_volume_that_could_never_hold_it_says_needed_and_size_and_may_grow(place: Place) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", place.volume], check=False)
    if mounted.returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        work = archive_work(place.put("a.tar", tar(class_folders(100), "xz")))
        outcome = place.failed(work, "NoSpace")
        assert outcome.permanent  # however long one waits
        assert "the volume has 0.4 MiB in all" in outcome.message
        assert outcome.capacity_bytes == 400 << 10
        subprocess.run(["mount", "-o", "remount,size=40m", place.volume], check=True)
        assert place.sealed(work).samples == 200
    finally:
        subprocess.run(["umount", "-l", place.volume], check=True)


@pytest.mark.parametrize("root", ["", "/", "..", "a/../../b", "/etc/x", "/volume/../etc"])
def test_roots_outside_the_mount_are_refused(root: str) -> None:
    with pytest.raises(InvalidSpec):
        root_below(Path("/volume"), root)


def test_roots_may_be_relative_or_absolute() -> None:
    assert root_below(Path("/volume"), "ns/x") == root_below(Path("/volume"), "/volume/ns/x") == Path("/volume/ns/x")


def test_the_environment_names_what_is_missing() -> None:
    with pytest.raises(InvalidSpec, match="BLUENO_ROOT"):
        PrepConfig.from_env({})
    with pytest.raises(InvalidSpec, match="BLUENO_WORK"):
        PrepConfig.from_env({"BLUENO_ROOT": "a", "BLUENO_DATASET_UID": "u", "BLUENO_WORK": "{"})


def test_erase_removes_the_directory_and_empty_parents_only(place: Place) -> None:
    place.sealed(archive_work(place.put("keep/a.tar", tar(class_folders()))))
    erase(place.config)
    assert sorted(p.name for p in place.volume.iterdir()) == ["keep"]
    erase(place.config)  # gone already: done


def test_erase_keeps_neighbours(place: Place) -> None:
    place.sealed(archive_work(place.put("a.tar", tar(class_folders()))))
    place.put("ns/other/x", b"1")
    erase(place.config)
    assert (place.volume / "ns/other/x").exists()
    assert not place.root.exists()


@pytest.mark.parametrize("change", [{"dataset_uid": "uid-2"}, {"cluster_uid": "c"}])
def test_erase_refuses_the_directory_of_another_data_set(place: Place, change: dict[str, str]) -> None:
    place.sealed(archive_work(place.put("a.tar", tar(class_folders()))))
    before = snapshot(place)
    with pytest.raises(PrepFailure) as caught:
        erase(replace(place.config, **change))
    assert caught.value.code == "AdoptionMismatch"
    assert snapshot(place) == before


def test_erase_refuses_what_has_no_owner(place: Place) -> None:
    place.put("ns/set/holiday.jpg", b"x")
    with pytest.raises(PrepFailure, match=r"owner\.json"):
        erase(place.config)


def test_erase_follows_no_link(place: Place, tmp_path: Path) -> None:
    place.sealed(archive_work(place.put("a.tar", tar(class_folders()))))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"1")
    (place.root / "versions" / "link").symlink_to(outside)
    erase(place.config)
    assert (outside / "x").exists()
    (place.volume / "ns2").symlink_to(outside)
    (outside / "set").mkdir()
    with pytest.raises(PrepFailure, match="no directory"):
        erase(replace(place.config, root=place.volume / "ns2" / "set"))
    place.put("real/owner.json", (outside / "x").read_bytes())
    (place.volume / "ns3").mkdir()
    (place.volume / "ns3" / "set").symlink_to(place.volume / "real")
    with pytest.raises(PrepFailure, match="symbolic link"):
        erase(replace(place.config, root=place.volume / "ns3" / "set"))


def test_erase_of_the_mount_itself_is_refused(place: Place) -> None:
    with pytest.raises(PrepFailure):
        erase(replace(place.config, root=place.volume))
