"""Brings working sets into PostgreSQL: what is new in one, a moment after it was told of; when it is much, all anew.

Started by recorder.py beside its loop; load.py calls `along` while it reads versions anyway. Which sets are to be read
is in the database (blueno/db/working_pending.py), so that what was told and got lost is only later: only what saves
attempts is kept here. Calls dataserver.py for the feed, workingstore.py for the rows.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp

from blueno.db.errors import SchemaMissing
from blueno.db.working_pending import PendingSet
from blueno.db.working_write import Whose
from blueno.errors import BluenoError, Conflict, NotFound, Unavailable
from blueno.recorder.config import RecorderConfig
from blueno.recorder.dataserver import Changes, DataServer
from blueno.recorder.handover import Handover
from blueno.recorder.leases import Leases, NotNow
from blueno.recorder.metrics import Metrics
from blueno.recorder.store import StoreTrouble
from blueno.recorder.workingstore import WorkingStore

log = logging.getLogger("blueno.recorder")

AT_ONCE = 8  # working sets
REBUILD_LINES = 50_000  # so many new lines, and more than are stored: cheaper anew as a whole
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds after a failure
TOLD_AFTER = 3  # failures in a row are worth a warning


class Named(Protocol):
    """A data set."""

    @property
    def uid(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...


@dataclass
class _Memory:
    """By uid. Losing it costs attempts that were not needed, nothing else."""

    failures: dict[str, int] = field(default_factory=dict)
    not_before: dict[str, float] = field(default_factory=dict)
    unstored: dict[str, str] = field(default_factory=dict)  # why the database did not take what was told

    def keep_only(self, uids: set[str]) -> None:
        """So that it does not grow with all that ever were."""
        self.failures = {uid: count for uid, count in self.failures.items() if uid in uids}
        self.not_before = {uid: when for uid, when in self.not_before.items() if uid in uids}
        self.unstored = {uid: why for uid, why in self.unstored.items() if uid in uids}

    def failed(self, uid: str) -> int:
        """How often in a row; each time it waits twice as long."""
        count = self.failures.get(uid, 0) + 1
        self.failures[uid] = count
        self.unstored.pop(uid, None)
        self.not_before[uid] = time.monotonic() + min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(count - 1, 10))
        return count

    def succeeded(self, uid: str) -> None:
        self.failures.pop(uid, None)
        self.not_before.pop(uid, None)
        self.unstored.pop(uid, None)


class WorkingSets:
    """`run` never returns and never raises but when cancelled."""

    def __init__(
        self, session: aiohttp.ClientSession, config: RecorderConfig, leases: Leases, metrics: Metrics
    ) -> None:
        self._session, self._config, self._leases, self._metrics = session, config, leases, metrics
        self._store = WorkingStore(config.database)
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._memory = _Memory()
        self._locks: dict[str, asyncio.Lock] = {}
        self._trouble = ""

    async def run(self, news: asyncio.Event) -> None:
        """Until cancelled. `news` is set when there may be something to do."""
        try:
            while True:
                news.clear()
                try:
                    await self._turn(news)
                except Exception:
                    log.exception("working sets: an error in the recorder; going on")
                await asyncio.sleep(self._config.pause_seconds)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._config.poll_seconds):
                        await news.wait()
        finally:
            for task in list(self._busy.values()):
                task.cancel()
            self._store.close()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def along(self, one: Named, server: DataServer) -> None:
        """Reads a working set while its data server is up anyway. What goes wrong is tried again by `run`."""
        try:
            await self._catch_up(one, server)
        except BluenoError as error:
            log.info("%s/%s: the working set is read later: %s", one.namespace, one.name, error)

    async def _turn(self, news: asyncio.Event) -> None:
        try:
            pending, orphans = await asyncio.to_thread(self._store.look)
            if orphans:
                await asyncio.to_thread(self._store.drop, orphans)
        except SchemaMissing:
            return  # recorder.py makes it
        except BluenoError as error:
            self._note(str(error))
            return
        self._metrics.working_pending.set(sum(one.told for one in pending))
        self._memory.keep_only({one.uid for one in pending})
        self._note(next(iter(self._memory.unstored.values()), ""))
        self._locks = {uid: lock for uid, lock in self._locks.items() if lock.locked()}
        now = time.monotonic()
        for one in pending:
            if len(self._busy) >= AT_ONCE:
                return  # whoever ends first sets `news`
            if one.uid in self._busy or self._memory.not_before.get(one.uid, 0.0) > now:
                continue
            if one.told or one.seconds >= self._config.poll_seconds:
                self._busy[one.uid] = asyncio.create_task(self._attempt(one, news), name=f"working set {one.uid}")

    async def _attempt(self, one: PendingSet, news: asyncio.Event) -> None:
        try:
            await self._read(one)
            self._memory.succeeded(one.uid)
        except NotNow as error:
            self._memory.not_before[one.uid] = time.monotonic() + error.seconds
        except StoreTrouble as error:
            self._memory.not_before[one.uid] = time.monotonic() + self._config.poll_seconds
            self._memory.unstored[one.uid] = str(error)
            self._metrics.failures.labels("database").inc()
        except Conflict as error:
            log.info("%s/%s: %s: once more", one.namespace, one.name, error)
        except (Unavailable, NotFound) as error:
            failures = self._memory.failed(one.uid)
            self._metrics.failures.labels("working").inc()
            level = logging.WARNING if one.told and failures >= TOLD_AFTER else logging.INFO
            log.log(level, "%s/%s: working set, attempt %d: %s", one.namespace, one.name, failures, error)
        except Exception:  # a bug of ours, met by one data set, is not to stop the others
            self._memory.failed(one.uid)
            self._metrics.failures.labels("working").inc()
            log.exception("%s/%s: working set", one.namespace, one.name)
        finally:
            self._busy.pop(one.uid, None)
            news.set()

    async def _read(self, one: PendingSet) -> None:
        """As a rule the data server is up, since somebody has just written: the operator is asked when it is not."""
        url = self._config.data_server_url(one.namespace, one.name, one.uid)
        server = DataServer(self._session, url, one.uid, self._config.grant_key_file)
        began = time.monotonic()
        try:
            await self._catch_up(one, server)
        except Unavailable:
            if not one.told:
                raise
            async with self._leases.held(one.uid):
                await server.ready(self._config.ready_seconds)
                began = time.monotonic()
                await self._catch_up(one, server)
        await asyncio.to_thread(self._store.heard, one.uid, one.number, time.monotonic() - began)

    async def _catch_up(self, one: Named, server: DataServer) -> None:
        """Afterwards everything is stored that the data server had when this began."""
        async with self._locks.setdefault(one.uid, asyncio.Lock()):
            whose = Whose(one.uid, one.namespace)
            after, samples = await asyncio.to_thread(self._store.known, one.uid)
            while True:
                changes = await self._changes(server, after)
                much = not changes.whole and changes.revision - after >= max(REBUILD_LINES, samples)
                if changes.revision < after or much:  # the volume is another one, or older than it was
                    after = await self._rebuild(whose, server, changes if not after else None)
                    samples, much = 0, False
                    if after == changes.revision:
                        return
                    continue
                if not after or changes.upto > after:  # else nothing is new; a set that was never read gets its row
                    await asyncio.to_thread(self._store.apply, whose, after, changes.part, changes.upto)
                    self._count(changes)
                after = changes.upto
                if changes.whole:
                    return

    async def _rebuild(self, whose: Whose, server: DataServer, first: Changes | None) -> int:
        """Everything anew, as it was when this began; the revision of that."""
        changes = first or await self._changes(server, 0)
        revision = changes.revision
        parts = Handover(lambda parts: self._store.rebuild(whose, parts, revision))
        async with parts:
            while True:
                await parts.put(changes.part.upto(revision))
                self._count(changes)
                if changes.whole or changes.upto >= revision:
                    break
                changes = await self._changes(server, changes.upto)
        log.info("%s: %d samples of the working set, anew", whose.uid, parts.result)
        return revision

    async def _changes(self, server: DataServer, after: int) -> Changes:
        changes = await server.changes(after)
        if not changes.whole and changes.part.last <= after:
            raise Unavailable(f"the data server tells nothing after {after} that could be understood")
        return changes

    def _count(self, changes: Changes) -> None:
        self._metrics.working_lines.inc(changes.part.lines)
        if changes.part.strange:
            self._metrics.strange_lines.inc(changes.part.strange)
            log.warning("%d lines of a working set make no sense and are passed over", changes.part.strange)

    def _note(self, trouble: str) -> None:
        """Logged when it changes."""
        if trouble != self._trouble and trouble:
            log.warning("working sets wait: %s", trouble)
        self._trouble = trouble
