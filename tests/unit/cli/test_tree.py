"""The tree of commands: what stands in it is what the commands say, and asking for help imports next to nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import typer

from blueno.cli import spoken
from blueno.cli.app import app
from blueno.cli.tree import TREE, Branch, walk
from tests.unit.cli.conftest import Blueno

MODULES = 190  # that `blueno --help` may import, Python's own included; 163 in the version before there was a tree


def command(words: tuple[str, ...]) -> Any:
    found: Any = typer.main.get_command(app)
    for word in words:
        found = found.get_command(typer.Context(found), word)
    return found


@pytest.mark.parametrize("words", [words for words, _ in walk(TREE)], ids=" ".join)
def test_every_command_is_there_and_says_what_the_tree_says(words: tuple[str, ...]) -> None:
    one = dict(walk(TREE))[words]
    found = command(words)
    assert found.name == words[-1]
    assert found.help.partition("\n")[0] == one.help
    assert isinstance(one, Branch) or found.callback is not None


def test_no_two_options_of_a_command_have_one_name() -> None:
    for words, one in walk(TREE):
        if not isinstance(one, Branch):
            options = [name for param in command(words).params for name in param.opts]
            assert len(options) == len(set(options)), words


@pytest.mark.parametrize("words", ["--help", "dataset --help", "sample --help", "--version"])
def test_help_imports_few_modules_and_none_of_the_commands(environment: dict[str, str], words: str) -> None:
    code = (
        "import sys; from blueno.cli.app import app\n"
        "try: app(sys.argv[1].split())\nexcept SystemExit: pass\n"
        "print(len(sys.modules)); print(*[m for m in sys.modules if m.startswith('blueno')])"
    )
    call = [sys.executable, "-c", code, words]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)
    count, ours = done.stdout.splitlines()[-2:]
    assert int(count) <= MODULES
    assert set(ours.split()) == {
        "blueno",
        *(f"blueno.cli.{one}" for one in ("app", "lazy", "spoken", "tree")),
        "blueno.cli",
    }


@pytest.mark.parametrize("words", [(), ("dataset",), ("sample",), ("run",), ("dataset", "ls"), ("sample", "add")])
def test_no_help_imports_what_takes_long(environment: dict[str, str], words: tuple[str, ...]) -> None:
    heavy = ["httpx", "yaml", "numpy", "pyarrow", "aiohttp", "kubernetes", "asyncio", "ssl", "webbrowser", "json.tool"]
    code = (
        "import sys; from blueno.cli.app import app\n"
        "try: app(sys.argv[1].split() + ['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & set(sys.argv[2:])), 'rich.console' in sys.modules)"
    )
    call = [sys.executable, "-c", code, " ".join(words), *heavy]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] False"


def test_an_unknown_command_is_a_sentence(blueno: Blueno) -> None:
    done = blueno("datasets")
    assert done.exit_code == 2
    assert "No such command 'datasets'. Did you mean 'dataset'?" in done.stderr
    done = blueno("dataset", "list")
    assert (done.exit_code, "Did you mean 'ls'?" in done.stderr) == (2, True)
    assert "Did you mean" not in blueno("xyzzy").stderr


@pytest.mark.parametrize("name", ["kubectl-blueno", "/usr/bin/kubectl-blueno", "C:/x/kubectl-blueno.exe"])
def test_the_plug_in_speaks_as_kubectl_blueno(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "_name", spoken.OURS)
    assert spoken.called_as(name) == "kubectl blueno"
    told = spoken.as_called("run `blueno login https://…`, or blueno --version; pip install blueno; ~/.config/blueno x")
    assert told == (
        "run `kubectl blueno login https://…`, or kubectl blueno --version; pip install blueno; ~/.config/blueno x"
    )
    assert spoken.as_called(told) == told


def test_the_program_keeps_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "_name", spoken.PLUGIN)
    assert spoken.called_as("/usr/bin/blueno") == "blueno"
    assert spoken.as_called("blueno login") == "blueno login"


def test_help_and_errors_of_the_plug_in(environment: dict[str, str]) -> None:
    code = "import sys; sys.argv[0] = '/x/kubectl-blueno'; from blueno.cli.__main__ import main; main()"

    def kubectl_blueno(*words: str) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, "-c", code, *words]
        return subprocess.run(call, env=environment, capture_output=True, text=True, check=False)

    helped = kubectl_blueno("run", "submit", "--help")
    assert helped.stdout.startswith("Usage: kubectl blueno run submit ")
    assert "`kubectl blueno config ls`" in " ".join(helped.stdout.split())
    assert "Try 'kubectl blueno run submit" in kubectl_blueno("run", "submit").stderr
    environment.pop("BLUENO_SERVER")
    environment.pop("BLUENO_TOKEN")
    said = kubectl_blueno("run", "ls").stderr
    assert said.startswith("kubectl blueno: no server is known: run `kubectl blueno login https://…`")
