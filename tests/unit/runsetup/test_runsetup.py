"""What runs before a training: directories on a real file system, code from a real repository over HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from blueno.runsetup import git, revision
from blueno.runsetup.__main__ import main
from blueno.runsetup.failure import SetupFailed
from tests.fakes.git_server import Repository, serving

ME = str(os.getegid())


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "said"
    monkeypatch.setenv("BLUENO_TERMINATION_LOG", str(path))
    return path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Repository]:
    with serving(tmp_path / "repository") as made:
        yield made


@pytest.fixture
def repository(served: Repository) -> tuple[str, list[str]]:
    """Its address and three commits; the second has the tag v1, the last is the head of main."""
    commits = []
    for number in range(3):
        commits.append(served.commit(f"print({number})\n"))
        if number == 1:
            served.tag("v1")
    return served.url, commits


def test_makes_directories_that_the_group_can_write(tmp_path: Path, said: Path) -> None:
    asked = ["--root", str(tmp_path), "--directory", "run-1", "--checkpoints", "checkpoints", "--group", ME]
    for _ in range(2):  # again, as every attempt does
        assert main(asked) == 0
    assert (tmp_path / "run-1/checkpoints").stat().st_mode & 0o7777 == 0o2775
    assert not said.exists()


def test_says_why_it_cannot(tmp_path: Path, said: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run-1").write_text("a file is in the way")
    asked = ["--root", str(tmp_path), "--directory", "run-1", "--checkpoints", "checkpoints", "--group", ME]
    assert main(asked) == 1
    assert "cannot be written" in said.read_text()
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("name", "number"), [("main", 2), ("v1", 1), (0, 0), (1, 1)])
def test_fetches_a_revision(
    repository: tuple[str, list[str]], tmp_path: Path, said: Path, name: str | int, number: int
) -> None:
    url, commits = repository
    wanted = name if isinstance(name, str) else commits[name]
    asked = ["--root", str(tmp_path), "--directory", "r", "--checkpoints", "c", "--group", ME]
    assert main([*asked, "--git", url, "--revision", wanted, "--into", str(tmp_path / "code")]) == 0
    assert (tmp_path / "code/train.py").read_text() == f"print({number})\n"
    assert json.loads(said.read_text()) == {"revision": commits[number]}


@pytest.mark.parametrize("name", ["no-such-branch", "f" * 40])
def test_a_revision_that_is_not_there(repository: tuple[str, list[str]], tmp_path: Path, name: str) -> None:
    with pytest.raises(SetupFailed, match=r"has no (branch|commit)"):
        git.fetch(repository[0], name, tmp_path / "code", str)


def test_no_repository(repository: tuple[str, list[str]], tmp_path: Path) -> None:
    with pytest.raises(SetupFailed, match="no git repository"):
        git.fetch(repository[0].replace("train", "other"), "main", tmp_path / "code", str)


def test_a_server_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "FIRST_PAUSE", 0.01)
    with pytest.raises(SetupFailed, match="cannot be fetched"):
        git.fetch("http://127.0.0.1:9/train.git", "main", tmp_path / "code", str)


def test_a_branch_that_moves_while_a_run_goes_on(
    repository: tuple[str, list[str]], served: Repository, tmp_path: Path, said: Path
) -> None:
    """The pod that replaces another, and the other ones of several nodes, train what the first one trains."""
    url, commits = repository
    asked = ["--root", str(tmp_path), "--directory", "r", "--checkpoints", "c", "--group", ME, "--git", url]
    assert main([*asked, "--revision", "main", "--into", str(tmp_path / "first")]) == 0
    later = served.commit("print('later')\n")
    assert main([*asked, "--revision", "main", "--into", str(tmp_path / "second")]) == 0
    assert json.loads(said.read_text()) == {"revision": commits[2]} != {"revision": later}
    assert (tmp_path / "second/train.py").read_text() == "print(2)\n"


def test_another_pod_that_was_faster(repository: tuple[str, list[str]], tmp_path: Path) -> None:
    url, commits = repository
    file = tmp_path / revision.FILE

    def keep(commit: str) -> str:
        assert commit == commits[2]
        assert revision.keep(file, commits[0]) == commits[0]  # the other pod, a moment before
        return revision.keep(file, commit)

    assert git.fetch(url, "main", tmp_path / "code", keep) == commits[0]
    assert (tmp_path / "code/train.py").read_text() == "print(0)\n"


@pytest.mark.parametrize("found", ["", "main", "f" * 41])
def test_what_is_no_commit_is_not_taken_for_one(tmp_path: Path, found: str) -> None:
    file = tmp_path / "file"
    file.write_text(found)
    assert revision.kept(file) == ""
    assert revision.keep(file, "a" * 40) == "a" * 40
    assert revision.kept(file) == "a" * 40


def test_a_link_is_neither_read_nor_written_through(tmp_path: Path) -> None:
    theirs, file = tmp_path / "theirs", tmp_path / "file"
    theirs.write_text("b" * 40)
    file.symlink_to(theirs)
    assert revision.kept(file) == ""
    assert revision.keep(file, "a" * 40) == revision.kept(file) == "a" * 40
    assert theirs.read_text() == "b" * 40


def test_outputs_that_take_no_file(tmp_path: Path) -> None:
    with pytest.raises(SetupFailed, match=r"spec\.code\.git cannot be kept"):
        revision.keep(tmp_path / "no-such-directory/file", "a" * 40)
