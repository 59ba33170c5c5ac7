"""Job controller and kubelet for the ingest Jobs of tests/fakes/api_server.py: their pods are real processes.

A pod whose process ends without a word, or is killed, has failed; the Job makes another, as often as its backoffLimit
says. When a Job goes, so does its process.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blueno import names
from tests.fakes.api_server import ApiServer

TOP = Path(__file__).resolve().parents[2]
TICK_SECONDS = 0.02
Body = dict[str, Any]


@dataclass
class IngestPods:
    """Plays every ingest Job in `api` while `playing`. Below `folder`: volume/, secrets/NAME/, manifests/NAME/."""

    api: ApiServer
    folder: Path
    data_server: str
    starts: bool = True  # False: no pod gets a node
    jobs: list[str] = field(default_factory=list)  # names of all Jobs that were ever seen
    started: list[str] = field(default_factory=list)  # names of all pods
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)  # by name of the pod

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[IngestPods]:
        """Play while the block runs."""
        for name in ("volume", "secrets", "manifests", "scratch"):
            (self.folder / name).mkdir(exist_ok=True)
        task = asyncio.create_task(self._play())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for process in self.processes.values():
                if process.returncode is None:
                    process.kill()
                await process.wait()

    async def _play(self) -> None:
        while True:
            await self.once()
            await asyncio.sleep(TICK_SECONDS)

    async def once(self) -> None:
        """One look at everything."""
        there = {job["metadata"]["uid"]: job for job in self._all("Job")}
        for pod in self._all("Pod"):
            if pod["metadata"]["ownerReferences"][0]["uid"] not in there:
                await self._end(pod)
        for job in there.values():
            if job["metadata"]["name"] not in self.jobs:
                self.jobs.append(job["metadata"]["name"])
            if not (job.get("status") or {}).get("conditions"):
                await self._advance(job)

    def kill(self) -> None:
        """SIGKILL to whatever runs."""
        for process in self.processes.values():
            if process.returncode is None:
                process.kill()

    @property
    def running(self) -> int:
        return sum(1 for process in self.processes.values() if process.returncode is None)

    def log(self, pod: str) -> str:
        return (self.folder / f"{pod}.log").read_text()

    def _all(self, kind: str) -> list[Body]:
        found = self.api.all(kind)
        return [o for o in found if o["metadata"].get("labels", {}).get(names.ROLE_LABEL) == names.ROLE_INGEST]

    async def _advance(self, job: Body) -> None:
        uid = job["metadata"]["uid"]
        pods = [pod for pod in self._all("Pod") if pod["metadata"]["ownerReferences"][0]["uid"] == uid]
        if not pods or (pods[-1]["status"]["phase"] == "Failed" and len(pods) <= job["spec"]["backoffLimit"]):
            await self._make_pod(job)
        elif pods[-1]["status"]["phase"] in ("Succeeded", "Failed"):
            done = "Complete" if pods[-1]["status"]["phase"] == "Succeeded" else "Failed"
            said = {"type": done, "status": "True", "reason": "", "lastTransitionTime": _now()}
            self._update(job, {"status": {"conditions": [said]}})
        else:
            self._look(pods[-1])

    async def _make_pod(self, job: Body) -> None:
        meta, template = job["metadata"], job["spec"]["template"]
        name = f"{meta['name']}-{len(self.started)}"
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": meta["name"]}
        place = {"name": name, "namespace": meta["namespace"], "labels": labels, "ownerReferences": [owner]}
        waits = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]
        status = {"phase": "Pending", "conditions": [] if self.starts else waits}
        pod = self.api.put({"kind": "Pod", "metadata": place, "spec": {"nodeName": "node1"}, "status": status})
        self.started.append(name)
        if self.starts:
            await self._start(job, pod)

    async def _start(self, job: Body, pod: Body) -> None:
        meta, container = pod["metadata"], job["spec"]["template"]["spec"]["containers"][0]
        assert container["command"] == ["python", "-m", "blueno.ingest"]
        env = {entry["name"]: entry["value"] for entry in container["env"]}
        folder = self.folder / meta["name"]
        folder.mkdir()
        (folder / "token").write_text(f"token-of-{meta['name']}")
        (folder / "ca").write_text(job["spec"]["template"]["metadata"]["annotations"][names.REPORT_CA])
        extra = {"pod-name": meta["name"], "pod-uid": meta["uid"]}
        user = {
            "username": f"system:serviceaccount:{meta['namespace']}:default",
            "extra": {f"authentication.kubernetes.io/{key}": [value] for key, value in extra.items()},
        }
        review = {"authenticated": True, "audiences": [names.REPORT_AUDIENCE], "user": user}
        self.api.tokens[f"token-of-{meta['name']}"] = review
        told = {
            "data_server": self.data_server,
            "report_url": env[names.ENV_REPORT_URL],
            "options": env[names.ENV_INGEST],
            "token_file": str(folder / "token"),
            "report_ca_file": str(folder / "ca"),
            "termination_log": str(folder / "said"),
            **{name: str(self.folder / name) for name in ("volume", "secrets", "manifests", "scratch")},
        }
        with (self.folder / f"{meta['name']}.log").open("wb") as log:
            self.processes[meta["name"]] = await asyncio.create_subprocess_exec(
                sys.executable,
                str(TOP / "tests" / "fakes" / "ingest_pod.py"),
                json.dumps(told),
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP), "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=log,
                stderr=log,
            )
        self._say(pod, "Running", {"running": {"startedAt": _now()}})

    def _look(self, pod: Body) -> None:
        process = self.processes.get(pod["metadata"]["name"])
        if process is None or process.returncode is None:
            return
        said = self.folder / pod["metadata"]["name"] / "said"
        message = said.read_text() if said.exists() else ""
        ended = {"exitCode": process.returncode, "message": message, "finishedAt": _now()}
        self._say(pod, "Failed" if process.returncode else "Succeeded", {"terminated": ended})

    async def _end(self, pod: Body) -> None:
        process = self.processes.get(pod["metadata"]["name"])
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
        self.api.remove("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])

    def _say(self, pod: Body, phase: str, state: Body) -> None:
        status = {"phase": phase, "containerStatuses": [{"name": names.ROLE_INGEST, "state": state}]}
        self._update(pod, {"status": status})

    def _update(self, body: Body, change: Body) -> None:
        self.api.update(body["kind"], body["metadata"]["name"], change, body["metadata"]["namespace"])


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
