"""`make demo` from nothing to `make demo-down`, on a cluster of its own; between them, every command of the documents.

Shell blocks of DOCUMENTS are run line by line, as they stand; tests/unit/test_docs.py makes sure there are no others.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
NAME = "demo-test"
BUILD = TOP / "build" / f"demo-{NAME}"
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "BLUENO_KUBECONFIG"} | {"BLUENO_CLUSTER": NAME}
DOCUMENTS = (
    "README.md",
    "examples/01-digits/README.md",
    "examples/02-mnist/README.md",
    "examples/03-own-photos/README.md",
    "examples/10-digits-jax/README.md",
    "examples/11-two-nodes/README.md",
    "examples/12-resume/README.md",
    "examples/13-parameters/README.md",
    "examples/14-volume-segmentation/README.md",
    "examples/gitops/README.md",
    "docs/configuration.md",
    "docs/runbook.md",
    "docs/storage.md",
    "docs/training.md",
    "docs/ui.md",
)
# Run by the fixture below, and by make test itself.
ELSEWHERE = ("make demo", "make demo-down", "make test", "make test-fast", "make check")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def run(command: str) -> str:
    """Standard output of a shell command, which has to succeed."""
    argv = ["bash", "-euo", "pipefail", "-c", command]
    done = subprocess.run(argv, cwd=TOP, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def shell_lines(text: str) -> list[str]:
    """Lines of the shell blocks that are meant to be run."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def running() -> bool:
    done = subprocess.run(["hack/cluster", "status"], cwd=TOP, env=ENVIRONMENT, capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    """What `make demo` said; afterwards there is nothing left of it."""
    try:
        yield run("make demo")
    finally:
        run("make demo-down")
    assert not running()
    assert not BUILD.exists()


def test_says_what_was_made_where_it_lies_and_what_next(demo: str) -> None:
    for name, samples in (("digits", "1797"), ("mnist", "70000"), ("own-photos", "24")):
        assert re.search(rf"^default +{name} +True +Available +{samples} ", demo, re.M), demo
        assert f"{BUILD.relative_to(TOP)}/{name}" in demo or "claim " in demo
    for command in re.findall(r"^  ((?:hack/cluster|\.venv/bin/python).*?)(?:   .*)?$", demo, re.M):
        assert run(command)


def test_second_run_changes_nothing(demo: str) -> None:
    def versions() -> list[str]:
        items = json.loads(run("hack/cluster kubectl get datasets -o json"))["items"]
        return [f"{item['metadata']['uid']} {item['status']['version']}" for item in items]

    before = versions()
    assert "What to type next" in run("make demo")
    assert versions() == before


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_of_the_documents(demo: str, document: str) -> None:
    lines = [line for line in shell_lines((TOP / document).read_text()) if line not in ELSEWHERE]
    assert lines
    for line in lines:
        run(line)


def test_python_of_the_readme(demo: str) -> None:
    """What reads data; what adds samples: tests/unit/client/test_document.py."""
    if not (BUILD / "digits").exists():
        pytest.skip("the data lies in a container engine's cluster, not on this machine")
    _, block = re.findall(r"^```python\n(.*?)^```", (TOP / "README.md").read_text(), re.M | re.S)
    code = block.replace("build/demo/", f"{BUILD}/") + "\nassert train.batch(range(256)).shape == (256, 8, 8, 1)"
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_second_kubeconfig_is_refused_in_one_sentence(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("")
    environment = ENVIRONMENT | {"BLUENO_KUBECONFIG": str(kubeconfig)}
    for command in ("up", "down"):
        argv = ["hack/demo", command]
        done = subprocess.run(argv, cwd=TOP, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "unset BLUENO_KUBECONFIG" in done.stderr
        assert "Traceback" not in done.stderr
