"""Removes the records of training runs that were deleted long ago, a little at a time. Called by runs.py.

Killed at any moment it goes on where it was: what is left of a run is found again.
"""

from __future__ import annotations

import asyncio
import logging
import time

from blueno.errors import BluenoError
from blueno.recorder.config import RecorderConfig
from blueno.recorder.metrics import Metrics
from blueno.recorder.runstore import RunStore

log = logging.getLogger("blueno.recorder")

PORTION = 100  # runs that are looked up at once
PAUSE_SECONDS = 0.05  # between two transactions: whoever stores something comes first
TOLD_SECONDS = 30.0  # between two lines of the log about the same work
AGAIN_SECONDS = 60.0  # after trouble with the database


async def tidy(config: RecorderConfig, store: RunStore, metrics: Metrics) -> None:
    """Until cancelled."""
    while True:
        try:
            await once(config.keep_days, store, metrics)
        except BluenoError as error:
            metrics.failures.labels("retention").inc()
            log.warning("old records of runs are not removed now: %s", error)
            await asyncio.sleep(min(AGAIN_SECONDS, config.tidy_seconds))
            continue
        await asyncio.sleep(config.tidy_seconds)


async def once(days: int, store: RunStore, metrics: Metrics) -> None:
    """Everything that is due now. Raises BluenoError."""
    runs, rows, told = 0, 0, time.monotonic()
    while portion := await store.outlived(days, PORTION):
        if not runs:
            log.info("removing the records of runs that were deleted more than %d days ago", days)
        for run in portion:
            while gone := await store.forget(run):
                rows += gone
                if time.monotonic() - told > TOLD_SECONDS:
                    told = time.monotonic()
                    log.info("%d runs, %d rows removed so far; at %s/%s", runs, rows, run.namespace, run.name)
                await asyncio.sleep(PAUSE_SECONDS)
            runs += 1
            metrics.forgotten.inc()
    if runs:
        log.info("the records of %d runs are removed: %d rows", runs, rows)
