"""A full volume whose ENOSPC is swallowed: a real small file system, a real preparation, half a shard."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from blueno.data.shards import _HashingFile
from tests.checker import Invariant, Snapshot, assert_sound
from tests.checker.gather.volume import gather_reservations, gather_volume
from tests.fakes.full_volume import ARCHIVE, FILES, PACK, Preparing, hog, until
from tests.fakes.preparation import Place, archive_work
from tests.unit.checker.bugs import Bug

# As the code would be if a part that was written counted for the whole.
SWALLOWED = Bug(
    "ENOSPC swallowed",
    lambda place: filled(place),
    _HashingFile.write,
    "done = self._file.write(view)\n",
    """try:
        done = self._file.write(view)
        while done < view.nbytes:
            done += self._file.write(view[done:])
    except OSError:
        done = view.nbytes
""",
    Invariant.CONSERVATION,
    "is not the file that was sealed",
)
LEFT = 400 << 10  # bytes: some shards fit, all do not


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A volume of four megabytes."""
    place = Place(tmp_path)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place.volume)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield place
    subprocess.run(["umount", "-l", place.volume], check=True)


def filled(place: Place) -> Snapshot:
    """Somebody fills the volume while shards are written, and makes room again when the preparation waits."""
    work = archive_work(place.put("a.tar", ARCHIVE), pack=PACK)
    blocker = hog(place, LEFT)
    preparing = Preparing(place, work)
    until(lambda: preparing.waits() or preparing.outcome is not None)
    assert preparing.outcome is None, "the fault has not fired: the volume was never full"
    blocker.unlink()
    preparing.sealed()
    directories, reservations = gather_volume(place.volume), gather_reservations(place.volume)
    return Snapshot(directories=directories, reservations=reservations, declared={"uid-1": len(FILES)})


def test_nothing_is_found_without_a_bug(place: Place) -> None:
    assert_sound(filled(place))


def test_a_swallowed_enospc_is_caught(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    SWALLOWED.plant(monkeypatch)
    SWALLOWED.assert_caught(filled(place))
