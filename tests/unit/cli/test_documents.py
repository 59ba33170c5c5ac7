"""docs/cli.md says what is so: the help is the commands' own, tables are whole. (docs/client.md: tests/unit/client.)"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from blueno.cli.shell import Exit
from blueno.data.survey import ProblemCode

TOP = Path(__file__).resolve().parents[3]


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
