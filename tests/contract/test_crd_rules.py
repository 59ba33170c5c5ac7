"""Every CEL rule of ours against the real API server: what passes, what fails, and with which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import recipes
from tests.contract.crd import ScratchKind, documents, fixture_files, rules

KINDS = {"dataset": "datasets", "trainingrun": "training_runs", "sample": "samples"}  # schema → fixture of conftest.py
PASSING = [(kind, file) for kind in KINDS for file in fixture_files(kind, "pass")]
FAILING = [(kind, file) for kind in KINDS for file in fixture_files(kind, "fail")]
RULES = {kind: rules(kind) for kind in KINDS}


def name_of(case: tuple[str, Path]) -> str:
    """For pytest."""
    return f"{case[0]}-{case[1].stem}"


@pytest.fixture
def kind(case: tuple[str, Path], request: pytest.FixtureRequest) -> ScratchKind:
    """The case's kind, installed."""
    found: ScratchKind = request.getfixturevalue(KINDS[case[0]])
    return found


def unique_name(file: Path, body: dict[str, Any]) -> str:
    """The fixture's own name where names are what is tested, else one that no other fixture uses."""
    if file.name.startswith("name-is"):
        return str(body["metadata"]["name"])
    return file.name.removesuffix(".yaml").replace(".", "-")[:63]


@pytest.mark.parametrize("case", PASSING, ids=name_of)
def test_passes(kind: ScratchKind, case: tuple[str, Path]) -> None:
    first, *updates = (kind.own(body, unique_name(case[1], body)) for body in documents(case[1]))
    code, answer = kind.create(first)
    assert code == 201, answer["message"]
    for update in updates:
        code, answer = kind.replace_spec(update)
        assert code == 200, answer["message"]


@pytest.mark.parametrize("body", recipes.runs(), ids=lambda body: body["metadata"]["name"])
def test_recipes_of_the_document_pass(training_runs: ScratchKind, body: dict[str, Any]) -> None:
    code, answer = training_runs.create(training_runs.own(body), dryRun="All")
    assert code == 201, answer["message"]


@pytest.mark.parametrize("case", FAILING, ids=name_of)
def test_fails_with_its_own_words(kind: ScratchKind, case: tuple[str, Path]) -> None:
    singular, file = case
    *accepted, refused = (kind.own(body, unique_name(file, body)) for body in documents(file))
    for body in accepted:
        code, answer = kind.create(body)
        assert code == 201, answer["message"]
    code, answer = kind.replace_spec(refused) if accepted else kind.create(refused, dryRun="All")
    assert code == 422
    causes = [cause["message"] for cause in answer["details"]["causes"]]
    assert len(causes) == 1, f"more is wrong with the fixture than its rule: {json.dumps(causes, indent=1)}"
    assert RULES[singular][file.name.split(".")[0]] in causes[0]


@pytest.mark.parametrize("singular", KINDS)
def test_every_rule_is_tried_both_ways(singular: str) -> None:
    assert {file.name.split(".")[0] for kind, file in FAILING if kind == singular} == set(RULES[singular])
    assert {file.name.split(".")[0] for kind, file in PASSING if kind == singular} >= set(RULES[singular])


@pytest.mark.parametrize("singular", KINDS)
def test_nothing_differs_right_after_apply(singular: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """`kubectl diff` is empty after `kubectl apply`, for the last state of every passing fixture, in one call each."""
    folder = tmp_path / "all"
    folder.mkdir()
    kind: ScratchKind = request.getfixturevalue(KINDS[singular])
    files = [file for found, file in PASSING if found == singular]
    for number, file in enumerate(files):
        body = list(documents(file))[-1]
        own = kind.own(body, f"diff-{number}")
        (folder / f"{number:03}.json").write_text(json.dumps(own))
    applied = kind.api.kubectl("apply", "--validate=strict", "-f", str(folder))
    assert applied.returncode == 0, applied.stderr
    assert applied.stdout.count(" created") == len(files)
    diff = kind.api.kubectl("diff", "-f", str(folder))
    assert (diff.returncode, diff.stdout) == (0, ""), diff.stdout + diff.stderr
