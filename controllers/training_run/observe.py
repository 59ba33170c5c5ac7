"""What is the case for one TrainingRun, in plain words. Reads the cache only; called by kind.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from blueno import names
from blueno.resources.api import CLAIMS, DATASETS, JOBS, PODS, SERVICES
from blueno.resources.conditions import parse_time
from blueno.resources.dataset import EARLIER_VERSIONS
from blueno.resources.run_parts import DatasetUse
from blueno.resources.training_run import TrainingRun
from controllers.cache import Body, Cache
from controllers.jobs import belongs, ended_conditions, pods_of, state_of
from controllers.pods import PodView, view_pod
from controllers.step import Ref


@dataclass(frozen=True)
class DatasetView:
    """A Dataset that the run names. `digest` is "" while it has no such version that can be reached."""

    use: DatasetUse  # once the run has begun, with the version that it began with
    exists: bool
    digest: str  # of the version asked for, or of the current one
    ready: bool
    claim: str
    path: str  # of its directory, below the claim's root
    says: str  # why it is not Ready
    ref: Ref | None = None  # None: it does not exist
    deleting: bool = False
    shared: bool = True  # many nodes may have its claim at the same time
    sealed: bool = True  # it has a version; one that is ready without takes samples
    pinned: bool = False  # it has the version that the run has begun with


@dataclass(frozen=True)
class RunJob:
    """One attempt. `state` is active, complete, failed or deleting."""

    name: str
    attempt: int
    state: str
    held: bool  # spec.suspend, which is Kueue's: we never write it
    failure: str  # the Job controller's reason
    failure_message: str
    created: datetime | None
    begun: datetime | None  # its time limit counts from here
    finished: datetime | None
    pinned: Mapping[str, str]  # data set → digest of the version it mounts
    pods: tuple[PodView, ...]
    ref: Ref

    @property
    def last(self) -> PodView | None:
        return self.pods[-1] if self.pods else None

    @property
    def cut_short(self) -> PodView | None:
        """The pod that was asked to end and does so with exit code 0, which Kubernetes takes for done."""
        return next((pod for pod in self.pods if pod.cut_short and pod.phase != "Failed"), None)


@dataclass(frozen=True)
class Earlier:
    """The run that `spec.checkpoint.from` names."""

    name: str
    exists: bool
    path: str  # of its outputs on the claim, "" while it has none
    claim: str
    checkpoint: str  # as this run's pods see it, "" while there is none


@dataclass(frozen=True)
class Claim:
    """The outputs claim. `phase` is "" when there is none."""

    phase: str
    deleting: bool


@dataclass(frozen=True)
class Observed:
    """Everything a rule may look at besides the run itself."""

    datasets: tuple[DatasetView, ...]
    outputs: Claim
    earlier: Earlier | None
    service_made: bool
    jobs: tuple[RunJob, ...]  # by attempt
    stray_pods: tuple[PodView, ...]  # whose Job is gone


def observe(cache: Cache, run: TrainingRun) -> Observed:
    """Gather what concerns `run`."""
    jobs = sorted((_view_job(cache, body) for body in cache.children(JOBS.kind, run.uid)), key=lambda j: j.attempt)
    known = {job.ref.uid for job in jobs}
    pods = cache.children(PODS.kind, run.uid)
    return Observed(
        datasets=tuple(_view_dataset(cache, run, use) for use in run.datasets),
        outputs=_view_outputs(cache, run),
        earlier=_view_earlier(cache, run),
        service_made=bool(cache.children(SERVICES.kind, run.uid)),
        jobs=tuple(jobs),
        stray_pods=tuple(view_pod(pod) for pod in pods if not any(belongs(pod, uid) for uid in known if uid)),
    )


def _view_job(cache: Cache, body: Body) -> RunJob:
    meta, ended = body["metadata"], ended_conditions(body)
    last = ended.get("Complete") or ended.get("Failed") or {}
    failed = ended.get("Failed") or {}
    return RunJob(
        name=meta["name"],
        attempt=int(meta["labels"].get(names.ATTEMPT_LABEL, "0")),
        state=state_of(body),
        held=bool(body["spec"].get("suspend")),
        failure=failed.get("reason", ""),
        failure_message=failed.get("message", ""),
        created=parse_time(meta.get("creationTimestamp", "")),
        begun=parse_time(body["status"].get("startTime") or ""),
        finished=parse_time(last.get("lastTransitionTime", "")),
        pinned=_pinned(meta),
        pods=pods_of(meta["uid"], cache.children(PODS.kind, meta["labels"][names.OWNER_UID])),
        ref=Ref(JOBS, meta["namespace"], meta["name"], meta["uid"]),
    )


def _pinned(meta: Mapping[str, Any]) -> dict[str, str]:
    try:
        found = json.loads((meta.get("annotations") or {}).get(names.PINNED, "{}"))
    except ValueError:
        return {}  # somebody has changed it: what was read stays unknown
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _view_dataset(cache: Cache, run: TrainingRun, use: DatasetUse) -> DatasetView:
    pin = run.pinned.get(use.name, "")
    use = replace(use, version=pin or use.version)
    body = cache.named(names.DATASET_KIND, run.namespace, use.name)
    if body is None:
        return DatasetView(use, False, "", False, "", "", "it does not exist in this namespace")
    status: Mapping[str, Any] = body["status"]
    ready: Mapping[str, Any] = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    # Its progress changes every few seconds: to repeat it would be a write for every run that waits.
    stalled = any(c["type"] == "Stalled" and c["status"] == "True" for c in status.get("conditions") or ())
    says = f"{ready.get('reason', 'Pending')}" + (f": {ready.get('message', '')}" if stalled else "")
    deleting = bool(body["metadata"].get("deletionTimestamp"))
    if deleting:
        says = "it is being deleted"
    volume = status.get("volume") or {}
    usable = ready.get("status") == "True" and not deleting
    current = (status.get("version") or {}).get("digest", "")
    earlier = status.get("earlierVersions") or ()
    known = [current, *earlier]
    # A list that is full may have lost it; a Dataset made anew under the name, with other content, never had it.
    pinned = bool(pin) and (pin in known or len(earlier) >= EARLIER_VERSIONS)
    digest = _digest(use.version, known) if usable else ""
    ref = Ref(DATASETS, run.namespace, use.name, body["metadata"]["uid"])
    claim, path = volume.get("claimName", ""), volume.get("path", "")
    shared = _is_shared(cache.named(CLAIMS.kind, run.namespace, claim))
    return DatasetView(use, True, digest, usable, claim, path, says, ref, deleting, shared, any(known), pinned)


def _is_shared(claim: Body | None) -> bool:
    """A claim that was not seen yet is taken for one that many nodes may have: most are."""
    modes = (claim["spec"].get("accessModes") or ()) if claim is not None else ()
    return not modes or "ReadWriteMany" in modes or "ReadOnlyMany" in modes


def _digest(wanted: str, known: list[str]) -> str:
    """Of the known digests, current one first, the one that begins with `wanted`."""
    return next((digest for digest in known if digest and digest.startswith(wanted)), "")


def _view_outputs(cache: Cache, run: TrainingRun) -> Claim:
    body = cache.named(CLAIMS.kind, run.namespace, run.keeping.claim)
    if body is None:
        return Claim("", False)
    return Claim(body["status"].get("phase", "Pending"), bool(body["metadata"].get("deletionTimestamp")))


def _view_earlier(cache: Cache, run: TrainingRun) -> Earlier | None:
    name = run.keeping.resume_from
    if not name:
        return None
    body = cache.named(names.TRAINING_RUN_KIND, run.namespace, name)
    if body is None:
        return Earlier(name, False, "", "", "")
    outputs = body["status"].get("outputs") or {}
    there = str((body["status"].get("checkpoint") or {}).get("path") or "")
    inside = there.removeprefix(f"{names.OUTPUT_MOUNT}/")
    # A path that leads elsewhere was said by a program, and cannot be followed.
    usable = there.startswith(f"{names.OUTPUT_MOUNT}/") and ".." not in inside.split("/")
    seen = f"{names.RESUME_MOUNT}/{inside}" if usable else ""
    return Earlier(name, True, str(outputs.get("path") or ""), str(outputs.get("claimName") or ""), seen)
