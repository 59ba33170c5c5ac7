"""The operator as a process of its own (`python -m kopf run operator/main.py`) against tests/fakes/api_server.py."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from blueno import names
from blueno.resources.outcome import Outcome
from controllers.source import WATCHED
from tests.fakes.api_server import ApiServer
from tests.fakes.job_controller import JobController
from tests.make import sealed_outcome
from tests.ports import free_port

TOP = Path(__file__).resolve().parents[2]
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: fake, cluster: {server: "%s"}}]
users: [{name: nobody, user: {}}]
contexts: [{name: fake, context: {cluster: fake, user: nobody}}]
current-context: fake
"""


@dataclass
class Operator:
    """One operator process."""

    process: asyncio.subprocess.Process
    log: Path
    http: int
    report: int

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask it to end, or kill it, and wait."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        await asyncio.wait_for(self.process.wait(), 60)

    def said(self, text: str) -> bool:
        """Whether its log holds `text`."""
        return text in self.log.read_text()


@dataclass
class World:
    """A fake cluster and the operators started on it."""

    api: ApiServer
    folder: Path
    operators: list[Operator] = field(default_factory=list)

    async def start(self, identity: str = "operator-0", **env: str) -> Operator:
        """Start an operator; does not wait for it to be at work."""
        number = len(self.operators)
        config = self.folder / "kubeconfig"
        config.write_text(KUBECONFIG % self.api.url)
        http, report = free_port(), free_port()
        settings = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECONFIG": str(config),
            "PYTHONPATH": str(TOP),
            "PYTHONDONTWRITEBYTECODE": "1",
            "BLUENO_IDENTITY": identity,
            "BLUENO_HTTP_PORT": str(http),
            "BLUENO_REPORT_PORT": str(report),
            "BLUENO_REPORT_URL": f"https://localhost:{report}",
            "BLUENO_SWEEP_SECONDS": "1",
            "BLUENO_WORKERS": "4",
        }
        command = (sys.executable, "-m", "kopf", "run", "--standalone", "--all-namespaces", "operator/main.py")
        log = self.folder / f"operator-{number}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=TOP, env=settings | env, stdout=output, stderr=output
            )
        operator = Operator(process, log, http, report)
        self.operators.append(operator)
        return operator

    async def at_work(self, identity: str = "operator-0", **env: str) -> Operator:
        """Start an operator and wait until it watches all its kinds."""
        before = self._watches()
        operator = await self.start(identity, **env)
        await self.until(lambda: self._watches() >= before + len(WATCHED), "the operator watches", 60)
        return operator

    def _watches(self) -> int:
        return sum(1 for request in self.api.requests if request.verb == "WATCH")

    async def until(self, true: Callable[[], Any], what: str, seconds: float = 45) -> Any:
        """Wait for something; its value. Fails with the operators' logs."""
        end = time.monotonic() + seconds
        while not (value := true()):
            if time.monotonic() > end:
                logs = "\n".join(operator.log.read_text()[-4000:] for operator in self.operators)
                pytest.fail(f"not within {seconds} s: {what}\n{logs}")
            await asyncio.sleep(0.02)
        return value

    async def settled(self, seconds: float = 1.0) -> None:
        """Wait until nothing was written for so long."""
        before = -1
        while before != len(self.api.writes()):
            before = len(self.api.writes())
            await asyncio.sleep(seconds)

    async def job(self, attempt: int = 1) -> dict[str, Any]:
        """The preparation Job of an attempt, as soon as there is one."""

        def there() -> Any:
            return next((j for j in self.api.all("Job") if j["metadata"]["name"].endswith(f"-a{attempt}")), None)

        return dict(await self.until(there, f"a Job of attempt {attempt}"))

    def bind(self) -> None:
        """Bind every claim, as a provisioner does."""
        for claim in self.api.all("PersistentVolumeClaim"):
            self.api.update("PersistentVolumeClaim", claim["metadata"]["name"], {"status": {"phase": "Bound"}})

    def run_pod(self, job: dict[str, Any]) -> str:
        """A running pod of a Job; its name."""
        meta, template = job["metadata"], job["spec"]["template"]
        name = f"{meta['name']}-x"
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"]}
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": meta["name"]}
        place = {"name": name, "namespace": meta["namespace"], "labels": labels, "ownerReferences": [owner]}
        running = {"running": {"startedAt": "2026-03-01T12:00:00Z"}}
        status = {"phase": "Running", "containerStatuses": [{"name": "prepare", "state": running}]}
        self.api.put({"kind": "Pod", "metadata": place, "spec": {}, "status": status})
        return name

    def end_pod(self, job: dict[str, Any], outcome: Outcome) -> None:
        """The Job's pod ends with these last words, and so the Job."""
        ended = {"exitCode": 0 if outcome.done else 10, "message": outcome.to_json()}
        container = {"name": "prepare", "state": {"terminated": ended}}
        phase, said = ("Succeeded", "Complete") if outcome.done else ("Failed", "Failed")
        name = job["metadata"]["name"]
        self.api.update("Pod", f"{name}-x", {"status": {"phase": phase, "containerStatuses": [container]}})
        self.api.update("Job", name, {"status": {"conditions": [{"type": said, "status": "True"}]}})

    async def ready(self, name: str = "mnist") -> None:
        """Play everything that makes a Dataset Ready; it is made unless it is there."""
        if ("Dataset", "lab", name) not in self.api.objects:
            self.api.put(a_dataset_manifest(name))
        uid = self.api.read("Dataset", name)["metadata"]["uid"]

        def mine() -> Any:
            prepares = (j for j in self.api.all("Job") if j["metadata"]["labels"][names.OWNER_UID] == uid)
            return next(prepares, None)

        job = await self.until(mine, f"the Job of {name}")
        self.bind()
        self.run_pod(job)
        self.end_pod(job, sealed_outcome())
        await self.until(lambda: self.condition("Ready", name) == ("True", "Available"), f"{name} is Ready")

    async def say(self, operator: Operator, account: str, route: str, body: dict[str, Any]) -> Any:
        """POST to the report endpoint as one of our ServiceAccounts; the answer's JSON, or None."""
        user = {"username": f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:{account}"}
        self.api.tokens[account] = {"authenticated": True, "audiences": [names.REPORT_AUDIENCE], "user": user}
        secret = self.api.read("Secret", names.KEYS_SECRET, names.SYSTEM_NAMESPACE)
        tls = ssl.create_default_context(cadata=b64decode(secret["data"]["ca.crt"]).decode())
        url, headers = f"https://localhost:{operator.report}/v1/{route}", {"Authorization": f"Bearer {account}"}
        async with (
            aiohttp.ClientSession() as client,
            client.post(url, json=body, headers=headers, ssl=tls, timeout=aiohttp.ClientTimeout(10)) as answer,
        ):
            assert answer.status in (200, 204), await answer.text()
            return await answer.json() if answer.status == 200 else None

    def condition(self, kind: str, name: str = "mnist") -> tuple[str, str]:
        """Status and reason of a Dataset's condition."""
        status = self.api.read("Dataset", name)["status"]
        found = (c for c in status.get("conditions", ()) if c["type"] == kind)
        return next(((c["status"], c["reason"]) for c in found), ("", ""))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A fake cluster with what deploy/ and Kubernetes itself put there; its operators end with the test."""
    async with ApiServer().serving() as api:
        api.put({"kind": "Service", "metadata": {"name": "kubernetes", "namespace": "default"}})
        api.put({"kind": "Secret", "metadata": {"name": names.KEYS_SECRET, "namespace": names.SYSTEM_NAMESPACE}})
        world = World(api, tmp_path)
        yield world
        for operator in world.operators:
            await operator.stop(signal.SIGKILL)


@pytest.fixture
async def jobs(world: World) -> AsyncIterator[JobController]:
    """Training Jobs of the fake cluster are played."""
    async with JobController(world.api).playing() as controller:
        yield controller


def a_dataset_manifest(name: str = "mnist", **spec: Any) -> dict[str, Any]:
    """What a user applies."""
    return {
        "kind": "Dataset",
        "metadata": {"name": name, "namespace": "lab", "labels": {"team": "x"}, "annotations": {"note": "mine"}},
        "spec": {"source": {"tfds": {"name": "mnist"}}, **spec},
    }
