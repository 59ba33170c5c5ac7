"""The loop of an ingest pod: ask for work, do it, tell how it ended. Two at a time, one for each lane, so that a
manifest of a million lines holds up no single sample. Called by blueno/ingest/__main__.py.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from blueno import names
from blueno.errors import Unavailable
from blueno.ingest.config import IngestConfig
from blueno.ingest.failure import Dismissed, Failed, Stale
from blueno.ingest.items import Item
from blueno.ingest.manifest_put import ManifestPut
from blueno.ingest.operator import OperatorClient
from blueno.ingest.put import Outcome, Putter
from blueno.ingest.remove import leave, remove_manifest, remove_singles, remove_strays
from blueno.ingest.server import DataServer
from blueno.resources.ingest import LANES, PUT, REMOVE, Result, Task
from blueno.resources.sample_reasons import SampleReason as Reason

log = logging.getLogger("blueno.ingest")

POLL_SECONDS = 0.3  # while more is about to come
POLLS_SECONDS = 60.0  # of that in a row: then the next Job sees to it


@dataclass
class Tally:
    """What the pod has done; written by its lanes, read when all are through."""

    settled: int = 0
    failed: int = 0
    trouble: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, results: Sequence[Result]) -> None:
        good = sum(1 for result in results if result.permanent)
        with self.lock:
            self.settled += good
            self.failed += len(results) - good

    def complain(self, text: str) -> None:
        with self.lock:
            self.trouble.append(text)


def run(config: IngestConfig, stop: threading.Event) -> Tally:
    """Until nothing is left to do. Never raises."""
    tally = Tally()
    busy = Busy(len(LANES))
    threads = [threading.Thread(target=_lane, args=(config, lane, stop, tally, busy), name=lane) for lane in LANES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


class Busy:
    """A lane without work waits for the other: what comes late is still done by this pod."""

    def __init__(self, lanes: int) -> None:
        self._lock = threading.Lock()
        self._busy = lanes
        self._since = time.monotonic()  # when a lane had its last work

    def change(self, by: int) -> None:
        with self._lock:
            self._busy += by
            self._since = time.monotonic()

    def idle(self) -> float:
        """Seconds since the last lane went without work; 0 while one is at work."""
        with self._lock:
            return 0.0 if self._busy else time.monotonic() - self._since


def _lane(config: IngestConfig, lane: str, stop: threading.Event, tally: Tally, busy: Busy) -> None:
    operator = OperatorClient(config, stop)
    server = DataServer(config, operator, stop)
    putter = Putter(config, server, stop)
    try:
        _loop(config, lane, Worker(config, operator, server, putter, stop), tally, busy)
    except Dismissed as error:
        log.info("%s", error)
    except Unavailable as error:
        tally.complain(str(error))
        log.error("%s", error)
    except Exception as error:  # our bug, or a foreign operator: the Job's next pod tries again
        tally.complain(f"{type(error).__name__}: {error}")
        log.exception("lane %s failed", lane)
    finally:
        putter.close()
        server.close()


def _loop(config: IngestConfig, lane: str, worker: Worker, tally: Tally, busy: Busy) -> None:
    """Returns when no lane has had work for `idle_seconds`, or what is promised does not come."""
    results: list[Result] = []
    working, polls = True, 0
    try:
        while True:
            tasks, more = worker.operator.work(lane, results)
            tally.add(results)
            results = worker.do(tasks) if tasks else []
            polls = 0 if tasks else polls + 1
            wanted = bool(tasks) or (more and polls * POLL_SECONDS < POLLS_SECONDS)
            if wanted != working:
                working = wanted
                busy.change(1 if working else -1)
            if not working and busy.idle() > config.idle_seconds:
                return
            if not tasks:
                worker.pause(POLL_SECONDS)
    finally:
        if working:
            busy.change(-1)


class Worker:
    """Does Tasks of one lane."""

    def __init__(
        self,
        config: IngestConfig,
        operator: OperatorClient,
        server: DataServer,
        putter: Putter,
        stop: threading.Event,
    ) -> None:
        self.operator, self._server, self._putter = operator, server, putter
        self._config, self._stop = config, stop
        self._manifests = ManifestPut(config, server, putter, self.pause)

    def do(self, tasks: Sequence[Task]) -> list[Result]:
        """A Result for each that can be told about. Raises Dismissed, Unavailable."""
        if any(task.is_manifest for task in tasks):
            return [result for task in tasks if (result := self._one(task)) is not None]
        self.operator.hold("", 0)
        gone = [task for task in tasks if task.op == REMOVE]
        results = self._guarded(gone, lambda: remove_singles(self._server, gone, self._config.scratch)) if gone else []
        wanted = {names.sample_author(task.uid): task for task in tasks if task.op == PUT}
        return results + self._put(wanted)

    def _one(self, task: Task) -> Result | None:
        """A manifest. None: it was changed meanwhile, and is handed out anew."""
        self.operator.hold(task.uid, task.generation)
        log.info("%s %s", task.op, task.name)
        try:
            done = self._guarded([task], lambda: [self._manifest(task)])
        except Stale as error:
            log.info("%s: %s", task.name, error)
            return None
        return done[0]

    def _manifest(self, task: Task) -> Result:
        if task.op == REMOVE:
            return remove_manifest(self._server, task, self._config.scratch)
        return self._manifests.put(task)

    def _put(self, wanted: dict[str, Task]) -> list[Result]:
        results: dict[str, Result] = {}
        strayed: list[Task] = []  # that are in; not told before what they left elsewhere is gone
        items = [_item(author, task) for author, task in wanted.items()]
        try:
            for outcome in self._putter.put(items):
                task = wanted[outcome.item.author]
                if outcome.failed is None:
                    leave(self._server, task)
                    strayed += [task] if task.strayed else []
                results[task.uid] = _result(task, outcome)
            remove_strays(self._server, strayed, self._config.scratch, kept={task.key for task in strayed})
        except Failed as error:
            log.warning("%s", error)
            untold = [task for task in wanted.values() if task.uid not in results]
            results |= {task.uid: _failed(task, error) for task in [*untold, *strayed]}
        return list(results.values())

    def _guarded(self, tasks: Sequence[Task], work: Callable[[], list[Result]]) -> list[Result]:
        try:
            return work()
        except Failed as error:
            log.warning("%s", error)
            return [_failed(task, error) for task in tasks]

    def pause(self, seconds: float) -> None:
        """Raises Dismissed when the pod is to end."""
        if self._stop.wait(seconds):
            raise Dismissed("this pod is to end")


def _item(author: str, task: Task) -> Item:
    return Item(
        uri=task.uri,
        key=task.key,
        author=author,
        sha256=task.sha256,
        secret=task.secret,
        label=task.label_value,
        split=task.split,
        group=task.group,
        metadata=task.metadata_value,
        media_type=task.media_type,
    )


def _result(task: Task, outcome: Outcome) -> Result:
    if outcome.failed is not None:
        return _failed(task, outcome.failed)
    return Result(
        uid=task.uid,
        generation=task.generation,
        reason=Reason.AVAILABLE,
        request=task.request,
        key=task.key,
        samples=1,
        bytes=outcome.size,
        digest=outcome.sha256,
        shape=outcome.shape,
        dtype=outcome.dtype,
    )


def _failed(task: Task, error: Failed) -> Result:
    """Of a single sample that is bad itself, its code is shown as that of a manifest's line is."""
    reason, first = error.reason, ()
    if task.op == REMOVE and error.permanent:
        reason = Reason.INGEST_FAILED  # a removal is tried until it is done
    rejected: tuple[tuple[str, str], ...] = first
    if error.permanent and not task.is_manifest and task.op == PUT:
        rejected = ((task.key[:256], error.code),)
    return Result(
        uid=task.uid,
        generation=task.generation,
        reason=reason,
        message=str(error)[:600],
        request=task.request,
        rejected=len(rejected),
        first=rejected,
    )
