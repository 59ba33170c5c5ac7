"""Follows one training pod's log until it is whole. Called by pods.py; calls the API server and runstore.py.

The database knows up to where the log is stored. Whatever breaks, the next turn begins there: it looks first whether
what the kubelet serves is still what was taken, then skips so much.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime

from blueno.db.run_logs_write import Place, StoredLog
from blueno.errors import BluenoError, Conflict, NotFound, Rejected
from blueno.kube import Cluster
from blueno.recorder.logtext import Cutter, Search
from blueno.recorder.metrics import Metrics
from blueno.recorder.runstore import RunStore
from blueno.recorder.stdout import points_of
from blueno.recorder.trainpod import TrainPod

log = logging.getLogger("blueno.recorder")

BATCH = 128 << 10  # bytes that are stored at once; a little more waits in memory
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds after a failure
CHANGE_SECONDS = 5.0  # that the news of a pod's end may be slower than the end of its log
IDLE_SECONDS = 900.0  # without a byte


class Follower:
    """Of one pod. `pod` is renewed by who watches it, who then calls `look`."""

    def __init__(
        self, pod: TrainPod, cluster: Cluster, store: RunStore, metrics: Metrics, flush_seconds: float
    ) -> None:
        self.pod = pod
        self._cluster, self._store, self._metrics, self._flush = cluster, store, metrics, flush_seconds
        self._changed = asyncio.Event()
        self.complete = False  # all of it is stored, or was

    def look(self, pod: TrainPod) -> None:
        """The pod is like this now."""
        self.pod = pod
        self._changed.set()

    async def begun(self) -> None:
        """Waits until there may be something to read."""
        while not self.pod.began:
            self._changed.clear()
            await self._changed.wait()

    async def run(self) -> None:
        """Until everything is stored, or the pod and with it the rest of its log is gone."""
        failures = 0
        while True:
            self._changed.clear()
            try:
                self.complete = await self._turn()
                if self.complete:
                    return
                failures = 0
            except Conflict as error:
                log.warning("%s", error)
                return
            except BluenoError as error:
                failures += 1
                self._metrics.failures.labels("logs").inc()
                log.log(logging.WARNING if failures in (1, 10) else logging.DEBUG, "log of %s: %s", self._name, error)
            await self._pause(failures)

    @property
    def _name(self) -> str:
        return f"{self.pod.namespace}/{self.pod.name}"

    async def _pause(self, failures: int) -> None:
        """After a stream that only ended: until the pod has changed, which it mostly has."""
        if failures:
            await asyncio.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 10)))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(CHANGE_SECONDS):
                await self._changed.wait()

    async def _turn(self) -> bool:
        """Stores what there is to be read; True when that was all."""
        stored = await self._store.open(self.pod)
        if stored.complete:
            return True
        over = self.pod.over  # before reading: then the end of what is read is the end of the log
        try:
            skip, size = await self._find(stored.place)
            if not over or skip < size or not stored.place.taken:
                await self._read(stored, skip, follow=not over)
        except NotFound:  # the pod is gone, and the rest of its log with it
            over = True
        except Rejected as error:
            if error.status != 400:  # its container has not begun, or never will
                raise
        if over:
            await self._store.complete(self.pod, stored)
        return over

    async def _find(self, place: Place) -> tuple[int, int]:
        """(bytes to skip, bytes there are) of what the kubelet serves now."""
        search = Search(place)
        if place.taken:
            async with self._cluster.log(self.pod.namespace, self.pod.name, self.pod.container, follow=False) as text:
                while chunk := await text.read(LONGEST_WAIT):
                    search.feed(chunk)
                    await asyncio.sleep(0)  # much of it is ready at once: let others work
            search.feed(b"", final=True)
        return search.found()

    async def _read(self, stored: StoredLog, skip: int, *, follow: bool) -> None:
        """To the end of the stream. What is not a whole line stays unread, unless the log is `not follow`: complete."""
        cutter, place = Cutter(skip), stored.place
        since = time.monotonic()
        async with self._cluster.log(self.pod.namespace, self.pod.name, self.pod.container, follow=follow) as text:
            while (chunk := await text.read(self._flush if cutter.size else IDLE_SECONDS)) != b"":
                if chunk is None and not cutter.size:
                    return  # the connection may be dead: the next turn makes another one
                if chunk is not None:
                    cutter.feed(chunk)
                    if not cutter.size:
                        since = time.monotonic()
                if cutter.size >= BATCH or time.monotonic() - since >= self._flush:
                    place = await self._store_lines(stored, place, cutter)
                    since = time.monotonic()
        cutter.feed(b"", final=not follow)
        await self._store_lines(stored, place, cutter, final=not follow)

    async def _store_lines(self, stored: StoredLog, before: Place, cutter: Cutter, *, final: bool = False) -> Place:
        batch = cutter.take(final=final)
        if batch is None:
            return before
        pod = self.pod
        points = points_of(batch.lines, pod.run, pod.attempt, datetime.now(UTC)) if pod.stdout_metrics else []
        if not await self._store.append(pod, stored, before, batch, points):
            raise BluenoError("the stored part has changed meanwhile; reading goes on from there")
        self._metrics.log_bytes.inc(len(batch.text))
        self._metrics.points.inc(len(points))
        return batch.place
