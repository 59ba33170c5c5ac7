"""How tools that wait (Helm, Flux, kpt) read an object: the generic rules of kstatus, written anew.

Used by tests that look at a status the operator writes; calls nothing. The rules, in their order:

1. being deleted: Terminating
2. `status.observedGeneration` is there and is not `metadata.generation`: InProgress
3. the first of the conditions `Reconciling` and `Stalled` that is True: InProgress, or Failed
4. a condition `Ready`: Current when True, else InProgress (older tools skip this rule)
5. nothing of all that: Current
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class KStatus(StrEnum):
    """What a waiting tool believes."""

    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    CURRENT = "Current"
    TERMINATING = "Terminating"


def evaluate(body: Mapping[str, Any]) -> KStatus:
    """The state of `body`, a whole object as the API server returns it."""
    meta, status = body["metadata"], body.get("status") or {}
    if meta.get("deletionTimestamp"):
        return KStatus.TERMINATING
    observed = status.get("observedGeneration")
    if observed is not None and "generation" in meta and observed != meta["generation"]:
        return KStatus.IN_PROGRESS
    conditions = status.get("conditions") or []
    for condition in conditions:
        if condition["status"] == "True" and condition["type"] == "Reconciling":
            return KStatus.IN_PROGRESS
        if condition["status"] == "True" and condition["type"] == "Stalled":
            return KStatus.FAILED
    for condition in conditions:
        if condition["type"] == "Ready":
            return KStatus.CURRENT if condition["status"] == "True" else KStatus.IN_PROGRESS
    return KStatus.CURRENT
