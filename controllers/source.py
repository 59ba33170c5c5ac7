"""Where events come from: kopf's watches, reduced to three calls.

kopf calls the handlers registered here by operator/main.py; they only put the object into the cache and the keys that
it concerns into the queue. Another source (a leaner list+watch) can take kopf's place by making the same calls.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import kopf

from blueno import names
from blueno.config import OperatorConfig
from blueno.resources.api import (
    CLAIMS,
    DATASETS,
    DEPLOYMENTS,
    JOBS,
    PODS,
    SAMPLES,
    SERVICES,
    STATEFUL_SETS,
    TRAINING_RUNS,
    VOLUMES,
    Resource,
)
from controllers.cache import Body, Cache, owner_kind, owner_uid
from controllers.metrics import EVENTS_SEEN
from controllers.queue import NEWS, Key, WorkQueue

Interested = Callable[[str, Body], Iterable[Key]]

OURS = f"{names.MANAGED}=true"
Watched = tuple[Resource, str]  # resource, label selector
WATCHED: tuple[Watched, ...] = (
    *((DATASETS, ""), (TRAINING_RUNS, ""), (SAMPLES, ""), (JOBS, OURS), (PODS, OURS), (CLAIMS, "")),
    *((DEPLOYMENTS, OURS), (SERVICES, OURS)),
)
# ^ Claims are watched whole: users bring their own.


def watched(config: OperatorConfig) -> tuple[Watched, ...]:
    """What this operator watches and lists. It may look at PersistentVolumes and StatefulSets only if it makes some."""
    volumes: tuple[Watched, ...] = ((VOLUMES, OURS),) if config.makes_volumes else ()
    servers: tuple[Watched, ...] = ((STATEFUL_SETS, OURS),) if config.allow_nfs_volumes else ()
    return (*WATCHED, *volumes, *servers)


class Source:
    """Keeps the cache up to date and tells the queue whom an event concerns."""

    def __init__(self, cache: Cache, queue: WorkQueue, *interested: Interested) -> None:
        self._cache = cache
        self._queue = queue
        self._interested = interested
        self._heard: dict[str, float] = {}  # kind: when its watch last brought something (monotonic)
        for kind in names.KINDS:
            cache.observe(kind, functools.partial(self._tell, kind))

    def hear(self, kind: str) -> None:
        """Its watch brought an event."""
        self._heard[kind] = time.monotonic()

    def heard_since(self, kind: str, moment: float) -> bool:
        """Whether the kind's watch has brought anything since `moment` (monotonic)."""
        return self._heard.get(kind, 0.0) > moment

    def upsert(self, resource: Resource, body: Body, priority: int = NEWS) -> bool:
        """An object is there or has changed; says whether that was news."""
        if not self._cache.upsert(resource.kind, body):
            return False
        self._enqueue(resource, body, priority)
        return True

    def delete(self, resource: Resource, body: Body) -> None:
        """An object is gone."""
        self._cache.remove(resource.kind, body["metadata"]["uid"])
        self._enqueue(resource, body, NEWS)

    def _enqueue(self, resource: Resource, body: Body, priority: int) -> None:
        for key in self.concerned(resource, body):
            self._queue.add(key, priority=priority)

    def _tell(self, kind: str, body: Body, gone: bool) -> None:  # noqa: ARG002
        """Our own writes concern others as much as anybody's, and the watch brings them back as no news."""
        for interested in self._interested:
            for key in interested(kind, body):
                self._queue.add(key)

    def concerned(self, resource: Resource, body: Body) -> Iterable[Key]:
        """Keys of the objects of ours that `body` matters to."""
        if resource.kind in names.KINDS:
            yield resource.kind, body["metadata"]["uid"]
        elif owner := owner_uid(body):
            yield owner_kind(body), owner
        for interested in self._interested:
            yield from interested(resource.kind, body)


def watch(registry: kopf.OperatorRegistry, get_source: Callable[[], Source], kinds: Iterable[Watched]) -> None:
    """Register one event handler per watched resource.

    `get_source` is asked at each event: the Source is made at startup. kopf asks the registry what to watch only after
    the startup handlers are done.
    """
    for resource, _ in kinds:
        _register(registry, resource, get_source)


def _register(registry: kopf.OperatorRegistry, resource: Resource, get_source: Callable[[], Source]) -> None:
    async def on_event(event: Mapping[str, Any], **_: Any) -> None:
        EVENTS_SEEN.labels(resource.kind).inc()
        source = get_source()
        source.hear(resource.kind)
        body = dict(event["object"])
        if event["type"] == "DELETED":
            source.delete(resource, body)
        else:
            source.upsert(resource, body)

    kopf.on.event(resource.group, resource.version, resource.plural, id=resource.plural, registry=registry)(on_event)
