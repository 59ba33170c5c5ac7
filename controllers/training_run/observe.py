"""What is the case for one TrainingRun, in plain words. Reads the cache only; called by kind.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from blueno import names
from blueno.resources.api import DATASETS, JOBS, PODS
from blueno.resources.conditions import parse_time
from blueno.resources.training_run import DatasetUse, TrainingRun
from controllers.cache import Body, Cache
from controllers.jobs import belongs, ended_conditions, pods_of, state_of
from controllers.pods import PodView, view_pod
from controllers.step import Ref


@dataclass(frozen=True)
class DatasetView:
    """A Dataset that the run names. `digest` is "" while it has no sealed version that can be reached."""

    use: DatasetUse
    exists: bool
    digest: str
    claim: str
    path: str  # of its directory, below the claim's root
    says: str  # why it is not Ready
    ref: Ref | None = None  # None: it does not exist
    deleting: bool = False

    @property
    def usable(self) -> bool:
        return bool(self.digest and self.claim)


@dataclass(frozen=True)
class RunJob:
    """One attempt. `state` is active, complete, failed or deleting."""

    name: str
    attempt: int
    state: str
    failure: str  # the Job controller's reason
    created: datetime | None
    finished: datetime | None
    pods: tuple[PodView, ...]
    ref: Ref

    @property
    def last(self) -> PodView | None:
        return self.pods[-1] if self.pods else None


@dataclass(frozen=True)
class Observed:
    """Everything a rule may look at besides the run itself."""

    datasets: tuple[DatasetView, ...]
    jobs: tuple[RunJob, ...]  # by attempt
    stray_pods: tuple[PodView, ...]  # whose Job is gone


def observe(cache: Cache, run: TrainingRun) -> Observed:
    """Gather what concerns `run`."""
    jobs = sorted((_view_job(cache, body) for body in cache.children(JOBS.kind, run.uid)), key=lambda j: j.attempt)
    known = {job.ref.uid for job in jobs}
    pods = cache.children(PODS.kind, run.uid)
    stray = tuple(view_pod(pod) for pod in pods if not any(belongs(pod, uid) for uid in known if uid))
    return Observed(tuple(_view_dataset(cache, run, use) for use in run.datasets), tuple(jobs), stray)


def _view_job(cache: Cache, body: Body) -> RunJob:
    meta, ended = body["metadata"], ended_conditions(body)
    last = ended.get("Complete") or ended.get("Failed") or {}
    return RunJob(
        name=meta["name"],
        attempt=int(meta["labels"].get(names.ATTEMPT_LABEL, "0")),
        state=state_of(body),
        failure=ended["Failed"].get("reason", "") if "Failed" in ended else "",
        created=parse_time(meta.get("creationTimestamp", "")),
        finished=parse_time(last.get("lastTransitionTime", "")),
        pods=pods_of(meta["uid"], cache.children(PODS.kind, meta["labels"][names.OWNER_UID])),
        ref=Ref(JOBS, meta["namespace"], meta["name"], meta["uid"]),
    )


def _view_dataset(cache: Cache, run: TrainingRun, use: DatasetUse) -> DatasetView:
    body = cache.named(names.DATASET_KIND, run.namespace, use.name)
    if body is None:
        return DatasetView(use, False, "", "", "", "it does not exist in this namespace")
    status: Mapping[str, Any] = body["status"]
    ready: Mapping[str, Any] = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    says = f"{ready.get('reason', 'Pending')}: {ready.get('message', '')}".rstrip(": ")
    volume = status.get("volume") or {}
    meta = body["metadata"]
    deleting = bool(meta.get("deletionTimestamp"))
    if deleting:
        says = "it is being deleted"
    usable = ready.get("status") == "True" and not deleting
    ref = Ref(DATASETS, run.namespace, use.name, meta["uid"])
    digest = (status.get("version") or {}).get("digest", "") if usable else ""
    return DatasetView(use, True, digest, volume.get("claimName", ""), volume.get("path", ""), says, ref, deleting)
