"""Every so often: list everything and enqueue what no watch has told us about.

Started by controllers/lifecycle.py. kopf reports no deletion that happened while a watch was broken, does not retry
an event handler, and a watcher may end quietly (docs/adr/0001-kopf-as-event-source.md): this closes all three holes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from blueno import names
from blueno.errors import BluenoError, NotFound, Unavailable
from blueno.kube import Cluster
from blueno.resources.api import CLAIMS, VOLUMES, Resource
from blueno.resources.conditions import parse_time
from controllers.cache import Cache, owner_uid
from controllers.dataset.observe import is_static
from controllers.metrics import DATASET_READY, SWEEP_MISSED
from controllers.queue import RESYNC, WorkQueue
from controllers.source import Source, Watched
from controllers.step import Ref
from controllers.writer import Writer

log = logging.getLogger("blueno.sweep")

SMALL = 1000  # objects up to which every sweep is affordable; above, sweeps become proportionally rarer
DELETION_PATIENCE = 20.0  # seconds
PROGRESS_PATIENCE = 120.0  # seconds
DEAF_AFTER = 150.0  # seconds without any event of a watch that is known to have missed one


class Sweep:
    """Lists metadata cheaply and compares it with the cache."""

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        queue: WorkQueue,
        source: Source,
        watched: Sequence[Watched],
        writer: Writer,
    ) -> None:
        self._cluster = cluster
        self._writer = writer
        self._cache = cache
        self._queue = queue
        self._source = source
        self._resources = tuple(watched)
        self._suspects: dict[tuple[str, str], str] = {}  # (kind, uid): version that a watch has not brought yet
        self._missed_at: dict[str, float] = {}  # kind: when a change was first found that its watch had not brought

    @property
    def is_deaf(self) -> bool:
        """Whether a watch missed a change and has brought nothing at all for DEAF_AFTER seconds since."""
        now = time.monotonic()
        missed = self._missed_at.items()
        return any(now - at > DEAF_AFTER and not self._source.heard_since(kind, at) for kind, at in missed)

    async def fill(self) -> None:
        """First of all: the whole state, so that nothing is decided on half of it."""
        for resource, selector in self._resources:
            try:
                async for body in self._cluster.list(resource, selector):
                    self._source.upsert(resource, body, RESYNC)
            except NotFound as error:
                way = "install the CustomResourceDefinitions, kubectl apply --server-side -f crds/"
                raise Unavailable(f"{error}: {way}") from error

    async def run(self, seconds: float) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(seconds * max(1.0, self._cache.count(names.DATASET_KIND) / SMALL))
            try:
                await self.once()
            except BluenoError as error:
                log.warning("sweep not finished: %s", error)
            except Exception:  # our bug: the next sweep tries again
                log.exception("sweep failed")

    async def once(self) -> None:
        """Compare every watched kind with the cluster, then look for what is stuck."""
        suspects: dict[tuple[str, str], str] = {}
        for resource, selector in self._resources:
            found, late = await self._compare(resource, selector)
            suspects |= found
            self._note(resource.kind, late)
        self._suspects = suspects
        await self._remove_orphans()
        self._look_for_stuck(datetime.now(UTC))

    def _note(self, kind: str, late: int) -> None:
        """Remember the first miss of a watch until it is heard again."""
        at = self._missed_at.get(kind)
        if at is not None and self._source.heard_since(kind, at):
            del self._missed_at[kind]
        if late:
            self._missed_at.setdefault(kind, time.monotonic())

    async def _compare(self, resource: Resource, selector: str) -> tuple[dict[tuple[str, str], str], int]:
        """What differs now, and how much of it was already different at the last sweep (so a watch is deaf)."""
        suspects: dict[tuple[str, str], str] = {}
        late = 0
        alive: set[str] = set()
        before = {body["metadata"]["uid"] for body in self._cache.all(resource.kind)}
        async for partial in self._listed(resource, selector):
            meta = partial["metadata"]
            uid, version = meta["uid"], meta["resourceVersion"]
            alive.add(uid)
            known = self._cache.get(resource.kind, uid)
            if known is not None and _version(known) >= int(version):
                continue
            before_that = self._suspects.get((resource.kind, uid))
            if before_that is None or (known is not None and _version(known) >= int(before_that)):
                suspects[resource.kind, uid] = version  # the watch may be about to bring it
                continue
            late += 1
            await self._catch_up(resource, meta)
        for uid in before - alive:
            await self._confirm_gone(resource, uid)
        return suspects, late

    async def _listed(self, resource: Resource, selector: str) -> AsyncIterator[dict[str, Any]]:
        """Their metadata. A CustomResourceDefinition that was removed has taken all of its kind with it."""
        try:
            async for partial in self._cluster.list(resource, selector, metadata_only=True, cached=True):
                yield partial
        except NotFound:
            return

    async def _catch_up(self, resource: Resource, meta: Mapping[str, Any]) -> None:
        SWEEP_MISSED.labels(resource.kind).inc()
        body = await self._cluster.get(resource, meta.get("namespace"), meta["name"])
        if body is not None:
            self._source.upsert(resource, body, RESYNC)

    async def _confirm_gone(self, resource: Resource, uid: str) -> None:
        """A list from the watch cache may be older than our own write: ask before believing an absence."""
        known = self._cache.get(resource.kind, uid)
        if known is None:
            return
        meta = known["metadata"]
        found = await self._cluster.get(resource, meta.get("namespace"), meta["name"])
        if found is None or found["metadata"]["uid"] != uid:
            SWEEP_MISSED.labels(resource.kind).inc()
            self._source.delete(resource, known)

    async def _remove_orphans(self) -> None:
        """Claims and volumes of static kinds hold no data: when their Dataset is gone, so are they. Claims go first."""
        held = set()
        for claim in self._cache.all(CLAIMS.kind):
            owner, meta = owner_uid(claim), claim["metadata"]
            if owner is None or not is_static(claim) or self._cache.get(names.DATASET_KIND, owner) is not None:
                continue
            held.add(owner)
            if not meta.get("deletionTimestamp"):
                await self._writer.delete(Ref(CLAIMS, meta["namespace"], meta["name"], meta["uid"]))
        for volume in self._cache.all(VOLUMES.kind):
            owner, meta = owner_uid(volume), volume["metadata"]
            known = owner is None or owner in held or self._cache.get(names.DATASET_KIND, owner) is not None
            if not known and not meta.get("deletionTimestamp"):
                await self._writer.delete(Ref(VOLUMES, None, meta["name"], meta["uid"]))

    def _look_for_stuck(self, now: datetime) -> None:
        """Enqueue what should have moved by now, and refresh the readiness gauge."""
        DATASET_READY.clear()
        for kind in names.KINDS:
            for body in self._cache.all(kind):
                meta, status = body["metadata"], body["status"]
                conditions = {c["type"]: c for c in status.get("conditions") or ()}
                if kind == names.DATASET_KIND:
                    ready = conditions.get("Ready", {}).get("status") == "True"
                    DATASET_READY.labels(meta["namespace"], meta["name"]).set(1 if ready else 0)
                if _is_stuck(meta, status, conditions, now):
                    self._queue.add((kind, meta["uid"]), priority=RESYNC)


def _version(body: Mapping[str, Any]) -> int:
    return int(body["metadata"]["resourceVersion"])


def _is_stuck(meta: Mapping[str, Any], status: Mapping[str, Any], conditions: Mapping[str, Any], now: datetime) -> bool:
    if status.get("observedGeneration", -1) < meta.get("generation", 1):
        return True
    deleted = parse_time(meta.get("deletionTimestamp", ""))
    if deleted is not None:
        return (now - deleted).total_seconds() > DELETION_PATIENCE
    if conditions.get("Reconciling", {}).get("status") != "True":
        return False
    since = parse_time((status.get("progress") or {}).get("lastUpdatedTime", ""))
    since = since or parse_time(conditions["Reconciling"].get("lastTransitionTime", ""))
    return since is None or (now - since).total_seconds() > PROGRESS_PATIENCE
