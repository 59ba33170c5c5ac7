"""What the documents say is so: functions, paths, links, settings and reasons exist, commands are run by a test.

A shell block is fenced ```sh and run by tests/e2e/test_demo.py, or ```sh run-by: and the test that runs it, or
```sh not-run: and why. Functions are written as `path/to/file.py:name` or `path/to/file.py:Class.method`.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from blueno.config import OperatorConfig
from blueno.resources.reasons import DATASET_REASONS, DatasetReason
from blueno.resources.run_reasons import RUN_REASONS, RunReason
from blueno.resources.sample_reasons import SAMPLE_REASONS, SampleReason
from tests.e2e import test_demo

TOP = Path(__file__).resolve().parents[2]
FOUND = (TOP / "README.md", TOP / "CONTRIBUTING.md", *TOP.glob("docs/**/*.md"), *TOP.glob("examples/**/*.md"))
DOCS = {str(path.relative_to(TOP)): path.read_text() for path in sorted(FOUND)}


def shell_blocks(text: str) -> list[tuple[str, list[str]]]:
    """(what follows ```sh, lines) of each shell block."""
    blocks = re.findall(r"^```(?:sh|bash|shell|console)\b([^\n]*)\n(.*?)^```", text, re.M | re.S)
    return [(kind.strip(), [line for line in body.splitlines() if line.strip()]) for kind, body in blocks]


def names_in(path: Path) -> set[str]:
    """Functions, classes, methods and top-level names of a Python file."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            inner = [n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
            found |= {node.name, *(f"{node.name}.{n.name}" for n in inner)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize("name", DOCS)
def test_functions_named_in_documents_exist(name: str) -> None:
    for path, function in re.findall(r"`([\w./-]+\.py):([\w.]+)`", DOCS[name]):
        assert (TOP / path).is_file(), path
        assert function in names_in(TOP / path), f"{path} has no {function}"


def test_architecture_names_functions() -> None:
    assert len(re.findall(r"`[\w./-]+\.py:[\w.]+`", DOCS["docs/architecture.md"])) > 30


@pytest.mark.parametrize("name", DOCS)
def test_paths_named_in_documents_exist(name: str) -> None:
    tops = {path.name for path in TOP.iterdir()} - {"build"}
    for path in re.findall(r"`((?:[\w.-]+/)+[\w.-]*)[:`]", DOCS[name]):
        if path.partition("/")[0] in tops and not path.startswith(".venv"):
            assert (TOP / path).exists(), path


@pytest.mark.parametrize("name", DOCS)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", DOCS[name]):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (TOP / name).parent / path if path else TOP / name
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.M)
            assert anchor in {re.sub(r"[^\w-]", "", h.lower().replace(" ", "-")) for h in headings}, target


@pytest.mark.parametrize("name", DOCS)
def test_shell_blocks_are_run_by_a_test_or_say_why_not(name: str) -> None:
    for kind, lines in shell_blocks(DOCS[name]):
        if kind.startswith("run-by: "):
            test = (TOP / kind.removeprefix("run-by: ")).read_text()
            assert f'"{name}"' in test, "the test that runs it names the document"
        elif kind:
            assert re.match(r"not-run: .{10}", kind), f"say why it is not run: {kind}"
        elif name not in test_demo.DOCUMENTS:
            assert set(lines) <= set(test_demo.ELSEWHERE), f"{name} is not in tests/e2e/test_demo.py: {lines}"


def test_shell_blocks_are_found() -> None:
    assert shell_blocks("a\n```sh\nls\n```\n```sh not-run: x\nrm\n\n```\n") == [("", ["ls"]), ("not-run: x", ["rm"])]
    for name in test_demo.DOCUMENTS:
        assert test_demo.shell_lines(DOCS[name]), name


def table(name: str, heading: str) -> dict[str, str]:
    """First column (without backticks) → second column of the table below a heading."""
    section = DOCS[name].partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| ?(.*?) ?(?:\| .*)?\|$", section, re.M)
    return {key: value.strip() for keys, value in rows for key in re.findall(r"`([^`]+)`", keys)}


class Asked(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
        self.names.add(key)
        return default


def test_configuration_is_what_the_operator_reads() -> None:
    asked = Asked()
    config = OperatorConfig.from_env(asked)
    said = table("docs/configuration.md", "The operator")
    assert set(said) == asked.names
    for key, value in said.items():
        is_default = OperatorConfig.from_env({key: value.strip("`")} if value else {})
        assert is_default == config, f"{key}: {value} is not the default"


def test_runbook_knows_every_reason() -> None:
    assert set(table("docs/runbook.md", "Reasons")) == set(DatasetReason) == set(DATASET_REASONS)
    assert set(table("docs/runbook.md", "Reasons of Samples")) == set(SampleReason) == set(SAMPLE_REASONS)
    assert set(table("docs/runbook.md", "Reasons of training runs")) == set(RunReason) == set(RUN_REASONS)


def test_readme_shows_the_committed_yaml() -> None:
    shown = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```", DOCS["README.md"], re.M | re.S)[0])
    real = yaml.safe_load((TOP / "examples/01-digits/dataset.yaml").read_text())
    assert shown["spec"].items() <= real["spec"].items()
    assert {k: shown[k] for k in ("apiVersion", "kind", "metadata")} == {k: real[k] for k in shown if k != "spec"}


def test_digits_archive_has_the_committed_checksum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image
    from sklearn.datasets import load_digits

    script = importlib.util.spec_from_file_location("make_archive", TOP / "examples/01-digits/make_archive.py")
    assert script is not None
    assert script.loader is not None
    module = importlib.util.module_from_spec(script)
    sys.modules[script.name] = module
    script.loader.exec_module(module)
    module.main(tmp_path / "digits.zip")
    spec = yaml.safe_load((TOP / "examples/01-digits/dataset.yaml").read_text())["spec"]
    assert spec["source"]["archive"]["files"][0]["sha256"] in capsys.readouterr().out
    assert (tmp_path / "digits.zip").stat().st_size < 1 << 20
    digits = load_digits()
    with zipfile.ZipFile(tmp_path / "digits.zip") as archive:
        assert len(archive.namelist()) == 1797
        for number in (0, 1000, 1796):
            with archive.open(f"{digits.target[number]}/{number:04d}.png") as file, Image.open(file) as image:
                assert np.array_equal(np.asarray(image), (digits.images[number] * 255 // 16).astype(np.uint8))
