"""What `/metrics` shows of all training runs: how many are in which state, and GPU seconds by namespace.

Started by controllers/lifecycle.py; told by the cache of every change. In memory only: after a restart the counter
begins at nought, as Prometheus expects of counters; the lasting figure is each run's `status.usage`.
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
from controllers.metrics import GPU_SECONDS, TRAINING_RUNS
from controllers.pods import view_pod

TICK_SECONDS = 5.0
STATES: Final = ("pending", "running", "suspended", "succeeded", "failed")


@dataclass
class _Meter:
    """One training pod: what it holds, and until when that is counted."""

    namespace: str
    gpus: int
    counted: datetime


class Fleet:
    """Not thread-safe: one event loop uses it."""

    def __init__(self, cache: Cache, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._cache = cache
        self._clock = clock
        self._begin = clock()
        self._states: dict[str, str] = {}  # by uid of the run
        self._meters: dict[str, _Meter] = {}  # by uid of the pod
        for state in STATES:
            TRAINING_RUNS.labels(state).set(0)
        cache.observe(names.TRAINING_RUN_KIND, self._run_changed)
        cache.observe(PODS.kind, self._pod_changed)

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
        if meter is None and pod.placed is not None and (gpus := self._gpus(body)):
            meter = _Meter(body["metadata"]["namespace"], gpus, max(pod.placed, self._begin))
            self._meters[uid] = meter
        if meter is None:
            return
        end = pod.over or (meter.counted if pod.ended else self._clock())
        if end > meter.counted:
            GPU_SECONDS.labels(meter.namespace).inc(meter.gpus * (end - meter.counted).total_seconds())
            meter.counted = end
        if gone:  # not before: an ended pod that changes once more would be counted from its beginning
            del self._meters[uid]

    def _gpus(self, pod: Body) -> int:
        if (pod["metadata"].get("labels") or {}).get(names.ROLE_LABEL) != names.ROLE_TRAIN:
            return 0
        run = self._cache.get(names.TRAINING_RUN_KIND, owner_uid(pod) or "")
        return int(((run or {}).get("spec", {}).get("gpus") or {}).get("count") or 0)


def state_of(run: Body) -> str:
    """One of STATES: what the API and the web pages call it, too."""
    said = {c["type"]: c["status"] for c in run["status"].get("conditions") or ()}
    if said.get("Succeeded") in ("True", "False"):
        return "succeeded" if said["Succeeded"] == "True" else "failed"
    if said.get("Suspended") == "True":
        return "suspended"
    return "running" if said.get("PodsReady") == "True" else "pending"
