"""What keeps a preparation from writing: named in one sentence, with what to do; and which of it heals."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from blueno.prep import pack
from blueno.prep.probe import PROBE, ProbeFailed, probe
from blueno.resources.outcome import Outcome
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, tar


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def failing(place: Place, monkeypatch: pytest.MonkeyPatch, code: int) -> Outcome:
    """An attempt on a volume that answers `code` to the first fsync of the probe."""
    real = os.fsync

    def fsync(handle: int) -> None:
        if PROBE in os.readlink(f"/proc/self/fd/{handle}"):  # noqa: PTH115
            raise OSError(code, os.strerror(code))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return place.prepare(archive_work(place.put("a.tar", tar(class_folders()))))


@pytest.mark.parametrize(
    ("code", "reason", "says"),
    [
        (errno.EROFS, "VolumePermissionDenied", "mounted read-only; export it with rw"),
        (errno.EACCES, "VolumePermissionDenied", "mode 0755. On the server: `chown 65532 DIRECTORY`, or mode 1777"),
        (errno.EPERM, "VolumePermissionDenied", "all_squash,anonuid=65532,anongid=65532"),
        (errno.ESTALE, "WaitingForVolume", "stale file handle"),
        (errno.EIO, "WaitingForVolume", "I/O error"),
        (errno.ETIMEDOUT, "WaitingForVolume", "does not answer (timed out)"),
        (errno.ENOTCONN, "WaitingForVolume", "the mount is dead"),
        (errno.EMLINK, "PrepFailed", "Too many links"),
    ],
)
def test_each_answer_of_a_volume_has_its_reason_and_sentence(
    place: Place, monkeypatch: pytest.MonkeyPatch, code: int, reason: str, says: str
) -> None:
    outcome = failing(place, monkeypatch, code)
    assert (outcome.code, outcome.permanent) == (reason, False)
    assert says in outcome.message
    assert str(place.root) in outcome.message
    assert "\n" not in outcome.message
    assert not (place.root / "owner.json").exists()  # nothing was begun


def test_what_is_not_read_back_as_it_was_written_is_no_volume(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.root.mkdir(parents=True)
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"" if PROBE in path.name else real(path))
    with pytest.raises(ProbeFailed, match="not what is read back"):
        probe(place.root, "1-pod")
    assert not list(place.root.iterdir())


def test_an_io_error_in_the_middle_is_the_volumes_only_when_the_probe_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [False]
    real = Path.read_bytes

    def broken(_contents: Any) -> Any:
        monkeypatch.setattr(Path, "read_bytes", lambda path: b"" if gone[0] and PROBE in path.name else real(path))
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(pack, "look_at_all", broken)
    work = archive_work(place.put("a.tar", tar(class_folders())))
    place.failed(work, "PrepFailed")
    monkeypatch.setattr(Path, "read_bytes", real)
    gone[0] = True
    assert "the server or the disk answers" in place.failed(work, "WaitingForVolume").message


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to mount read-only")
def test_a_volume_that_is_really_mounted_read_only(place: Place) -> None:
    command = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", os.fspath(place.volume)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        outcome = place.failed(archive_work("file:///a.tar"), "VolumePermissionDenied")
    finally:
        subprocess.run(["umount", "-l", place.volume], check=True)
    assert f"may not write {place.root.parent}: it is mounted read-only" in outcome.message


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to act as another uid")
def test_a_squashed_root_is_told_owner_and_mode_of_what_is_there(place: Place, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    place.root.mkdir(parents=True)
    place.root.chmod(0o750)
    os.chown(place.root, 1234, 1234)
    os.seteuid(65532)
    try:
        outcome = place.failed(archive_work("file:///a.tar"), "VolumePermissionDenied")
    finally:
        os.seteuid(0)
    assert "belongs to uid 1234, mode 0750" in outcome.message
