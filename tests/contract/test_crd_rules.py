"""Every CEL rule of Dataset against the real API server: what passes, what fails, and with which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.crd import ScratchKind, documents, fixture_files, rules

PASSING = fixture_files("dataset", "pass")
FAILING = fixture_files("dataset", "fail")
RULES = rules("dataset")


def unique_name(file: Path, body: dict[str, Any]) -> str:
    """The fixture's own name where names are what is tested, else one that no other fixture uses."""
    if file.name.startswith("name-is"):
        return str(body["metadata"]["name"])
    return file.name.removesuffix(".yaml").replace(".", "-")[:63]


@pytest.mark.parametrize("file", PASSING, ids=lambda f: f.stem)
def test_passes(datasets: ScratchKind, file: Path) -> None:
    first, *updates = (datasets.own(body, unique_name(file, body)) for body in documents(file))
    code, answer = datasets.create(first)
    assert code == 201, answer["message"]
    for update in updates:
        code, answer = datasets.replace_spec(update)
        assert code == 200, answer["message"]


@pytest.mark.parametrize("file", FAILING, ids=lambda f: f.stem)
def test_fails_with_its_own_words(datasets: ScratchKind, file: Path) -> None:
    *accepted, refused = (datasets.own(body, unique_name(file, body)) for body in documents(file))
    for body in accepted:
        code, answer = datasets.create(body)
        assert code == 201, answer["message"]
    code, answer = datasets.replace_spec(refused) if accepted else datasets.create(refused, dryRun="All")
    assert code == 422
    causes = [cause["message"] for cause in answer["details"]["causes"]]
    assert len(causes) == 1, f"more is wrong with the fixture than its rule: {json.dumps(causes, indent=1)}"
    assert RULES[file.name.split(".")[0]] in causes[0]


def test_every_rule_is_tried_both_ways() -> None:
    assert {file.name.split(".")[0] for file in FAILING} == set(RULES)
    assert {file.name.split(".")[0] for file in PASSING} >= set(RULES)


def test_nothing_differs_right_after_apply(datasets: ScratchKind, tmp_path: Path) -> None:
    """`kubectl diff` is empty after `kubectl apply`, for the last state of every passing fixture, in one call each."""
    folder = tmp_path / "all"
    folder.mkdir()
    for number, file in enumerate(PASSING):
        body = list(documents(file))[-1]
        own = datasets.own(body, f"diff-{number}")
        (folder / f"{number:03}.json").write_text(json.dumps(own))
    applied = datasets.api.kubectl("apply", "--validate=strict", "-f", str(folder))
    assert applied.returncode == 0, applied.stderr
    assert applied.stdout.count(" created") == len(PASSING)
    diff = datasets.api.kubectl("diff", "-f", str(folder))
    assert (diff.returncode, diff.stdout) == (0, ""), diff.stdout + diff.stderr
