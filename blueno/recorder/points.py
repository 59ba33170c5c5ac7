"""Takes the points of training runs from the operator and stores them. Called by runs.py.

The position is stored with the points: a recorder that is killed at any moment stores each point once.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from blueno.db.run_metrics_write import Point
from blueno.errors import BluenoError, Unavailable
from blueno.recorder.metrics import Metrics
from blueno.recorder.operator import Operator
from blueno.recorder.runstore import RunStore

log = logging.getLogger("blueno.recorder")

POLL_SECONDS = 20.0  # that the operator keeps us waiting when there is nothing
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds after a failure


async def record_points(operator: Operator, store: RunStore, metrics: Metrics) -> None:
    """Until cancelled."""
    failures, trouble = 0, ""
    while True:
        try:
            await _turn(operator, store, metrics)
            failures, said = 0, ""
        except BluenoError as error:
            failures, said = failures + 1, str(error)
            metrics.failures.labels("points").inc()
        if said != trouble:
            log.log(logging.WARNING if said else logging.INFO, "metrics of runs: %s", said or "they come again")
        trouble = said
        if failures:
            await asyncio.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 10)))


async def _turn(operator: Operator, store: RunStore, metrics: Metrics) -> None:
    epoch, seq = await store.position() or ("", 0)
    answer = await operator.points(epoch, seq, POLL_SECONDS)
    try:
        told, last, lost = answer["epoch"], answer["next"], answer["lost"]
        points = [_point(body) for body in answer["points"]]
        if not isinstance(told, str) or type(last) is not int or type(lost) is not int:
            raise TypeError("no position")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Unavailable("the operator's answer is not one of this version of Blueno") from error
    if (told, last) == (epoch, seq):
        return
    metrics.values_refused.inc(await store.put_points(told, last, points))
    metrics.points.inc(len(points))
    metrics.points_lost.inc(lost)


def _point(body: Mapping[str, Any]) -> Point:
    step = body["step"]
    if step is not None and type(step) is not int:
        raise ValueError("step is no number")
    values = {str(name): float(value) for name, value in body["metrics"].items()}
    at = datetime.fromisoformat(body["time"])
    sender, again = str(body.get("sender") or "")[:32], body.get("again") is True
    return Point(str(uuid.UUID(body["run"])), int(body["attempt"]), step, at, values, sender, again)
