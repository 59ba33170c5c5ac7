"""Which TrainingRuns use a Dataset now, and `status.usedBy`. Reads the cache only; called by kind.py and status.py.

A run uses its Datasets from before its first Job is made until it is over. While it waits for a Dataset, or is
suspended and nothing of it runs, it uses none: it must not hold up their deletion for weeks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from blueno import names
from blueno.resources.api import JOBS, PODS
from blueno.resources.conditions import parse_time, rfc3339
from blueno.resources.dataset import Dataset
from blueno.resources.run_reasons import RunReason
from controllers.cache import Body, Cache
from controllers.holds import Holds
from controllers.jobs import state_of
from controllers.pods import view_pod

NAMED = 10  # runs in status.usedBy
USED_BY_SECONDS = 5.0  # at most one write of status.usedBy in this time
RELEASE_SECONDS = 30.0  # how long the finalizer stays after the last run: the next one of a series finds it there
# What the status of a run says that has no Job and is not about to have one: data, a checkpoint, a person are missing.
_WAITS: Final = (
    *("", RunReason.DATASET_NOT_READY, RunReason.NO_SEALED_VERSION, RunReason.DATASET_VERSION_NOT_FOUND),
    *(RunReason.CHECKPOINT_NOT_READY, RunReason.SUSPENDED),
)
_WAITS_AT_FIRST: Final = (RunReason.UNSCHEDULABLE, RunReason.VOLUME_UNBOUND)  # the same, before the first Job


def find_users(cache: Cache, holds: Holds, dataset: Dataset, now: datetime) -> tuple[str, ...]:
    """Names of the runs that use `dataset`, the oldest first."""
    runs = cache.runs_of(dataset.namespace, dataset.name)
    users = [run["metadata"] for run in runs if _uses(cache, holds, dataset.uid, run, now)]
    users.sort(key=lambda meta: (meta.get("creationTimestamp", ""), meta["name"]))
    return tuple(meta["name"] for meta in users)


def waits_for_node(cache: Cache, dataset: Dataset) -> bool:
    """Whether a pod of a run that reads `dataset` has no node yet: it may wait for the one that has the claim."""
    runs = cache.runs_of(dataset.namespace, dataset.name)
    pods = (view_pod(pod) for run in runs for pod in cache.children(PODS.kind, run["metadata"]["uid"]))
    return any(not pod.node and not pod.ended and pod.deleted is None for pod in pods)


def used_by(dataset: Dataset, users: Sequence[str], now: datetime) -> tuple[Mapping[str, Any] | None, float | None]:
    """`status.usedBy` as it should be, and the seconds after which it is worth looking again."""
    known: Mapping[str, Any] | None = dataset.status.get("usedBy")
    new = {"count": len(users), "names": list(users[:NAMED])}
    before = {key: (known or {}).get(key) for key in new} if known is not None else {"count": 0, "names": []}
    if new == before:
        return known, None
    wait = _seconds_left(known, USED_BY_SECONDS, now)
    if wait > 0:
        return known, wait
    return {**new, "lastUpdatedTime": rfc3339(now)}, None


def mark(dataset: Dataset, users: Sequence[str], now: datetime) -> tuple[bool | None, float | None]:
    """Whether the finalizer has to be put on (True) or taken off (False), and when to look again."""
    marked = names.IN_USE_FINALIZER in dataset.finalizers
    if bool(users) == marked:
        return None, None
    if users:
        return True, None
    known: Mapping[str, Any] | None = dataset.status.get("usedBy")
    wait = _seconds_left(known, RELEASE_SECONDS, now)
    return (None, wait) if wait > 0 else (False, None)


def _uses(cache: Cache, holds: Holds, dataset: str, run: Body, now: datetime) -> bool:
    meta = run["metadata"]
    if _is_at_work(cache, meta["uid"], now):
        return True
    if meta.get("deletionTimestamp"):
        return False
    return holds.is_starting(meta["uid"], dataset) or not _waits(run)


def _is_at_work(cache: Cache, run: str, now: datetime) -> bool:
    """Whether a Job of it is there or a pod still stops; a pod on a lost node is waited for only so long."""
    jobs = (state_of(job) for job in cache.children(JOBS.kind, run))
    return any(state != "deleting" for state in jobs) or any(
        view_pod(pod).may_write(now) for pod in cache.children(PODS.kind, run)
    )


def _waits(run: Body) -> bool:
    found = (c for c in run["status"].get("conditions") or () if c["type"] == "Succeeded")
    reason = next((c.get("reason", "") for c in found), "")
    return reason in _WAITS or (reason in _WAITS_AT_FIRST and not run["status"].get("attempt"))


def _seconds_left(known: Mapping[str, Any] | None, pause: float, now: datetime) -> float:
    """Of a pause after the last write; times are whole seconds, so it may be one second short."""
    updated = parse_time((known or {}).get("lastUpdatedTime", ""))
    if updated is None:
        return 0.0
    return (updated + timedelta(seconds=pause) - now).total_seconds()
