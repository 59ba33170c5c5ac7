"""Every YAML of a run: a value that parses, fields of the schema, a program that exists and an image that is built."""

from __future__ import annotations

import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from blueno.resources.run_reasons import RunReason
from blueno.resources.training_run import TrainingRun
from tests import recipes
from tests.fakes.preparation import TOP
from tests.web.judged import judge

sys.path.insert(0, str(TOP / "hack"))

from clusterlib.imagebuild import TARGETS

EXAMPLES = TOP / "examples"
RUNS = [path for path in sorted(EXAMPLES.rglob("*.yaml")) if "kind: TrainingRun\nmetadata" in path.read_text()]


def body_of(path: Path) -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load(path.read_text())
    return body


def test_all_are_found() -> None:
    assert {path.parent.name for path in RUNS} == {
        "10-digits-jax", "11-two-nodes", "12-resume", "13-parameters", "14-volume-segmentation", "base",
    }  # fmt: skip


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.relative_to(EXAMPLES).as_posix())
def test_a_run_can_start(path: Path) -> None:
    body = body_of(path)
    (version,) = body_of(TOP / "crds" / "trainingrun.yaml")["spec"]["versions"]
    known = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert body["spec"].keys() <= known.keys()
    run = TrainingRun.parse({**body, "metadata": {**body["metadata"], "namespace": "default", "uid": "u"}})
    assert run.container.image == TARGETS["example-jax"].image
    place = PurePosixPath(body["spec"]["workingDir"]).relative_to("/workspace")
    assert place.parts[0] not in ("dataset", "output", "code", "resume"), "Blueno mounts something there"
    assert (EXAMPLES / place / body["spec"]["command"][1]).is_file()
    datasets = {body_of(one)["metadata"]["name"] for one in EXAMPLES.glob("*/dataset.yaml")}
    assert {use.name for use in run.datasets} <= datasets


def test_the_document_shows_the_committed_run() -> None:
    assert yaml.safe_load(recipes.blocks("yaml")[0]) == body_of(EXAMPLES / "10-digits-jax" / "run.yaml")


@pytest.mark.parametrize("body", recipes.runs(), ids=lambda body: body["metadata"]["name"])
def test_recipes_of_the_document_are_taken(body: dict[str, Any]) -> None:
    """By the schema, without its CEL rules (tests/contract tries those), and by what the operator makes of it."""
    judge(body, {"fieldValidation": "Strict"})
    TrainingRun.parse({**body, "metadata": {**body["metadata"], "namespace": "default", "uid": "u"}})


def test_no_recipe_is_missed() -> None:
    assert len(recipes.blocks("yaml")) == 5
    (gpus,) = [body["spec"] for body in recipes.runs() if body["spec"].get("acceleratorProfile")]
    assert gpus == {"image": "a:1", "acceleratorProfile": "l4"}


def test_reasons_of_the_document_exist() -> None:
    section = (TOP / "docs" / "training.md").read_text().partition("## Why is it waiting?")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([A-Z][a-z]+[A-Za-z]*)`", section))
    assert len(named) > 10 and named <= set(RunReason)


def test_two_runs_differ_by_their_parameters_only() -> None:
    narrow, wide = (body_of(EXAMPLES / "13-parameters" / f"{name}.yaml") for name in ("narrow", "wide"))
    for body in (narrow, wide):
        body["metadata"].pop("name")
    assert narrow["spec"].pop("parameters") != wide["spec"].pop("parameters")
    assert narrow == wide


def test_runs_of_the_repository_outlive_their_file() -> None:
    base = body_of(EXAMPLES / "gitops" / "base" / "run.yaml")
    assert base["metadata"]["annotations"] == {
        "argocd.argoproj.io/sync-options": "Prune=false",
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
    }
    top = body_of(EXAMPLES / "gitops" / "kustomization.yaml")
    assert top["resources"] == ["base"] and top["nameSuffix"].startswith("-")


def test_the_folder_of_the_image_is_named_by_the_target() -> None:
    target = TARGETS["example-jax"]
    text = (TOP / target.dockerfile).read_text()
    assert f" AS {target.name}\n" in text
    assert "USER" not in [line.split()[0] for line in text.splitlines() if line.strip()], "root, on purpose"
    for line in text.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            source = line.split()[1]
            assert any(source == path or source.startswith(f"{path}/") for path in target.inputs), source
