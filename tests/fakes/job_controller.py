"""Job controller, scheduler, kubelet and garbage collector for the training Jobs of tests/fakes/api_server.py.

Each Job gets a pod, which waits, runs and ends after the times that a test sets; then the Job says that it is over.
What has lost its owner goes. Like the real ones it knows nothing but the objects, so it goes on after any fault.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from blueno import names
from tests.fakes.api_server import ApiServer

Body = dict[str, Any]

TICK_SECONDS = 0.01
HEARD_SECONDS = 20.0
STOPPING = "tests.blueno.dev/stopping"  # finalizer: such a pod is there until it has ended


@dataclass
class JobController:
    """Plays every training Job in `api` while `playing`."""

    api: ApiServer
    starts_in: float = 0.05  # seconds that a pod is Pending
    runs_for: float = 0.3  # seconds that it is Running
    heard: bool = False  # a pod runs on until its run's status says so, for HEARD_SECONDS at most
    stops_in: float = 0.0  # seconds that a pod needs to end when its Job was deleted
    exit_code: int = 0
    failures: int = 0  # so many of the next pods end with exit code 1
    made: list[str] = field(default_factory=list)  # names of all Jobs that were ever seen
    _since: dict[str, float] = field(default_factory=dict)  # pod uid: since when its phase is what it is

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[JobController]:
        """Play while the block runs."""
        task = asyncio.create_task(self._play())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _play(self) -> None:
        while True:
            self.once()
            await asyncio.sleep(TICK_SECONDS)

    def once(self) -> None:
        """One look at everything."""
        self._collect_garbage()
        for job in self.api.all("Job"):
            if job["metadata"].get("labels", {}).get(names.ROLE_LABEL) != names.ROLE_TRAIN:
                continue
            if job["metadata"]["name"] not in self.made:
                self.made.append(job["metadata"]["name"])
            if job["spec"].get("suspend"):
                for pod in self.pods(job):
                    self.api.remove("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
            elif not (job.get("status") or {}).get("conditions"):
                self._advance(job)

    def pods(self, job: Body) -> list[Body]:
        """The pods that it has made for a Job."""
        uid = job["metadata"]["uid"]
        return [pod for pod in self.api.all("Pod") if _owner(pod) == uid]

    def _advance(self, job: Body) -> None:
        """As many pods as it asks for; one that fails is replaced, as often as it says."""
        pods, wanted = self.pods(job), job["spec"].get("completions", 1)
        failed = [pod for pod in pods if pod["status"]["phase"] == "Failed"]
        others = [pod for pod in pods if pod not in failed]
        if len(failed) > job["spec"].get("backoffLimit", 0):
            for pod in others:
                self.api.remove("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
            self._end(job, "Failed", "BackoffLimitExceeded")
            return
        if len([pod for pod in others if pod["status"]["phase"] == "Succeeded"]) == wanted:
            self._end(job, "Complete")
        elif len(others) < wanted:
            self._make_pod(job)
        for pod in others:
            self._advance_pod(job, pod)

    def _advance_pod(self, job: Body, pod: Body) -> None:
        meta, phase = pod["metadata"], pod["status"]["phase"]
        waited = time.monotonic() - self._since.setdefault(meta["uid"], time.monotonic())
        if meta.get("deletionTimestamp"):
            return
        if phase == "Pending" and waited >= self.starts_in:
            self._set(pod, "Running", {"running": {"startedAt": _now()}}, startTime=_now())
        elif phase == "Running" and waited >= self.runs_for and (waited >= HEARD_SECONDS or self._told(job)):
            code = self.exit_code or (1 if self.failures else 0)
            self.failures = max(0, self.failures - 1)
            self._set(pod, "Failed" if code else "Succeeded", {"terminated": {"exitCode": code, "finishedAt": _now()}})

    def _told(self, job: Body) -> bool:
        """Whether its run's status says that it runs, if that is waited for: the operator may be slower than a pod."""
        meta = job["metadata"]
        (owner,) = meta["ownerReferences"]
        run = self.api.objects.get((names.TRAINING_RUN_KIND, meta["namespace"], owner["name"]), {})
        said = (run.get("status") or {}).get("conditions", ())
        return not self.heard or any(c["type"] == "Succeeded" and c["reason"] == "Running" for c in said)

    def _end(self, job: Body, kind: str, reason: str = "") -> None:
        meta = job["metadata"]
        said = {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": _now()}
        self.api.update("Job", meta["name"], {"status": {"conditions": [said]}}, meta["namespace"])

    def _make_pod(self, job: Body) -> None:
        meta, template = job["metadata"], job["spec"]["template"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": meta["name"]}
        place = {"generateName": f"{meta['name']}-", "namespace": meta["namespace"], "labels": labels}
        place |= {"finalizers": [STOPPING]} if self.stops_in else {}
        self.api.put(
            {
                "kind": "Pod",
                "metadata": {**place, "ownerReferences": [owner]},
                "spec": {"nodeName": "node1"},
                "status": {"phase": "Pending"},
            }
        )

    def _set(self, pod: Body, phase: str, state: Body, **more: Any) -> None:
        meta = pod["metadata"]
        status = {"phase": phase, "containerStatuses": [{"name": names.ROLE_TRAIN, "state": state}], **more}
        pod = {**pod, "status": {**pod["status"], **status}}
        self.api.update("Pod", meta["name"], {"status": pod["status"]}, meta["namespace"])
        self._since[meta["uid"]] = time.monotonic()

    def _collect_garbage(self) -> None:
        alive = {body["metadata"]["uid"] for body in self.api.objects.values()}
        for kind in ("Job", "Pod"):
            for body in self.api.all(kind):
                owner = _owner(body)
                if owner is not None and owner not in alive:
                    self._stop(body)

    def _stop(self, body: Body) -> None:
        meta = body["metadata"]
        if not meta.get("deletionTimestamp"):
            self.api.remove(body["kind"], meta["name"], meta["namespace"])
            self._since[meta["uid"]] = time.monotonic()
        elif time.monotonic() - self._since[meta["uid"]] >= self.stops_in:
            self.api.update(body["kind"], meta["name"], {"metadata": {"finalizers": []}}, meta["namespace"])


def _owner(body: Body) -> str | None:
    references = body["metadata"].get("ownerReferences") or ()
    return next((str(reference["uid"]) for reference in references), None)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
