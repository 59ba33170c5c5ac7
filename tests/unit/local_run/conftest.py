"""Local runs as processes: a directory with a YAML file and a program beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

TOP = Path(__file__).resolve().parents[3]


@dataclass
class Bench:
    """`folder`: where blueno is started; run.yaml and train.py lie in it."""

    folder: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[str]]

    def write(self, program: str, **spec: Any) -> None:
        """The program, and the YAML that runs it."""
        (self.folder / "train.py").write_text(textwrap.dedent(program))
        spec = {"image": "train:1", "command": [sys.executable, "train.py"]} | spec
        run = {"apiVersion": "blueno.dev/v1alpha1", "kind": "TrainingRun", "metadata": {"name": "digits"}, "spec": spec}
        (self.folder / "run.yaml").write_text(yaml.safe_dump(run))

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """`blueno run --local run.yaml …`"""
        command = [sys.executable, "-m", "blueno.cli", "run", "--local", "run.yaml", *arguments]
        pipe = subprocess.PIPE
        one = subprocess.Popen(
            command, env=self.environment | more, cwd=self.folder, text=True, stdout=pipe, stderr=pipe
        )
        self.started.append(one)
        return one

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """The same, to its end."""
        one = self.start(*arguments, **more)
        out, errors = one.communicate(timeout=120)
        return subprocess.CompletedProcess(one.args, one.returncode, out, errors)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    made = Bench(tmp_path, {**kept, "HOME": str(tmp_path), "PYTHONPATH": str(TOP), "BLUENO_TOKEN": "blueno_secret"}, [])
    yield made
    for one in made.started:
        one.kill()
        one.communicate()


Make = Callable[..., Any]
