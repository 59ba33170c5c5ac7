"""docs/cli.md says what is so: the help is the commands' own, tables are whole. (docs/client.md: tests/unit/client.)"""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from blueno.cli.app import app
from blueno.cli.shell import Exit
from blueno.data.survey import ProblemCode
from tests.fakes.data_api import DataApi
from tests.fakes.runs_api import running

TOP = Path(__file__).resolve().parents[3]
PAGE = (TOP / "docs/cli.md").read_text()


@pytest.fixture(scope="module")
def cli_docs() -> ModuleType:
    found = importlib.util.spec_from_file_location("cli_docs", TOP / "hack/cli_docs.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_page_is_what_the_commands_say(cli_docs: ModuleType) -> None:
    assert (TOP / "docs/cli.md").read_text() == cli_docs.render(), "run `make golden`"


def test_every_exit_code_has_its_meaning(cli_docs: ModuleType) -> None:
    assert set(cli_docs.CODES) == set(Exit)
    assert set(cli_docs.PROBLEMS) == set(ProblemCode)


def test_every_command_and_option_has_a_help(cli_docs: ModuleType) -> None:
    page = (TOP / "docs/cli.md").read_text()
    for command in cli_docs.commands():
        assert f"### {' '.join(('blueno', *command))}\n" in page
    assert not re.findall(r"^  (?:-\w, )?--[\w-]+(?: [A-Z=<>]+)?$\n(?!    )", page, re.M)


def test_the_examples_of_the_page(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell blocks of "docs/cli.md" that say run-by this file, line by line, against a stand-in server."""
    blocks = re.findall(r"^```sh run-by: tests/unit/cli/test_documents.py\n(.*?)^```", PAGE, re.M | re.S)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert len(lines) > 10
    (tmp_path / "photos/owl").mkdir(parents=True)
    (tmp_path / "photos/owl/1.png").write_bytes(b"an owl")
    monkeypatch.chdir(tmp_path)
    with running(DataApi) as api:
        api.on_get = _answers
        for key, value in (environment | {"BLUENO_SERVER": api.url}).items():
            monkeypatch.setenv(key, value)
        for program, *words in lines:
            assert program == "blueno"
            done = CliRunner().invoke(app, words, prog_name="blueno")
            assert done.exit_code == 0, f"{words}: {done.output}"
    assert (tmp_path / "owl.png").read_bytes() == b"an owl"
    assert [path.split("?")[1] for method, path, _ in api.asked if "?dryRun" in path] == ["dryRun=true"] * 2


def _answers(found: dict[str, Any]) -> None:
    """The operator's part: a data set is ready, and what was asked for is done."""
    found.update(ready=True, reconciling=False, reason="AcceptingUploads")
    found["lastHandledRequest"] = found.get("requested", ("", None))[1]
