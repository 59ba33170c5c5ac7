"""Completion: what the shells' scripts are told, and the script of bash in a bash."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blueno.cli import completing, known
from tests.fakes.runs_api import RunsApi, summary
from tests.unit.cli.conftest import Blueno


def words(capsys: pytest.CaptureFixture[str], *typed: str) -> list[str]:
    """What could stand in the place of the last of `typed`."""
    assert completing.answer(typed) == 0
    return [line.partition("\t")[0] for line in capsys.readouterr().out.splitlines()]


@pytest.mark.usefixtures("blueno")
def test_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert words(capsys, "data") == ["dataset"]
    assert {"create", "ls", "seal"} <= set(words(capsys, "dataset", ""))
    assert "--namespace" in words(capsys, "dataset", "ls", "--n")
    assert words(capsys, "run", "ls", "-o", "") == ["table", "json", "yaml", "name"]
    assert words(capsys, "completion", "") == ["bash", "zsh", "fish", "kubectl"]
    assert "login" in words(capsys) and completing.answer(["--nonsense", "x", ""]) == 0


@pytest.mark.usefixtures("blueno")
def test_names_that_the_server_knows(capsys: pytest.CaptureFixture[str], api: RunsApi) -> None:
    for name in ("digits", "digits-2", "other"):
        api.add(summary(name))
    api.add(summary("di$(reboot)"))
    assert words(capsys, "run", "logs", "di") == ["digits", "digits-2"]
    words(capsys, "run", "logs", "-n", "team", "di")
    assert "namespace=team" in api.asked[-1][1]
    assert len(api.asked) == 2  # one question for each press of Tab


@pytest.mark.parametrize("why", ["nobody answers", "nobody is logged in", "a bad answer"])
@pytest.mark.usefixtures("blueno")
def test_without_an_answer_there_are_none(
    why: str, capsys: pytest.CaptureFixture[str], api: RunsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "nobody answers":
        monkeypatch.setenv("BLUENO_SERVER", "http://127.0.0.1:1")
    elif why == "nobody is logged in":
        monkeypatch.delenv("BLUENO_SERVER")
    else:
        api.add({"name": 7, "namespace": "default", "state": "running"})
    assert words(capsys, "run", "logs", "") == []


@pytest.mark.usefixtures("blueno")
def test_contexts(capsys: pytest.CaptureFixture[str], environment: dict[str, str]) -> None:
    from blueno.client import settings

    assert words(capsys, "config", "use", "") == []
    settings.save(settings.Settings("https://a.example.org", "blueno_1"), environment)
    assert words(capsys, "config", "use", "a.") == ["a.example.org"]
    settings.path(environment).chmod(0o644)
    assert known.contexts("") == []


def test_every_shell_has_a_script(blueno: Blueno) -> None:
    for shell in completing.Shell:
        script = blueno("completion", shell).stdout
        assert "blueno __complete" in script
    assert blueno("completion", "csh").exit_code == 2


@pytest.fixture
def programs(tmp_path: Path, environment: dict[str, str]) -> dict[str, str]:
    """An environment in which `blueno` and `kubectl-blueno` are programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("blueno", "kubectl-blueno"):
        code = f"import sys; sys.argv[0] = '{name}'; from blueno.cli.__main__ import main; main()"
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
        (folder / name).chmod(0o755)
    return environment | {"PATH": f"{folder}:{environment['PATH']}"}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl here")
def test_kubectl_finds_its_plug_in(programs: dict[str, str], api: RunsApi) -> None:
    """The real kubectl, which needs no cluster for that."""

    def kubectl(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["kubectl", *words], env=programs, capture_output=True, text=True, check=False)

    api.add(summary())
    done = kubectl("blueno", "run", "ls", "-o", "name")
    assert (done.returncode, done.stdout, done.stderr) == (0, "trainingrun.blueno.dev/digits\n", "")
    assert "kubectl-blueno" in kubectl("plugin", "list").stdout
    assert kubectl("blueno", "run", "describe", "none").returncode == 3
    assert kubectl("blueno", "dataset", "ls", "--help").stdout.startswith("Usage: kubectl blueno dataset ls")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_the_script_of_bash(programs: dict[str, str]) -> None:
    script = """
source <(blueno completion bash)
COMP_WORDS=(blueno run s) COMP_CWORD=2
_blueno
printf '%s\\n' "${COMPREPLY[@]}"
COMP_WORDS=(blueno run "") COMP_CWORD=2
_blueno
echo "${#COMPREPLY[@]}"
complete -p blueno
"""
    done = subprocess.run(["bash", "-c", script], env=programs, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[:2] == ["submit", "suspend"]
    assert int(lines[2]) > 10
    assert "-F _blueno blueno" in lines[3]
    assert done.stderr == ""


def test_the_script_for_kubectl(programs: dict[str, str], tmp_path: Path, blueno: Blueno) -> None:
    script = tmp_path / "bin" / "kubectl_complete-blueno"
    script.write_text(blueno("completion", "kubectl").stdout)
    script.chmod(0o755)
    done = subprocess.run([script, "run", "su"], env=programs, capture_output=True, text=True, check=True)
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("submit\t")
    assert last == ":4"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_scripts_of_other_shells_can_be_read(shell: str, blueno: Blueno) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    script = blueno("completion", shell).stdout
    subprocess.run([program, "-n", "/dev/stdin"], input=script, text=True, check=True)
