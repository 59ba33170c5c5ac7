"""Results as json, yaml or names. Called by the commands that have `-o`."""

from __future__ import annotations

import json
from typing import Any

from blueno.cli import shell
from blueno.client import RunSummary
from blueno.client.export import dump


def data(value: Any, output: shell.Output) -> None:
    """`value` as JSON or YAML."""
    if output is shell.Output.YAML:
        shell.out(dump(value).rstrip("\n"))
    else:
        shell.out(json.dumps(value, indent=2, ensure_ascii=True))


def name(run: RunSummary) -> str:
    """As kubectl's `-o name`."""
    return f"trainingrun.blueno.dev/{run.name}"
