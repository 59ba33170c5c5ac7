"""What `/metrics` shows of all training runs: how many are in which state, and what namespaces and data sets took.

Started by controllers/lifecycle.py; told by the cache of every change. In memory only: after a restart the counters
begin at nought, as Prometheus expects of counters; the lasting figure is each run's `status.usage`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from blueno import names
from blueno.resources.api import PODS
from controllers.cache import Body, Cache, owner_uid
from controllers.metrics import (
    DATASET_GPU_SECONDS,
    DATASET_RUN_SECONDS,
    GPU_SECONDS,
    RUN_SECONDS,
    TRAINING_RUNS,
)
from controllers.pods import view_pod

TICK_SECONDS = 5.0
STATES: Final = ("pending", "running", "suspended", "succeeded", "failed")


@dataclass
class _Run:
    """What the pods of one run have in common; `counted`: until when its wall time is, whichever pod brought it."""

    namespace: str
    gpus: int  # of each pod
    datasets: tuple[str, ...]
    counted: datetime


@dataclass
class _Meter:
    """One training pod, and until when what it holds is counted."""

    run: _Run
    counted: datetime


class Fleet:
    """Not thread-safe: one event loop uses it."""

    def __init__(self, cache: Cache, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._cache = cache
        self._clock = clock
        self._begin = clock()
        self._states: dict[str, str] = {}  # by uid of the run
        self._runs: dict[str, _Run] = {}  # by uid; of those that had pods
        self._meters: dict[str, _Meter] = {}  # by uid of the pod
        for state in STATES:
            TRAINING_RUNS.labels(state).set(0)
        cache.observe(names.TRAINING_RUN_KIND, self._run_changed)
        cache.observe(PODS.kind, self._pod_changed)
        cache.observe(names.DATASET_KIND, self._dataset_changed)

    async def run(self) -> None:
        """Count on until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tick()

    def tick(self) -> None:
        """Count what the pods that run have held since the last time."""
        for uid in tuple(self._meters):
            body = self._cache.get(PODS.kind, uid)
            if body is not None:
                self._pod_changed(body, gone=False)

    def _run_changed(self, body: Body, gone: bool) -> None:
        uid = body["metadata"]["uid"]
        if gone:
            self._runs.pop(uid, None)
        before, after = self._states.pop(uid, None), None if gone else state_of(body)
        if after is not None:
            self._states[uid] = after
        if before != after:
            if before is not None:
                TRAINING_RUNS.labels(before).dec()
            if after is not None:
                TRAINING_RUNS.labels(after).inc()

    def _pod_changed(self, body: Body, gone: bool) -> None:
        uid = body["metadata"]["uid"]
        pod = view_pod(body)
        meter = self._meters.get(uid)
        if meter is None and pod.placed is not None and (run := self._run_of(body)):
            meter = self._meters[uid] = _Meter(run, max(pod.placed, self._begin))
        if meter is None:
            return
        end = pod.over or (meter.counted if pod.ended else self._clock())
        if end > meter.counted:
            self._count(meter.run, meter.counted, end)
            meter.counted = end
        if gone:  # not before: an ended pod that changes once more would be counted from its beginning
            del self._meters[uid]

    def _count(self, run: _Run, begin: datetime, end: datetime) -> None:
        """What one of its pods has held from `begin` to `end`; its wall time only as far as no other pod brought it."""
        held = run.gpus * (end - begin).total_seconds()
        wall = max(0.0, (end - max(begin, run.counted)).total_seconds())
        run.counted = max(end, run.counted)
        GPU_SECONDS.labels(run.namespace).inc(held)
        RUN_SECONDS.labels(run.namespace).inc(wall)
        for dataset in run.datasets:
            if self._cache.named(names.DATASET_KIND, run.namespace, dataset):  # as many series as there are Datasets
                DATASET_GPU_SECONDS.labels(run.namespace, dataset).inc(held)
                DATASET_RUN_SECONDS.labels(run.namespace, dataset).inc(wall)

    def _dataset_changed(self, body: Body, gone: bool) -> None:
        place = body["metadata"]["namespace"], body["metadata"]["name"]
        if gone and not self._cache.named(names.DATASET_KIND, *place):
            for metric in (DATASET_GPU_SECONDS, DATASET_RUN_SECONDS):
                metric.remove(*place)

    def _run_of(self, pod: Body) -> _Run | None:
        uid = owner_uid(pod) or ""
        body = self._cache.get(names.TRAINING_RUN_KIND, uid)
        if body is None or (pod["metadata"].get("labels") or {}).get(names.ROLE_LABEL) != names.ROLE_TRAIN:
            return None
        if uid not in self._runs:
            spec = body["spec"]
            gpus = int((spec.get("gpus") or {}).get("count") or 0)
            datasets = dict.fromkeys(use["name"] for use in spec.get("datasets") or ())
            self._runs[uid] = _Run(body["metadata"]["namespace"], gpus, tuple(datasets), self._begin)
        return self._runs[uid]


def state_of(run: Body) -> str:
    """One of STATES: what the API and the web pages call it, too."""
    said = {c["type"]: c["status"] for c in run["status"].get("conditions") or ()}
    if said.get("Succeeded") in ("True", "False"):
        return "succeeded" if said["Succeeded"] == "True" else "failed"
    if said.get("Suspended") == "True":
        return "suspended"
    return "running" if said.get("PodsReady") == "True" else "pending"
