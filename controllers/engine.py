"""Takes keys from the queue and brings each object one step closer to what it asks for.

Started by controllers/lifecycle.py; calls a kind's `plan` (pure), then the writer. The four steps of one reconcile:
gather and decide (`plan`), act, report.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from blueno import names
from blueno.errors import BluenoError, Conflict, NotFound, Rejected, Unavailable
from blueno.resources.api import Resource
from controllers.cache import Body, Cache
from controllers.heard import Heard
from controllers.holds import Holds
from controllers.kueue import Workloads
from controllers.metrics import PREP_SECONDS, QUEUE_DEPTH, RECONCILE_ERRORS, RECONCILE_SECONDS
from controllers.queue import Key, WorkQueue
from controllers.step import Patch, Ref, Step
from controllers.writer import NameConflict, TerminatingNamespace, Writer

log = logging.getLogger("blueno.engine")

CONFLICT_SECONDS = 60.0  # whoever takes a foreign namesake away tells us nothing: look again so often
REFUSED_SECONDS = 10.0  # a quota may be raised or freed at any time
# Questions about Events at the same time. The API server goes through all Events of a namespace for each: 200 runs that
# start slowly asked it 40 times a second, which made an answer take 4 s and kept every worker from its work.
ASKERS = 4
ASK_AGAIN = 2.0  # seconds after which one that found no place looks again


class Kind(Protocol):
    """What the engine needs of a kind."""

    @property
    def resource(self) -> Resource: ...

    def plan(self, body: Body, heard: Heard, now: datetime, told: str = "") -> tuple[Step, Mapping[str, Any]]: ...

    def conflict(self, body: Body, message: str, now: datetime) -> Mapping[str, Any]: ...

    def refused(self, body: Body, step: Step, message: str, now: datetime) -> Mapping[str, Any]: ...


class Engine:
    """Workers over one queue; a key is never in two workers at once."""

    def __init__(
        self,
        cache: Cache,
        queue: WorkQueue,
        writer: Writer,
        heard: Callable[[str], Heard],
        holds: Holds | None = None,
        workloads: Workloads | None = None,
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._writer = writer
        self._heard = heard
        self._holds = holds or Holds()
        self._workloads = workloads
        self._kinds: dict[str, Kind] = {}
        self._asking = 0
        self._refusals: dict[Key, str] = {}  # why the last data server could not be made: told once

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
            self._refusals.pop(key, None)
            self._holds.end(uid)
            return
        now = datetime.now(UTC)
        planned = await self._plan(kind, key, body, now)
        if planned is None:
            return
        body, step, changes = planned
        self._holds.begin(uid, (ref.uid for ref in step.hold if ref.uid))  # stays when the answer to a write is lost
        try:
            await self._act(kind, body, step)
        except NameConflict as error:
            changes = kind.conflict(body, str(error), now)
            step = Step("", "", serve=step.serve, again_in=CONFLICT_SECONDS)
        except Rejected as error:
            RECONCILE_ERRORS.labels(type(error).__name__).inc()
            log.warning("%s %s: %s", *key, error)
            changes = kind.refused(body, step, str(error), now)
            step = Step("", "", serve=step.serve, again_in=REFUSED_SECONDS)
        if changes:
            await self._report(kind, uid, body, changes, now)
            if step.took is not None:
                PREP_SECONDS.observe(step.took)
        self._holds.end(uid)
        again_in = step.again_in
        if step.serve and not await self._serve(kind, body, step):
            again_in = CONFLICT_SECONDS if again_in is None else min(again_in, CONFLICT_SECONDS)
        if again_in is not None:
            self._queue.add(key, again_in)

    async def _plan(
        self, kind: Kind, key: Key, body: Body, now: datetime
    ) -> tuple[Body, Step, Mapping[str, Any]] | None:
        """What to do, after everything was asked that the cache cannot tell. None: not now."""
        uid = key[1]
        step, changes = kind.plan(body, self._heard(uid), now)
        if step.confirm is not None:
            doubt = step.confirm
            await self._writer.confirm(doubt)
            fresh = self._cache.get(key[0], uid)
            if fresh is None:
                return None
            # Planned anew: a watch may have brought the pod's last words while we asked for them.
            body = fresh
            step, changes = kind.plan(body, self._heard(uid), now)
            if step.confirm != doubt:
                self._queue.add(key)
                return None
        if step.ask is not None and self._asking >= ASKERS:
            self._queue.add(key, ASK_AGAIN)
            return None
        if step.ask is not None or step.queue is not None:
            step, changes = await self._ask(kind, body, step, now)
            if step.confirm is not None:  # its Job ended while we asked
                self._queue.add(key)
                return None
        return body, step, changes

    async def _ask(self, kind: Kind, body: Body, step: Step, now: datetime) -> tuple[Step, Mapping[str, Any]]:
        """Planned anew, with what others say about the wait if it is the same by then: answers may take seconds."""
        told, admission, uid = "", None, body["metadata"]["uid"]
        if step.ask is not None:
            told = await self._last_warning(step.ask)
        if not told and step.queue is not None and self._workloads is not None:
            admission = await self._workloads.of(step.queue)
        heard = replace(self._heard(uid), admission=admission)
        planned = kind.plan(body, heard, now)
        return kind.plan(body, heard, now, told) if told and planned[0].ask == step.ask else planned

    async def _last_warning(self, about: Ref) -> str:
        self._asking += 1
        try:
            return await self._writer.last_warning(about)
        finally:
            self._asking -= 1

    async def _act(self, kind: Kind, body: Body, step: Step) -> None:
        if step.warning is not None:
            await self._writer.warn(kind.resource, body, step.warning, datetime.now(UTC))
        await self._mark(kind, body, step, wanted=True)
        for ref in step.delete:
            await self._writer.delete(ref)
        await self._hold(step.hold)
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
        await self._mark(kind, body, step, wanted=False)

    async def _mark(self, kind: Kind, body: Body, step: Step, wanted: bool) -> None:
        """The object's own finalizers: those that have to be there come first of all, those that must go come last."""
        if step.in_use is wanted:
            await self._mark_in_use(kind, body, wanted)
        if step.finalizer is wanted:
            await self._writer.set_finalizer(kind.resource, body, wanted, owner=step.owner)

    async def _hold(self, refs: Sequence[Ref]) -> None:
        """Put `blueno.dev/in-use` on these Datasets. Raises Conflict when one of them is going: plan anew."""
        if not refs:
            return
        async with self._holds.lock:
            for ref in refs:
                body = self._cache.get(ref.resource.kind, ref.uid or "")
                if body is None:
                    raise Conflict(f"{ref.resource.kind} {ref.name} is gone")
                meta = body["metadata"]
                held = names.IN_USE_FINALIZER in (meta.get("finalizers") or ())
                if meta.get("deletionTimestamp") and not held:
                    raise Conflict(f"{ref.resource.kind} {ref.name} is being deleted")
                await self._writer.set_finalizer(ref.resource, body, wanted=True, name=names.IN_USE_FINALIZER)

    async def _mark_in_use(self, kind: Kind, body: Body, wanted: bool) -> None:
        """The same finalizer, as the Dataset itself wants it; planned anew, as a run may have come while we waited."""
        uid = body["metadata"]["uid"]
        async with self._holds.lock:
            fresh = self._cache.get(kind.resource.kind, uid)
            if fresh is None:
                return
            step, _ = kind.plan(fresh, self._heard(uid), datetime.now(UTC))
            if step.in_use is wanted:
                await self._writer.set_finalizer(kind.resource, fresh, wanted, names.IN_USE_FINALIZER)

    async def _serve(self, kind: Kind, body: Body, step: Step) -> bool:
        """The data server comes last and may fail: an Event says so, once, and no condition changes."""
        key = (kind.resource.kind, body["metadata"]["uid"])
        try:
            for deed in step.serve:
                await (self._writer.patch(deed) if isinstance(deed, Patch) else self._writer.apply(deed))
        except (NameConflict, Rejected, TerminatingNamespace) as error:
            if self._refusals.get(key) != str(error):
                self._refusals[key] = str(error)
                await self._writer.warn(kind.resource, body, ("DataServerRefused", str(error)), datetime.now(UTC))
            return False
        self._refusals.pop(key, None)
        return True

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
