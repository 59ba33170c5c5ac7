"""What is answered without typer is what typer answers, and typer is not imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from blueno.cli import completing, quick, spoken
from blueno.cli.app import app
from blueno.cli.tree import TREE, Branch

NAMES = ("blueno", "/usr/bin/kubectl-blueno")
PROGRAM = """
import sys
from blueno.cli.__main__ import main
sys.argv[1:] = WORDS
try:
    main()
finally:
    large = {'typer', 'click', 'rich', 'pydantic', 'httpx', 'aiohttp', 'kopf', 'webui'} & set(sys.modules)
    assert not large, large
"""
GROUPS = [name for name, one in TREE.items() if isinstance(one, Branch)]


@pytest.fixture(params=NAMES)
def called(request: pytest.FixtureRequest) -> object:
    """As the person called us; afterwards as before."""
    yield spoken.called_as(request.param)
    spoken.called_as("blueno")


@pytest.mark.parametrize("no_color", [None, "1"])
@pytest.mark.parametrize("columns", [1, 40, 51, 52, 60, 79, 80, 81, 99, 100, 101, 102, 240])
@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"]])
def test_it_says_what_typer_says(
    called: str,
    words: list[str],
    columns: int,
    no_color: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    with pytest.raises(SystemExit) as end:  # not typer's CliRunner: it forces 80 columns
        app(words, prog_name=called)
    assert end.value.code == 0
    assert quick.answer(words) == capsys.readouterr().out


@pytest.mark.parametrize("before", [[], *([group] for group in GROUPS)])
@pytest.mark.parametrize("incomplete", ["", "s", "re", "zzz"])
def test_it_completes_as_typer_does(
    called: str, before: list[str], incomplete: str, capsys: pytest.CaptureFixture[str]
) -> None:
    completing.answer([*before, incomplete])
    assert quick.answer(["__complete", *before, incomplete]) == capsys.readouterr().out


LEFT = ("", "--help run", "run --help", "--nonsense", "__complete -", "__complete run --l", "__complete nonsense x")
LEFT += ("__complete ui x", "__complete run ls x", "__complete --version x")


@pytest.mark.parametrize("words", [one.split() for one in LEFT])
def test_all_else_is_left_to_typer(words: list[str]) -> None:
    assert quick.answer(words) is None


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["__complete", "dataset", ""]])
def test_nothing_large_is_imported(words: list[str]) -> None:
    program = PROGRAM.replace("WORDS", repr(words))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
