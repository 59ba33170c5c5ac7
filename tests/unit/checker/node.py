"""Provisioner, Job controller, kubelet and garbage collector of stand.py's cluster: preparations are real ones.

A claim is a directory. A Job's pod runs blueno.prep in a thread, with the Job's own environment, on its claim's
directory, and ends with the exit code and the last words that the real one would have. `before` may break something.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blueno import names
from blueno.prep import __main__ as prep
from blueno.prep.config import PrepConfig
from blueno.prep.erase import erase
from blueno.prep.prepare import prepare
from blueno.resources.outcome import PERMANENT_EXIT_CODE
from tests.fakes.api_server import ApiServer

Body = dict[str, Any]


class Node:
    """Plays what Kubernetes does. `held`: whether a Job makes no step; `exit_code` and `words` of trainings."""

    def __init__(self, api: ApiServer, folder: Path, seed: Mapping[str, bytes]) -> None:
        self._api, self._folder, self._seed = api, folder, seed
        self.held: Callable[[Body], bool] = lambda job: False
        self.before: Callable[[PrepConfig], None] = lambda config: None
        self.exit_code, self.words = 0, ""
        self.collects = True

    def claim(self, namespace: str, name: str) -> Path:
        """The directory of a claim. Static ones of one namespace share the server's export."""
        spec = self._api.read("PersistentVolumeClaim", name, namespace)["spec"]
        return self._folder / (f"export-{namespace}" if spec.get("volumeName", "").startswith("blueno-") else name)

    def volumes(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if path.is_dir())

    async def once(self) -> bool:
        """One look at everything; whether something was done."""
        done = self._collect() if self.collects else False
        for claim in self._api.all("PersistentVolumeClaim"):
            done |= self._bind(claim)
        for job in self._api.all("Job"):
            over = (job.get("status") or {}).get("conditions")
            if not over and not job["spec"].get("suspend") and not self.held(job) and self._mounts(job):
                await self._run(job)
                done = True
        return done

    def _bind(self, claim: Body) -> bool:
        meta = claim["metadata"]
        if (claim.get("status") or {}).get("phase") == "Bound":
            return False
        place = self.claim(meta["namespace"], meta["name"])
        place.mkdir(exist_ok=True)
        for name, data in self._seed.items():
            (place / name).write_bytes(data)
        size = claim["spec"]["resources"]["requests"]["storage"]
        status = {"phase": "Bound", "capacity": {"storage": size}, "accessModes": claim["spec"]["accessModes"]}
        self._api.update("PersistentVolumeClaim", meta["name"], {"status": status}, meta["namespace"])
        return True

    async def _run(self, job: Body) -> None:
        """One pod, from its start to its end; then the Job is over unless it may be tried again."""
        meta = job["metadata"]
        pod = self.start(job)
        code, words = await self._end(job, pod["metadata"]["name"])
        if job["metadata"]["name"] not in [j["metadata"]["name"] for j in self._api.all("Job")]:
            return  # deleted while its pod was at work
        ended = {"exitCode": code, "message": words, "finishedAt": _now()}
        container = {"name": meta["labels"][names.ROLE_LABEL], "state": {"terminated": ended}}
        status = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [container]}
        self._api.update("Pod", pod["metadata"]["name"], {"status": status}, meta["namespace"])
        failed = [p for p in self.pods(job) if p["status"]["phase"] == "Failed"]
        if code and code != PERMANENT_EXIT_CODE and len(failed) <= job["spec"]["backoffLimit"]:
            return
        kind, reason = ("Failed", "BackoffLimitExceeded") if code else ("Complete", "")
        said = {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": _now()}
        self._api.update("Job", meta["name"], {"status": {"conditions": [said]}}, meta["namespace"])

    def pods(self, job: Body) -> list[Body]:
        uid = job["metadata"]["uid"]
        return [p for p in self._api.all("Pod") if p["metadata"]["ownerReferences"][0]["uid"] == uid]

    def start(self, job: Body) -> Body:
        """A running pod of a Job."""
        meta, template = job["metadata"], job["spec"]["template"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": meta["name"]}
        place = {"generateName": f"{meta['name']}-", "namespace": meta["namespace"], "labels": labels}
        container = {"name": meta["labels"][names.ROLE_LABEL], "state": {"running": {"startedAt": _now()}}}
        status = {"phase": "Running", "startTime": _now(), "containerStatuses": [container]}
        body = {"kind": "Pod", "metadata": {**place, "ownerReferences": [owner]}, "spec": template["spec"]}
        return self._api.put({**body, "status": status})

    async def _end(self, job: Body, pod: str) -> tuple[int, str]:
        """Exit code and termination message."""
        role = job["metadata"]["labels"][names.ROLE_LABEL]
        if role == names.ROLE_TRAIN:
            return self.exit_code, self.words
        config = self._config(job, pod)
        self.before(config)
        if role == names.ROLE_ERASE:
            await asyncio.to_thread(erase, config)
            return 0, ""
        outcome = await asyncio.to_thread(prepare, config)
        code = prep._tell(config.termination_log, outcome)
        return code, config.termination_log.read_text()

    def _mounts(self, job: Body) -> bool:
        """Whether all claims of its pod are there."""
        volumes = job["spec"]["template"]["spec"]["volumes"]
        wanted = {v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v}
        claims = (claim["metadata"] for claim in self._api.all("PersistentVolumeClaim"))
        return wanted <= {meta["name"] for meta in claims if meta["namespace"] == job["metadata"]["namespace"]}

    def _config(self, job: Body, pod: str) -> PrepConfig:
        """What the pod's environment says, with the claim's directory for its mount."""
        spec = job["spec"]["template"]["spec"]
        env = {entry["name"]: entry["value"] for entry in spec["containers"][0]["env"] if "value" in entry}
        told = PrepConfig.from_env({**env, names.ENV_REPORT_URL: ""})
        name = next(v["persistentVolumeClaim"]["claimName"] for v in spec["volumes"] if "persistentVolumeClaim" in v)
        volume = self.claim(job["metadata"]["namespace"], name)
        root = volume / told.root.relative_to(names.VOLUME_MOUNT)
        words = self._folder.parent / f"termination-{pod}"
        return replace(told, volume=volume, root=root, host=pod, termination_log=words, space_poll=0.05)

    def _collect(self) -> bool:
        """What has lost its owner goes; and the data of a claim that is gone, as a provisioner deletes it."""
        alive = {body["metadata"]["uid"] for body in self._api.objects.values()}
        orphans = [
            body
            for body in list(self._api.objects.values())
            if any(owner["uid"] not in alive for owner in body["metadata"].get("ownerReferences") or ())
        ]
        for body in orphans:
            self._api.remove(body["kind"], body["metadata"]["name"], body["metadata"].get("namespace", ""))
        claims = {claim["metadata"]["name"] for claim in self._api.all("PersistentVolumeClaim")}
        for place in self.volumes():
            if not place.name.startswith("export-") and place.name not in claims:
                shutil.rmtree(place)
        return bool(orphans)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
