"""The report endpoint: HTTPS, where preparation pods say how far they are.

Served by controllers/http.py, started by lifecycle.py. A pod proves who it is with its projected token (audience
blueno-report): TokenReview → pod uid → its labels → the Dataset, work and attempt it may speak for, and no other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from blueno import names
from blueno.errors import BluenoError
from blueno.kube import Cluster
from blueno.resources.api import PODS, TOKEN_REVIEWS
from blueno.resources.outcome import Progress
from controllers.cache import Body, Cache
from controllers.queue import WorkQueue

log = logging.getLogger("blueno.reports")

BODY_LIMIT = 8192  # bytes
BODY_SECONDS = 5.0
TRUST_SECONDS = 60.0  # how long a token's review is believed
DISTRUST_SECONDS = 5.0
REVIEWS_KEPT = 4096
MIN_INTERVAL = 0.5  # seconds between two reports of one pod

_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"


@dataclass(frozen=True)
class Caller:
    """A pod that proved who it is."""

    namespace: str
    name: str
    uid: str


class Reports:
    """The latest Progress of each Dataset, in memory: pods repeat themselves after a restart of ours."""

    def __init__(self, cluster: Cluster, cache: Cache, queue: WorkQueue) -> None:
        self._cluster = cluster
        self._cache = cache
        self._queue = queue
        self._latest: dict[str, Progress] = {}
        self._reviews: OrderedDict[str, tuple[float, Caller | None]] = OrderedDict()
        self._heard: OrderedDict[str, float] = OrderedDict()  # pod uid: when

    def latest(self, dataset_uid: str) -> Progress | None:
        """What the Dataset's preparation last said."""
        return self._latest.get(dataset_uid)

    def routes(self) -> list[web.RouteDef]:
        """The endpoint's only route."""
        return [web.post("/v1/progress", self.progress)]

    async def progress(self, request: web.Request) -> web.Response:
        """204; 400 bad body, 401 bad token, 409 not the attempt this pod works on, 429 too often."""
        caller = await self._authenticate(request)
        if caller is None:
            return _problem(401, "the token is not valid for the audience blueno-report, or its pod is gone")
        now = time.monotonic()
        if now - self._heard.get(caller.uid, -MIN_INTERVAL) < MIN_INTERVAL:
            return _problem(429, "at most one report in half a second")
        self._remember(self._heard, caller.uid, now)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                report = Progress.from_dict(json.loads(await request.read()))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            return _problem(400, f"not a progress report: {error}")
        except TimeoutError:
            return _problem(408, "the body did not arrive in time")
        pod = await self._pod(caller)
        if pod is None:
            return _problem(409, "this pod was not made by Blueno")
        labels = pod["metadata"]["labels"]
        if (labels.get(names.WORK_LABEL), labels.get(names.ATTEMPT_LABEL)) != (report.work, str(report.attempt)):
            return _problem(409, "this pod works on another attempt")
        uid = labels[names.OWNER_UID]
        dataset = self._cache.get(names.DATASET_KIND, uid)
        if dataset is None:
            return _problem(409, "its Dataset is gone")
        work = dataset["status"].get("work") or {}
        if work.get("hash") == report.work and work.get("attempt", 0) > report.attempt:
            return _problem(409, "a later attempt has taken over")
        self._latest[uid] = report
        self._forget_gone()
        self._queue.add((names.DATASET_KIND, uid))
        return web.Response(status=204)

    def _forget_gone(self) -> None:
        if len(self._latest) > 2 * self._cache.count(names.DATASET_KIND) + 16:
            kept = {uid: p for uid, p in self._latest.items() if self._cache.get(names.DATASET_KIND, uid)}
            self._latest = kept

    async def _pod(self, caller: Caller) -> Body | None:
        """The caller's pod, from the cache or (its watch event may be slower than its report) the API server."""
        pod = self._cache.get(PODS.kind, caller.uid)
        if pod is None:
            pod = await self._cluster.get(PODS, caller.namespace, caller.name)
        if pod is None or pod["metadata"]["uid"] != caller.uid:
            return None
        return pod if names.OWNER_UID in (pod["metadata"].get("labels") or {}) else None

    async def _authenticate(self, request: web.Request) -> Caller | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            return None
        key = hashlib.sha256(token.encode()).hexdigest()
        until, caller = self._reviews.get(key, (0.0, None))
        if until > time.monotonic():
            return caller
        try:
            caller = await self._review(token)
        except BluenoError as error:
            log.warning("token not reviewed: %s", error)
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"}) from None
        lasts = TRUST_SECONDS if caller is not None else DISTRUST_SECONDS
        self._remember(self._reviews, key, (time.monotonic() + lasts, caller))
        return caller

    async def _review(self, token: str) -> Caller | None:
        spec = {"token": token, "audiences": [names.REPORT_AUDIENCE]}
        review = {"apiVersion": TOKEN_REVIEWS.api_version, "kind": TOKEN_REVIEWS.kind, "metadata": {}, "spec": spec}
        status: Mapping[str, Any] = (await self._cluster.create(TOKEN_REVIEWS, review)).get("status") or {}
        # An API server that does not know the audience answers authenticated=true without it: check both.
        if not status.get("authenticated") or names.REPORT_AUDIENCE not in (status.get("audiences") or ()):
            return None
        user = status["user"]
        extra = user.get("extra") or {}
        parts = user["username"].split(":")
        if len(parts) != 4 or parts[:2] != ["system", "serviceaccount"] or not extra.get(_POD_UID):
            return None
        return Caller(namespace=parts[2], name=extra[_POD_NAME][0], uid=extra[_POD_UID][0])

    @staticmethod
    def _remember(kept: OrderedDict[str, Any], key: str, value: Any) -> None:
        kept[key] = value
        kept.move_to_end(key)
        while len(kept) > REVIEWS_KEPT:
            kept.popitem(last=False)


def _problem(status: int, detail: str) -> web.Response:
    text = json.dumps({"status": status, "detail": detail})
    return web.Response(status=status, text=text, content_type="application/problem+json")
