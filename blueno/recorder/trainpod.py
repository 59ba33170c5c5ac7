"""A training pod in plain values, and what is to be done with its log. Called by pods.py and follow.py. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blueno import names

SELECTOR = f"{names.MANAGED}=true,{names.ROLE_LABEL}={names.ROLE_TRAIN}"


@dataclass(frozen=True)
class TrainPod:
    """`began`: its container has written, or may have; `over`: it writes no more."""

    uid: str
    namespace: str
    name: str
    run: str  # uid
    attempt: int
    container: str
    stdout_metrics: bool
    began: bool
    over: bool


def parse_pod(body: Mapping[str, Any]) -> TrainPod | None:
    """None for a pod whose labels lead to no run: anybody may set labels."""
    meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    labels = meta.get("labels") or {}
    attempt = labels.get(names.ATTEMPT_LABEL, "")
    containers = [container["name"] for container in spec.get("containers") or ()]
    if labels.get(names.OWNER_KIND) != names.TRAINING_RUN_KIND or not containers:
        return None
    try:
        run, number = str(uuid.UUID(labels.get(names.OWNER_UID, ""))), int(attempt)
    except ValueError:
        return None
    if not 0 < number < 2**31 or not attempt.isascii():
        return None
    container = names.ROLE_TRAIN if names.ROLE_TRAIN in containers else containers[0]
    states = [c.get("state") or {} for c in status.get("containerStatuses") or () if c.get("name") == container]
    ended = status.get("phase") in ("Succeeded", "Failed")
    return TrainPod(
        uid=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        run=run,
        attempt=number,
        container=container,
        stdout_metrics=(meta.get("annotations") or {}).get(names.METRICS_STDOUT) == "true",
        began=ended or any("running" in state or "terminated" in state for state in states),
        # Where containers are started again, the end of one is not the end.
        over=ended or (spec.get("restartPolicy") == "Never" and any("terminated" in state for state in states)),
    )
