"""A recorder, and what it hears of training runs: pods' logs, an operator's ring. Used by test_recorder_runs.py."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web
from kubernetes.aio import client as kube_client

from blueno import names
from blueno.db.config import DatabaseConfig
from blueno.db.connect import connect
from blueno.db.run_logs import LogPart, read_log, select_log_parts
from blueno.db.run_metrics import Series, select_metric_names, select_metrics
from blueno.kube import Cluster
from blueno.recorder.config import RecorderConfig
from blueno.recorder.recorder import Recorder
from controllers.points import Points
from tests.db.mirroring import uid_of
from tests.db.recording import at_work
from tests.fakes.api_server import ApiServer
from tests.fakes.pod_logs import PodLog
from tests.fakes.preparation import TOP, environment

RUN = uid_of(7)


class World:
    """One cluster, one operator's ring, one database, recorders."""

    def __init__(self, api: ApiServer, database: DatabaseConfig, folder: Path) -> None:
        self.api, self.database, self._folder = api, database, folder
        self.ring = Points("life-1")
        self.report_url = ""

    def app(self) -> web.Application:
        async def points(request: web.Request) -> web.Response:
            asked = await request.json()
            return web.json_response((await self.ring.after(asked["epoch"], asked["after"], 0.2)).to_dict())

        app = web.Application()
        app.add_routes([web.post(names.TRAINING_POINTS_PATH, points)])
        return app

    def pod(self, name: str, log: PodLog | None = None, state: str = "running", **notes: str) -> PodLog:
        """A training pod of attempt 1, and its log."""
        marks = {names.MANAGED: "true", names.ROLE_LABEL: names.ROLE_TRAIN, names.OWNER_KIND: names.TRAINING_RUN_KIND}
        marks |= {names.OWNER_UID: RUN, names.ATTEMPT_LABEL: "1"}
        meta = {"name": name, "namespace": "lab", "labels": marks, "annotations": notes}
        spec = {"containers": [{"name": "train"}], "restartPolicy": "Never"}
        self.api.put({"kind": "Pod", "metadata": meta, "spec": spec, "status": status(state)})
        self.api.logs["lab", name] = log = log or PodLog()
        return log

    async def ended(self, name: str) -> None:
        await self.api.logs["lab", name].end()
        self.api.update("Pod", name, {"status": status("terminated")})

    def config(self, **changes: Any) -> RecorderConfig:
        token = self._folder / "token"
        token.write_text("token\n")

        async def cluster() -> Cluster:
            return Cluster(kube_client.Configuration(host=self.api.url))

        plain = RecorderConfig(
            database=self.database, report_url=self.report_url, grant_key_file=token, token_file=token, http_port=0,
            cluster=cluster, flush_seconds=0.1,
        )  # fmt: skip
        return replace(plain, **changes)

    def recorder(self, **changes: Any) -> AbstractAsyncContextManager[Recorder]:
        return at_work(self.config(**changes))

    def process(self) -> subprocess.Popen[bytes]:
        """A recorder to be killed."""
        arguments = [str(self.database.url_file), self.report_url, str(self._folder / "token"), self.api.url]
        self.config()
        return subprocess.Popen([sys.executable, "-c", PROCESS, *arguments], cwd=TOP, env=environment())

    def parts(self) -> dict[str, LogPart]:
        return {part.pod: part for part in self._ask(lambda cursor: select_log_parts(cursor, RUN))}

    def text(self, pod: str) -> str:
        def work(cursor: Any) -> str:
            found, position = [], 0
            while (piece := read_log(cursor, RUN, 1, pod, position, 1 << 20)).next != piece.first:
                found.append(piece.text)
                position = piece.next
            return "".join(found)

        return str(self._ask(work))

    def complete(self, pod: str) -> bool:
        part = self.parts().get(pod)
        return part is not None and part.complete

    def series(self) -> list[Series]:
        return list(self._ask(lambda cursor: select_metrics(cursor, RUN, select_metric_names(cursor, RUN), 5000)))

    def _ask(self, work: Any) -> Any:
        connection = connect(self.database, application="reader", statement_timeout_ms=30_000)
        try:
            with connection.cursor() as cursor:
                return work(cursor)
        finally:
            connection.close()


PROCESS = """
import asyncio, sys
from pathlib import Path
from kubernetes.aio import client
from blueno.db.config import DatabaseConfig
from blueno.kube import Cluster
from blueno.recorder.__main__ import serve
from blueno.recorder.config import RecorderConfig
url_file, report_url, token, api = sys.argv[1:]
async def cluster():
    return Cluster(client.Configuration(host=api))
asyncio.run(serve(RecorderConfig(
    database=DatabaseConfig(Path(url_file)), report_url=report_url, grant_key_file=Path(token), token_file=Path(token),
    http_port=0, cluster=cluster, flush_seconds=0.05)))
"""


def status(state: str) -> dict[str, Any]:
    phase = {"waiting": "Pending", "running": "Running", "terminated": "Succeeded"}[state]
    return {"phase": phase, "containerStatuses": [{"name": "train", "state": {state: {}}}]}


def lines(begin: int, end: int) -> bytes:
    return b"".join(b"line %07d of the training\n" % n for n in range(begin, end))


@asynccontextmanager
async def a_world(database: DatabaseConfig, folder: Path) -> AsyncIterator[World]:
    async with ApiServer().serving() as api:
        world = World(api, database, folder)
        runner = web.AppRunner(world.app(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        world.report_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield world
        finally:
            await runner.cleanup()
