"""blueno/data/files.py where a server was restarted: what was done, and is reported as if it could not be."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blueno.data import files
from blueno.prep.erase import erase
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, tar


def repeated(monkeypatch: pytest.MonkeyPatch, name: str, error: type[OSError], code: int) -> list[int]:
    """`os.name` does what it should, and every time then says what a repetition of it would say."""
    real: Callable[..., Any] = getattr(os, name)
    count = [0]

    def twice(*arguments: Any, **more: Any) -> Any:
        real(*arguments, **more)
        count[0] += 1
        raise error(code, os.strerror(code))

    monkeypatch.setattr(os, name, twice)
    return count


LIES = [
    ("replace", FileNotFoundError, 2),
    ("link", FileExistsError, 17),
    ("mkdir", FileExistsError, 17),
    ("unlink", FileNotFoundError, 2),
    ("rmdir", FileNotFoundError, 2),
]


@pytest.mark.parametrize(("name", "error", "code"), LIES)
def test_a_preparation_and_an_erasure_survive_every_repeated_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: type[OSError], code: int
) -> None:
    place = Place(tmp_path)
    one = archive_work(place.put("a.tar", tar(class_folders(200))), pack={"shardBytes": 65536})
    two = archive_work(place.put("b.tar", tar(class_folders(210))), pack={"shardBytes": 65536})
    count = repeated(monkeypatch, name, error, code)
    assert place.sealed(one).samples == 400
    assert place.sealed(two).sequence == 2
    assert place.root.stat().st_mode & 0o777 == 0o755
    assert not [p for p in place.root.rglob("*") if p.is_file() and p.name.startswith(".") and p.name.endswith(".tmp")]
    erase(place.config)
    monkeypatch.undo()
    assert count[0]
    assert not place.root.exists()


def test_a_file_that_is_ours_already_was_created_by_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    final = tmp_path / "owner.json"
    with monkeypatch.context() as patch:
        repeated(patch, "link", FileExistsError, 17)
        assert files.create_file(final, b"1", "a")
    assert not files.create_file(final, b"2", "b")
    assert final.read_bytes() == b"1"


def test_a_directory_gets_its_mode_though_mkdir_says_it_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    umask = os.umask(0o077)
    try:
        repeated(monkeypatch, "mkdir", FileExistsError, 17)
        files.make_directory(tmp_path / "a" / "b")
    finally:
        os.umask(umask)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o755


def test_a_file_in_the_place_of_a_directory_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(FileExistsError):
        files.make_directory(tmp_path / "a")


def test_a_directory_is_renamed_once_however_often_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "full").mkdir()
    with pytest.raises(OSError, match="not empty"):
        files.rename(tmp_path / "a", tmp_path / "b")
    repeated(monkeypatch, "replace", FileNotFoundError, 2)
    files.rename(tmp_path / "a", tmp_path / "c")
    assert (tmp_path / "c").is_dir()


def test_a_tree_that_cannot_be_removed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rmdir", refuse)
    with pytest.raises(PermissionError):
        files.remove_tree(tmp_path / "a")
    assert shutil.rmtree


def test_what_cannot_go_does_not_keep_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        (tmp_path / "tree" / name / "file").touch()
    real = os.unlink

    def silly(path: Any, **more: Any) -> None:
        """As NFS does it while somebody has the file open: it is renamed, and its directory stays full."""
        real(path, **more)
        os.close(os.open(".nfs1", os.O_CREAT, dir_fd=more["dir_fd"]))

    monkeypatch.setattr(os, "unlink", silly)
    with pytest.raises(OSError, match="not empty"):
        files.remove_tree(tmp_path / "tree")
    assert not list(tmp_path.glob("tree/*/file"))
