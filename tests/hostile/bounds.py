"""A spec for every bound of a schema that goes just past it. Used by tests/contract/test_schema_bounds.py.

Every field of the schema in crds/: without it where it is required, null, of another type, one below its minimum, one
above its maximum, too short, too long, too many, and what no pattern or enumeration allows.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.hostile.specs import MINIMAL, Schema, schema

GONE = object()  # for a field that is left out
MOST = 3000  # items that are written out to have one too many
_STRANGE = "\n\u202e no such thing"


@dataclass(frozen=True)
class Past:
    """A spec with one thing wrong: at `field` (dotted, as the API server says it), `what` of it."""

    field: str
    what: str
    spec: Any


def past_its_bounds(kind: str) -> Iterator[Past]:
    """All of them."""
    yield from _node(schema(kind), "spec", lambda value: _merged(MINIMAL[kind], value))


def _merged(least: Any, value: Any) -> Any:
    return {**copy.deepcopy(least), **value} if isinstance(value, Mapping) else value


def _node(node: Schema, field: str, whole: Callable[[Any], Any]) -> Iterator[Past]:
    for what, value in _wrong(node):
        yield Past(field, what, whole(value))
    for name, inner in node.get("properties", {}).items():

        def with_it(value: Any, name: str = name) -> Any:
            others = {other: least(node["properties"][other]) for other in node.get("required", ()) if other != name}
            return whole(others if value is GONE else {**others, name: value})

        if name in node.get("required", ()) and "default" not in inner and field != "spec":
            yield Past(f"{field}.{name}", "absent", with_it(GONE))
        yield from _node(inner, f"{field}.{name}", with_it)
    if isinstance(inner := node.get("additionalProperties"), Mapping):
        yield from _node(inner, f"{field}.k", lambda value: whole({"k": value}))
    if "items" in node:
        yield from _node(node["items"], f"{field}[0]", lambda value: whole([value]))


def _wrong(node: Schema) -> Iterator[tuple[str, Any]]:
    """Values that this node does not allow."""
    kind = node.get("type")
    if kind or node.get("x-kubernetes-int-or-string"):
        yield "another type", 7 if kind in ("string", "object", "array", "boolean") else {"a": 1}
    if not node.get("nullable") and "default" not in node and kind:
        yield "null", None
    if "minimum" in node:
        yield "below its minimum", node["minimum"] - 1
    if "maximum" in node:
        yield "above its maximum", node["maximum"] + 1
    if "enum" in node:
        yield "none of its words", _STRANGE
    if node.get("minLength"):
        yield "too short", "a" * (node["minLength"] - 1)
    if "maxLength" in node:
        yield "too long", "a" * (node["maxLength"] + 1)
    if "pattern" in node and not re.search(node["pattern"], _STRANGE):
        yield "not of its pattern", _STRANGE
    if node.get("minItems"):
        yield "too few", [least(node["items"])] * (node["minItems"] - 1)
    if node.get("maxItems", MOST) < MOST:
        yield "too many", [least(node["items"])] * (node["maxItems"] + 1)
    if node.get("maxProperties", MOST) < MOST and kind == "object":
        inner = node.get("additionalProperties")
        value = least(inner) if isinstance(inner, Mapping) else "a"
        yield "too many", {f"k{number}": value for number in range(node["maxProperties"] + 1)}


def least(node: Schema) -> Any:
    """A small value of the node's type; it need not be one that means something."""
    if "default" in node:
        return node["default"]
    if "enum" in node:
        return node["enum"][0]
    match node.get("type"):
        case "object":
            return {name: least(node["properties"][name]) for name in node.get("required", ())}
        case "array":
            return [least(node["items"])] * node.get("minItems", 0)
        case "integer" | "number":
            return node.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return "a" * max(1, node.get("minLength", 1))
