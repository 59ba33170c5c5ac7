"""The command line as a process: pipes, Ctrl-C, a terminal, and how fast it begins."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blueno.cli import text
from tests.fakes.runs_api import RunsApi, summary, whole

Start = Callable[..., subprocess.Popen[str]]


def until(what: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_help_imports_nothing_heavy(environment: dict[str, str]) -> None:
    code = (
        "import sys; from blueno.cli.app import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & set(sys.argv[1:])))\n"
        "print('rich.console' in sys.modules)"
    )
    heavy = ["httpx", "yaml", "numpy", "pyarrow", "aiohttp", "kubernetes", "asyncio", "ssl"]
    done = subprocess.run(
        [sys.executable, "-c", code, *heavy], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-2:] == ["[]", "False"]
    assert "Commands:" in done.stdout


def test_a_reader_that_leaves(start: Start, api: RunsApi) -> None:
    for number in range(3000):
        api.add(summary(f"run-{number}", message="x" * 50))
    one = start("run", "ls", "-o", "json")
    assert one.stdout is not None
    assert one.stderr is not None
    one.stdout.read(10)
    one.stdout.close()
    assert one.wait(120) == 141
    assert one.stderr.read() == ""


def test_a_log_whose_reader_leaves(start: Start, api: RunsApi) -> None:
    api.add(whole())
    api.text, api.complete = {(1, "p"): b"line\n" * 200_000}, False
    one = start("run", "logs", "-f", "digits")
    assert one.stdout is not None
    assert one.stderr is not None
    assert one.stdout.readline() == "line\n"
    one.stdout.close()
    assert one.wait(120) == 141
    assert one.stderr.read() == ""


@pytest.mark.parametrize("command", [("run", "logs", "-f", "digits"), ("run", "ls", "--watch")])
def test_ctrl_c(start: Start, api: RunsApi, command: tuple[str, ...]) -> None:
    api.add(whole())
    api.text, api.complete = {(1, "p"): b"line\n"}, False
    one = start(*command)
    assert one.stdout is not None
    one.stdout.readline()
    one.send_signal(signal.SIGINT)
    _, errors = one.communicate(timeout=120)
    assert (one.returncode, errors) == (130, "")


def test_ctrl_c_while_waiting_says_that_the_run_goes_on(start: Start, api: RunsApi) -> None:
    api.add(whole())
    one = start("run", "wait", "digits")
    until(lambda: api.asked)
    time.sleep(0.2)
    one.send_signal(signal.SIGINT)
    _, errors = one.communicate(timeout=120)
    assert one.returncode == 130
    assert "goes on (stop it: blueno run cancel digits -n default)" in errors
    assert not [asked for asked in api.asked if asked[0] != "GET"]


def test_ctrl_c_while_the_server_says_nothing(start: Start, api: RunsApi) -> None:
    async def silent(_request: Any) -> Any:
        import asyncio

        await asyncio.sleep(600)

    api.misbehave = [silent]
    one = start("run", "ls")
    until(lambda: api.asked)
    one.send_signal(signal.SIGINT)
    _, errors = one.communicate(timeout=120)
    assert (one.returncode, errors) == (130, "")


def test_watch_prints_what_changes(start: Start, api: RunsApi) -> None:
    api.add(summary())
    one = start("run", "ls", "-w")
    assert one.stdout is not None
    assert one.stdout.readline().startswith("NAME")
    assert "running" in one.stdout.readline()
    api.add(summary(state="succeeded", reason="Completed"))
    assert "Completed" in one.stdout.readline()


def in_terminal(arguments: list[str], environment: dict[str, str], enough: str) -> str:
    """What a terminal shows until `enough` is in it; the command is stopped then."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(sys.executable, [sys.executable, "-m", "blueno.cli", *arguments], environment)
    shown = ""
    try:
        end = time.monotonic() + 90
        while enough not in shown and time.monotonic() < end:
            try:
                shown += os.read(terminal, 4096).decode(errors="replace")
            except OSError:
                break
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    return shown


@pytest.fixture
def terminal(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "30"}


def test_colours_for_people_who_want_them(api: RunsApi, terminal: dict[str, str]) -> None:
    api.add(summary(state="failed", reason="OutOfMemory"))
    assert "\x1b[31mfailed\x1b[0m" in in_terminal(["run", "ls"], terminal, "AGE\r\n\x00never")
    assert "\x1b[" not in in_terminal(["run", "ls"], terminal | {"NO_COLOR": "1"}, "never")
    assert "\x1b[" not in in_terminal(["run", "ls"], terminal | {"TERM": "dumb"}, "never")


def test_progress_while_waiting(api: RunsApi, terminal: dict[str, str]) -> None:
    api.add(whole())
    assert "running  Running  40%  90s left  loss=0.31" in in_terminal(["run", "wait", "digits"], terminal, "loss=0.31")


def test_watching_in_a_terminal(api: RunsApi, terminal: dict[str, str]) -> None:
    api.add(summary())
    assert "digits" in in_terminal(["run", "ls", "-w"], terminal, "digits")


def test_logs_in_a_terminal_cannot_command_it(api: RunsApi, terminal: dict[str, str]) -> None:
    api.add(whole(state="succeeded"))
    api.text = {(1, "p"): b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2Jend"}
    shown = in_terminal(["run", "logs", "digits"], terminal, "end\r\n")
    assert "\x1b[31mred\x1b[0m ␛]0;title␇ ␛[2Jend" in shown


def test_colours_that_are_cut_in_two() -> None:
    assert "".join(text.harmless(["a\x1b", "[3", "1mred\x1b[", "0m\x1b"])) == "a\x1b[31mred\x1b[0m␛"


def test_the_plug_in_of_kubectl(environment: dict[str, str], tmp_path: Path) -> None:

    top = Path(__file__).resolve().parents[3]
    scripts = tomllib.loads((top / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"blueno": "blueno.cli.__main__:main", "kubectl-blueno": "blueno.cli.__main__:main"}


def test_type_checkers_are_told_that_the_package_has_types() -> None:
    top = Path(__file__).resolve().parents[3]
    data = tomllib.loads((top / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["blueno"]
    assert "py.typed" in data
    assert (top / "blueno" / "py.typed").is_file()


def test_without_its_packages_it_says_which(environment: dict[str, str], tmp_path: Path) -> None:
    code = "import sys; sys.modules['typer'] = None\nfrom blueno.cli.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "blueno: the command line needs typer: pip install 'blueno[client]'\n"
