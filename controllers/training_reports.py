"""The report endpoint's part about TrainingRuns: their pods report, the recorder takes the points.

Made by controllers/reports.py. A report is known by its pod's token: token → pod uid → its labels → the run and attempt
it may speak for, and no other.
"""

from __future__ import annotations

import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from blueno import names
from blueno.kube import Cluster
from blueno.resources.training_report import BODY_LIMIT, Told, TrainingPoint, TrainingReport, parse_report
from controllers.answers import problem, read_body
from controllers.cache import Cache
from controllers.callers import Caller
from controllers.metrics import TRAINING_POINTS_LOST, TRAINING_POINTS_WAITING, TRAINING_REPORTS
from controllers.owners import Owned, find_owner
from controllers.points import Points

EVERY_SECONDS = 5.0  # between two reports of one pod, on average
BURST = 3  # a first and a last report may follow another one at once: transformers sends them so
PODS_KEPT = 4096
POLL_SECONDS = 25.0  # that the recorder may wait for points

News = Callable[[str], None]  # of a run's uid


@dataclass
class _Pod:
    """What is known of one that reports."""

    budget: float
    when: float
    seen: OrderedDict[str, datetime]  # sender: time of its last point


class TrainingReports:
    """The latest of each run, and the ring of points; `news` is called with the uid of a run that reported."""

    def __init__(self, cluster: Cluster, cache: Cache, news: News) -> None:
        self._cluster, self._cache, self._news = cluster, cache, news
        self._latest: dict[str, TrainingReport] = {}
        self._pods: OrderedDict[str, _Pod] = OrderedDict()
        self.ring = Points(secrets.token_hex(8))

    def latest(self, run_uid: str) -> TrainingReport | None:
        """What a run's pods said last."""
        return self._latest.get(run_uid)

    async def report(self, request: web.Request, caller: Caller) -> web.Response:
        """204, or 200 with what was left out and, for a sender, how far its points are.

        400 and 413 bad body, 409 not the current attempt, 429 too often.
        """
        answer = await self._report(request, caller)
        TRAINING_REPORTS.labels(str(answer.status)).inc()
        return answer

    async def points(self, request: web.Request) -> web.Response:
        """The recorder: {"epoch", "after", "wait"} → the points after that position (Batch); 400."""
        asked = await read_body(request, _position)
        if isinstance(asked, web.Response):
            return asked
        batch = await self.ring.after(*asked)
        TRAINING_POINTS_WAITING.set(len(self.ring))
        return web.json_response(batch.to_dict())

    async def _report(self, request: web.Request, caller: Caller) -> web.Response:
        pod = self._pod(caller.pod_uid)
        wait = self._wait(pod)
        if wait:
            return problem(429, f"one report in {EVERY_SECONDS:g} seconds; keep it and send it later", wait)
        owned = await find_owner(self._cluster, self._cache, caller, names.TRAINING_RUN_KIND)
        refused = _refuse(owned)
        if owned is None or refused:
            return problem(409, refused)
        attempt, now = int(owned.labels[names.ATTEMPT_LABEL]), datetime.now(UTC)
        told = await read_body(request, lambda body: parse_report(body, attempt, now), BODY_LIMIT)
        if isinstance(told, web.Response):
            return told
        before = self._latest.get(owned.uid)
        if before is not None and before.attempt > attempt:
            return problem(409, "a later attempt has taken over")
        self._latest[owned.uid] = told.report.after(before)
        forgotten = bool(told.epoch) and told.epoch != self.ring.epoch
        if not forgotten:  # else all comes again, the older points first
            points = _new_points(told, pod)
            TRAINING_POINTS_LOST.inc(self.ring.add(owned.uid, attempt, points, told.sender))
        TRAINING_POINTS_WAITING.set(len(self.ring))
        self._forget()
        self._news(owned.uid)
        said: dict[str, Any] = {"leftOut": list(told.left_out)} if told.left_out else {}
        if told.sender:
            said |= {"epoch": self.ring.epoch, "seq": self.ring.last, "stored": self.ring.stored}
            said |= {"resend": True} if forgotten else {}
        return web.json_response(said) if said else web.Response(status=204)

    def _pod(self, uid: str) -> _Pod:
        pod = self._pods.setdefault(uid, _Pod(BURST, time.monotonic(), OrderedDict()))
        self._pods.move_to_end(uid)
        while len(self._pods) > PODS_KEPT:
            self._pods.popitem(last=False)
        return pod

    def _wait(self, pod: _Pod) -> int:
        """0 when the pod may report now, and that counts; else the seconds after which it may."""
        now = time.monotonic()
        pod.budget = min(BURST, pod.budget + (now - pod.when) / EVERY_SECONDS)
        pod.when = now
        if pod.budget < 1:
            return max(1, math.ceil((1 - pod.budget) * EVERY_SECONDS))
        pod.budget -= 1
        return 0

    def _forget(self) -> None:
        """What was said about gone runs does not pile up."""
        if len(self._latest) > 2 * self._cache.count(names.TRAINING_RUN_KIND) + 16:
            for gone in [uid for uid in self._latest if self._cache.get(names.TRAINING_RUN_KIND, uid) is None]:
                del self._latest[gone]


def _refuse(owned: Owned | None) -> str:
    """Why this pod may not report; "" when it may."""
    if owned is None:
        return "this pod was not made by Blueno for a TrainingRun of its namespace"
    if owned.body is None:
        return "its TrainingRun is gone"
    attempt = owned.labels.get(names.ATTEMPT_LABEL, "")
    if not (attempt.isascii() and attempt.isdecimal()) or int(attempt[:9]) < 1:
        return "this pod belongs to no attempt"
    if (owned.body.get("status") or {}).get("attempt", 0) > int(attempt):
        return "a later attempt has taken over"
    return ""


def _new_points(told: Told, pod: _Pod) -> list[TrainingPoint]:
    """Without those sent again because an answer got lost: each sender's times rise."""
    if not told.sender:
        return list(told.points)
    last = pod.seen.get(told.sender)
    new = [point for point in told.points if last is None or point.time > last]
    if new:
        pod.seen[told.sender] = max(point.time for point in new)
        pod.seen.move_to_end(told.sender)
        while len(pod.seen) > 64:  # processes of one pod
            pod.seen.popitem(last=False)
    return new


def _position(body: Mapping[str, Any]) -> tuple[str, int, float]:
    epoch, after, wait = body.get("epoch", ""), body.get("after", 0), body.get("wait", 0)
    if not isinstance(epoch, str) or isinstance(after, bool) or not isinstance(after, int):
        raise ValueError("epoch must be a text, after a whole number")
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not 0 <= wait <= POLL_SECONDS:
        raise ValueError(f"wait must be a number of seconds from 0 to {POLL_SECONDS:g}")
    return epoch, after, float(wait)
