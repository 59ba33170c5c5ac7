"""`blueno config …` and --server: several servers, one of them meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from blueno.client import settings
from blueno.client.settings import Settings
from tests.fakes.runs_api import TOKEN, RunsApi, running, summary
from tests.unit.cli.conftest import Blueno


@pytest.fixture(autouse=True)
def contexts(environment: dict[str, str], api: RunsApi) -> None:
    """A person who is logged in to a server that is gone, and then to the one that runs."""
    del environment["BLUENO_SERVER"], environment["BLUENO_TOKEN"]
    settings.save(Settings("http://127.0.0.1:1", "blueno_gone", 3, context="gone"), environment)
    settings.save(Settings(api.url, TOKEN, 7, "team", "lab", "ada@example.org"), environment)


def test_ls(blueno: Blueno, api: RunsApi) -> None:
    printed = blueno("config", "ls")
    assert [line.split() for line in printed.stdout.splitlines()] == [
        ["CURRENT", "NAME", "SERVER", "NAMESPACE", "LOGGED", "IN", "AS"],
        ["gone", "http://127.0.0.1:1"],
        ["*", "lab", api.url, "team", "ada@example.org"],
    ]
    assert blueno("config", "ls", "-o", "name").stdout == "gone\nlab\n"
    as_json = blueno("config", "ls", "-o", "json").stdout
    assert json.loads(as_json)[1]["current"] is True
    assert TOKEN not in as_json + blueno("config", "ls", "-o", "yaml").stdout + blueno("config", "show").output


def test_use_and_back(blueno: Blueno, api: RunsApi) -> None:
    assert blueno("config", "use", "gone").stdout == "now: gone (http://127.0.0.1:1)\n"
    assert blueno("run", "ls").exit_code == 5
    assert blueno("config", "use", "-").stdout == f"now: lab ({api.url})\n"
    assert blueno("run", "ls").exit_code == 0
    missing = blueno("config", "use", "nowhere")
    assert (missing.exit_code, missing.stderr) == (
        3,
        "blueno: there is no context 'nowhere'; there is gone, lab\n",
    )


def test_the_server_of_one_command(blueno: Blueno, api: RunsApi) -> None:
    with running() as other:
        other.add(summary("elsewhere"))
        assert "no runs in team" in blueno("run", "ls", "--server", "lab").stderr
        assert "you are not logged in" in blueno("run", "ls", "-s", other.url, "-n", "default").stderr
        assert "Authorization" not in other.headers[-1]  # the token of another server stays here
    assert blueno("run", "ls", "--server", "gone").exit_code == 5
    assert blueno("run", "ls", "--server", "nowhere").exit_code == 3


def test_the_namespace_that_is_meant(blueno: Blueno, api: RunsApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api.add(summary("digits", "team"))
    assert "digits" in blueno("run", "ls").stdout
    assert blueno("config", "namespace").stdout == "team\n"
    assert blueno("config", "namespace", "other").stdout == "lab: other\n"
    assert "no runs in other" in blueno("run", "ls").stderr
    assert "no runs in mine" in blueno("run", "ls", "-n", "mine").stderr
    monkeypatch.setenv("BLUENO_NAMESPACE", "shell")
    assert "no runs in shell" in blueno("run", "ls").stderr
    monkeypatch.delenv("BLUENO_NAMESPACE")
    assert blueno("config", "namespace", "--unset").stdout == "lab: default\n"
    assert "no runs in default" in blueno("run", "ls").stderr
    for bad in (("config", "namespace", "Bad_Name"), ("config", "namespace", "a", "--unset")):
        assert blueno(*bad).exit_code == 2


def test_what_a_file_says_goes_before_the_context(blueno: Blueno, api: RunsApi) -> None:
    run = {"apiVersion": "blueno.dev/v1alpha1", "kind": "TrainingRun", "metadata": {"name": "a"}}
    spec = {"spec": {"image": "train:1"}}
    blueno("run", "submit", "-", stdin=yaml.safe_dump(run | spec))
    assert api.asked[-1][2]["namespace"] == "team"
    named = run | {"metadata": {"name": "a", "namespace": "filed"}}
    blueno("run", "submit", "-", stdin=yaml.safe_dump(named | spec))
    assert api.asked[-1][2]["namespace"] == "filed"
    blueno("run", "submit", "-", "-n", "given", stdin=yaml.safe_dump(named | spec))
    assert api.asked[-1][2]["namespace"] == "given"


def test_show(blueno: Blueno, api: RunsApi, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = blueno("config", "show").stdout
    assert [line.split() for line in shown.splitlines()] == [
        ["Server:", api.url],
        ["Context:", "lab"],
        ["Namespace:", "team"],
        ["Logged", "in", "as:", "ada@example.org"],
        ["Token:", "yes"],
    ]
    monkeypatch.setenv("BLUENO_SERVER", "https://blueno.example.org")
    body = json.loads(blueno("config", "show", "-o", "json").stdout)
    assert body == {
        "server": "https://blueno.example.org",
        "context": None,
        "namespace": "default",
        "person": None,
        "token": False,
        "variables": ["BLUENO_SERVER"],
    }


def test_rename_and_rm(blueno: Blueno, api: RunsApi, tmp_path: Path) -> None:
    assert blueno("config", "rename", "gone", "old").exit_code == 0
    assert blueno("config", "rename", "old", "lab").exit_code == 2
    assert blueno("config", "rm", "lab").exit_code == 0
    assert blueno("config", "ls", "-o", "name").stdout == "old\n"
    assert json.loads(blueno("config", "show", "-o", "json").stdout)["context"] == "old"
    assert blueno("config", "rm", "old").exit_code == 0
    assert not (tmp_path / ".config/blueno/config.json").exists()
    assert blueno("config", "ls").stderr == "nobody is logged in: blueno login https://…\n"
    assert blueno("config", "namespace").exit_code == 3


def test_logging_out_of_one_of_them(blueno: Blueno, api: RunsApi) -> None:
    api.tokens = [7]
    assert blueno("logout", "lab").stdout == f"logged out of {api.url}\n"
    assert api.tokens == []
    assert blueno("config", "ls", "-o", "name").stdout == "gone\n"
    assert blueno("logout", "https://never.example.org").exit_code == 3


def test_logging_in_under_a_name(blueno: Blueno, api: RunsApi) -> None:
    done = blueno("login", api.url, "--token-stdin", "--name", "second", "-n", "mine", stdin=f"{TOKEN}\n")
    assert done.exit_code == 0
    assert json.loads(blueno("config", "show", "-o", "json").stdout)["namespace"] == "mine"
    assert blueno("config", "ls", "-o", "name").stdout == "gone\nlab\nsecond\n"
    assert blueno("login", api.url, "--token-stdin", "--name", "no name", stdin=TOKEN).exit_code == 2
