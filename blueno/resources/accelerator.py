"""Accelerator profiles: where GPUs of a kind are in this cluster, named by `spec.acceleratorProfile`. Pure.

Read from the operator's configuration by blueno/config.py; put into pods by controllers/training_run/place.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blueno.errors import InvalidSpec

VARIABLE = "BLUENO_ACCELERATOR_PROFILES"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_TEXTS = ("resourceName", "product", "priorityClassName", "runtimeClassName")


@dataclass(frozen=True)
class AcceleratorProfile:
    """What is added to the pods of runs that name it; whatever a run says itself wins."""

    resource_name: str | None = None
    product: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    priority_class: str | None = None
    runtime_class: str | None = None


def parse_profiles(text: str) -> dict[str, AcceleratorProfile]:
    """JSON: name → {resourceName, product, nodeSelector, tolerations, priorityClassName, runtimeClassName}, all
    optional. Raises InvalidSpec.
    """
    try:
        body: Any = json.loads(text)
    except ValueError as error:
        raise InvalidSpec(VARIABLE, f"is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise InvalidSpec(VARIABLE, 'must be an object like {"l4": {"nodeSelector": {"gpu": "l4"}}}')
    return {name: _profile(name, entry) for name, entry in body.items()}


def _profile(name: str, entry: Any) -> AcceleratorProfile:
    known = {*_TEXTS, "nodeSelector", "tolerations"}
    if _NAME.fullmatch(name) is None:
        raise InvalidSpec(VARIABLE, f"{name[:80]!r} is no name: lower-case letters, digits and '-', at most 63")
    if not isinstance(entry, dict) or not set(entry) <= known:
        raise InvalidSpec(VARIABLE, f"profile {name}: must be an object with some of {', '.join(sorted(known))}")
    selector, tolerations = entry.get("nodeSelector", {}), entry.get("tolerations", [])
    if any(not isinstance(entry.get(key, ""), str) for key in _TEXTS):
        raise InvalidSpec(VARIABLE, f"profile {name}: {', '.join(_TEXTS)} must be texts")
    if not isinstance(selector, dict) or any(not isinstance(value, str) for value in selector.values()):
        raise InvalidSpec(VARIABLE, f"profile {name}: nodeSelector must map label names to texts")
    if not isinstance(tolerations, list) or any(not isinstance(value, dict) for value in tolerations):
        raise InvalidSpec(VARIABLE, f"profile {name}: tolerations must be a list of tolerations")
    return AcceleratorProfile(
        resource_name=entry.get("resourceName"),
        product=entry.get("product"),
        node_selector=selector,
        tolerations=tuple(tolerations),
        priority_class=entry.get("priorityClassName"),
        runtime_class=entry.get("runtimeClassName"),
    )
