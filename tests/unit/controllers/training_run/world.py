"""A cluster in memory for one TrainingRun: bodies as the API server has them, and what `plan` makes of them."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from blueno import names
from blueno.resources.training_report import TrainingReport
from blueno.resources.workload import Admission
from controllers.cache import Cache
from controllers.heard import Heard
from controllers.step import Step
from controllers.training_run.kind import TrainingRunKind
from tests import make

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
UID = "11111111-2222-3333-4444-555555555555"
DIGEST = "ab" * 32


class World:
    """Holds the run, its data sets, Jobs and pods; `step` plans once and applies what it says to the bodies."""

    def __init__(self, **spec: Any) -> None:
        self.now = NOW
        self.version = 1
        self.told = ""
        self.report: TrainingReport | None = None  # what its pods said last
        self.admission: Admission | None = None  # what Kueue says of its Job, should it be asked
        self.config: dict[str, Any] = {}  # in the words of OperatorConfig
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.run: dict[str, Any] = {
            "metadata": {"name": "train", "namespace": "lab", "uid": UID, "generation": 1},
            "spec": {"image": "registry.example.org/train:1", "backoffLimit": 0, **spec},
            "status": {"observedGeneration": -1},
        }

    def put(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """An object that is there."""
        body.setdefault("status", {})
        self.objects[kind, body["metadata"]["uid"]] = body
        return body

    def dataset(self, name: str, *, ready: bool = True, digest: str = DIGEST) -> dict[str, Any]:
        """A Dataset, sealed or not yet."""
        reason, status = ("Available", "True") if ready else ("Preparing", "False")
        found: dict[str, Any] = {
            "conditions": [{"type": "Ready", "status": status, "reason": reason, "message": "7 of 9 samples"}],
            "volume": {"claimName": f"{name}-claim", "path": f"lab/{name}-1234"},
        }
        if ready:
            found["version"] = {"digest": digest}
        meta = {"name": name, "namespace": "lab", "uid": f"uid-{name}"}
        return self.put(names.DATASET_KIND, {"metadata": meta, "spec": {}, "status": found})

    def claim(self, name: str, mode: str) -> dict[str, Any]:
        """A claim with this access mode."""
        meta = {"name": name, "namespace": "lab", "uid": f"uid-{name}"}
        return self.put("PersistentVolumeClaim", {"metadata": meta, "spec": {"accessModes": [mode]}})

    def pod(self, job: dict[str, Any], name: str = "pod-1", **status: Any) -> dict[str, Any]:
        """A pod of the Job."""
        meta = {
            "name": name,
            "namespace": "lab",
            "uid": f"uid-{name}",
            "labels": dict(job["spec"]["template"]["metadata"]["labels"]),
            "ownerReferences": [{"uid": job["metadata"]["uid"]}],
            "creationTimestamp": f"2026-11-24T12:00:0{len(self.objects)}Z",
        }
        return self.put("Pod", {"metadata": meta, "spec": {"nodeName": "node1"}, "status": status})

    @property
    def job(self) -> dict[str, Any]:
        """The newest Job."""
        return [body for (kind, _), body in self.objects.items() if kind == "Job"][-1]

    def end_job(self, kind: str, reason: str = "") -> None:
        """The Job controller says that it is over."""
        ended = {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": "2026-11-24T12:10:00Z"}
        self.job["status"] = {"conditions": [ended]}

    def remove(self, body: dict[str, Any]) -> None:
        """It is gone."""
        self.objects = {key: known for key, known in self.objects.items() if known is not body}

    def later(self, seconds: float) -> None:
        """Time passes."""
        self.now += timedelta(seconds=seconds)

    def step(self) -> Step:
        """One reconcile: plan, act, report."""
        step, changes = self.plan()
        for ref in step.delete:
            for body in self.objects.values():
                if body["metadata"]["uid"] == ref.uid:
                    body["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:30Z"
        for manifest in step.apply:
            made = copy.deepcopy(dict(manifest))
            made["metadata"] |= {"uid": f"uid-{made['metadata']['name']}", "creationTimestamp": _text(self.now)}
            self.put(made["kind"], made)
        _merge(self.run["status"], changes)
        return step

    def plan(self) -> tuple[Step, Any]:
        """What would be done now."""
        return self._kind().plan(
            _versioned(self.run), Heard(training=self.report, admission=self.admission), self.now, self.told
        )

    def conflict(self, message: str) -> None:
        """A name that is needed is somebody else's."""
        _merge(self.run["status"], self._kind().conflict(_versioned(self.run), message, self.now))

    def _kind(self) -> TrainingRunKind:
        cache = Cache()
        for (kind, _), body in self.objects.items():
            cache.upsert(kind, _versioned(body))
        return TrainingRunKind(make.a_world(**self.config), cache)

    def settle(self) -> Step:
        """Reconcile until there is nothing more to do at once; never more than a few steps."""
        for _ in range(6):
            step = self.step()
            if step.again_in != 0:
                return step
        raise AssertionError("it does not come to rest")

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason."""
        found = next(c for c in self.run["status"]["conditions"] if c["type"] == kind)
        return found["status"], found["reason"]


def _versioned(body: dict[str, Any]) -> dict[str, Any]:
    body = copy.deepcopy(body)
    body["metadata"]["resourceVersion"] = "1"
    return body


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _merge(into: dict[str, Any], changes: Any) -> None:
    for key, value in changes.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict):
            inner = into.setdefault(key, {})
            _merge(inner, value)
        else:
            into[key] = value
