"""docs/cli.md and docs/client.md say what is so: the help is the commands' own, the Python runs, tables are whole."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from blueno import errors
from blueno.cli.app import app
from blueno.cli.shell import Exit
from blueno.client import Runs, http
from blueno.data.survey import ProblemCode
from tests.fakes.data_api import DataApi
from tests.fakes.runs_api import RunsApi, running
from tests.unit.client.test_specfile import RUN

TOP = Path(__file__).resolve().parents[3]
CLIENT = (TOP / "docs/client.md").read_text()
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


def test_the_python_of_the_document_runs(api: RunsApi, environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN)

    def on(run: dict[str, Any]) -> None:
        run["state"] = "succeeded"

    api.on_get, api.text = on, {(1, "p"): b"it trains\n"}
    (block,) = re.findall(r"^```python\n(.*?)^```", CLIENT, re.M | re.S)
    done = subprocess.run(
        [sys.executable, "-c", block], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "it trains\nsucceeded {'loss': '0.31'} 1.50 GPU hours\n"


def test_the_methods_of_the_document_are_those_of_the_client() -> None:
    rows = re.findall(r"^\| (`runs\..*?) \| ", CLIENT, re.M)
    said = {name: text for row in rows for name, text in re.findall(r"`runs\.(\w+)(?:\((.*?)\))?`", row)}
    real = {name: value for name, value in vars(Runs).items() if not name.startswith("_")}
    assert set(said) == set(real)
    for name, text in said.items():
        if text:
            wanted = [part.strip().rstrip("=") for part in text.split(",")]
            assert wanted == list(inspect.signature(real[name]).parameters)[1:]


def test_the_errors_and_numbers_of_the_document() -> None:
    for name in re.findall(r"^\| `([A-Z]\w+)` \| ", CLIENT, re.M):
        assert issubclass(getattr(errors, name), errors.BluenoError)
    numbers = (f"{http.CONNECT:.0f} s for a connection", f"{http.WAIT:.0f} s for the next", f"{http.WHOLE:.0f} s for a")
    assert all(number in CLIENT for number in (*numbers, f"{http.LARGEST >> 20} MiB"))
    assert http.TRIES == 4
