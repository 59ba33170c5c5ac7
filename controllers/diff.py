"""What every kind's status has in common: the merge-patch between two, and the kstatus flags. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blueno.resources.conditions import Condition
from controllers.step import Step


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Merge-patch that turns `old` into `new`: changed fields whole, vanished ones None."""
    changes: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if before == value:
            continue
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = difference(before, value)
            changes |= {key: inner} if inner else {}
        else:
            changes[key] = value
    return changes


def flag(kind: str, on: bool, step: Step, generation: int) -> Condition:
    """Reconciling or Stalled."""
    if on:
        return Condition(kind, "True", step.reason, step.message, generation=generation)
    return Condition(kind, "False", "Settled" if kind == "Reconciling" else "Working", generation=generation)
