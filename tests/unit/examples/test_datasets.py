"""Every YAML of a data set among the examples: a value that parses, with a README that applies it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from blueno.resources.dataset import SOURCES, Dataset
from tests.fakes.preparation import TOP

EXAMPLES = TOP / "examples"
DATASETS = sorted(EXAMPLES.glob("*/dataset.yaml"))


def parsed(path: Path) -> Dataset:
    body = yaml.safe_load(path.read_text())
    return Dataset.parse({**body, "metadata": {**body["metadata"], "namespace": "default", "uid": "u"}})


@pytest.mark.parametrize("path", DATASETS, ids=lambda path: path.parent.name)
def test_a_data_set_can_be_applied_as_its_readme_says(path: Path) -> None:
    text = (path.parent / "README.md").read_text()
    assert f"kubectl apply -f {path.relative_to(TOP)}" in text
    assert f"dataset/{parsed(path).name}" in text


def test_there_is_one_of_every_source() -> None:
    assert {parsed(path).source_kind for path in DATASETS} == set(SOURCES)
