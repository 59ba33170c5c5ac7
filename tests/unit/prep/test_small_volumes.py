"""Volumes that are really full: of bytes after any number of them, and of inodes. `conftest.small` mounts a tmpfs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import blueno
from tests.fakes.full_volume import ARCHIVE, PACK, Preparing, hog, until
from tests.fakes.preparation import Place, archive_work
from tests.faults.volume import leftovers, torn


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def goes_on(place: Place, attempt: Preparing, digest: str, heal: Callable[[], None]) -> None:
    """It waits, and nobody sees half of anything; with room it seals what it always seals."""
    until(lambda: attempt.waits() or attempt.outcome is not None)
    assert attempt.outcome is None, "the volume was not full: the fault did not fire"
    seen = torn(place.root)
    assert not seen, seen
    heal()
    assert attempt.sealed().digest == digest
    left = leftovers(place.volume, {"a.tar", "hog"})
    assert not left, left
    blueno.open_dataset(place.root, verify=True)


@pytest.mark.parametrize("room", [4 << 10, 64 << 10, 300 << 10, 700 << 10])
def test_bytes_that_end_anywhere_are_waited_for(
    place: Place, small: Callable[[str], None], digest: str, room: int
) -> None:
    small("8m")
    work = archive_work(place.put("a.tar", ARCHIVE), pack=PACK)
    taken = hog(place, keep=room)
    goes_on(place, Preparing(place, work), digest, taken.unlink)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(64))
def test_bytes_that_end_at_every_fourth_page(
    place: Place, small: Callable[[str], None], digest: str, part: int
) -> None:
    test_bytes_that_end_anywhere_are_waited_for(place, small, digest, part * 4 * 4096)


@pytest.mark.parametrize("inodes", [0, 3, 8, 14, 30])
def test_inodes_that_end_anywhere_are_waited_for_and_named(
    place: Place, small: Callable[[str], None], digest: str, inodes: int
) -> None:
    """Bytes are free, files cannot be made: the message must not send anybody looking for bytes."""
    small("8m,nr_inodes=1000")
    work = archive_work(place.put("a.tar", ARCHIVE), pack=PACK)
    taken = place.volume / "hog"
    taken.mkdir()
    for number in range(os.statvfs(place.volume).f_favail - inodes):
        (taken / str(number)).touch()
    attempt = Preparing(place, work)
    said: list[str] = []  # between two tries it says nothing
    until(lambda: said.append(attempt.report.waiting_message) or said[-1] or attempt.outcome is not None)
    assert "inodes for" in said[-1], said[-1]
    goes_on(place, attempt, digest, lambda: shutil.rmtree(taken))
