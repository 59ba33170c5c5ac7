"""The loop: look at the database, decide, act. Called by __main__.py and tests.

Nothing is kept but what saves attempts: killed at any moment, a new process finds everything it needs in the database.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

import aiohttp

from blueno.db.errors import SchemaMissing
from blueno.db.listings import Pending
from blueno.errors import BluenoError, NotFound, Unavailable
from blueno.recorder.config import RecorderConfig
from blueno.recorder.dataserver import VersionUnusable
from blueno.recorder.decide import (
    FAILURES_TOLD,
    Memory,
    decide,
    failed,
    forget,
    lag,
    postponed,
    succeeded,
    unstored,
)
from blueno.recorder.leases import NotNow
from blueno.recorder.listen import Listener
from blueno.recorder.load import Loader
from blueno.recorder.metrics import Metrics, serve
from blueno.recorder.runs import record_runs
from blueno.recorder.store import Store, StoreTrouble

log = logging.getLogger("blueno.recorder")

STUCK_SECONDS = 300.0  # without a whole turn of the loop: something hangs that has no limit


class Recorder:
    """`run` never returns and never raises but when cancelled."""

    def __init__(self, config: RecorderConfig) -> None:
        self._config = config
        self.metrics = Metrics()
        self.memory = Memory()
        self._store = Store(config)
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._news = asyncio.Event()  # the same, for working sets
        self._turned = time.monotonic()
        self._trouble = ""  # of the database, as it was logged last

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        listener = Listener(self._config.database, lambda: _tell(loop, self._wake, self._news))
        runner = await serve(self._config.http_port, self.metrics, self.trouble)
        try:
            listener.start()
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session:
                loader = Loader(session, self._config, self._store, self.metrics)
                beside = [
                    asyncio.create_task(record_runs(self._config, loader.operator, self.metrics), name="runs"),
                    asyncio.create_task(loader.working.run(self._news), name="working sets"),
                ]
                try:
                    await self._run(loader)
                finally:
                    for task in beside:
                        task.cancel()
                    await self._end()
                    await asyncio.gather(*beside, return_exceptions=True)
        finally:
            listener.stop()
            await runner.cleanup()

    def trouble(self) -> str:
        """For /healthz: "" while the loop turns, whatever the database does."""
        silent = time.monotonic() - self._turned
        return "" if silent < STUCK_SECONDS else f"the loop has not turned for {silent:.0f} s"

    async def _run(self, loader: Loader) -> None:
        while True:
            self._wake.clear()
            await self._turn(loader)
            self._turned = time.monotonic()
            await asyncio.sleep(self._config.pause_seconds)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._config.poll_seconds):
                    await self._wake.wait()

    async def _turn(self, loader: Loader) -> None:
        try:
            pending, orphans = await asyncio.to_thread(self._store.look)
        except SchemaMissing as error:
            await self._make_projection(error)
            return
        except BluenoError as error:
            self._note_database(str(error))
            return
        forget(pending, self._busy, self.memory)
        self._note_database(next(iter(self.memory.unstored.values()), ""))
        now = time.monotonic()
        plan = decide(pending, self._busy, self.memory, now)
        self.metrics.pending.set(len(pending))
        self.metrics.lag.set(lag(pending, self.memory, now))
        for one in plan.load:
            self._busy[one.uid] = asyncio.create_task(self._attempt(loader, one), name=f"load {one.uid}")
        for one in plan.report:
            if not await loader.tell(one, "Indexed", one.rows or 0):
                break  # the operator is away: the others would wait in vain, too
            self.memory.reported[one.uid] = (one.digest, time.monotonic())
        await self._drop(orphans)

    async def _drop(self, orphans: list[int]) -> None:
        if not orphans:
            return
        try:
            await asyncio.to_thread(self._store.drop, orphans)
        except BluenoError as error:  # for example locks that somebody else holds: next turn
            self._note_database(str(error))
            return
        self.metrics.dropped.inc(len(orphans))
        log.info("dropped %d versions of data sets that are gone", len(orphans))

    async def _attempt(self, loader: Loader, one: Pending) -> None:
        try:
            if await loader.load(one):
                self.memory.reported[one.uid] = (one.digest, time.monotonic())
            succeeded(self.memory, one)
        except NotNow as error:
            postponed(self.memory, one, time.monotonic() + error.seconds)
        except StoreTrouble as error:
            unstored(self.memory, one, time.monotonic() + self._config.poll_seconds, str(error))
            self._note_database(str(error))
        except (Unavailable, NotFound, VersionUnusable) as error:
            await self._fail(loader, one, error)
        except Exception as error:  # a bug of ours, met by one data set, is not to stop the others
            log.exception("%s/%s", one.namespace, one.name)
            await self._fail(
                loader, one, BluenoError(f"an error in the recorder ({type(error).__name__}): see its log")
            )
        finally:
            self._busy.pop(one.uid, None)
            self._wake.set()

    async def _fail(self, loader: Loader, one: Pending, error: BluenoError) -> None:
        damaged = isinstance(error, VersionUnusable)
        failures = failed(self.memory, one, time.monotonic(), damaged=damaged)
        self.metrics.failures.labels("version" if damaged else "connection").inc()
        log.warning("%s/%s: attempt %d: %s", one.namespace, one.name, failures, error)
        if one.rows is None and (damaged or failures >= FAILURES_TOLD) and not isinstance(error, NotFound):
            await loader.tell(one, "Failed", message=str(error))

    async def _make_projection(self, error: SchemaMissing) -> None:
        """Only when the schema is gone as a whole: half of it is somebody's work in progress."""
        try:
            made = await asyncio.to_thread(self._store.make_projection)
        except BluenoError as failure:
            self._note_database(str(failure))
            return
        if made:
            log.info("schema projection was gone and has been made; everything is loaded again")
            self._wake.set()
        else:
            self._note_database(str(error))

    def _note_database(self, trouble: str) -> None:
        """Logged when it changes."""
        self.metrics.database_up.set(0 if trouble else 1)
        if trouble:
            self.metrics.failures.labels("database").inc()
        if trouble != self._trouble:
            log.log(logging.WARNING if trouble else logging.INFO, "%s", trouble or "the database answers")
        self._trouble = trouble

    async def _end(self) -> None:
        """Loads under way are ended: PostgreSQL rolls them back."""
        for task in list(self._busy.values()):
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(3.0):
                await asyncio.to_thread(self._store.close)
        await asyncio.gather(*self._busy.values(), return_exceptions=True)


def _tell(loop: asyncio.AbstractEventLoop, *events: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop has ended
        for event in events:
            loop.call_soon_threadsafe(event.set)
