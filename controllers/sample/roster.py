"""Which Samples of each Dataset wait for the ingest pod, in order, so that nobody has to look at all of them.

Fed by the cache with every change of a Sample or a Dataset; asked by observe.py, kind.py and hand_out.py. In memory
only, and derived: filled anew from the cluster at every start.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from blueno import names
from blueno.resources.ingest import LANES, MANIFESTS, SINGLES
from blueno.resources.sample import REQUEST_LIMIT, dataset_of, is_settled
from controllers.cache import Body, Cache

Place = tuple[str, str]  # namespace and name of a Dataset

SETTLED = ""  # nothing to do: it is in, or a person must act
WAITING = "waiting"  # has no finalizer of ours yet, so there is nothing of it anywhere
IN_LINE = "in line"  # for the pod: to be brought in or to be taken out


@dataclass
class _Samples:
    """Those that name one Dataset, each dict in the order of arrival."""

    members: dict[str, None] = field(default_factory=dict)
    waiting: dict[str, None] = field(default_factory=dict)
    lines: dict[str, dict[str, None]] = field(default_factory=lambda: {lane: {} for lane in LANES})
    resting: dict[str, datetime] = field(default_factory=dict)  # failed by what may heal: not before this time
    alarms: list[tuple[datetime, str]] = field(default_factory=list)  # heap
    dataset: str = ""  # uid of the one that has the name


class Roster:
    """Not thread-safe: one event loop uses it."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._places: dict[Place, _Samples] = {}
        cache.observe(names.SAMPLE_KIND, self._sample_changed)
        cache.observe(names.DATASET_KIND, self._dataset_changed)

    def members(self, place: Place) -> tuple[str, ...]:
        """uids of all Samples that name this Dataset."""
        return tuple(self._places[place].members) if place in self._places else ()

    def waiting(self, place: Place) -> tuple[str, ...]:
        """uids of those that have yet to get the finalizer."""
        return tuple(self._places[place].waiting) if place in self._places else ()

    def line(self, place: Place, lane: str, now: datetime) -> Iterator[str]:
        """uids of those that a pod can work on now, the oldest first. The roster must not change meanwhile."""
        samples = self._places.get(place)
        if samples is not None:
            self._wake(samples, now)
            yield from samples.lines[lane]

    def first(self, place: Place, count: int, now: datetime) -> tuple[str, ...]:
        """uids of the first so many in line, whatever their lane."""
        both = (itertools.islice(self.line(place, lane, now), count) for lane in LANES)
        return tuple(itertools.islice(itertools.chain.from_iterable(both), count))

    def rest(self, uid: str, until: datetime) -> None:
        """What kept it out may heal: not before this time again."""
        body = self._cache.get(names.SAMPLE_KIND, uid)
        samples = self._places.get(_place(body)) if body is not None else None
        if samples is None or not any(uid in line for line in samples.lines.values()):
            return
        for line in samples.lines.values():
            line.pop(uid, None)
        samples.resting[uid] = until
        heapq.heappush(samples.alarms, (until, uid))

    def resting_until(self, body: Body) -> datetime | None:
        """Until when a Sample is left alone."""
        samples = self._places.get(_place(body))
        return samples.resting.get(body["metadata"]["uid"]) if samples is not None else None

    def standing(self, body: Body) -> str:
        """SETTLED, WAITING or IN_LINE."""
        meta = body["metadata"]
        guarded = names.ERASE_FINALIZER in (meta.get("finalizers") or ())
        if meta.get("deletionTimestamp"):
            return IN_LINE if guarded else SETTLED
        if is_settled(body):
            dataset = self._cache.named(names.DATASET_KIND, *_place(body))
            into = (body.get("status") or {}).get("datasetUID")
            if dataset is None or into in (None, dataset["metadata"]["uid"]):
                return SETTLED
        return IN_LINE if guarded else WAITING

    def _sample_changed(self, body: Body, gone: bool) -> None:
        place, uid = _place(body), body["metadata"]["uid"]
        samples = self._places.setdefault(place, _Samples())
        standing = SETTLED if gone else self.standing(body)
        _keep(samples.members, uid, not gone)
        _keep(samples.waiting, uid, standing == WAITING)
        if standing != IN_LINE or _is_new(body):
            samples.resting.pop(uid, None)
        lane = lane_of(body)
        for name, line in samples.lines.items():
            _keep(line, uid, standing == IN_LINE and name == lane and uid not in samples.resting)
        if not samples.members:
            del self._places[place]

    def _dataset_changed(self, body: Body, gone: bool) -> None:
        """Another Dataset of the same name has none of the samples that the one before it had."""
        meta = body["metadata"]
        samples = self._places.get((meta["namespace"], meta["name"]))
        if gone or samples is None or samples.dataset == meta["uid"]:
            return
        samples.dataset = meta["uid"]
        for uid in tuple(samples.members):
            sample = self._cache.get(names.SAMPLE_KIND, uid)
            if sample is not None:
                self._sample_changed(sample, gone=False)

    def _wake(self, samples: _Samples, now: datetime) -> None:
        while samples.alarms and samples.alarms[0][0] <= now:
            until, uid = heapq.heappop(samples.alarms)
            body = self._cache.get(names.SAMPLE_KIND, uid)
            if samples.resting.get(uid) == until and body is not None:
                del samples.resting[uid]
                self._sample_changed(body, gone=False)


def _is_new(body: Body) -> bool:
    """Whether a person has changed it, or asked, since its status was written: what failed before says nothing."""
    meta, status = body["metadata"], body.get("status") or {}
    asked = (meta.get("annotations") or {}).get(names.REQUESTED_AT)
    if asked and status.get("lastHandledRequest") != str(asked)[:REQUEST_LIMIT]:
        return True
    return status.get("observedGeneration", -1) < meta.get("generation", 1) or bool(meta.get("deletionTimestamp"))


def lane_of(body: Body) -> str:
    """Where a Sample is worked on, to bring it in and to take it out: never both at the same time."""
    spec = body["spec"]
    return MANIFESTS if isinstance(spec, Mapping) and spec.get("manifest") else SINGLES


def _keep(found: dict[str, None], uid: str, wanted: bool) -> None:
    """A dict keeps the place of what is in it already."""
    if wanted:
        found[uid] = None
    else:
        found.pop(uid, None)


def _place(body: Body) -> Place:
    return body["metadata"].get("namespace", ""), dataset_of(body)
