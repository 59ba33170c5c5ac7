"""Our kinds as rows in PostgreSQL, for people and for search. No decision of the operator rests on it.

What `observer` gives is called by the cache on the event loop and only notes the newest state of an object (see
pending.py); one thread of its own writes (blueno/db/mirror.py). While PostgreSQL is away nothing piles up: when it is
back, a full copy brings everything, what was deleted meanwhile included. Started and stopped by
controllers/lifecycle.py.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from blueno import names
from blueno.db.config import DatabaseConfig
from blueno.db.errors import QueryRefused, SchemaMismatch, SchemaMissing
from blueno.db.mirror import Entry, MirrorSession, Reborn, Stale, Unstorable
from blueno.errors import BluenoError
from controllers.cache import Body, Observer
from controllers.dataset import project as datasets
from controllers.metrics import MIRROR_LAG, MIRROR_LOST, MIRROR_ROWS, MIRROR_STATE, MIRROR_UP
from controllers.pending import BATCH, Changes, Pending
from controllers.sample import project as samples
from controllers.training_run import project as training_runs

log = logging.getLogger("blueno.mirror")

HEARTBEAT_SECONDS = 4.0  # readers call the mirror silent after 15
PRUNE_SECONDS = 60.0
FIRST_PAUSE, LAST_PAUSE = 0.2, 5.0  # between two tries
STOP_SECONDS = 3.0
STATEMENT_TIMEOUT_MS = 10_000

PROJECTIONS: Mapping[str, Callable[[Body], dict[str, Any]]] = {
    names.DATASET_KIND: datasets.project_row,
    names.TRAINING_RUN_KIND: training_runs.project_row,
    names.SAMPLE_KIND: samples.project_row,
}


class Mirror:
    """The thread and what it does."""

    def __init__(self, url_file: Path, epoch: Callable[[], int]) -> None:
        self._config = DatabaseConfig(url_file, pool_size=1, statement_timeout_ms=STATEMENT_TIMEOUT_MS)
        self._epoch = epoch
        self._changes = Changes()
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self._told = ""
        self._known: datetime | None = None
        self._prune_at = 0.0
        MIRROR_LAG.set_function(self._changes.lag)

    def observer(self, kind: str) -> Observer:
        """For the cache, of objects of this kind (one of PROJECTIONS). Never blocks: notes the state and returns."""
        if kind not in PROJECTIONS:
            raise KeyError(kind)
        return lambda body, gone: self._changes.put(kind, body, gone)

    def start(self) -> None:
        """Begin writing; the cache has to be whole by now, because what it lacks counts as deleted."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, if that is quick. Blocks for at most STOP_SECONDS."""
        self._changes.stop()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                session = MirrorSession(self._config, self._epoch, self._known)
                if session.lost:
                    MIRROR_LOST.inc()
                    log.warning("%s", session.lost)
                try:
                    if self._copy_everything(session):
                        pause = FIRST_PAUSE
                        self._follow(session)
                    return
                finally:
                    self._known = session.heartbeat
                    session.close()
            except Reborn as error:
                log.info("mirror: %s", error)
            except BluenoError as error:
                self._tell(_state(error), str(error))
            except Exception as error:  # our bug: the operator goes on, and so does the next try
                log.exception("mirror failed")
                self._tell("refused", f"{type(error).__name__}: {error}")
            if self._changes.stopped_within(pause):
                return
            pause = min(LAST_PAUSE, pause * 2)

    def _copy_everything(self, session: MirrorSession) -> bool:
        """False when it was time to stop in the middle: the next operator copies everything again."""
        entries = self._changes.take_everything()
        started, changed, done = time.monotonic(), 0, 0
        try:
            for batch in _batches(entries):
                if self._changes.stopped_within(0) and done:
                    return False
                changed += self._write(session, batch, copying=True)
                done += len(batch)
            buried = session.finish_copy()
        except BaseException:
            self._changes.put_back(entry for entry in entries[done:] if entry.turns)
            raise
        self._changes.written()
        MIRROR_ROWS.inc(changed + buried)
        took = time.monotonic() - started
        self._tell("working", "")
        log.info("mirror: %d objects copied in %.1f s, %d new, %d gone", len(entries), took, changed, buried)
        return True

    def _follow(self, session: MirrorSession) -> None:
        """Until it is time to stop."""
        while True:
            batch = self._changes.take(HEARTBEAT_SECONDS)
            try:
                MIRROR_ROWS.inc(self._write(session, batch))
            except BaseException:
                self._changes.put_back(batch)
                raise
            self._changes.written()
            if not batch and self._changes.stopped_within(0):
                return
            if self._changes.incomplete:
                raise Reborn("more was deleted than was kept: copying everything")
            if time.monotonic() >= self._prune_at:
                more = session.prune()
                self._prune_at = time.monotonic() + (0 if more else PRUNE_SECONDS)

    def _write(self, session: MirrorSession, batch: list[Pending], copying: bool = False) -> int:
        """One transaction; more when something in it cannot be stored: that one is left out, the others are not."""
        try:
            return session.write([_entry(pending) for pending in batch], copying)
        except Unstorable as error:
            if len(batch) == 1:
                lost = batch[0]
                log.error("mirror: %s %s/%s is left out: %s", lost.kind, lost.namespace, lost.name, error)
                return 0
            half = len(batch) // 2
            return self._write(session, batch[:half], copying) + self._write(session, batch[half:], copying)

    def _tell(self, state: str, why: str) -> None:
        MIRROR_UP.set(1 if state == "working" else 0)
        MIRROR_STATE.state(state)
        if why and why != self._told:
            log.warning("mirror waits: %s", why)
        self._told = why


def _entry(pending: Pending) -> Entry:
    row = PROJECTIONS[pending.kind](pending.body) if pending.body is not None else None
    return Entry(pending.kind, pending.uid, pending.namespace, pending.name, row, pending.turns)


def _batches(entries: list[Pending]) -> Iterator[list[Pending]]:
    for begin in range(0, len(entries), BATCH):
        yield entries[begin : begin + BATCH]


def _state(error: BluenoError) -> str:
    if isinstance(error, Stale):
        return "stale"
    if isinstance(error, SchemaMissing | SchemaMismatch):
        return "schema"
    return "refused" if isinstance(error, QueryRefused) else "unavailable"
