"""How the demo runs other programs: hack/*, kubectl, the checkout's Python. Used by every module here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from clusterlib.errors import Refused
from clusterlib.layout import DEFAULT_CLUSTER, TOP, cluster_name

# What is generated for the demo of a cluster; `hack/demo down` removes it.
BUILD = TOP / "build" / ("demo" if cluster_name() == DEFAULT_CLUSTER else f"demo-{cluster_name()}")
_PYTHON = TOP / ".venv" / "bin" / "python"


def hack(program: str, *arguments: str) -> None:
    """Run one of hack/'s programs and show what it says; when it fails it has said why, so that nothing is added."""
    if subprocess.run([f"hack/{program}", *arguments], cwd=TOP, check=False).returncode != 0:
        raise SystemExit(1)


def kubectl(*arguments: str, stdin: str | None = None, seconds: float = 150) -> str:
    """Standard output of kubectl on the demo's cluster. Raises Refused with what it said."""
    command = ["hack/cluster", "kubectl", *arguments]
    try:
        done = subprocess.run(
            command, cwd=TOP, input=stdin, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(f"`kubectl {' '.join(arguments)}` did not end within {seconds:g} s") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise Refused(f"`kubectl {' '.join(arguments)}` failed: {said[-1]}")
    return done.stdout


def get(*arguments: str) -> dict[str, Any]:
    """`kubectl get … -o json`; {} when there is none."""
    found = kubectl("get", *arguments, "--ignore-not-found", "-o", "json")
    return dict(json.loads(found)) if found.strip() else {}


def run_example(script: Path, *arguments: str) -> None:
    """Run a script of examples/ with the developer's packages."""
    if not _PYTHON.exists():
        raise Refused("there is no .venv: run `make demo`, which makes it")
    done = subprocess.run([_PYTHON, script, *arguments], cwd=TOP, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refused(f"{script.relative_to(TOP)} failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
