"""What training runs said, on its way into PostgreSQL. Called by follow.py, points.py and tidy.py.

A few connections for any number of pods: who stores waits for its turn, and its pod's log is not read meanwhile. Raises
errors of ours only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from blueno.db.config import DatabaseConfig
from blueno.db.connect import Cursor
from blueno.db.pool import Pool
from blueno.db.retention import Outlived, forget_some, select_outlived
from blueno.db.run_logs_write import (
    Budget,
    Place,
    StoredLog,
    append_log,
    complete_log,
    is_log_of,
    open_log,
    select_incomplete,
)
from blueno.db.run_metrics_write import Point, append_points, select_position, set_position
from blueno.recorder.logtext import Batch
from blueno.recorder.trainpod import TrainPod

CONNECTIONS = 2

T = TypeVar("T")


class RunStore:
    """For one event loop."""

    def __init__(self, config: DatabaseConfig, budget: Budget) -> None:
        self._pool = Pool(replace(config, pool_size=CONNECTIONS), "blueno-recorder-runs")
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._budget = budget

    async def open(self, pod: TrainPod) -> StoredLog:
        """The pod's log as it is stored, made when it is not there."""
        return await self._do(lambda c: open_log(c, pod.run, pod.attempt, pod.namespace, pod.name, pod.uid))

    async def append(self, pod: TrainPod, log: StoredLog, before: Place, batch: Batch, points: Sequence[Point]) -> bool:
        """False when somebody else has stored something there since `before`."""

        def work(cursor: Cursor) -> bool:
            mine = is_log_of(cursor, log.id, pod.uid)
            added = mine and append_log(cursor, log.id, before.taken, batch.text, batch.place, self._budget)
            if added and points:
                append_points(cursor, points)
            return added

        return await self._do(work)

    async def complete(self, pod: TrainPod, log: StoredLog) -> None:
        """Nothing more will come."""

        def work(cursor: Cursor) -> None:
            if is_log_of(cursor, log.id, pod.uid):
                complete_log(cursor, log.id)

        await self._do(work)

    async def lost(self, pod_uids: Sequence[str]) -> list[str]:
        """Those of these pods whose log is not complete."""
        return await self._do(lambda cursor: select_incomplete(cursor, pod_uids))

    async def position(self) -> tuple[str, int] | None:
        """Up to where the operator's points are stored."""
        return await self._do(select_position)

    async def put_points(self, epoch: str, seq: int, points: Sequence[Point]) -> int:
        """Points up to a position; how many values had to be passed over."""

        def work(cursor: Cursor) -> int:
            passed = append_points(cursor, points)
            set_position(cursor, epoch, seq)
            return passed

        return await self._do(work)

    async def outlived(self, days: int, limit: int) -> list[Outlived]:
        """Runs that were deleted so long ago, oldest first."""
        return await self._do(lambda cursor: select_outlived(cursor, days, limit))

    async def forget(self, run: Outlived) -> int:
        """A bounded number of its rows; 0 when none is left."""
        return await self._do(lambda cursor: forget_some(cursor, run))

    def close(self) -> None:
        self._pool.close()

    async def _do(self, work: Callable[[Cursor], T]) -> T:
        def transaction() -> T:
            with self._pool.transaction() as cursor:
                return work(cursor)

        async with self._turns:
            return await asyncio.to_thread(transaction)
