"""What docs/runbook.md says of damaged journals and packs, and of a backup of added samples, on a real data server."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from blueno.data.journal import JournalDamaged
from blueno.data.working import read_working_set
from tests.fakes.preparation import Place
from tests.fakes.working import contents, new_place, working_server

FIRST = {"a": b"1", "b": b"22"}
ALL = {**FIRST, "c": b"333"}


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    """Samples that two data servers have taken, one after the other."""
    place = new_place(tmp_path)
    async with working_server(place) as server:
        await server.put({"a": b"1"})
    async with working_server(place) as server:
        await server.put({"b": b"22"})
    assert len(list((place.root / "working").iterdir())) == 2
    return place


async def refused(place: Place) -> None:
    """Nothing is guessed: neither by who prepares nor by who adds."""
    with pytest.raises(JournalDamaged):
        read_working_set(place.root)
    async with working_server(place) as server:
        answer = await server.send("GET", "")
        assert (answer.status, answer.json()["code"]) == (409, "working_set_damaged")


async def test_all_of_the_journals_come_back_and_what_came_later_is_added_again(place: Place, tmp_path: Path) -> None:
    working, backup = place.root / "working", tmp_path / "backup"
    shutil.copytree(working, backup)
    async with working_server(place) as server:
        await server.put({"c": b"333"})
    first = min(working.iterdir())
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 1
    first.write_bytes(data)
    await refused(place)
    working.rename(tmp_path / "damaged")
    shutil.copytree(backup, working)
    async with working_server(place) as server:
        assert (await server.about())["samples"] == len(FIRST)
        answer = await server.put(ALL)
        assert (answer["same"], answer["created"]) == (2, 1)
    assert contents(place.root) == ALL


async def test_one_journal_that_is_missing_comes_back_alone(place: Place, tmp_path: Path) -> None:
    first = min((place.root / "working").iterdir())
    shutil.copy(first, tmp_path / "kept")
    async with working_server(place) as server:
        await server.put({"c": b"333"})
    first.unlink()
    await refused(place)
    shutil.copy(tmp_path / "kept", first)
    async with working_server(place) as server:
        assert (await server.about())["samples"] == len(ALL)
    assert contents(place.root) == ALL


async def test_without_a_backup_it_begins_anew(place: Place, tmp_path: Path) -> None:
    (place.root / "working").rename(tmp_path / "damaged")
    async with working_server(place) as server:
        assert (await server.about())["samples"] == 0
        assert (await server.put(ALL))["created"] == len(ALL)
    assert contents(place.root) == ALL


@pytest.mark.parametrize("damage", [lambda pack: pack.unlink(), lambda pack: pack.write_bytes(b"?")])
async def test_samples_of_a_damaged_pack_are_removed_and_sent_again(
    place: Place, damage: Callable[[Path], object]
) -> None:
    pack = place.root / "objects" / (name := read_working_set(place.root).samples["a"].object)[:2] / name
    damage(pack)
    async with working_server(place) as server:
        assert (await server.put(FIRST))["same"] == 2  # it is not looked at again: nobody finds out
        await server.remove(["a"])
        assert (await server.put(FIRST))["created"] == 1
    assert contents(place.root) == FIRST


async def test_a_copy_of_journals_and_then_of_packs_is_whole(place: Place, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    async with working_server(place) as server:
        shutil.copytree(place.root / "working", copy / "working")
        await server.put({"c": b"333"})
        shutil.copytree(place.root / "objects", copy / "objects")
    assert contents(copy) == FIRST
