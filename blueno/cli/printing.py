"""Results as json, yaml or names. Called by the commands that have `-o`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from blueno import names
from blueno.cli import shell

if TYPE_CHECKING:
    from blueno.client import RunSummary


def data(value: Any, output: shell.Output) -> None:
    """`value` as JSON or YAML."""
    if output is shell.Output.YAML:
        from blueno.client.export import dump

        shell.out(dump(value).rstrip("\n"))
    else:
        shell.out(json.dumps(value, indent=2, ensure_ascii=True))


def name(run: RunSummary) -> str:
    """As kubectl's `-o name`."""
    return f"{names.TRAINING_RUN_KIND.lower()}.{names.GROUP}/{run.name}"


def dataset(name: str) -> str:
    """As kubectl's `-o name`."""
    return f"{names.DATASET_KIND.lower()}.{names.GROUP}/{name}"
