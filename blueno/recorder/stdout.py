"""Metrics in a log: lines of JSON such as {"step": 100, "loss": 0.3}. Called by follow.py. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from blueno.db.run_metrics_write import Point
from blueno.resources.training_report import parse_report

LINE = 64 << 10  # bytes of a line that is read as JSON
_SHORTEST = len(b'{"a":1}')


def points_of(lines: Iterable[bytes], run_uid: str, attempt: int, now: datetime) -> list[Point]:
    """The points of the lines that are JSON objects with at least one number besides `step`; others are only text."""
    found = []
    for line in lines:
        body = _object(line)
        if body is None:
            continue
        step, values = body.pop("step", None), {k: v for k, v in body.items() if type(v) in (int, float)}
        try:
            told = parse_report({"points": [{"step": _step(step), "metrics": values}]}, attempt, now)
        except ValueError:  # a step that is none
            continue
        found += [Point(run_uid, attempt, point.step, now, point.metrics) for point in told.points]
    return found


def _step(step: Any) -> Any:
    """Some programs count in floats."""
    return int(step) if isinstance(step, float) and step.is_integer() else step


def _object(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b"{") or not _SHORTEST <= len(line) <= LINE:
        return None
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return dict(body) if isinstance(body, Mapping) else None
