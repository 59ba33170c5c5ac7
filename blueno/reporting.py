"""`blueno.report`: a training program says how far it is. Called by users' programs and blueno/checkpoint.py.

Never raises and never waits: a thread of its own posts to the report endpoint, at most every five seconds, and keeps
what it cannot send while the operator is away. At the end of the process what is left is sent, for six seconds at most.
Outside a pod a line is printed. Standard library only. See docs/reporting.md.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import math
import os
import secrets
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from blueno.pod import read_pod
from blueno.posting import Answer, Endpoint, post
from blueno.resending import Unstored

log = logging.getLogger("blueno")

EVERY_SECONDS = 5.0  # between two posts
FLUSH_SECONDS = 6.0  # at the end of the process
LONGEST_WAIT = 60.0  # after failures
PRINT_SECONDS = 1.0  # between two lines outside a pod
POINTS_KEPT = 10_000  # while they cannot be sent; then every other one goes
POINTS_AT_ONCE = 500
BATCH_BYTES = 200_000
RETRY_SECONDS = 0.5  # after a failure, when in a hurry
METRICS = 256  # of one report
NAME = 63  # characters

_TRAINER = ("progressPercentage", "estimatedRemainingSeconds")
_OWN = ("step", "checkpoint")

Json = dict[str, Any]


class Reporter:
    """Of one process. Everything is for any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sender = secrets.token_hex(8)
        self._points: deque[Json] = deque()
        self._unstored = Unstored(POINTS_KEPT)
        self._last: dict[str, str] = {}  # metric: its last value
        self._status: Json = {}  # of the next post, beside metrics and points
        self._begun: tuple[float, float] | None = None  # (when, progress) of the first progress
        self._calls = self._told = 0  # how often there was something to tell, and how much of it was told
        self._thread: threading.Thread | None = None
        self._idle = False  # the thread waits to be told
        self._time = datetime.min.replace(tzinfo=UTC)  # of the last point
        # Monotonic times: of the next post; of the earliest that the operator takes; until when only the latter counts.
        self._next = self._earliest = self._hurry = -math.inf
        self._printed = -math.inf
        self._complained: set[str] = set()

    def report(self, step: int | None, progress: float | None, metrics: Json, *, every_rank: bool) -> None:
        """See `report` below."""
        pod = read_pod()
        if not pod.first and not every_rank:
            return
        values = self._values(metrics)
        if pod.endpoint is None:
            self._print(step, progress, values)
            return
        with self._changed:
            now = self._time = max(datetime.now(UTC), self._time + timedelta(microseconds=1))
            if step is not None:
                self._status["step"] = int(step)
            if progress is not None:
                self._status |= self._progress(float(progress))
            if values:
                self._last |= {name: repr(value) for name, value in values.items()}
                self._points.append({"step": _whole(step), "time": now.isoformat(), "metrics": values})
                if len(self._points) > POINTS_KEPT:
                    self._points = deque(list(self._points)[::2])
            self._tell(pod.endpoint)

    def checkpoint(self, path: Path, step: int) -> None:
        """A whole checkpoint lies at `path`."""
        pod = read_pod()
        if pod.endpoint is None:
            return
        with self._changed:
            time_ = datetime.now(UTC).isoformat()
            self._status["checkpoint"] = {"path": os.fspath(path), "step": int(step), "time": time_}
            self._tell(pod.endpoint)

    def flush(self) -> None:
        """Sends what is left; returns after FLUSH_SECONDS at most."""
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                return
            self._hurry = time.monotonic() + FLUSH_SECONDS
            self._changed.notify_all()
            while self._has_news() and (left := self._hurry - time.monotonic()) > 0:
                self._changed.wait(left)

    def complain(self, what: str) -> None:
        """Once for each thing."""
        if what not in self._complained and len(self._complained) < 100:
            self._complained.add(what)
            log.warning("%s", what)

    def _values(self, metrics: Json) -> dict[str, float]:
        values: dict[str, float] = {}
        for name, value in list(metrics.items())[:METRICS]:
            try:
                number = float(value)
            except Exception:  # whatever a value's own code does is no reason to stop the training
                self.complain(f"blueno.report: {name[:NAME]} is no number; it is left out")
                continue
            if math.isfinite(number) and 0 < len(name) <= NAME:
                values[name] = number
            else:
                why = "is not finite" if 0 < len(name) <= NAME else f"has a name of more than {NAME} characters"
                self.complain(f"blueno.report: {name[:NAME]} {why}; it is left out")
        return values

    def _progress(self, share: float) -> Json:
        """Percentage, and the remaining time that follows from what was done since the first report."""
        share = min(1.0, max(0.0, share)) if math.isfinite(share) else 0.0
        now = time.monotonic()
        if self._begun is None or share < self._begun[1]:
            self._begun = (now, share)
        since, done = now - self._begun[0], share - self._begun[1]
        found: Json = {"progressPercentage": int(share * 100 + 1e-9)}
        if done > 0 and since > 1:
            found["estimatedRemainingSeconds"] = int(since * (1 - share) / done)
        return found

    def _print(self, step: int | None, progress: float | None, values: dict[str, float]) -> None:
        now = time.monotonic()
        if now - self._printed < PRINT_SECONDS and progress != 1:
            return
        self._printed = now
        parts = [f"step {step}"] if step is not None else []
        parts += [f"{progress:.0%}"] if progress is not None else []
        print("  ".join(parts + [f"{name} {value:.6g}" for name, value in values.items()]), flush=True)

    def _tell(self, endpoint: Endpoint) -> None:
        self._calls += 1
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, args=(endpoint,), name="blueno-report", daemon=True)
            self._thread.start()
            _at_exit()
        elif self._idle:  # else it knows, and waits for its time
            self._changed.notify_all()

    def _has_news(self) -> bool:
        return self._calls != self._told or bool(self._points)

    def _run(self, endpoint: Endpoint) -> None:
        failures = 0
        while True:
            body, points, calls = self._wait()
            answer = self._post(endpoint, body)
            status = answer.status if answer is not None else 0
            with self._changed:
                now = time.monotonic()
                if 200 <= status < 300 or status in (400, 413):  # what is no report never becomes one
                    failures = 0
                    self._sent(body, points, calls, answer.text if answer is not None and status == 200 else "")
                    self._next, self._earliest = now + EVERY_SECONDS, now
                else:
                    failures += 1
                    asked = answer.retry_after if answer is not None else 0.0
                    longer = EVERY_SECONDS if status == 429 else EVERY_SECONDS * 2 ** min(failures - 1, 4)
                    self._next = now + min(LONGEST_WAIT, max(asked, longer))
                    self._earliest = now + max(asked, RETRY_SECONDS)
                self._changed.notify_all()

    def _wait(self) -> tuple[Json, int, int]:
        """Until there is something to post and it is time for it: see `_body`."""
        with self._changed:
            while True:
                now = time.monotonic()
                due = self._earliest if now < self._hurry else self._next
                if self._has_news() and now >= due:
                    return self._body()
                self._idle = not self._has_news()
                self._changed.wait(None if self._idle else due - now)

    def _body(self) -> tuple[Json, int, int]:
        """The next post; how many points and calls it tells of."""
        points: list[Json] = []
        size = 0
        for point in self._points:
            size += len(json.dumps(point))
            if len(points) == POINTS_AT_ONCE or (points and size > BATCH_BYTES):
                break
            points.append(point)
        status = {key: self._status[key] for key in _TRAINER if key in self._status}
        metrics = [{"name": name, "value": value} for name, value in list(self._last.items())[-METRICS:]]
        trainer = {**status, "metrics": metrics, "lastUpdatedTime": datetime.now(UTC).isoformat()}
        own = {key: self._status[key] for key in _OWN if key in self._status}
        body = {"trainerStatus": trainer, **own, "sender": self._sender, "points": points}
        if self._unstored.epoch:
            body["epoch"] = self._unstored.epoch
        return body, len(points), self._calls

    def _sent(self, body: Json, points: int, calls: int, text: str) -> None:
        again = self._unstored.take(text, body["points"])
        if again is not None:  # the operator has begun anew: what it had not passed on comes first
            self._points.extendleft(reversed(again))
            points = 0
        sent = {point["time"] for point in body["points"]}  # some may have been thinned out meanwhile
        while points and self._points and self._points[0]["time"] in sent:
            self._points.popleft()
        self._told = calls
        if self._status.get("checkpoint") == body.get("checkpoint"):
            self._status.pop("checkpoint", None)

    def _post(self, endpoint: Endpoint, body: Json) -> Answer | None:
        try:
            answer = post(endpoint, body)
        except Exception as error:  # best effort: whatever happens here is no reason to stop the training
            self.complain(f"blueno.report: the operator cannot be reached ({type(error).__name__}); trying again")
            return None
        if answer.status >= 400 and answer.status != 429:
            self.complain(f"blueno.report: HTTP {answer.status}: {answer.text[:200]}")
        return answer


_reporter = Reporter()


def report(*, step: int | None = None, progress: float | None = None, every_rank: bool = False, **metrics: Any) -> None:
    """Says how far the training is: `blueno.report(step=100, progress=0.5, loss=0.3)`. Never raises, never waits.

    progress: share of the work that is done, from 0 to 1. metrics: finite numbers (or what float() takes, such as a
    tensor of one number); at most 256. Of several processes only rank 0 reports, unless `every_rank`.
    """
    try:
        _reporter.report(step, progress, metrics, every_rank=every_rank)
    except Exception as error:
        with contextlib.suppress(Exception):
            _reporter.complain(f"blueno.report: {type(error).__name__}: {error}"[:300])


def report_checkpoint(path: Path, step: int) -> None:
    """A whole checkpoint lies at `path`. Never raises, never waits."""
    with contextlib.suppress(Exception):
        _reporter.checkpoint(path, step)


def flush() -> None:
    """Sends what is left now; returns after six seconds at most. The end of the process calls it."""
    _reporter.flush()


def _whole(step: Any) -> int | None:
    return None if step is None else int(step)


def _at_exit() -> None:
    """Children of multiprocessing end without atexit, but with its own finalizers."""
    atexit.register(flush)
    if util := sys.modules.get("multiprocessing.util"):
        util.Finalize(None, flush, exitpriority=10)


def _after_fork() -> None:
    """The thread is the parent's, and so is what it has not sent yet."""
    global _reporter
    _reporter = Reporter()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
