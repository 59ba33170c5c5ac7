"""Takes keys from the queue and brings each object one step closer to what it asks for.

Started by controllers/lifecycle.py; calls a kind's `plan` (pure), then the writer. The four steps of one reconcile:
gather and decide (`plan`), act, report.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from blueno.errors import BluenoError, Conflict, NotFound, Rejected, Unavailable
from blueno.resources.api import Resource
from blueno.resources.outcome import Progress
from controllers.cache import Body, Cache
from controllers.metrics import PREP_SECONDS, QUEUE_DEPTH, RECONCILE_ERRORS, RECONCILE_SECONDS
from controllers.queue import Key, WorkQueue
from controllers.step import Step
from controllers.writer import NameConflict, TerminatingNamespace, Writer

log = logging.getLogger("blueno.engine")

CONFLICT_SECONDS = 60.0  # whoever takes a foreign namesake away tells us nothing: look again so often
REFUSED_SECONDS = 10.0  # a quota may be raised or freed at any time


class Kind(Protocol):
    """What the engine needs of a kind."""

    @property
    def resource(self) -> Resource: ...

    def plan(
        self, body: Body, progress: Progress | None, now: datetime, told: str = ""
    ) -> tuple[Step, Mapping[str, Any]]: ...

    def conflict(self, body: Body, message: str, now: datetime) -> Mapping[str, Any]: ...

    def refused(self, body: Body, step: Step, message: str, now: datetime) -> Mapping[str, Any]: ...


class Engine:
    """Workers over one queue; a key is never in two workers at once."""

    def __init__(self, cache: Cache, queue: WorkQueue, writer: Writer, progress: Callable[[str], Progress | None]):
        self._cache = cache
        self._queue = queue
        self._writer = writer
        self._progress = progress
        self._kinds: dict[str, Kind] = {}

    def register(self, kind: Kind) -> None:
        """From now on keys of this kind are worked on."""
        self._kinds[kind.resource.kind] = kind

    async def work(self) -> None:
        """One worker, until cancelled. No error stops it: the key comes back with backoff."""
        while True:
            key = await self._queue.take()
            QUEUE_DEPTH.set(len(self._queue))
            started = time.perf_counter()
            try:
                await self.reconcile(key)
                self._queue.succeeded(key)
            except asyncio.CancelledError:
                raise
            except (Conflict, NotFound) as error:
                self._retry(key, error, 0.0, logging.DEBUG)
            except Unavailable as error:
                self._retry(key, error, error.retry_after or 0.0, logging.WARNING)
            except BluenoError as error:
                self._retry(key, error, 0.0, logging.ERROR)
            except Exception as error:  # our bug: never lose the key, never stop the worker
                log.exception("reconciling %s %s failed", *key)
                self._retry(key, error, 1.0, logging.ERROR)
            finally:
                RECONCILE_SECONDS.labels(key[0]).observe(time.perf_counter() - started)
                self._queue.done(key)

    def _retry(self, key: Key, error: Exception, at_least: float, level: int) -> None:
        RECONCILE_ERRORS.labels(type(error).__name__).inc()
        delay = self._queue.failed(key, at_least)
        log.log(level, "%s %s: %s; again in %.1f s", key[0], key[1], error, delay)

    async def reconcile(self, key: Key) -> None:
        """One step for one object. Safe at any time, any number of times."""
        kind_name, uid = key
        kind, body = self._kinds[kind_name], self._cache.get(kind_name, uid)
        if body is None:
            return
        now = datetime.now(UTC)
        step, changes = kind.plan(body, self._progress(uid), now)
        if step.confirm is not None:
            doubt = step.confirm
            await self._writer.confirm(doubt)
            body = self._cache.get(kind_name, uid)
            if body is None:
                return
            # Planned anew: a watch may have brought the pod's last words while we asked for them.
            step, changes = kind.plan(body, self._progress(uid), now)
            if step.confirm != doubt:
                self._queue.add(key)
                return
        if step.ask is not None and (told := await self._writer.last_warning(step.ask)):
            step, changes = kind.plan(body, self._progress(uid), now, told)
        try:
            await self._act(kind, body, step)
        except NameConflict as error:
            step, changes = Step("", "", again_in=CONFLICT_SECONDS), kind.conflict(body, str(error), now)
        except Rejected as error:
            RECONCILE_ERRORS.labels(type(error).__name__).inc()
            log.warning("%s %s: %s", *key, error)
            step, changes = Step("", "", again_in=REFUSED_SECONDS), kind.refused(body, step, str(error), now)
        if changes:
            await self._report(kind, uid, body, changes, now)
            if step.took is not None:
                PREP_SECONDS.observe(step.took)
        if step.again_in is not None:
            self._queue.add(key, step.again_in)

    async def _act(self, kind: Kind, body: Body, step: Step) -> None:
        if step.warning is not None:
            await self._writer.warn(kind.resource, body, step.warning, datetime.now(UTC))
        if step.finalizer is True:
            await self._writer.set_finalizer(kind.resource, body, wanted=True)
        for ref in step.delete:
            await self._writer.delete(ref)
        try:
            for manifest in step.apply:
                await self._writer.apply(manifest)
        except TerminatingNamespace:
            if not step.release_if_refused:
                raise Unavailable("the namespace is being deleted") from None
            warning = ("DataKept", "the namespace is being deleted: nothing can be run in it to erase the data")
            await self._writer.warn(kind.resource, body, warning, datetime.now(UTC))
            await self._writer.set_finalizer(kind.resource, body, wanted=False)
        for patch in step.patch:
            await self._writer.patch(patch)
        for patch in step.wish:
            try:
                await self._writer.patch(patch)
            except Rejected as error:
                await self._writer.warn(kind.resource, body, ("ChangeRefused", str(error)), datetime.now(UTC))
        if step.finalizer is False:
            await self._writer.set_finalizer(kind.resource, body, wanted=False)

    async def _report(self, kind: Kind, uid: str, body: Body, changes: Mapping[str, Any], now: datetime) -> None:
        before = _stalled(body)
        try:
            await self._writer.patch_status(kind.resource, body, changes)
        except NotFound:
            return  # deleted meanwhile; its event is on the way
        fresh = self._cache.get(kind.resource.kind, uid) or body
        if _wishes(fresh) != _wishes(body):  # our write brought back an edit whose own event now counts as old
            self._queue.add((kind.resource.kind, uid))
        after = _stalled(fresh)
        if after is not None and after != before:
            await self._writer.warn(kind.resource, body, after, now)


def _wishes(body: Body) -> tuple[Any, ...]:
    """What people and other controllers change on an object besides its status."""
    meta = body["metadata"]
    return tuple(meta.get(key) for key in ("generation", "deletionTimestamp", "annotations", "finalizers"))


def _stalled(body: Body) -> tuple[str, str] | None:
    for condition in body["status"].get("conditions") or ():
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return condition["reason"], condition["message"]
    return None
