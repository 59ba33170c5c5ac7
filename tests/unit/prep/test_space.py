"""Volumes without room: the preparation waits where it is and goes on by itself; two go one after the other."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import blueno
from blueno.data import files
from blueno.prep import prepare as preparing
from blueno.prep import seal, sources
from blueno.prep import space as space_module
from blueno.prep.config import PrepConfig
from blueno.prep.failure import PrepFailure, from_error
from blueno.prep.pack import Packer
from blueno.prep.progress import Progressing
from blueno.prep.space import NoRoom, Space
from blueno.resources.outcome import Outcome
from blueno.resources.work import Work
from tests.fakes.preparation import TOP, Place, archive_work, environment
from tests.fakes.source_server import Served, source_server
from tests.fakes.sources import class_folders, tar

MIB = 1 << 20
PACK = {"shardBytes": 65536}
FILES = class_folders(300)
ARCHIVE = tar(FILES, "")
PATIENCE = 30.0  # seconds until a test gives up


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def small(place: Place) -> Iterator[Callable[[str], None]]:
    """Mounts a tmpfs of the size asked for as the volume."""
    mounted: list[Path] = []

    def mount(size: str) -> None:
        if os.getuid() != 0:
            pytest.skip("needs root, to mount a small tmpfs")
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", os.fspath(place.volume)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("tmpfs cannot be mounted here")
        mounted.append(place.volume)

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", path], check=True)


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


class Attempt:
    """A preparation in a thread, and how far it is."""

    def __init__(self, place: Place, work: Work, **changes: Any) -> None:
        config: PrepConfig = replace(place.config, work=work, **changes)
        self.attempt = preparing.Attempt(config)
        self.outcome: Outcome | None = None
        self.seen: list[Any] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.outcome = self.attempt.run()
        except Exception as error:
            self.outcome = self.attempt.failed(from_error(error, self.attempt.config.root))
        finally:
            self.attempt.space.close()

    @property
    def report(self) -> Any:
        return self.attempt.progress.report("w", 1)

    def waits(self) -> bool:
        return bool(self.report.stage == "WaitingForSpace")

    def sealed(self) -> Outcome:
        self._thread.join(PATIENCE)
        assert self.outcome is not None, "it does not end"
        assert self.outcome.sealed, self.outcome.message
        return self.outcome


def hog(place: Place, keep: int = 0) -> Path:
    """Fills the volume but for `keep` bytes, as another writer would."""
    free, _ = files.free_and_capacity(place.volume)
    path = place.volume / "hog"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        file.write(b"\1" * max(0, free - keep))
        while not keep:
            file.write(b"\1" * 4096)
    return path


def let_go_of(volume: Path) -> None:
    """What the end of a process does: archives stay open while it lives, and a removed file keeps its room."""
    for number in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if os.readlink(number).startswith(os.fspath(volume)) and os.readlink(number).endswith("(deleted)"):  # noqa: PTH115
                os.close(int(number.name))


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What comes out where there is room."""
    place = Place(tmp_path_factory.mktemp("roomy"))
    return place.sealed(archive_work(place.put("a.tar", ARCHIVE), pack=PACK)).digest


def test_no_room_at_the_beginning_waits_says_how_much_and_goes_on(
    place: Place, small: Callable[[str], None], digest: str
) -> None:
    small("8m")
    work = archive_work(place.put("a.tar", ARCHIVE), pack=PACK)
    taken = hog(place, keep=100 << 10)
    attempt = Attempt(place, work)
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
    attempt = Attempt(place, work)
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
    data = tar({**class_folders(50), "cat/big.npy": _noise(4 * MIB)}, "")
    with source_server() as server:
        server.paths["/a.tar"] = Served(data, pause=0.02)
        attempt = Attempt(place, archive_work(server.url("/a.tar"), pack=PACK))
        until(lambda: attempt.report.bytes_done > MIB)
        taken = hog(place)
        until(attempt.waits)
        assert "the download needs" in attempt.report.waiting_message
        server.paths["/a.tar"].pause = 0
        taken.unlink()
        assert attempt.sealed().samples == 101
        assert [bool(asked) for _, asked in server.requests] == [False, True]


def _noise(size: int) -> bytes:
    out = io.BytesIO()
    np.save(out, np.random.default_rng(1).integers(0, 255, (size // 1024, 1024), np.uint8))
    return out.getvalue()


def test_sigterm_while_it_waits_ends_within_a_second(place: Place, small: Callable[[str], None]) -> None:
    small("8m")
    work = archive_work(place.put("a.tar", ARCHIVE), pack=PACK)
    hog(place, keep=100 << 10)
    command = place.process(work)
    with subprocess.Popen(command, cwd=TOP, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("waiting for space" in line for line in process.stderr)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        assert time.monotonic() - asked < 1
    assert process.returncode == 1
    told = json.loads((place.volume.parent / "termination-pod").read_text())
    assert (told["outcome"], told["permanent"]) == ("Failed", False)
    assert not (place.volume / ".blueno").exists()


def test_two_that_do_not_fit_together_go_one_after_the_other(
    place: Place, small: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each needs twice its size till it is sealed, and keeps it once: 4 + 4 MiB fit into 7 only one by one."""
    small("7m")
    gate, pack = threading.Event(), Packer._pack_files

    def held(self: Packer, name: str, batch: list[Any]) -> Any:
        if self.context.config.dataset_uid == "uid-1":
            gate.wait(PATIENCE)
        return pack(self, name, batch)

    monkeypatch.setattr(Packer, "_pack_files", held)
    with source_server() as server:
        server.paths["/a.tar"] = Served(tar({f"cat/{n}.npy": _noise(256 << 10) for n in range(8)}, ""))
        work = archive_work(server.url("/a.tar"), pack=PACK)
        first = Attempt(place, work, dataset="team/digits")
        until(lambda: first.attempt.progress.stage == "Preparing")
        second = Attempt(place, work, dataset_uid="uid-2", root=place.volume / "ns" / "two", dataset="team/letters")
        until(second.waits)
        third = Attempt(place, work, dataset_uid="uid-3", root=place.volume / "ns" / "three", dataset="other/secret")
        until(third.waits)
        assert "are promised to data set digits; it goes on" in second.report.waiting_message
        assert "are promised to 2 data sets; it goes on" in third.report.waiting_message
        time.sleep(0.3)
        assert second.waits()
        assert not list((place.volume / "ns" / "two").rglob("*.part"))
        gate.set()
        digest = first.sealed().digest
        let_go_of(place.volume)
        assert second.sealed().digest == digest
        let_go_of(place.volume)
        until(lambda: third.report.free_bytes < 4 * MIB)
        assert third.waits()  # two versions of 2 MiB leave no room for 4
        subprocess.run(["mount", "-o", "remount,size=20m", place.volume], check=True)
        assert third.sealed().digest == digest
    assert sorted(p.name for p in place.volume.iterdir()) == ["ns"]


def test_who_waits_behind_one_that_waits_gives_back_what_it_had_begun(
    place: Place, small: Callable[[str], None], digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two that have both begun could wait for each other for ever."""
    small("8m")
    monkeypatch.setattr(space_module, "GIVES_WAY", 0.2)
    work = archive_work(place.put("a.tar", ARCHIVE), pack=PACK)
    staging = place.root / "staging" / work.hash
    staging.mkdir(parents=True)
    (place.root / "owner.json").write_text(json.dumps({"clusterUid": "", "datasetUid": "uid-1"}))
    (staging / "begun").write_bytes(b"\1" * MIB)
    other = Space(replace(place.config, dataset_uid="uid-0"), Progressing())
    other._waiting = True
    other.left = 5 * MIB
    other._look_around()
    hog(place, keep=3 * MIB)
    attempt = Attempt(place, work)
    until(attempt.waits)
    until(lambda: not (staging / "begun").exists())
    until(lambda: files.free_and_capacity(place.volume)[0] >= 3.7 * MIB)
    other.close()
    (place.volume / "hog").unlink()
    assert attempt.sealed().digest == digest


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
