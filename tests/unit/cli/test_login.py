"""`blueno login` and `logout`: a password becomes a token with an end, and only the token is kept."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.runs_api import TOKEN, RunsApi
from tests.unit.cli.conftest import Blueno


@pytest.fixture(autouse=True)
def stranger(environment: dict[str, str]) -> None:
    """Nobody is logged in yet."""
    del environment["BLUENO_SERVER"], environment["BLUENO_TOKEN"]


def type_in(arguments: list[str], environment: dict[str, str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Exit code and screen of a person who types `answers` when the terminal shows the prompts.

    The space after "Password:" comes when the terminal has stopped to echo; what is typed before is thrown away.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(sys.executable, [sys.executable, "-m", "blueno.cli", *arguments], environment)
    shown, left, end = "", list(answers), time.monotonic() + 120
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.5)[0]:
            continue
        try:
            shown += os.read(terminal, 4096).decode()
        except OSError:
            break
        if left and left[0][0] in shown:
            os.write(terminal, f"{left.pop(0)[1]}\n".encode())
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown


def test_with_a_password_in_a_terminal(api: RunsApi, environment: dict[str, str], tmp_path: Path) -> None:
    answers = [("Email:", "ada@example.org"), ("Password: ", "right")]
    code, shown = type_in(["login", api.url, "--days", "3"], environment, answers)
    assert code == 0, shown
    assert f"logged in to {api.url} as ada@example.org" in shown
    assert "right" not in shown
    assert TOKEN not in shown
    file = tmp_path / ".config/blueno/config.json"
    name = api.url.removeprefix("http://")
    login = {"server": api.url, "token": TOKEN, "tokenId": 7, "person": "ada@example.org"}
    assert json.loads(file.read_text()) == {"current": name, "previous": None, "contexts": {name: login}}
    assert file.stat().st_mode & 0o777 == 0o600
    assert "right" not in file.read_text()
    posts = [(path, body) for method, path, body in api.asked if method == "POST"]
    assert [path for path, _ in posts] == ["/api/v1/login", "/api/v1/tokens", "/api/v1/logout"]
    assert posts[1][1]["expiresInDays"] == 3
    assert not any("right" in path for _, path, _ in api.asked)


def test_with_a_wrong_password(api: RunsApi, environment: dict[str, str], tmp_path: Path) -> None:
    answers = [("Password: ", "wrong")]
    code, shown = type_in(["login", api.url, "--email", "ada@example.org"], environment, answers)
    assert code == 4
    assert "the address or the password is not right" in shown
    assert not (tmp_path / ".config").exists()


def test_then_other_commands_need_nothing(
    blueno: Blueno, api: RunsApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = blueno("login", api.url, "--token-stdin", stdin=f"{TOKEN}\n")
    assert (done.exit_code, TOKEN in done.output) == (0, False)
    assert blueno("run", "ls").stderr == "no runs in default\n"
    again = blueno("login", "--token-stdin", stdin="blueno_wrong\n")  # the same server
    assert again.exit_code == 4
    assert again.stderr == "blueno: the server does not know this token: copy it again, from the page Tokens\n"
    assert blueno("run", "ls").exit_code == 0  # a token that is no good has not replaced the good one
    assert blueno("logout").stdout == f"logged out of {api.url}\n"
    assert not (tmp_path / ".config/blueno/config.json").exists()
    assert blueno("run", "ls").exit_code == 1


def test_logout_makes_the_token_useless(blueno: Blueno, api: RunsApi, environment: dict[str, str]) -> None:
    answers = [("Email:", "ada@example.org"), ("Password: ", "right")]
    type_in(["login", api.url], environment, answers)
    assert api.tokens == [7]
    assert blueno("logout").exit_code == 0
    assert api.tokens == []
    assert blueno("logout").stderr == "nobody is logged in\n"


def test_logout_when_the_server_is_away(blueno: Blueno, api: RunsApi, tmp_path: Path) -> None:
    file = tmp_path / ".config/blueno/config.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"server": "http://127.0.0.1:1", "token": TOKEN, "tokenId": 7}))
    file.chmod(0o600)
    done = blueno("logout")
    assert (done.exit_code, file.exists()) == (0, False)
    assert "may still be good" in done.stderr


def test_no_password_outside_a_terminal(api: RunsApi, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "blueno.cli", "login", api.url]
    done = subprocess.run(command, env=environment, input="ada\nright\n", capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "--token-stdin" in done.stderr
    assert api.asked == []


def test_which_server(blueno: Blueno, api: RunsApi) -> None:
    assert "which server" in blueno("login").stderr
    done = blueno("login", "http://blueno.example.org", "--token-stdin", stdin=TOKEN)
    assert "not encrypted" in done.stderr
    assert TOKEN not in done.output
