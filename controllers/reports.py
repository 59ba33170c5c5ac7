"""The report endpoint: HTTPS, where our own processes tell the operator what they do and what they need.

Served by controllers/http.py, started by lifecycle.py. Preparation pods say how far they are: token → pod uid → its
labels → the Dataset, work and attempt it may speak for, and no other; training pods are heard in the same way
(training_reports.py). The web process says what is looked at; the recorder asks to read data sets, says what it has
loaded, and takes the points of training runs: both are known by their ServiceAccounts.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from blueno import names
from blueno.kube import Cluster
from blueno.resources.dataset import holds_data
from blueno.resources.indexing import IndexReport, dataset_of
from blueno.resources.outcome import Progress
from controllers.answers import problem, read_body
from controllers.cache import Body, Cache
from controllers.callers import Callers
from controllers.demand import Demand
from controllers.heard import Heard
from controllers.ingests import Ingests
from controllers.outputs.observe import is_for_outputs, observe
from controllers.outputs.serving import why_not
from controllers.owners import find_owner
from controllers.queue import WorkQueue
from controllers.servers import runs, view_server
from controllers.training_reports import TrainingReports

PODS_KEPT = 4096
MIN_INTERVAL = 0.5  # seconds between two reports of one pod
LOOKED_LIMIT = 100  # data sets and claims in one "looked"
LOOKED_BYTES = 64 << 10  # of it: the names of claims may be long
NO_POD = "the token is not valid for the audience blueno-report, or its pod is gone"
UNREADABLE_SECONDS = 30  # when the recorder may ask again for a data set that cannot be read now


class Reports:
    """The latest of everything that was said, in memory: after a restart of ours everybody says it again."""

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        queue: WorkQueue,
        demand: Demand,
        namespace: str,
        ingests: Ingests | None = None,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._queue = queue
        self._demand = demand
        self._namespace = namespace  # ours, and of the ServiceAccounts that we know by name
        self._ingests = ingests
        self._callers = Callers(cluster)
        self._progress: dict[str, Progress] = {}
        self._index: dict[str, IndexReport] = {}
        self._heard: OrderedDict[str, float] = OrderedDict()  # pod uid: when
        self._training = TrainingReports(cluster, cache, lambda uid: queue.add((names.TRAINING_RUN_KIND, uid)))

    def latest(self, uid: str) -> Heard:
        """What was last said about a Dataset or a TrainingRun."""
        until = self._demand.keep_until(uid, runs(view_server(self._cache, uid)), datetime.now(UTC))
        ingest = self._ingests.latest(uid) if self._ingests is not None else None
        said = self._training.latest(uid)
        return Heard(self._progress.get(uid), self._index.get(uid), until, said, ingest=ingest)

    def routes(self) -> list[web.RouteDef]:
        """Everything the endpoint answers."""
        routes = (
            []
            if self._ingests is None
            else [
                web.post(names.INGEST_WORK_PATH, self.ingest_work),
                web.post(names.INGEST_GRANT_PATH, self.ingest_grant),
            ]
        )
        return [
            *routes,
            web.post("/v1/progress", self.progress),
            web.post("/v1/looked", self.looked),
            web.post("/v1/index", self.index),
            web.post("/v1/index/done", self.index_done),
            web.post("/v1/indexed", self.indexed),
            web.post(names.TRAINING_REPORT_PATH, self.training),
            web.post(names.TRAINING_POINTS_PATH, self.points),
        ]

    async def progress(self, request: web.Request) -> web.Response:
        """204; 400 bad body, 401 bad token, 409 not the attempt this pod works on, 429 too often."""
        caller = await self._callers.identify(request)
        if caller is None or not caller.pod_uid:
            return problem(401, NO_POD)
        now = time.monotonic()
        if now - self._heard.get(caller.pod_uid, -MIN_INTERVAL) < MIN_INTERVAL:
            return problem(429, "at most one report in half a second")
        self._remember(caller.pod_uid, now)
        report = await read_body(request, Progress.from_dict)
        if isinstance(report, web.Response):
            return report
        owned = await find_owner(self._cluster, self._cache, caller, names.DATASET_KIND)
        if owned is None:
            return problem(409, "this pod was not made by Blueno for a Dataset of its namespace")
        labels, uid, dataset = owned.labels, owned.uid, owned.body
        if (labels.get(names.WORK_LABEL), labels.get(names.ATTEMPT_LABEL)) != (report.work, str(report.attempt)):
            return problem(409, "this pod works on another attempt")
        if dataset is None:
            return problem(409, "its Dataset is gone")
        work = dataset["status"].get("work") or {}
        if work.get("hash") == report.work and work.get("attempt", 0) > report.attempt:
            return problem(409, "a later attempt has taken over")
        self._progress[uid] = report
        self._news(uid)
        return web.Response(status=204)

    async def looked(self, request: web.Request) -> web.Response:
        """The web process: somebody looks at these. 204, or 200 with why claims cannot be read; 400, 401, 404 when none
        of the Datasets exists.
        """
        refused = await self._refuse_all_but(names.WEB, request)
        if refused is not None:
            return refused
        looked = await read_body(request, _Looked.parse, LOOKED_BYTES)
        if isinstance(looked, web.Response):
            return looked
        known = [uid for uid in looked.datasets if self._cache.get(names.DATASET_KIND, uid) is not None]
        if looked.datasets and not known and not looked.claims:
            return problem(404, "none of these Datasets exists")
        for uid in self._demand.look(known, datetime.now(UTC)):
            self._news(uid)
        if not looked.claims:
            return web.Response(status=204)
        said = [{"namespace": place, "name": name, "message": self._look(place, name)} for place, name in looked.claims]
        return web.json_response({"claims": said})

    async def index(self, request: web.Request) -> web.Response:
        """The recorder: may I read this one? 200 with `granted` and `retryAfterSeconds`; 400, 401, 404."""
        asked = await self._asked(request)
        if isinstance(asked, web.Response):
            return asked
        uid, dataset = asked
        readable = holds_data(dataset["status"]) and not dataset["metadata"].get("deletionTimestamp")
        now = datetime.now(UTC)
        wait = UNREADABLE_SECONDS
        if readable:
            wanted = self._demand.until(uid, now)
            wait = self._demand.lease(uid, now)
            if not wait and wanted is None:
                self._news(uid)
        return web.json_response({"granted": not wait, "retryAfterSeconds": wait})

    async def index_done(self, request: web.Request) -> web.Response:
        """The recorder has read what it wanted. 204; 400, 401, 404."""
        asked = await self._asked(request)
        if isinstance(asked, web.Response):
            return asked
        uid, _ = asked
        self._demand.give_back(uid)
        self._news(uid)
        return web.Response(status=204)

    async def indexed(self, request: web.Request) -> web.Response:
        """The recorder: how far the rows of a version are. 204; 400, 401, 404.

        Of other versions than the current one nothing is kept: they are in no status.
        """
        refused = await self._refuse_all_but(names.RECORDER, request)
        if refused is not None:
            return refused
        report = await read_body(request, IndexReport.from_dict)
        if isinstance(report, web.Response):
            return report
        dataset = self._cache.get(names.DATASET_KIND, report.dataset)
        if dataset is None:
            return problem(404, "there is no such Dataset")
        if (dataset["status"].get("version") or {}).get("digest") == report.digest:
            self._index[report.dataset] = report
            self._news(report.dataset)
        return web.Response(status=204)

    async def training(self, request: web.Request) -> web.Response:
        """A training pod: how far it is, its metrics, its checkpoint. 401; else see TrainingReports.report."""
        caller = await self._callers.identify(request)
        if caller is None or not caller.pod_uid:
            return problem(401, NO_POD)
        return await self._training.report(request, caller)

    async def ingest_work(self, request: web.Request) -> web.Response:
        """An ingest pod: what it has done, and what next. 401; else see Ingests.work."""
        caller = await self._callers.identify(request)
        if caller is None or not caller.pod_uid or self._ingests is None:
            return problem(401, NO_POD)
        return await self._ingests.work(request, caller)

    async def ingest_grant(self, request: web.Request) -> web.Response:
        """An ingest pod: a permit for the data server. 401; else see Ingests.grant."""
        caller = await self._callers.identify(request)
        if caller is None or not caller.pod_uid or self._ingests is None:
            return problem(401, NO_POD)
        return await self._ingests.grant(request, caller)

    async def points(self, request: web.Request) -> web.Response:
        """The recorder: what did training runs say since? 200, perhaps after a while; 400, 401."""
        return await self._refuse_all_but(names.RECORDER, request) or await self._training.points(request)

    def _look(self, namespace: str, name: str) -> str:
        """Somebody looks at what runs wrote to this claim; why it cannot be read, "" when it can in a moment."""
        claim, now = self._cache.named(names.CLAIM_KIND, namespace, name), datetime.now(UTC)
        if claim is None:
            return f"claim {name} does not exist, or not any more"
        if not is_for_outputs(self._cache, claim):
            return f"no run in this cluster writes to claim {name} any more"
        uid = claim["metadata"]["uid"]
        if self._demand.look([uid], now):
            self._queue.add((names.CLAIM_KIND, uid))
        return why_not(observe(self._cache, claim, now))

    async def _asked(self, request: web.Request) -> tuple[str, Body] | web.Response:
        """The Dataset that the recorder asks about."""
        refused = await self._refuse_all_but(names.RECORDER, request)
        if refused is not None:
            return refused
        uid = await read_body(request, dataset_of)
        if isinstance(uid, web.Response):
            return uid
        dataset = self._cache.get(names.DATASET_KIND, uid)
        return (uid, dataset) if dataset is not None else problem(404, "there is no such Dataset")

    async def _refuse_all_but(self, account: str, request: web.Request) -> web.Response | None:
        caller = await self._callers.identify(request)
        if caller is not None and (caller.namespace, caller.account) == (self._namespace, account):
            return None
        return problem(401, f"the token is not one of ServiceAccount {account} for the audience blueno-report")

    def _news(self, uid: str) -> None:
        """Look at this Dataset; and let what was said about gone ones not pile up."""
        exist = self._cache.count(names.DATASET_KIND)
        for told in (self._progress, self._index):
            if len(told) > 2 * exist + 16:
                for gone in [known for known in told if self._cache.get(names.DATASET_KIND, known) is None]:
                    del told[gone]
        if len(self._demand) > 2 * exist + 16:
            self._demand.forget(datetime.now(UTC))
        self._queue.add((names.DATASET_KIND, uid))

    def _remember(self, pod_uid: str, now: float) -> None:
        self._heard[pod_uid] = now
        self._heard.move_to_end(pod_uid)
        while len(self._heard) > PODS_KEPT:
            self._heard.popitem(last=False)


@dataclass(frozen=True)
class _Looked:
    """Uids of Datasets, and (namespace, name) of claims that runs write to."""

    datasets: list[str]
    claims: list[tuple[str, str]]

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> _Looked:
        uids, claims = body.get("datasets"), body.get("claims", [])
        if not isinstance(uids, list) or not all(isinstance(uid, str) for uid in uids):
            raise ValueError("datasets must be a list of uids")
        if not isinstance(claims, list) or len(uids) + len(claims) > LOOKED_LIMIT:
            raise ValueError(f"at most {LOOKED_LIMIT} things in one notice")
        places = [(claim.get("namespace"), claim.get("name")) for claim in claims]
        if not all(isinstance(part, str) for place in places for part in place):
            raise ValueError("claims must be a list of objects with namespace and name")
        return cls(uids, places)
