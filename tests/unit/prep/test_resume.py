"""Kills and races: the next attempt goes on, the version is the same to the last bit."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import blueno
from blueno.data import files
from blueno.data.volume import Volume
from blueno.prep import guard, pack
from blueno.prep.progress import Progressing
from blueno.resources.outcome import Outcome
from blueno.resources.work import Work
from tests.fakes.full_volume import until
from tests.fakes.preparation import TOP, Place, archive_work, environment
from tests.fakes.source_server import Served, source_server
from tests.fakes.sources import class_folders, tar

PACK = {"shardBytes": 65536}
FILES = class_folders(300)
ARCHIVE = tar(FILES)  # once: gzip writes the time of day into its header


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def work(place: Place) -> Work:
    return archive_work(place.put("a.tar.gz", ARCHIVE), pack=PACK)


def without_time(place: Place, outcome: Outcome) -> dict[str, object]:
    manifest = place.manifest(outcome)
    del manifest["sealedAt"]
    return manifest


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The manifest of an attempt that nothing disturbed."""
    place = Place(tmp_path_factory.mktemp("reference"))
    outcome = place.sealed(archive_work(place.put("a.tar.gz", ARCHIVE), pack=PACK))
    return without_time(place, outcome)


def check(place: Place, work: Work, reference: dict[str, object]) -> None:
    outcome = place.sealed(work, attempt=2, host="next")
    assert without_time(place, outcome) == reference
    blueno.open_dataset(place.root, verify=True)
    assert not list((place.root / "staging").iterdir())
    assert [p.name for p in (place.root / "versions").iterdir()] == [outcome.digest[:16]]
    leftovers = [f for f in place.files() if ".tmp" in f or "probe" in f]
    assert all(f.rpartition("/")[2].startswith(".") for f in leftovers)


def test_shards_that_an_attempt_finished_are_not_packed_again(
    place: Place, work: Work, reference: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    real = pack.look_at_all

    def until_third(contents: list[bytes]) -> object:
        looked.append(len(contents))
        if len(looked) == 4:
            raise OSError(5, "Input/output error")
        return real(contents)

    monkeypatch.setattr(pack, "look_at_all", until_third)
    place.failed(work, "PrepFailed")
    done = sum(looked[:3])
    check(place, work, reference)
    assert sum(looked[4:]) == len(FILES) - done


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, to kill at an exact system call")
@pytest.mark.parametrize("nth", [2, 5, 12])
@pytest.mark.parametrize("calls", ["rename,renameat,renameat2", "fsync"])
def test_sigkill_at_the_nth_rename_or_fsync(
    place: Place, work: Work, reference: dict[str, object], nth: int, calls: str
) -> None:
    strace = [
        "strace",
        "-f",
        "-qq",
        "-o",
        os.devnull,
        "-e",
        f"trace={calls}",
        "-e",
        f"inject={calls}:signal=SIGKILL:when={nth}",
    ]
    done = place.run(work, prefix=strace)
    if "ptrace" in done.stderr.lower():
        pytest.skip("strace may not trace here")
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done.stderr  # the fault did fire
    check(place, work, reference)


@pytest.mark.parametrize("seed", [1, 2])
def test_sigkill_at_a_random_moment(place: Place, work: Work, reference: dict[str, object], seed: int) -> None:
    process = subprocess.Popen(
        place.process(work), cwd=TOP, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(random.Random(seed).uniform(0.25, 0.7))
    process.kill()
    process.communicate()
    check(place, work, reference)


def test_a_rename_that_says_enoent_is_believed_only_when_nothing_is_there(tmp_path: Path) -> None:
    """What an NFS client may see after a server restart: a rename that is done, then reported as missing."""
    temporary, final = tmp_path / "t", tmp_path / "f"

    class Forgetful(type(temporary)):  # type: ignore[misc]
        done = True

        def replace(self, target: Path) -> Path:
            if self.done:
                super().replace(target)
            raise FileNotFoundError(2, "No such file or directory")

    class Failing(Forgetful):
        done = False

    temporary.write_bytes(b"1")
    files.publish(Forgetful(temporary), final)
    assert final.read_bytes() == b"1"
    temporary.write_bytes(b"2")
    with pytest.raises(FileNotFoundError):  # the final name is another file, not the one that was to be renamed
        files.publish(Failing(temporary), final)


def test_an_error_while_writing_is_retryable_and_costs_one_shard(
    place: Place, work: Work, reference: dict[str, object]
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs strace, to fail an exact system call")
    strace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=14"]
    done = place.run(work, prefix=strace)
    assert done.returncode == 1, done.stderr
    assert list((place.root / "staging" / work.hash / "shards").glob("*.record"))
    check(place, work, reference)


def test_two_attempts_at_once_make_one_version(place: Place, work: Work, reference: dict[str, object]) -> None:
    processes = [
        subprocess.Popen(
            place.process(work, attempt=n, host=f"pod-{n}"), cwd=TOP, env=environment(), stdout=subprocess.PIPE
        )
        for n in (1, 2)
    ]
    for process in processes:
        process.communicate()
    assert 0 in [p.returncode for p in processes]
    assert {p.returncode for p in processes} <= {0, 1}
    check(place, work, reference)


def test_two_attempts_in_step_make_one_version(place: Place, reference: dict[str, object]) -> None:
    """Both in one process, with the same source: the second finds what the first sealed, or seals the same."""
    work = archive_work(place.put("a.tar.gz", ARCHIVE), pack=PACK)
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda n=n: outcomes.append(place.prepare(work, attempt=n, host=f"pod-{n}")))
        for n in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(o.sealed for o in outcomes)
    assert not [o for o in outcomes if o.permanent and not o.sealed]
    check(place, work, reference)


def test_an_attempt_that_begins_while_another_takes_the_directory(
    place: Place, work: Work, reference: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds no owner.json, then everything that the faster one has made: that is its own Dataset's, too."""
    look, fired = guard._is_ours_to_begin, []

    def faster_one_first(volume: Volume) -> bool:
        if not fired:
            fired.append(True)
            place.sealed(work, attempt=1, host="faster")
        return look(volume)

    place.root.mkdir(parents=True)
    monkeypatch.setattr(guard, "_is_ours_to_begin", faster_one_first)
    check(place, work, reference)
    assert fired


# Begins three shards and no fourth: it cannot be at its end before it is stopped.
SLOWLY = """
import sys, time
from blueno.prep.pack import Packer
from tests.fakes import preparation
pack = Packer._pack_files
def slowly(self, name, batch):
    if len(self.records) == 3:
        time.sleep(600)
    return pack(self, name, batch)
Packer._pack_files = slowly
sys.exit(preparation._main())
"""


@pytest.mark.parametrize("when", ["downloading", "preparing"])
def test_sigterm_stops_it_and_keeps_staging(place: Place, when: str) -> None:
    pictures = class_folders(900)
    with source_server() as server:
        server.paths["/a.tar"] = Served(tar(pictures, ""), pause=0.5 if when == "downloading" else 0.0)
        work = archive_work(server.url("/a.tar"), pack=PACK)
        command = [sys.executable, "-c", SLOWLY, *place.process(work)[3:]]
        process = subprocess.Popen(command, cwd=TOP, env=environment(), stdout=subprocess.PIPE, text=True)
        staging = place.root / "staging" / work.hash
        wanted = "download/*.part" if when == "downloading" else "shards/*.record"
        until(lambda: any(p.stat().st_size for p in staging.glob(wanted)))
        process.terminate()
        process.communicate(timeout=120)
        assert process.returncode == 1
        told = json.loads((place.volume.parent / "termination-pod").read_text())
        assert (told["outcome"], told["permanent"]) == ("Failed", False)
        assert "SIGTERM" in told["message"]
        assert list(staging.glob(wanted))
        server.paths["/a.tar"].pause = 0
        server.requests.clear()
        assert place.sealed(work, attempt=2).samples == len(pictures)
        assert [bool(r) for _, r in server.requests] == ([True] if when == "downloading" else [])


def test_old_staging_of_other_works_goes_new_one_stays(place: Place, work: Work) -> None:
    old, new = place.root / "staging" / "aaaa", place.root / "staging" / "bbbb"
    place.sealed(archive_work(place.put("b.tar", tar(class_folders(1)))))
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, time.time() - 8 * 24 * 3600))
    place.sealed(work)
    assert [p.name for p in (place.root / "staging").iterdir()] == ["bbbb"]


def test_the_percentage_never_runs_backwards() -> None:
    progress = Progressing(stage="Downloading", bytes_total=100, bytes_done=90, downloaded=True)
    seen = [progress.percentage()]
    for stage, done in (("Downloading", 10), ("Preparing", 0), ("Preparing", 50), ("Publishing", 50)):
        progress.stage, progress.bytes_done, progress.samples_done, progress.samples_total = stage, done, done, 100
        seen.append(progress.percentage())
    assert seen == sorted(seen)
    assert seen[-1] <= 99
