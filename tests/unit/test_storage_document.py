"""Runs the backup and restore of docs/storage.md as they stand there, and lets a new Dataset take the copy over."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import blueno
from tests.fakes.preparation import TOP, Place, archive_work, environment
from tests.fakes.sources import class_folders, png, tar

DOCUMENT = "docs/storage.md"
FENCE = "run-by: tests/unit/test_storage_document.py"


def blocks() -> tuple[str, str]:
    """The commands of the backup, and of the restore."""
    found = re.findall(rf"^```sh {re.escape(FENCE)}\n(.*?)^```", (TOP / DOCUMENT).read_text(), re.M | re.S)
    backup, restore = found
    return backup, restore


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has `blueno` and the three variables of the document."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "blueno").write_text(f'#!/bin/sh\nexec {sys.executable} -m blueno.cli "$@"\n')
    (tools / "blueno").chmod(0o755)
    return environment(PATH=f"{tools}:{os.environ['PATH']}")


def run(script: str, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    argv = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(argv, cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.fixture
def old(tmp_path: Path) -> Place:
    (tmp_path / "old").mkdir()
    return Place(tmp_path / "old")


@pytest.fixture
def new(tmp_path: Path) -> Place:
    (tmp_path / "new").mkdir()
    return Place(tmp_path / "new")


def test_a_restored_backup_is_taken_over_without_preparing(
    tmp_path: Path, shell: dict[str, str], old: Place, new: Place
) -> None:
    work = archive_work(old.put("a.tar", tar(class_folders(80), "")))
    sealed = old.sealed(work)
    (old.root / "staging" / "half").mkdir()
    (old.root / "staging" / "half" / "shard").write_bytes(b"x")
    backup, restore = blocks()
    variables = shell | {"DATASET": str(old.root), "RESTORED": str(new.root), "DIGEST": sealed.digest}
    done = run(backup, tmp_path, variables)
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "mnist.tar") as archive:
        places = [member.name.partition("/")[0] for member in archive]
    assert list(dict.fromkeys(places)) == ["owner.json", "works", "versions"], "pointers before what they point to"
    for file in sorted(old.volume.rglob("*"), reverse=True):  # the old volume is gone, and so is the source
        file.rmdir() if file.is_dir() else file.unlink()
    done = run(restore, tmp_path, variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("intact: ")
    before = {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in new.root.glob("versions/*/*")}
    new.failed(work, "AdoptionMismatch", dataset_uid="uid-2")  # while the operator sees the old Dataset
    taken = new.sealed(work, dataset_uid="uid-2", adopt_from="uid-1")
    assert (taken.digest, taken.sequence, taken.sealed_at) == (sealed.digest, 1, sealed.sealed_at)
    assert {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in new.root.glob("versions/*/*")} == before
    assert json.loads((new.root / "owner.json").read_text())["datasetUid"] == "uid-2"
    assert not list((new.root / "staging").iterdir())
    assert len(blueno.open_dataset(new.root, verify=True)) == 160


def test_a_damaged_backup_is_found_before_anybody_trusts_it(
    tmp_path: Path, shell: dict[str, str], old: Place, new: Place
) -> None:
    sealed = old.sealed(archive_work(old.put("a.tar", tar(class_folders(80), ""))))
    backup, restore = blocks()
    variables = shell | {"DATASET": str(old.root), "RESTORED": str(new.root), "DIGEST": sealed.digest}
    assert run(backup, tmp_path, variables).returncode == 0
    archive = tmp_path / "mnist.tar"
    data = bytearray(archive.read_bytes())
    pixels = (old.version(sealed) / "data-00000.npy").read_bytes()
    data[data.index(pixels) + len(pixels) // 2] ^= 1
    archive.write_bytes(data)
    done = run(restore, tmp_path, variables)
    assert done.returncode == 9
    assert "has been changed since it was sealed" in done.stdout


def test_a_version_that_is_sealed_while_the_backup_runs_cannot_spoil_it(
    tmp_path: Path, shell: dict[str, str], old: Place, new: Place
) -> None:
    """Sealed at the worst moment, after works/ was read and before versions/ is: the copy has it, unnamed."""
    files = class_folders(20)
    sealed = old.sealed(archive_work(old.put("a.tar", tar(files, ""))))
    backup, restore = blocks()
    first, second = backup.replace(" versions", ""), backup.replace(" -cf", " -rf").replace(" owner.json works", "")
    assert first != backup != second
    variables = shell | {"DATASET": str(old.root), "RESTORED": str(new.root), "DIGEST": sealed.digest}
    assert run(first, tmp_path, variables).returncode == 0
    later = archive_work(old.put("b.tar", tar(files | {"cat/new.png": png(9)}, "")))
    old.sealed(later)
    assert run(second, tmp_path, variables).returncode == 0
    done = run(restore, tmp_path, variables)
    assert done.returncode == 0, done.stdout
    assert blueno.open_dataset(new.root).digest == sealed.digest
    # The other way round there would be a pointer without a version.
    (new.root / "works" / f"{later.hash}.json").write_bytes((old.root / "works" / f"{later.hash}.json").read_bytes())
    (tmp_path / "mnist.tar").unlink()
    new_version = new.version(old.sealed(later))
    new_version.rename(tmp_path / "away")
    assert run('blueno dataset verify "$RESTORED"', tmp_path, variables).returncode == 9


def test_the_newest_version_is_taken_over_when_the_source_was_read_again(old: Place) -> None:
    """What the document says of `requested-at`; when the newest is not whole, the one before it is."""
    url = old.put("a.tar", tar(class_folders(3), ""))
    first = old.sealed(archive_work(url))
    old.put("a.tar", tar(class_folders(4), ""))
    second = old.sealed(archive_work(url, requested_at="2030-01-01T00:00:00Z"))
    assert (first.sequence, second.sequence) == (1, 2)
    plain = archive_work(url)  # of a Dataset that nobody has asked anything yet
    assert old.sealed(plain).digest == first.digest, "its own Dataset goes back when it is told to"
    second = old.sealed(archive_work(url, requested_at="2030-01-01T00:00:00Z"))
    taken = old.sealed(plain, dataset_uid="uid-2", adopt_from="uid-1")
    assert (taken.digest, taken.sequence) == (second.digest, second.sequence)
    assert old.sealed(plain, dataset_uid="uid-2").digest == second.digest
