#!/usr/bin/env python3
"""Checks every custom resource in crds/ against our rules for schemas (docs/api.md, `make check`).

Run by the Makefile and tests/unit/hack/test_check_crds.py; reads crds/*.yaml and the names of the files in
tests/contract/fixtures/. Prints one line per finding and ends with 1 if there is any.

What the API server checks itself (a structural schema, the cost of CEL rules) is only checked as far as it costs
nothing here; tests/contract asks a real API server.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from blueno.resources.conditions import SCHEMA_MADE  # noqa: E402

# What a preparation makes is named by a hash over these: a default added later would prepare everything anew.
WORK_PARTS = ("spec.source", "spec.layout")
# Fixtures that stand for no single rule.
GENERAL_FIXTURES = ("minimal", "everything")
CONDITION_FIELDS = {"type", "status", "observedGeneration", "lastTransitionTime", "reason", "message"}
COLUMN_CONDITION = re.compile(r'^\.status\.conditions\[\?\(@\.type=="[A-Z][A-Za-z]+"\)\]\.(status|reason|message)$')
RULE_NAME = re.compile(r"^// ([a-z0-9]+(?:-[a-z0-9]+)*)\n")

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Node:
    """One place in a schema. `path` is dotted; `[]` stands for an item, `{}` for a map's value."""

    path: str
    schema: Schema
    in_list: bool  # below an item of a list

    @property
    def in_spec(self) -> bool:
        return self.path == "spec" or self.path.startswith("spec.")


def walk(schema: Schema, path: str = "", in_list: bool = False) -> Iterator[Node]:
    """The schema and everything below it."""
    yield Node(path, schema, in_list)
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}".lstrip("."), in_list)
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]", True)
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from walk(schema["additionalProperties"], f"{path}{{}}", in_list)


def is_any_json(schema: Schema) -> bool:
    """A value of whatever type: nothing but its description can be said of it."""
    return set(schema) == {"x-kubernetes-preserve-unknown-fields", "description"}


def check_structure(node: Node) -> Iterator[str]:
    """Every node has a type; nothing that a structural schema forbids."""
    schema = node.schema
    if "type" not in schema and not (schema.get("x-kubernetes-int-or-string") or is_any_json(schema)):
        yield "has no type"
    for word in ("$ref", "anyOf", "oneOf", "allOf", "not", "nullable", "uniqueItems", "definitions"):
        if word in schema:
            yield f"uses {word}: say it with CEL"
    if "properties" in schema and "additionalProperties" in schema:
        yield "has properties and additionalProperties"
    undeclared = set(schema.get("required", ())) - set(schema.get("properties", ()))
    if undeclared:
        yield f"requires what it does not declare: {', '.join(sorted(undeclared))}"


def check_bounds(node: Node) -> Iterator[str]:
    """Strings, lists and maps have a most; whole numbers of the spec a least and a most."""
    schema, kind = node.schema, node.schema.get("type")
    stringy = kind == "string" or schema.get("x-kubernetes-int-or-string")
    if stringy and "maxLength" not in schema and "enum" not in schema:
        yield "is a string without maxLength"
    if kind == "array" and "maxItems" not in schema:
        yield "is a list without maxItems"
    if kind == "array" and "x-kubernetes-list-type" not in schema:
        yield "is a list without x-kubernetes-list-type"
    is_map = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    is_map = is_map and not is_any_json(schema)  # parse bounds it (blueno/resources/sample.py)
    if is_map and "maxProperties" not in schema:
        yield "is a map without maxProperties"
    if kind == "integer" and "format" not in schema:
        yield "is a whole number without format"
    if kind == "integer" and node.in_spec and not {"minimum", "maximum"} <= schema.keys():
        yield "is a whole number of the spec without minimum and maximum"
    if kind == "number":
        yield "is a fraction: use a whole number or a quantity"
    pattern = schema.get("pattern", "^$")
    if not (pattern.startswith("^") and pattern.endswith("$")):
        yield "has a pattern that is not anchored at both ends"


def check_words(node: Node) -> Iterator[str]:
    """Every field is described; nothing is called phase."""
    if len(node.schema.get("description", "")) < 10:
        yield "has no description"
    if node.path.rsplit(".", 1)[-1].lower() == "phase":
        yield "is a phase: conditions and reasons say it"


def check_defaults(node: Node) -> Iterator[str]:
    """Defaults are few: scalar constants, none in list items, none in what decides the work's hash."""
    schema = node.schema
    is_bool = schema.get("type") == "boolean"
    if is_bool and "default" not in schema and "`false`" not in schema.get("description", ""):
        yield "is a boolean whose description does not say that absent means `false`"
    if "default" not in schema or node.path == "status":
        return
    default = schema["default"]
    if isinstance(default, list | dict):
        yield "has a default that is no scalar"
    if is_bool and default is not False:
        yield "is a boolean that is not false by default: turn its name round"
    if node.in_list:
        yield "has a default inside a list's item: kubectl diff would not be empty"
    if not node.in_spec:
        yield "has a default outside the spec"
    if any(node.path == part or node.path.startswith(f"{part}.") for part in WORK_PARTS):
        yield "has a default in a part that decides the work's hash"
    if "enum" in schema and default not in schema["enum"]:
        yield "has a default that its enum does not know"


def check_rules(root: Schema, fixtures: Path) -> Iterator[str]:
    """Every CEL rule has a name, a message, a passing and a failing fixture; every fixture has its rule."""
    known: set[str] = set()
    present = {path.name for path in fixtures.glob("*.yaml")}
    for node in walk(root):
        for rule in node.schema.get("x-kubernetes-validations", ()):
            match = RULE_NAME.match(rule["rule"])
            name = match[1] if match else ""
            where = f"{node.path or 'the object'}: rule {name or rule['rule'][:40]!r}"
            if not match:
                yield f"{where} does not begin with a comment that names it"
                continue
            if name in known:
                yield f"{where} is there twice"
            known.add(name)
            if not rule.get("message"):
                yield f"{where} has no message"
            for kind in ("pass", "fail"):
                if f"{name}.{kind}.yaml" not in present:
                    yield f"{where} has no fixture {fixtures.name}/{name}.{kind}.yaml"
    for file in sorted(present):
        name = file.split(".")[0]
        if name not in known and not name.startswith(GENERAL_FIXTURES):
            yield f"fixture {fixtures.name}/{file} belongs to no rule"


def check_status(version: Schema, root: Schema) -> Iterator[str]:
    """Status is a subresource, known to be unseen from the start, and its conditions are metav1.Condition."""
    status = root["properties"].get("status", {})
    if version.get("subresources", {}).get("status") is None:
        yield "status is no subresource"
    default = status.get("default", {})
    if default.get("observedGeneration") != -1 or not set(default) <= {"observedGeneration", "conditions"}:
        yield "status: its default must have observedGeneration -1, else it counts as settled before anybody saw it"
    if any(made.get("lastTransitionTime") != SCHEMA_MADE for made in default.get("conditions", ())):
        yield f"status: a condition by default has lastTransitionTime {SCHEMA_MADE}, else it counts as written"
    conditions = status.get("properties", {}).get("conditions", {})
    if conditions.get("x-kubernetes-list-type") != "map" or conditions.get("x-kubernetes-list-map-keys") != ["type"]:
        yield "status.conditions is not a map by type"
    item = conditions.get("items", {})
    if set(item.get("properties", ())) != CONDITION_FIELDS:
        yield "status.conditions[] has not exactly the fields of metav1.Condition"
    if set(item.get("required", ())) != CONDITION_FIELDS - {"observedGeneration"}:
        yield "status.conditions[] does not require what metav1.Condition requires"


def check_columns(version: Schema, root: Schema) -> Iterator[str]:
    """Columns are described, exist in the schema, and pick conditions by type, never by place."""
    paths = {f".{node.path}" for node in walk(root)} | {".metadata.creationTimestamp"}
    for column in version.get("additionalPrinterColumns", ()):
        name, path = column["name"], column["jsonPath"]
        if not column.get("description"):
            yield f"column {name} has no description"
        if "conditions" in path:
            if not COLUMN_CONDITION.match(path):
                yield f"column {name} must pick its condition by type, not by {path}"
        elif path not in paths:
            yield f"column {name} shows {path}, which is not in the schema"
        if name.lower() == "phase":
            yield "column Phase: show the reason of the summary condition"


def check_names(spec: Schema) -> Iterator[str]:
    """Nobody else's short names; never in `all`, which people delete wholesale."""
    names = spec["names"]
    if "ds" in names.get("shortNames", ()):
        yield "short name ds belongs to daemonsets"
    if "blueno" not in names.get("categories", ()) or "all" in names.get("categories", ()):
        yield "categories must hold blueno and never all"
    if spec["scope"] != "Namespaced":
        yield "scope must be Namespaced"


def check_crd(crd: Schema, fixtures: Path) -> Iterator[str]:
    """Every finding in one CustomResourceDefinition."""
    yield from check_names(crd["spec"])
    for version in crd["spec"]["versions"]:
        root = version["schema"]["openAPIV3Schema"]
        for node in walk(root):
            if node.path == "metadata":  # the API server's own
                continue
            for check in (check_structure, check_bounds, check_words, check_defaults):
                yield from (f"{node.path or 'the object'} {finding}" for finding in check(node))
        yield from check_rules(root, fixtures)
        yield from check_status(version, root)
        yield from check_columns(version, root)


def main(root: Path = ROOT) -> int:
    """Prints findings; 1 when there is any."""
    files = sorted((root / "crds").glob("*.yaml"))
    findings = []
    for file in files:
        crd = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        singular = crd["spec"]["names"]["singular"]
        fixtures = root / "tests" / "contract" / "fixtures" / singular
        findings += [f"crds/{file.name}: {finding}" for finding in check_crd(crd, fixtures)]
    print("\n".join(findings) or f"{len(files)} custom resource(s) checked")
    return 1 if findings or not files else 0


if __name__ == "__main__":
    sys.exit(main())
