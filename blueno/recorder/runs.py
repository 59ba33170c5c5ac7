"""The part of the recorder that is about training runs: points, logs, and what is too old to be kept.

Started by recorder.py beside its loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from blueno.kube import Cluster
from blueno.recorder.config import RecorderConfig
from blueno.recorder.metrics import Metrics
from blueno.recorder.operator import Operator
from blueno.recorder.pods import Pods
from blueno.recorder.points import record_points
from blueno.recorder.runstore import RunStore
from blueno.recorder.tidy import tidy

log = logging.getLogger("blueno.recorder")

AGAIN_SECONDS = 10.0  # after a bug of ours, or without credentials


async def record_runs(config: RecorderConfig, operator: Operator, metrics: Metrics) -> None:
    """Until cancelled; nothing else stops it."""
    store = RunStore(config.database, config.budget)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_ever("metrics of runs", lambda: record_points(operator, store, metrics)))
            if config.keep_days:
                group.create_task(_ever("old records of runs", lambda: tidy(config, store, metrics)))
            if config.cluster is not None:
                group.create_task(_ever("logs of runs", lambda: _follow(config, store, metrics)))
    finally:
        store.close()


async def _follow(config: RecorderConfig, store: RunStore, metrics: Metrics) -> None:
    if config.cluster is None:
        return
    cluster: Cluster = await config.cluster()
    try:
        await Pods(cluster, store, metrics, config).run()
    finally:
        await cluster.close()


async def _ever(what: str, make: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await make()
        except Exception:
            log.exception("%s: an error in the recorder; going on in %g s", what, AGAIN_SECONDS)
        await asyncio.sleep(AGAIN_SECONDS)
