"""The report endpoint's part about Samples: ingest pods take what is in line and say how it ended.

Made by controllers/lifecycle.py, served through controllers/reports.py. A pod speaks for the Dataset whose ingest Job
made it, while that Job is at work, and for no other. What it has said is kept until it stands in the Samples' status;
lost with this process, it is asked for again: who does the work twice changes nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from blueno import names
from blueno.grants import READ, TTL, WRITE, Grant, sign
from blueno.kube import Cluster
from blueno.resources.ingest import LANES, PAGE, SINGLES, WORK_BODY, Needs, Result
from blueno.resources.sample import REQUEST_LIMIT, dataset_of, is_settled
from blueno.resources.sample_reasons import SampleReason as Reason
from controllers.answers import problem, read_body
from controllers.cache import Body, Cache
from controllers.callers import Caller
from controllers.demand import Demand
from controllers.owners import find_owner
from controllers.sample.observe import ingest_jobs, number_of, takes_samples
from controllers.sample.roster import Place, Roster
from controllers.sample.tasks import task_of

PAGE_BYTES = 1 << 20  # of Tasks as JSON: whoever writes large metadata gets smaller pages
FIRST_REST, LAST_REST = 15.0, 1800.0  # seconds until what may heal is tried again, doubled each time

News = Callable[[str, str], None]  # kind and uid of an object to look at


@dataclass(frozen=True)
class _Asked:
    """One request for work."""

    lane: str
    needs: Needs  # what the pod has mounted
    results: tuple[Result, ...]

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> _Asked:
        lane, results = body.get("lane"), body.get("results", [])
        if lane not in LANES:
            raise ValueError(f"lane must be one of {', '.join(LANES)}")
        if not isinstance(results, list) or len(results) > PAGE:
            raise ValueError(f"results must be a list of at most {PAGE}")
        return cls(lane, Needs.from_dict(body.get("needs") or {}), tuple(Result.from_dict(item) for item in results))


class Ingests:
    """What pods have said about Samples, in memory only. Not thread-safe: one event loop uses it."""

    def __init__(
        self, cluster: Cluster, cache: Cache, roster: Roster, demand: Demand, news: News, grant_key: bytes
    ) -> None:
        self._cluster, self._cache, self._roster = cluster, cache, roster
        self._demand, self._news, self._grant_key = demand, news, grant_key
        self._results: dict[str, Result] = {}
        self._failures: dict[str, int] = {}  # in a row, of what may heal
        cache.observe(names.SAMPLE_KIND, self._sample_changed)

    def latest(self, uid: str) -> Result | None:
        """What was said of a Sample and does not stand in its status yet."""
        return self._results.get(uid)

    async def work(self, request: web.Request, caller: Caller) -> web.Response:
        """An ingest pod: its Results, and what next? 200 {"tasks", "more"}; 400, 409, 413."""
        dataset = await self._dataset(caller)
        if isinstance(dataset, web.Response):
            return dataset
        asked = await read_body(request, _Asked.parse, WORK_BODY)
        if isinstance(asked, web.Response):
            return asked
        meta, now = dataset["metadata"], datetime.now(UTC)
        place = (meta["namespace"], meta["name"])
        for result in asked.results:
            self._note(place, result, now)
        tasks, more = self._page(place, asked, now)
        if tasks:
            self._wake(meta["uid"], now)
        more = more or (asked.lane == SINGLES and takes_samples(dataset) and bool(self._roster.waiting(place)))
        return web.json_response({"tasks": tasks, "more": more})

    async def grant(self, request: web.Request, caller: Caller) -> web.Response:
        """An ingest pod: {"uid", "generation"} of the Sample it is at, or {}. 200 {"grant", "seconds", "stop"}; 409."""
        dataset = await self._dataset(caller)
        if isinstance(dataset, web.Response):
            return dataset
        held = await read_body(request, _held)
        if isinstance(held, web.Response):
            return held
        uid, generation = held
        sample = self._cache.get(names.SAMPLE_KIND, uid)
        stop = bool(uid) and (sample is None or sample["metadata"].get("generation", 1) != generation)
        owner = dataset["metadata"]["uid"]
        self._wake(owner, datetime.now(UTC))
        permit = Grant("operator", owner, (READ, WRITE), int(time.time()) + TTL, f"pod:{caller.pod}")
        return web.json_response({"grant": sign(permit, self._grant_key), "seconds": TTL, "stop": stop})

    async def _dataset(self, caller: Caller) -> Body | web.Response:
        """The Dataset that this pod may work for, or the answer that says why it may not."""
        owned = await find_owner(self._cluster, self._cache, caller, names.DATASET_KIND)
        if owned is None or owned.labels.get(names.ROLE_LABEL) != names.ROLE_INGEST:
            return problem(409, "this pod was not made by Blueno to ingest Samples of its namespace")
        if owned.body is None or owned.body["metadata"].get("deletionTimestamp"):
            return problem(409, "its Dataset is gone or going")
        mine = number_of({"metadata": {"labels": dict(owned.labels)}})
        active = [job.number for job in ingest_jobs(self._cache, owned.uid) if job.state == "active"]
        if not active or mine != max(active):
            return problem(409, "this pod's Job is over, or another one has taken over")
        return owned.body

    def _wake(self, dataset: str, now: datetime) -> None:
        """The data server writes the working set: it has to be up while there is work."""
        for uid in self._demand.look([dataset], now):
            self._news(names.DATASET_KIND, uid)

    def _note(self, place: Place, result: Result, now: datetime) -> None:
        """Keep what is about a Sample of this Dataset as it is now; anything else is an answer to an old question."""
        body = self._cache.get(names.SAMPLE_KIND, result.uid)
        if body is None or (body["metadata"]["namespace"], dataset_of(body)) != place or not _is_about(result, body):
            return
        if result.permanent:
            self._failures.pop(result.uid, None)
        else:
            count = self._failures[result.uid] = self._failures.get(result.uid, 0) + 1
            pause = min(LAST_REST, FIRST_REST * 2.0 ** min(count - 1, 16))
            self._roster.rest(result.uid, now + timedelta(seconds=pause))
        self._results[result.uid] = result
        self._news(names.SAMPLE_KIND, result.uid)

    def _page(self, place: Place, asked: _Asked, now: datetime) -> tuple[list[dict[str, Any]], bool]:
        """The next Tasks for a pod, and whether others are about to come though there are none now."""
        tasks: list[dict[str, Any]] = []
        size, being_written = 0, False
        most = PAGE if asked.lane == SINGLES else 1
        for uid in self._roster.line(place, asked.lane, now):
            body = self._cache.get(names.SAMPLE_KIND, uid)
            known = self._results.get(uid)
            if body is None:
                continue
            if known is not None and known.permanent and _is_about(known, body):
                being_written = True
                continue
            self._results.pop(uid, None)  # of a Sample as it was, or a failure that may have healed
            task = task_of(body)
            if task is None or not asked.needs.covers(task.needs):
                continue
            tasks.append(task.to_dict())
            size += len(json.dumps(tasks[-1]))
            if len(tasks) >= most or size > PAGE_BYTES:
                break
        return tasks, being_written

    def _sample_changed(self, body: Body, gone: bool) -> None:
        """Own writes come this way, too: what stands in the status need not be kept."""
        uid = body["metadata"]["uid"]
        result = self._results.get(uid)
        if gone:
            self._failures.pop(uid, None)
        if result is not None and (gone or not _is_about(result, body) or is_settled(body)):
            del self._results[uid]


def _is_about(result: Result, body: Body) -> bool:
    """Whether this is said of the Sample as it is now, and of what it asks for now."""
    meta = body["metadata"]
    asked = str((meta.get("annotations") or {}).get(names.REQUESTED_AT) or "")[:REQUEST_LIMIT]
    if result.generation != meta.get("generation", 1) or result.request != asked:
        return False
    removed = result.reason == Reason.REMOVING
    return not result.permanent or removed == bool(meta.get("deletionTimestamp"))


def _held(body: Mapping[str, Any]) -> tuple[str, int]:
    uid, generation = body.get("uid", ""), body.get("generation", 0)
    if not isinstance(uid, str) or isinstance(generation, bool) or not isinstance(generation, int):
        raise ValueError("uid must be a text, generation a whole number")
    return uid, generation
