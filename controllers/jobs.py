"""A Job of ours in words. Pure; used by observe.py of each kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from controllers.cache import Body
from controllers.pods import PodView, view_pod


def ended_conditions(body: Body) -> dict[str, Mapping[str, Any]]:
    """Its True conditions by type: Complete or Failed once it is over."""
    return {c["type"]: c for c in body["status"].get("conditions") or () if c.get("status") == "True"}


def state_of(body: Body) -> str:
    """active, complete, failed or deleting."""
    if body["metadata"].get("deletionTimestamp"):
        return "deleting"
    ended = ended_conditions(body)
    if "Complete" in ended:
        return "complete"
    return "failed" if "Failed" in ended else "active"


def pods_of(job_uid: str, pods: Iterable[Body]) -> tuple[PodView, ...]:
    """Those of `pods` that the Job made, oldest first."""
    mine = (view_pod(pod) for pod in pods if belongs(pod, job_uid))
    return tuple(sorted(mine, key=lambda pod: pod.order))


def belongs(pod: Body, job_uid: str) -> bool:
    """Whether the Job made this pod."""
    return any(reference["uid"] == job_uid for reference in pod["metadata"].get("ownerReferences") or ())
