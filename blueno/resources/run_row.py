"""What lists and pages show of a TrainingRun, out of its spec and status. Pure.

Called by controllers/training_run/project.py for the mirror, and by webui/run_views.py for a run that was made this
moment, of which the mirror has no row yet: both show the same words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from blueno.resources.conditions import parse_time
from blueno.resources.row import INTEGER, LARGE, SMALL, clean, conditions, mapping, mappings, number, text

STATES: Final = ("pending", "running", "suspended", "succeeded", "failed")
ENDED: Final = ("succeeded", "failed")
METRICS = 64  # last values that a line carries
_OUTCOMES: Final = {"True": "succeeded", "False": "failed"}


def run_columns(spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    """Column → value of projection.training_run; lists and objects as they are. Tolerates whatever may be lacking."""
    told = conditions(status)
    succeeded, trainer = told.get("Succeeded") or {}, mapping(status.get("trainerStatus"))
    nodes = number(spec.get("numNodes"), INTEGER) or 1
    return {
        "state": state_of(told),
        "reason": text(succeeded.get("reason")) or "",
        "message": text(succeeded.get("message")) or "",
        "stalled": _holds(told, "Stalled"),
        "suspended": _holds(told, "Suspended"),
        "percentage": number(trainer.get("progressPercentage"), SMALL),
        "remaining_seconds": number(trainer.get("estimatedRemainingSeconds"), LARGE),
        "metrics": _metrics(trainer),
        "objective": _objective(spec),
        "datasets": _datasets(spec, status),
        "parameters": {clean(str(key)): clean(str(value)) for key, value in mapping(spec.get("parameters")).items()},
        "gpus": min((number(mapping(spec.get("gpus")).get("count"), INTEGER) or 0) * nodes, INTEGER),
        "nodes": _texts(status.get("nodes")),
        "num_nodes": nodes,
        "gpu_seconds": _seconds(mapping(status.get("usage")).get("gpuSeconds")),
        "wall_seconds": _seconds(mapping(status.get("usage")).get("wallSeconds")),
        "running_since": _running_since(told),
        "attempt": number(status.get("attempt"), INTEGER) or 0,
        "restarts": number(status.get("restarts"), INTEGER) or 0,
        "queue": text(spec.get("queueName")),
        "started_at": _time(status.get("startTime")),
        "ended_at": _time(status.get("completionTime")),
    }


def state_of(told: Mapping[str, Mapping[str, Any]]) -> str:
    """One of STATES, by the conditions."""
    outcome = _OUTCOMES.get(str((told.get("Succeeded") or {}).get("status")))
    if outcome is not None:
        return outcome
    if _holds(told, "Suspended"):
        return "suspended"
    return "running" if _holds(told, "PodsReady") else "pending"


def _running_since(told: Mapping[str, Mapping[str, Any]]) -> datetime | None:
    """What runs now is not in `usage` yet."""
    return _time((told.get("PodsReady") or {}).get("lastTransitionTime")) if state_of(told) == "running" else None


def _holds(told: Mapping[str, Mapping[str, Any]], condition: str) -> bool:
    return (told.get(condition) or {}).get("status") == "True"


def _metrics(trainer: Mapping[str, Any]) -> list[dict[str, str]]:
    """The last values, as the program said them."""
    found = [(text(item.get("name")), item.get("value")) for item in mappings(trainer.get("metrics"))]
    return [{"name": name, "value": clean(str(value))} for name, value in found[:METRICS] if name]


def _objective(spec: Mapping[str, Any]) -> dict[str, str] | None:
    found = mapping(mapping(spec.get("metrics")).get("objective"))
    name = text(found.get("name"))
    return {"name": name, "direction": text(found.get("direction")) or "maximize"} if name else None


def _datasets(spec: Mapping[str, Any], status: Mapping[str, Any]) -> list[dict[str, str | None]]:
    """Those that it asks for, each once, with the digest it was started with (or asks for)."""
    pinned = {text(item.get("name")): text(item.get("digest")) for item in mappings(status.get("datasets"))}
    found: dict[str, str | None] = {}
    for item in mappings(spec.get("datasets")):
        if name := text(item.get("name")):
            found[name] = pinned.get(name) or text(item.get("version"))
    return [{"name": name, "digest": digest} for name, digest in found.items()]


def _seconds(value: Any) -> int:
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    return number(value, LARGE) or 0


def _texts(value: Any) -> list[str]:
    return [clean(item) for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []


def _time(value: Any) -> datetime | None:
    """None, too, for years that PostgreSQL or Python cannot bring into another time zone."""
    found = parse_time(value) if isinstance(value, str) else None
    return found if found is not None and 1970 <= found.year < 9999 else None
