"""Training runs as the API shows them: rows of the database, and objects fresh from the API server. Used by api/ and
listen.py. Pure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from blueno.db.run_logs import LogPart
from blueno.db.run_metrics import Series
from blueno.db.training_runs import RunRow
from blueno.resources.conditions import parse_time
from blueno.resources.history import DELETED
from blueno.resources.row import identity, mapping, mappings
from blueno.resources.run_row import ENDED, run_columns
from webui.views import time_text


def run_summary(row: RunRow) -> dict[str, Any]:
    """RunSummary: a line of the list, and what an event carries."""
    progress = None
    if row.percentage is not None:
        progress = {"percentage": row.percentage, "estimatedRemainingSeconds": row.remaining_seconds}
    return {
        "uid": row.uid,
        "namespace": row.namespace,
        "name": row.name,
        "state": row.state,
        "reason": row.reason,
        "message": row.message,
        "stalled": row.stalled,
        "suspended": row.suspended,
        "progress": progress,
        "metrics": row.metrics,
        "objective": row.objective,
        "datasets": row.datasets,
        "parameters": row.parameters,
        "gpus": row.gpus,
        "nodes": row.nodes,
        "numNodes": row.num_nodes,
        "gpuSeconds": row.gpu_seconds,
        "wallSeconds": row.wall_seconds,
        "runningSince": _time(row.running_since),
        "attempt": row.attempt,
        "restarts": row.restarts,
        "queue": row.queue,
        "startedAt": _time(row.started_at),
        "endedAt": _time(row.ended_at),
        "managedBy": row.managed_by,
        "createdAt": time_text(row.created_at),
        "changedAt": time_text(row.changed_at),
    }


def run_detail(row: RunRow, document: Mapping[str, Any]) -> dict[str, Any]:
    """Run: the summary and what its page shows. `document` is {"spec", "status"} as in the cluster."""
    spec, status = mapping(document.get("spec")), mapping(document.get("status"))
    row = _as_it_ended(row)
    return run_summary(row) | {
        "pending": _pending(mapping(status.get("pending"))) if row.deleted_at is None else None,
        "conditions": [dict(condition) for condition in mappings(status.get("conditions"))],
        "image": _text(spec.get("image")) or "",
        "imageDigest": _text(status.get("imageDigest")),
        "codeRevision": _text(status.get("codeRevision")),
        "command": _texts(spec.get("command")),
        "args": _texts(spec.get("args")),
        "outputs": _outputs(mapping(status.get("outputs"))),
        "checkpoint": _checkpoint(mapping(status.get("checkpoint"))),
        "failure": _failure(mapping(status.get("failure"))),
        "jobName": _text(mapping(status.get("jobRef")).get("name")),
        "spec": dict(spec),
    }


def _as_it_ended(row: RunRow) -> RunRow:
    """One that was deleted before it had ended will never say that it has: who waits for its end has to see it."""
    if row.deleted_at is None or row.state in ENDED:
        return row
    message = f"it was deleted from the cluster at {time_text(row.deleted_at)}, before it had ended"
    return replace(row, state="failed", reason=DELETED, message=message)


def run_of_body(body: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Run, of an object that the API server has just answered: the mirror may not have its row yet."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    known = identity(body)
    row = RunRow(
        uid=known["uid"],
        namespace=known["namespace"],
        name=known["name"],
        created_at=parse_time(known["created_at"]) or now,
        changed_at=now,
        deleted_at=None,
        managed_by=known["managed_by"],
        **run_columns(spec, status),
    )
    return run_detail(row, json.loads(known["document"]))


def metrics(names: Sequence[str], series: Sequence[Series]) -> dict[str, Any]:
    """RunMetrics. JSON has no NaN: such a value is null."""
    return {
        "names": list(names),
        "series": [
            {
                "name": one.name,
                "points": [
                    [step, time_text(at), value if math.isfinite(value) else None] for step, at, value in one.points
                ],
            }
            for one in series
        ],
    }


def log_part(part: LogPart) -> dict[str, Any]:
    """An entry of RunLogs.parts."""
    gap = None if part.gap is None else {"from": part.gap[0], "to": part.gap[1]}
    return {"attempt": part.attempt, "pod": part.pod, "bytes": part.bytes, "complete": part.complete, "gap": gap}


def _pending(found: Mapping[str, Any]) -> dict[str, Any] | None:
    if not found:
        return None
    reason, message = _text(found.get("reason")) or "", _text(found.get("message")) or ""
    return {"reason": reason, "message": message, "since": _text(found.get("since"))}


def _outputs(found: Mapping[str, Any]) -> dict[str, Any] | None:
    if not found:
        return None
    return {"claimName": _text(found.get("claimName")) or "", "path": _text(found.get("path")) or ""}


def _checkpoint(found: Mapping[str, Any]) -> dict[str, Any] | None:
    path = _text(found.get("path"))
    return {"path": path, "step": _whole(found.get("step")), "time": _text(found.get("time"))} if path else None


def _failure(found: Mapping[str, Any]) -> dict[str, Any] | None:
    if not found:
        return None
    return {
        "reason": _text(found.get("reason")) or "",
        "exitCode": _whole(found.get("exitCode")),
        "pod": _text(found.get("pod")),
        "lastLines": _texts(found.get("lastLines")),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else time_text(moment)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
