"""A cluster in memory for Samples: bodies as the API server has them, and what `plan` makes of them."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from blueno import names
from blueno.resources.ingest import Result
from blueno.resources.sample_reasons import SampleReason as Reason
from controllers.cache import Cache
from controllers.heard import Heard
from controllers.sample.kind import SampleKind
from controllers.sample.roster import Roster
from controllers.step import Step
from tests import make

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)
OLD = "2026-11-29T11:00:00Z"
SAMPLE, DATASET = names.SAMPLE_KIND, names.DATASET_KIND
Body = dict[str, Any]


class World:
    """Holds Samples, their Dataset, Jobs and pods; `step` plans once and applies what it says to the bodies."""

    def __init__(self) -> None:
        self.now = NOW
        self.version = 1
        self.cache = Cache()
        self.roster = Roster(self.cache)
        self.kind = SampleKind(make.a_world(), self.cache, self.roster)
        self.results: dict[str, Result] = {}

    def put(self, kind: str, body: Body) -> Body:
        """An object that is there, or has changed."""
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self.cache.upsert(kind, copy.deepcopy(body))
        return body

    def dataset(self, uid: str = "uid-mnist", *, ready: bool = True, **meta: Any) -> Body:
        """Dataset mnist, with its claim."""
        ours: Body = {"name": "mnist-claim", "namespace": "lab", "uid": "uid-claim"}
        self.put("PersistentVolumeClaim", {"metadata": ours, "spec": {"accessModes": ["ReadWriteOnce"]}, "status": {}})
        said = {"type": "Ready", "status": "True" if ready else "False", "reason": "Available", "message": ""}
        status = {"conditions": [said], "volume": {"claimName": "mnist-claim", "path": "lab/mnist-1"}}
        place = {"name": "mnist", "namespace": "lab", "uid": uid, "generation": 1, **meta}
        return self.put(DATASET, {"metadata": place, "spec": {}, "status": status})

    def sample(self, name: str = "one", **spec: Any) -> Body:
        """A Sample as a user applies it."""
        meta = {"name": name, "namespace": "lab", "uid": f"uid-{name}", "generation": 1, "creationTimestamp": OLD}
        given = {
            "datasetRef": {"name": "mnist"},
            **({"uri": "file:///a.png"} if "manifest" not in spec else {}),
            **spec,
        }
        return self.put(SAMPLE, {"metadata": meta, "spec": given, "status": {"observedGeneration": -1}})

    def guarded(self, name: str = "one", **spec: Any) -> Body:
        """One that has had its first write."""
        body = self.sample(name, **spec)
        self.step(body)
        return body

    def step(self, body: Body) -> Step:
        """Plan once; what it writes is written."""
        meta = body["metadata"]
        heard = Heard(ingest=self.results.get(meta["uid"]))
        step, changes = self.kind.plan(self.cache.get(SAMPLE, meta["uid"]) or body, heard, self.now)
        if step.finalizer is True:
            meta["finalizers"] = [names.ERASE_FINALIZER]
            meta["ownerReferences"] = [dict(step.owner or {})]
        if step.finalizer is False:
            self.cache.remove(SAMPLE, meta["uid"])
            return step
        for manifest in step.apply:
            self._make(dict(manifest))
        if changes:
            body["status"] = {k: v for k, v in {**body["status"], **changes}.items() if v is not None}
        if changes or step.finalizer:
            self.put(SAMPLE, body)
        return step

    def _make(self, manifest: Body) -> None:
        meta = {**manifest["metadata"], "uid": f"uid-{manifest['metadata']['name']}", "creationTimestamp": self.stamp()}
        self.put("Job", {**manifest, "metadata": meta, "status": {}})

    def jobs(self) -> list[Body]:
        return [dict(job) for job in self.cache.all("Job")]

    def end_job(self, kind: str = "Complete", said: Body | None = None) -> None:
        """The newest Job is over; its pod's last words."""
        job = copy.deepcopy(self.jobs()[-1])
        self.pod(job, {"terminated": {"exitCode": 0, "message": json.dumps(said or {})}}, "Succeeded")
        over = {"type": kind, "status": "True", "reason": "", "lastTransitionTime": self.stamp()}
        self.put("Job", {**job, "status": {"conditions": [over]}})

    def pod(self, job: Body, state: Body, phase: str = "Running", **status: Any) -> Body:
        meta = job["metadata"]
        about = {
            "name": f"{meta['name']}-x",
            "namespace": "lab",
            "uid": f"pod-of-{meta['uid']}",
            "labels": meta["labels"],
            "ownerReferences": [{"kind": "Job", "name": meta["name"], "uid": meta["uid"]}],
        }
        said = {"phase": phase, "containerStatuses": [{"name": "ingest", "state": state}], **status}
        return self.put("Pod", {"metadata": about, "spec": {}, "status": said})

    def tell(self, body: Body, reason: Reason = Reason.AVAILABLE, **more: Any) -> Result:
        """A pod says how a Sample ended."""
        meta = body["metadata"]
        result = Result(meta["uid"], meta["generation"], reason, **more)
        self.results[meta["uid"]] = result
        return result

    def delete(self, body: Body) -> None:
        meta = body["metadata"]
        meta |= {"deletionTimestamp": self.stamp(), "generation": meta["generation"] + 1}
        self.put(SAMPLE, body)

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def stamp(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def ready(self, body: Body) -> tuple[str, str]:
        """Status and reason of the Ready condition."""
        found = (c for c in body["status"].get("conditions", ()) if c["type"] == "Ready")
        return next(((c["status"], c["reason"]) for c in found), ("", ""))
