"""Blocks of docs/training.md, whole: tests/unit/examples runs or judges them, tests/contract asks an API server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

PAGE = Path(__file__).resolve().parents[1] / "docs" / "training.md"
_WHOLE: dict[str, Any] = {"apiVersion": "blueno.dev/v1alpha1", "kind": "TrainingRun", "spec": {"image": "a:1"}}


def blocks(language: str) -> list[str]:
    """As they stand, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.M | re.S)


def runs() -> list[dict[str, Any]]:
    """Every YAML block as a run: what it leaves out is filled in; a line that is commented out is tried, too."""
    found = []
    for number, block in enumerate(blocks("yaml")):
        shown = yaml.safe_load(block)
        others = [yaml.safe_load(line) for line in re.findall(r"^  # (\w+: .*)$", block, re.M)]
        for variant, spec in enumerate((shown["spec"], *others)):
            meta = {"name": f"recipe-{number}-{variant}"} | shown.get("metadata", {})
            found.append(_WHOLE | {"metadata": meta, "spec": _WHOLE["spec"] | spec})
    return found
