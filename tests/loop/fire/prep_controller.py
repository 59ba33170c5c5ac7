"""Provisioner, Job controller, kubelet and preparation for the Datasets of tests/fakes/api_server.py.

Every claim is bound, every preparation Job seals and every erase Job completes, each a few ticks after it was made.
What has lost its owner goes. Like the real ones it knows nothing but the objects, so it goes on after any fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from blueno import names
from tests.fakes.api_server import ApiServer
from tests.make import sealed_outcome

Body = dict[str, Any]

TICK_SECONDS = 0.01
COLLECTED = ("Job", "Pod", "PersistentVolumeClaim", "Deployment", "Service")


@dataclass
class PrepController:
    """Plays every Dataset's helpers in `api` while `playing`."""

    api: ApiServer
    prepares: bool = True  # False: pods of preparation Jobs run on
    made: list[str] = field(default_factory=list)  # uids of all preparation Jobs ever seen
    pods: list[str] = field(default_factory=list)  # uids of the Jobs whose pod was made

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[PrepController]:
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
        for claim in self.api.all("PersistentVolumeClaim"):
            if (claim.get("status") or {}).get("phase") != "Bound":
                self._bind(claim)
        for job in self.api.all("Job"):
            role = job["metadata"].get("labels", {}).get(names.ROLE_LABEL)
            if role in (names.ROLE_PREPARE, names.ROLE_ERASE) and not (job.get("status") or {}).get("conditions"):
                self._advance(job, role)

    def _bind(self, claim: Body) -> None:
        """A claim that names a volume waits for it; each of the two knows of the other then."""
        name, uid = claim["spec"].get("volumeName"), claim["metadata"]["uid"]
        volumes = [body for body in self.api.all("PersistentVolume") if body["metadata"]["name"] == name]
        if name and (not volumes or volumes[0]["spec"]["claimRef"].get("uid", uid) != uid):
            return
        if volumes:
            self.api.update("PersistentVolume", name, {"spec": {"claimRef": {"uid": uid}}})
        self._update(claim, {"status": {"phase": "Bound"}})

    def _advance(self, job: Body, role: str) -> None:
        uid = job["metadata"]["uid"]
        if role == names.ROLE_PREPARE and uid not in self.made:
            self.made.append(uid)
        pod = next((pod for pod in self.api.all("Pod") if _owner(pod) == uid), None)
        if pod is None:
            self._make_pod(job, role)
        elif role == names.ROLE_ERASE or self.prepares:
            said = sealed_outcome().to_json() if role == names.ROLE_PREPARE else ""
            container = {"name": role, "state": {"terminated": {"exitCode": 0, "message": said}}}
            self._update(pod, {"status": {"phase": "Succeeded", "containerStatuses": [container]}})
            self._update(job, {"status": {"conditions": [{"type": "Complete", "status": "True"}]}})

    def _make_pod(self, job: Body, role: str) -> None:
        meta, template = job["metadata"], job["spec"]["template"]
        self.pods.append(meta["uid"])
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"]}
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": meta["name"]}
        place = {"generateName": f"{meta['name']}-", "namespace": meta["namespace"], "labels": labels}
        state = {"running": {"startedAt": "2026-03-01T12:00:00Z"}}
        status = {"phase": "Running", "containerStatuses": [{"name": role, "state": state}]}
        self.api.put({"kind": "Pod", "metadata": {**place, "ownerReferences": [owner]}, "spec": {}, "status": status})

    def _update(self, body: Body, patch: Body) -> None:
        self.api.update(body["kind"], body["metadata"]["name"], patch, body["metadata"]["namespace"])

    def _collect_garbage(self) -> None:
        alive = {body["metadata"]["uid"] for body in self.api.objects.values()}
        for kind in COLLECTED:
            for body in self.api.all(kind):
                owner, meta = _owner(body), body["metadata"]
                if owner is not None and owner not in alive and not meta.get("deletionTimestamp"):
                    self.api.remove(kind, meta["name"], meta["namespace"])


def _owner(body: Body) -> str | None:
    references = body["metadata"].get("ownerReferences") or ()
    return next((str(reference["uid"]) for reference in references), None)
