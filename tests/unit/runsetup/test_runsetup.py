"""What runs before a training: directories on a real file system, code from a real repository over HTTP."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from dulwich import porcelain
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

from blueno.runsetup import git
from blueno.runsetup.__main__ import main
from blueno.runsetup.failure import SetupFailed

ME = str(os.getegid())


class Quiet(WSGIRequestHandler):
    """Without a line on standard error for each request."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "said"
    monkeypatch.setenv("BLUENO_TERMINATION_LOG", str(path))
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Its address and three commits; the second has the tag v1, the last is the head of main."""
    path = tmp_path / "repository"
    path.mkdir()
    repo = Repo.init(str(path), default_branch=b"main")
    commits = []
    for number in range(3):
        (path / "train.py").write_text(f"print({number})\n")
        porcelain.add(str(path), [str(path / "train.py")])
        commits.append(porcelain.commit(str(path), message=b"x", author=b"a <a@b>", committer=b"a <a@b>").decode())
        if number == 1:
            porcelain.tag_create(str(path), "v1", author=b"a <a@b>", message=b"x", annotated=True)
    app = make_wsgi_chain(DictBackend({"/train.git": repo}))
    server: WSGIServer = make_server("127.0.0.1", 0, app, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/train.git", commits
    server.shutdown()
    thread.join()
    server.server_close()


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


@pytest.mark.parametrize(("revision", "number"), [("main", 2), ("v1", 1), (0, 0), (1, 1)])
def test_fetches_a_revision(
    repository: tuple[str, list[str]], tmp_path: Path, said: Path, revision: str | int, number: int
) -> None:
    url, commits = repository
    wanted = revision if isinstance(revision, str) else commits[revision]
    asked = ["--root", str(tmp_path), "--directory", "r", "--checkpoints", "c", "--group", ME]
    assert main([*asked, "--git", url, "--revision", wanted, "--into", str(tmp_path / "code")]) == 0
    assert (tmp_path / "code/train.py").read_text() == f"print({number})\n"
    assert json.loads(said.read_text()) == {"revision": commits[number]}


@pytest.mark.parametrize("revision", ["no-such-branch", "f" * 40])
def test_a_revision_that_is_not_there(repository: tuple[str, list[str]], tmp_path: Path, revision: str) -> None:
    with pytest.raises(SetupFailed, match=r"has no (branch|commit)"):
        git.fetch(repository[0], revision, tmp_path / "code")


def test_no_repository(repository: tuple[str, list[str]], tmp_path: Path) -> None:
    with pytest.raises(SetupFailed, match="no git repository"):
        git.fetch(repository[0].replace("train", "other"), "main", tmp_path / "code")


def test_a_server_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "FIRST_PAUSE", 0.01)
    with pytest.raises(SetupFailed, match="cannot be fetched"):
        git.fetch("http://127.0.0.1:9/train.git", "main", tmp_path / "code")
