"""The report endpoint with a training pod. Used by test_training_reports.py and test_training_reports_hostile.py."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import datetime
from typing import Any

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from blueno import names
from blueno.kube import Cluster
from blueno.resources.training_report import TrainingReport
from controllers import answers
from controllers.cache import Cache
from controllers.demand import Demand
from controllers.queue import WorkQueue
from controllers.reports import Reports
from tests.fakes.api_server import ApiServer

RUN = "7a1b2c3d-1111-4222-8333-444455556666"
POD = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
RECORDER = "recorder-token"


class Bench:
    """The endpoint, a run of attempt 1 in the cache, and its pod in the cluster."""

    def __init__(self, api: ApiServer, cluster: Cluster, cache: Cache) -> None:
        self.api, self.cache = api, cache
        self.queue = WorkQueue(asyncio.get_running_loop().time)
        self.reports = Reports(cluster, cache, self.queue, Demand(900), names.SYSTEM_NAMESPACE)
        app = web.Application(client_max_size=answers.BODY_LIMIT)
        app.add_routes(self.reports.routes())
        self.client: TestClient[web.Request, web.Application] = TestClient(TestServer(app))
        self.a_run(1)
        self.a_pod("pod-1")
        user = {"username": f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:{names.RECORDER}"}
        api.tokens[RECORDER] = {"authenticated": True, "audiences": [names.REPORT_AUDIENCE], "user": user}

    def a_run(self, attempt: int, namespace: str = "lab", uid: str = RUN) -> None:
        meta = {"name": "digits", "namespace": namespace, "uid": uid, "resourceVersion": str(attempt), "labels": {}}
        body = {"kind": "TrainingRun", "metadata": meta, "spec": {}, "status": {"attempt": attempt}}
        self.cache.upsert(names.TRAINING_RUN_KIND, body)

    def a_pod(self, name: str, attempt: Any = 1, **labels: str) -> None:
        marks = {names.OWNER_KIND: names.TRAINING_RUN_KIND, names.OWNER_UID: RUN, names.ATTEMPT_LABEL: str(attempt)}
        meta = {"name": name, "namespace": "lab", "labels": marks | labels}
        pod = self.api.put({"kind": "Pod", "metadata": meta, "spec": {}, "status": {}})
        self.api.tokens[name] = a_review(name, pod["metadata"]["uid"])

    async def post(self, body: Any = None, token: str = "pod-1") -> ClientResponse:
        raw = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.post(names.TRAINING_REPORT_PATH, data=io.BytesIO(raw), headers=headers)

    async def take(self, token: str = RECORDER, **position: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self.client.post(names.TRAINING_POINTS_PATH, json=position, headers=headers)
        assert answer.status == 200, await answer.text()
        return await answer.json()

    def latest(self) -> TrainingReport | None:
        return self.reports.latest(RUN).training


def a_review(name: str, uid: str, namespace: str = "lab", **changes: Any) -> dict[str, Any]:
    user = {"username": f"system:serviceaccount:{namespace}:default", "extra": {POD: [name], POD_UID: [uid]}}
    return {"authenticated": True, "audiences": [names.REPORT_AUDIENCE], "user": user, **changes}


def point(step: int, time: datetime, **metrics: float) -> dict[str, Any]:
    return {"step": step, "time": time.isoformat(), "metrics": metrics}
