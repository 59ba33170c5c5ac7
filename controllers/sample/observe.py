"""What is the case for one Sample, in plain words. Reads the cache and the roster only; called by kind.py."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from blueno import names
from blueno.resources.api import JOBS, PODS
from blueno.resources.conditions import is_true, parse_conditions, parse_time
from blueno.resources.ingest import LANES, Needs
from blueno.resources.sample import Sample
from controllers.cache import Body, Cache
from controllers.jobs import belongs, ended_conditions, pods_of, state_of
from controllers.pods import PodView, view_pod
from controllers.sample.roster import IN_LINE, SETTLED, Roster
from controllers.sample.tasks import task_of
from controllers.step import Ref

NEAR = 10  # in line: these say what everybody waits for, so that it costs ten writes and not ten thousand
LOOKED_AT = 512  # in line, when a Job is made: what it has to mount
MOUNTS = 10  # Secrets, and ConfigMaps, of one pod


@dataclass(frozen=True)
class DatasetView:
    """The Dataset that a Sample names."""

    name: str
    namespace: str
    uid: str
    going: bool
    ready: bool
    claim: str
    path: str  # of its directory on the claim
    shared: bool  # many nodes may have the claim at the same time
    prepare: Mapping[str, Any]  # spec.prepare: where its pods may run


@dataclass(frozen=True)
class JobView:
    """One ingest Job. `state` is active, complete, failed or deleting."""

    number: int
    state: str
    created: datetime | None
    finished: datetime | None
    pods: tuple[PodView, ...]
    settled: int  # Samples that its pod has dealt with, as its last words say
    message: str  # of its pod, when it failed
    ref: Ref


@dataclass(frozen=True)
class Observed:
    """Everything `decide` may look at besides the Sample itself."""

    dataset: DatasetView | None
    standing: str  # roster.SETTLED, WAITING or IN_LINE
    resting_until: datetime | None
    near: bool  # among the first in line
    leads: bool  # the very first: it makes the Job for all
    jobs: tuple[JobView, ...] = ()  # by number
    pods_stop: bool = False  # of a Job that is gone or over, one may still be at work
    needs: Needs = field(default_factory=Needs)  # of those in line; only for the one that leads and has no Job

    @property
    def job(self) -> JobView | None:
        """The one that is at work."""
        return next((job for job in reversed(self.jobs) if job.state == "active"), None)


def observe(cache: Cache, roster: Roster, sample: Sample, body: Body, now: datetime) -> Observed:
    """Gather what concerns `sample`."""
    place = (sample.namespace, sample.dataset)
    dataset = view_dataset(cache, cache.named(names.DATASET_KIND, *place))
    standing = roster.standing(body)
    first = roster.first(place, NEAR, now) if standing == IN_LINE else ()  # whoever has rested is in line again
    resting = roster.resting_until(body)
    near, leads = sample.uid in first, first[:1] == (sample.uid,)
    if dataset is None or standing == SETTLED or not near:
        return Observed(dataset, standing, resting, near, leads)
    jobs = ingest_jobs(cache, dataset.uid)
    active = {job.ref.uid for job in jobs if job.state == "active"}
    stops = any(pod.may_write(now) for pod in _strays(cache, dataset.uid, active))
    needs = _needs(cache, roster, place, now) if leads and not active else Needs()
    return Observed(dataset, standing, resting, near, leads, jobs, stops, needs)


def view_dataset(cache: Cache, body: Body | None) -> DatasetView | None:
    """None when there is none."""
    if body is None:
        return None
    meta, status = body["metadata"], body["status"]
    volume = status.get("volume") or {}
    claim = cache.named(names.CLAIM_KIND, meta["namespace"], str(volume.get("claimName") or ""))
    modes = (claim["spec"].get("accessModes") or ()) if claim is not None else ()
    return DatasetView(
        name=meta["name"],
        namespace=meta["namespace"],
        uid=meta["uid"],
        going=bool(meta.get("deletionTimestamp")),
        ready=takes_samples(body) and claim is not None,
        claim=str(volume.get("claimName") or ""),
        path=str(volume.get("path") or ""),
        shared="ReadWriteMany" in modes,
        prepare=body["spec"].get("prepare") or {},
    )


def takes_samples(dataset: Body) -> bool:
    """Whether its data server could write now: the volume was proven, and is there."""
    conditions = parse_conditions(dataset["status"].get("conditions") or ())
    return is_true(conditions, "Ready") and not dataset["metadata"].get("deletionTimestamp")


def ingest_jobs(cache: Cache, dataset: str) -> tuple[JobView, ...]:
    """The Dataset's ingest Jobs, by number."""
    found = [_view_job(cache, body) for body in cache.children(JOBS.kind, dataset) if ingests(body)]
    return tuple(sorted(found, key=lambda job: job.number))


def ingests(body: Body) -> bool:
    """Whether this Job or pod of ours is one that ingests."""
    return (body["metadata"].get("labels") or {}).get(names.ROLE_LABEL) == names.ROLE_INGEST


def is_at_work(cache: Cache, dataset: str) -> bool:
    """Whether the Dataset has an ingest Job that is not over."""
    return any(ingests(job) and state_of(job) == "active" for job in cache.children(JOBS.kind, dataset))


def _view_job(cache: Cache, body: Body) -> JobView:
    meta, ended = body["metadata"], ended_conditions(body)
    last = ended.get("Complete") or ended.get("Failed") or {}
    pods = pods_of(meta["uid"], cache.children(PODS.kind, meta["labels"][names.OWNER_UID]))
    said = next((found for pod in reversed(pods) if (found := _last_words(pod.said))), {})
    settled = said.get("settled", 0)
    return JobView(
        number=number_of(body),
        state=state_of(body),
        created=parse_time(meta.get("creationTimestamp", "")),
        finished=parse_time(last.get("lastTransitionTime", "")),
        pods=pods,
        settled=settled if isinstance(settled, int) else 0,
        message=str(said.get("message", ""))[:600],
        ref=Ref(JOBS, meta["namespace"], meta["name"], meta["uid"]),
    )


def number_of(job: Body) -> int:
    """The Job's number; 0 when somebody has spoilt its label."""
    text = (job["metadata"].get("labels") or {}).get(names.ATTEMPT_LABEL, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _last_words(text: str) -> Mapping[str, Any]:
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, Mapping):
            return found
    return {}


def _strays(cache: Cache, dataset: str, active: set[str | None]) -> list[PodView]:
    pods = [pod for pod in cache.children(PODS.kind, dataset) if ingests(pod)]
    return [view_pod(pod) for pod in pods if not any(uid and belongs(pod, uid) for uid in active)]


def _needs(cache: Cache, roster: Roster, place: tuple[str, str], now: datetime) -> Needs:
    """Of the first in each lane, as much as one pod may mount; the next Job gets the rest."""
    secrets: dict[str, None] = {}
    maps: dict[str, None] = {}
    volume = False
    for lane in LANES:
        for number, uid in enumerate(roster.line(place, lane, now)):
            body = cache.get(names.SAMPLE_KIND, uid)
            task = task_of(body) if body is not None else None
            if number >= LOOKED_AT or task is None:
                continue
            secrets |= dict.fromkeys(task.needs.secrets)
            maps |= dict.fromkeys(task.needs.config_maps)
            volume = volume or task.needs.volume
    return Needs(tuple(secrets)[:MOUNTS], tuple(maps)[:MOUNTS], volume)
