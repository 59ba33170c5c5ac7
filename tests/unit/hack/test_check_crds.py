"""hack/check_crds.py finds what it is there to find, in our schema with one thing broken at a time."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack import check_crds

ROOT = check_crds.ROOT
FIXTURES = ROOT / "tests" / "contract" / "fixtures" / "dataset"
CRD = yaml.safe_load((ROOT / "crds" / "dataset.yaml").read_text())

Break = Callable[[dict[str, Any], dict[str, Any]], object]  # (version, properties of spec and status)


def findings(change: Break) -> list[str]:
    crd = copy.deepcopy(CRD)
    version = crd["spec"]["versions"][0]
    change(version, version["schema"]["openAPIV3Schema"]["properties"])
    return list(check_crds.check_crd(crd, FIXTURES))


def spec(schema: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = schema["spec"]["properties"]
    return fields


def add_column(version: dict[str, Any], path: str) -> None:
    version["additionalPrinterColumns"].append({"name": "X", "type": "string", "description": "x", "jsonPath": path})


BROKEN: dict[str, tuple[Break, str]] = {
    "no type": (lambda _, s: spec(s)["license"].pop("type"), "spec.license has no type"),
    "anyOf": (lambda _, s: spec(s)["license"].update(anyOf=[]), "spec.license uses anyOf"),
    "unbounded text": (lambda _, s: spec(s)["license"].pop("maxLength"), "spec.license is a string without maxLength"),
    "unbounded list": (
        lambda _, s: spec(s)["prepare"]["properties"]["tolerations"].pop("maxItems"),
        "spec.prepare.tolerations is a list without maxItems",
    ),
    "list of no type": (
        lambda _, s: spec(s)["prepare"]["properties"]["tolerations"].pop("x-kubernetes-list-type"),
        "without x-kubernetes-list-type",
    ),
    "unbounded map": (
        lambda _, s: spec(s)["prepare"]["properties"]["nodeSelector"].pop("maxProperties"),
        "spec.prepare.nodeSelector is a map without maxProperties",
    ),
    "unbounded JSON": (lambda _, s: spec(s)["metadata"].pop("maxProperties"), "spec.metadata is a map without"),
    "unbounded amount": (
        lambda _, s: spec(s)["prepare"]["properties"]["resources"]["properties"]["limits"]["additionalProperties"].pop(
            "maxLength"
        ),
        "spec.prepare.resources.limits{} is a string without maxLength",
    ),
    "unbounded number": (
        lambda _, s: spec(s)["prepare"]["properties"]["backoffLimit"].pop("maximum"),
        "spec.prepare.backoffLimit is a whole number of the spec without",
    ),
    "loose pattern": (lambda _, s: spec(s)["license"].update(pattern="[a-z]+"), "not anchored"),
    "undescribed": (lambda _, s: spec(s)["license"].pop("description"), "spec.license has no description"),
    "phase": (
        lambda _, s: s["status"]["properties"].update(
            phase={"type": "string", "maxLength": 9, "description": "Where it stands."}
        ),
        "status.phase is a phase",
    ),
    "phase column": (
        lambda v, _: v["additionalPrinterColumns"][0].update(name="Phase"),
        "column Phase",
    ),
    "status default": (lambda _, s: s["status"].pop("default"), "status: its default must have"),
    "no subresource": (lambda v, _: v.pop("subresources"), "status is no subresource"),
    "conditions as a list": (
        lambda _, s: s["status"]["properties"]["conditions"].update({"x-kubernetes-list-type": "atomic"}),
        "status.conditions is not a map by type",
    ),
    "condition's fields": (
        lambda _, s: s["status"]["properties"]["conditions"]["items"]["required"].remove("reason"),
        "does not require what metav1.Condition requires",
    ),
    "column by place": (lambda v, _: add_column(v, ".status.conditions[-1:].type"), "must pick its condition by type"),
    "column of nothing": (lambda v, _: add_column(v, ".status.colour"), ".status.colour, which is not in the schema"),
    "default object": (
        lambda _, s: spec(s)["prepare"].update(default={}),
        "spec.prepare has a default that is no scalar",
    ),
    "default in a list": (
        lambda _, s: spec(s)["prepare"]["properties"]["tolerations"]["items"]["properties"]["operator"].update(
            default="Equal"
        ),
        "has a default inside a list's item",
    ),
    "default in the work": (
        lambda _, s: spec(s)["layout"]["properties"]["type"].update(default="auto"),
        "spec.layout.type has a default in a part that decides the work's hash",
    ),
    "default unknown to the enum": (lambda _, s: spec(s)["reclaimPolicy"].update(default="Keep"), "enum does not know"),
    "true by default": (lambda _, s: spec(s)["suspend"].update(default=True), "turn its name round"),
    "bool without a word": (
        lambda _, s: spec(s)["source"]["properties"]["archive"]["properties"]["allowUnverified"].update(
            description="Accept any file."
        ),
        "does not say that absent means",
    ),
    "nameless rule": (
        lambda _, s: spec(s)["homepage"]["x-kubernetes-validations"][0].update(rule="self != ''"),
        "does not begin with a comment that names it",
    ),
    "rule without fixture": (
        lambda _, s: spec(s)["homepage"]["x-kubernetes-validations"][0].update(rule="// other\nself != ''"),
        "has no fixture dataset/other.fail.yaml",
    ),
    "fixture without rule": (
        lambda _, s: spec(s)["homepage"].pop("x-kubernetes-validations"),
        "fixture dataset/homepage-is-a-web-address.pass.yaml belongs to no rule",
    ),
    "rule without words": (
        lambda _, s: spec(s)["homepage"]["x-kubernetes-validations"][0].pop("message"),
        "has no message",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_finds(case: str) -> None:
    change, words = BROKEN[case]
    assert any(words in finding for finding in findings(change)), findings(change)


def test_names_of_others() -> None:
    crd = copy.deepcopy(CRD)
    crd["spec"]["names"] |= {"shortNames": ["ds"], "categories": ["all", "blueno"]}
    found = list(check_crds.check_names(crd["spec"]))
    assert len(found) == 2


def test_our_resources_are_in_order() -> None:
    assert findings(lambda *_: None) == []


def test_main_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ROOT / "crds", tmp_path / "crds")
    assert check_crds.main(tmp_path) == 1  # no fixtures there
    assert (
        "crds/dataset.yaml: spec.homepage: rule 'homepage-is-a-web-address' has no fixture" in capsys.readouterr().out
    )
    assert check_crds.main() == 0


def test_no_resources_is_a_failure(tmp_path: Path) -> None:
    assert check_crds.main(tmp_path) == 1
