"""What is the case for one claim that training runs write to. Reads the cache only; called by kind.py, reports.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from blueno import names
from blueno.resources.api import JOBS, PODS, SERVICES
from blueno.resources.run_parts import keeping
from controllers.cache import Body, Cache
from controllers.jobs import state_of
from controllers.pods import view_pod
from controllers.servers import ServerView, view_server


@dataclass(frozen=True)
class Observed:
    """A claim, who writes to it, and its data server."""

    name: str
    namespace: str
    uid: str
    phase: str  # Pending, Bound or Lost
    deleting: bool
    shared: bool  # many nodes may have it at the same time
    writers: tuple[str, ...]  # runs that write to it now; of a shared claim nobody asks
    server: ServerView | None
    service_made: bool
    trouble: str  # why the server's pod does not start


def observe(cache: Cache, claim: Body, now: datetime) -> Observed:
    """Gather what concerns `claim`."""
    meta = claim["metadata"]
    shared = is_shared(claim)
    return Observed(
        name=meta["name"],
        namespace=meta["namespace"],
        uid=meta["uid"],
        phase=claim["status"].get("phase", "Pending"),
        deleting=bool(meta.get("deletionTimestamp")),
        shared=shared,
        writers=() if shared else _writers(cache, meta["namespace"], meta["name"], now),
        server=view_server(cache, meta["uid"]),
        service_made=bool(cache.children(SERVICES.kind, meta["uid"])),
        trouble=_trouble(cache, meta["uid"]),
    )


def is_shared(claim: Body) -> bool:
    """Whether many nodes may have it at the same time."""
    return "ReadWriteMany" in (claim["spec"].get("accessModes") or ())


def is_for_outputs(cache: Cache, claim: Body) -> bool:
    """Whether runs write to it: our own claim, or one that a run names. No other claim is ever served."""
    meta = claim["metadata"]
    if (meta.get("labels") or {}).get(names.ROLE_LABEL) == names.ROLE_OUTPUTS:
        return True
    runs = cache.all(names.TRAINING_RUN_KIND)
    return any(
        run["metadata"]["namespace"] == meta["namespace"] and keeping(run["spec"]).claim == meta["name"] for run in runs
    )


def claim_of(cache: Cache, run: Body) -> Body | None:
    """The claim that a run writes to, if there is one."""
    return cache.named(names.CLAIM_KIND, run["metadata"]["namespace"], keeping(run["spec"]).claim)


def _writers(cache: Cache, namespace: str, claim: str, now: datetime) -> tuple[str, ...]:
    runs = cache.runs_on(namespace, claim)
    return tuple(sorted(run["metadata"]["name"] for run in runs if _writes(cache, run["metadata"]["uid"], now)))


def _writes(cache: Cache, run: str, now: datetime) -> bool:
    """Whether it has pods, or will have some in a moment."""
    jobs = cache.children(JOBS.kind, run)
    if any(state_of(job) == "active" and not job["spec"].get("suspend") for job in jobs):
        return True
    return any(view_pod(pod).may_write(now) for pod in cache.children(PODS.kind, run))


def _trouble(cache: Cache, claim: str) -> str:
    pods = [view_pod(pod) for pod in cache.children(PODS.kind, claim)]
    return next((pod.detail for pod in pods if pod.trouble and not pod.started and pod.deleted is None), "")
