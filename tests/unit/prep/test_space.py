"""Volumes without room: the preparation waits where it is and goes on by itself; two go one after the other."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import blueno
from blueno.prep import prepare as preparing
from blueno.prep import seal, sources
from blueno.prep import space as space_module
from blueno.prep.failure import PrepFailure
from blueno.prep.pack import Packer
from blueno.prep.progress import Progressing
from blueno.prep.space import NoRoom, Space
from tests.fakes.full_volume import ARCHIVE, FILES, MIB, PACK, PATIENCE, Preparing, hog, noise, until
from tests.fakes.preparation import TOP, Place, archive_work, environment
from tests.fakes.source_server import Served, source_server
from tests.fakes.sources import class_folders, tar


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_no_room_at_the_beginning_waits_says_how_much_and_goes_on(
    place: Place, small: Callable[[str], None], digest: str
) -> None:
    small("8m")
    work = archive_work(place.put("a.tar", ARCHIVE), pack=PACK)
    taken = hog(place, keep=100 << 10)
    attempt = Preparing(place, work)
    until(attempt.waits)
    report = attempt.report
    assert report.needed_bytes > report.free_bytes > 0
    assert report.capacity_bytes == 8 * MIB
    assert report.estimated_remaining_seconds is None
    assert report.waiting_message.startswith("the data set needs 0.")
    assert "0.1 MiB are free on the volume of 8.0 MiB" in report.waiting_message
    taken.unlink()
    assert attempt.sealed().digest == digest
    assert attempt.report.needed_bytes == 0
    assert sorted(p.name for p in place.volume.iterdir()) == ["a.tar", "ns"]  # no reservation is left


def test_a_disk_that_is_filled_in_the_middle_costs_nothing_but_time(
    place: Place, small: Callable[[str], None], digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small("8m")
    work = archive_work(place.put("a.tar", ARCHIVE), pack=PACK)
    taken: list[Path] = []
    packed: list[str] = []
    pack = Packer._pack_files

    def counted(self: Packer, name: str, batch: list[Any]) -> Any:
        if len(packed) == 3 and not taken:
            taken.append(hog(place))
        record = pack(self, name, batch)
        packed.append(name)
        return record

    monkeypatch.setattr(Packer, "_pack_files", counted)
    attempt = Preparing(place, work)
    until(attempt.waits)
    staging = place.root / "staging" / work.hash
    assert len(list(staging.glob("shards/*.record"))) == 3
    assert not list(staging.glob("shards/.*.tmp"))  # what was begun is gone
    assert not list((place.root / "versions").iterdir())
    time.sleep(0.2)
    assert attempt.waits()
    taken[0].unlink()
    assert attempt.sealed().digest == digest
    assert len(packed) == len(set(packed))  # no shard was packed twice
    blueno.open_dataset(place.root, verify=True)


@pytest.mark.parametrize("step", ["seal", "source", "ownership"])
def test_wherever_it_fills_up_it_goes_on(place: Place, digest: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [2]

    def full_twice(real: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            if left[0]:
                left[0] -= 1
                raise OSError(errno.EDQUOT, "Disk quota exceeded")
            return real(*arguments)

        return run

    module, name = {
        "seal": (seal, "link_or_copy"),
        "source": (sources, "open_source"),
        "ownership": (preparing, "take_ownership"),
    }[step]
    monkeypatch.setattr(module, name, full_twice(getattr(module, name)))
    work = archive_work(place.put("a.tar", ARCHIVE), pack=PACK)
    assert place.sealed(work).digest == digest
    assert left == [0]
    assert not list((place.root / "staging").iterdir())


def test_a_download_that_fills_the_disk_is_resumed_not_begun_again(place: Place, small: Callable[[str], None]) -> None:
    small("24m")
    data = tar({**class_folders(50), "cat/big.npy": noise(4 * MIB)}, "")
    with source_server() as server:
        server.paths["/a.tar"] = Served(data, pause=0.02)
        attempt = Preparing(place, archive_work(server.url("/a.tar"), pack=PACK))
        until(lambda: attempt.report.bytes_done > MIB)
        server.paths["/a.tar"].pause = 0.5  # it does not end before the disk is full
        taken = hog(place)
        until(attempt.waits)
        assert "the download needs" in attempt.report.waiting_message
        server.paths["/a.tar"].pause = 0
        taken.unlink()
        assert attempt.sealed().samples == 101
        assert [bool(asked) for _, asked in server.requests] == [False, True]


def test_sigterm_while_it_waits_ends_it_though_there_is_no_room_yet(place: Place, small: Callable[[str], None]) -> None:
    small("8m")
    work = archive_work(place.put("a.tar", ARCHIVE), pack=PACK)
    hog(place, keep=100 << 10)
    command = place.process(work)
    with subprocess.Popen(command, cwd=TOP, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("waiting for space" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    assert process.returncode == 1
    told = json.loads((place.volume.parent / "termination-pod").read_text())
    assert (told["outcome"], told["permanent"]) == ("Failed", False)
    assert not (place.volume / ".blueno").exists()


def test_what_is_never_going_to_fit_fails_at_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space_module, "free_and_capacity", lambda _path: (10 * MIB, 20 * MIB))
    space = Space(place.config, Progressing())
    with pytest.raises(PrepFailure, match=r"needs 22.0 MiB, the volume has 20.0 MiB in all") as failed:
        space.need(20 * MIB, "the data set")
    assert (failed.value.code, failed.value.permanent) == ("NoSpace", True)
    with pytest.raises(NoRoom):
        space.check(15 * MIB, "the download")
    space.need(9 * MIB, "the data set")
    space.close()


def test_a_file_system_that_does_not_say_its_size_is_not_asked_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space_module, "free_and_capacity", lambda _path: (0, 0))
    assert place.sealed(archive_work(place.put("a.tar", ARCHIVE))).samples == len(FILES)
