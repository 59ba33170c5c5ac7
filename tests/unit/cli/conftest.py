"""The command line against a stand-in server, in this process (`blueno`) or as one of its own (`start`)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from blueno.cli.app import app
from blueno.client import http, logs, runs
from tests.fakes.runs_api import TOKEN, RunsApi, running

TOP = Path(__file__).resolve().parents[3]
Blueno = Callable[..., Result]


@pytest.fixture
def api() -> Iterator[RunsApi]:
    with running() as api:
        yield api


@pytest.fixture
def environment(tmp_path: Path, api: RunsApi) -> dict[str, str]:
    """Of a person who is logged in."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    return {**kept, "HOME": str(tmp_path), "BLUENO_SERVER": api.url, "BLUENO_TOKEN": TOKEN, "PYTHONPATH": str(TOP)}


@pytest.fixture
def blueno(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Blueno:
    """Runs a command line in this process, in an empty directory, with pauses that take no time."""
    for name in list(os.environ):
        if name.startswith(("BLUENO_", "XDG_")) and name not in environment:
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "LOOK", 0.02)
    monkeypatch.setattr(logs, "PAUSE", 0.02)
    monkeypatch.setattr(http, "LONGEST_PAUSE", 0.0)

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, arguments, input=stdin, prog_name="blueno")

    return run


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command line as a process; it is killed at the end if it still runs."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "blueno.cli", *arguments]
        pipe = subprocess.PIPE
        one = subprocess.Popen(command, env=environment | more, cwd=tmp_path, text=True, stdout=pipe, stderr=pipe)
        started.append(one)
        return one

    yield begin
    for one in started:
        one.kill()
        one.communicate()
