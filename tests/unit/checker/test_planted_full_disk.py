"""A full volume whose ENOSPC is swallowed: a real small file system, a real preparation, lost samples."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from blueno.prep.pack import Packer
from blueno.prep.record import Record
from blueno.prep.samples import Sample
from tests.checker import Invariant, Snapshot, assert_sound
from tests.checker.gather.volume import gather_reservations, gather_volume
from tests.fakes.full_volume import ARCHIVE, FILES, PACK, Preparing, hog, until
from tests.fakes.preparation import Place, archive_work
from tests.unit.checker.bugs import Bug

# As the code would be if what cannot be written were passed over.
SWALLOWED = Bug(
    "ENOSPC swallowed",
    lambda *given: filled(*given),
    Packer.run,
    'record = space.patiently(finish, "the data set", max(size, self._left()))',
    """try:
                record = finish()
            except OSError:
                continue""".replace("\n    ", "\n"),
    Invariant.CONSERVATION,
    "that were declared",
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A volume of four megabytes."""
    place = Place(tmp_path)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place.volume)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield place
    subprocess.run(["umount", "-l", place.volume], check=True)


def filled(place: Place, monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    """Somebody fills the volume before the third shard is written, and makes room again when the preparation waits."""
    work = archive_work(place.put("a.tar", ARCHIVE), pack=PACK)
    blockers: list[Path] = []
    calls = count()
    real = Packer._finish

    def finish(packer: Packer, batch: list[Sample]) -> Record:
        if next(calls) == 2:
            blockers.append(hog(place))
            print("fired: the volume is full")
        return real(packer, batch)

    monkeypatch.setattr(Packer, "_finish", finish)
    preparing = Preparing(place, work)
    until(lambda: preparing.waits() or preparing.outcome is not None)
    assert blockers, "the fault has not fired"
    blockers[0].unlink()
    print("healed: there is room again")
    preparing.sealed()
    directories, reservations = gather_volume(place.volume), gather_reservations(place.volume)
    return Snapshot(directories=directories, reservations=reservations, declared={"uid-1": len(FILES)})


def test_nothing_is_found_without_a_bug(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_sound(filled(place, monkeypatch))


def test_a_swallowed_enospc_is_caught(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    SWALLOWED.plant(monkeypatch)
    SWALLOWED.assert_caught(filled(place, monkeypatch))
