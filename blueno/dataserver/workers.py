"""A few threads for everything that reads the volume or computes. Called by app.py.

The event loop itself never touches the volume, so that health and refusals are answered while a volume hangs. The
threads are daemons: one that hangs in the kernel does not keep the process from ending.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from blueno.dataserver.problems import Problem
from blueno.dataserver.scratch import Scratch
from blueno.errors import BluenoError

log = logging.getLogger("blueno.dataserver")
T = TypeVar("T")


class Abandoned(BluenoError):
    """Nobody waits for this job any more."""


class Job:
    """Passed to what a thread runs, which calls `check` between its steps."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._abandoned = False

    def abandon(self) -> None:
        """The caller has gone or was answered."""
        self._abandoned = True

    def check(self) -> None:
        """Raises Abandoned, so that no thread works for nobody."""
        if self._abandoned or time.monotonic() > self._until:
            raise Abandoned


class Workers:
    """`threads` at work and at most `waiting` jobs behind them."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(waiting)
        self._threads = threads
        for number in range(threads):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    async def run(self, function: Callable[[Job], T], seconds: float) -> T:
        """The result of `function(job)`. Raises Problem 503 when too many wait already or it takes too long."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        job = Job(seconds)
        try:
            self._queue.put_nowait(lambda: _run(function, job, future, loop))
        except queue.Full:
            raise Problem(503, "busy", "too many requests are being worked on; try again", retry_after=1) from None
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            text = f"this took more than {seconds:g} seconds: the volume is slow or the request is large"
            raise Problem(503, "too_slow", text, retry_after=5) from None
        finally:
            job.abandon()

    def later(self, function: Callable[[], None]) -> None:
        """Does it when there is time, and tells nobody. At once, in a thread of its own, when too many wait."""

        def todo() -> None:
            try:
                function()
            except Exception:
                log.exception("something that was left for later failed")

        try:
            self._queue.put_nowait(todo)
        except queue.Full:
            threading.Thread(target=todo, name="later", daemon=True).start()

    def close(self) -> None:
        """Ends the threads that are idle, once their turn comes."""
        for _ in range(self._threads):
            try:
                self._queue.put_nowait(None)
            except queue.Full:
                return

    def _work(self) -> None:
        while True:
            todo = self._queue.get()
            if todo is None:
                return
            todo()
            del todo  # or the last answer would be kept until the next one


def _run(function: Callable[[Job], T], job: Job, future: asyncio.Future[T], loop: asyncio.AbstractEventLoop) -> None:
    settle: Callable[[Any], None]
    value: Any
    try:
        job.check()
        value, settle = function(job), future.set_result
    except Abandoned:
        return
    except BaseException as error:
        value, settle = error, future.set_exception

    def tell() -> None:
        if not future.done():
            settle(value)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:
        return  # the loop has ended: nobody is there to be told


class Budget:
    """Memory for large pictures: so many bytes at a time in all threads together, or one picture alone.

    `scratch`: what is kept of volumes from one picture to the next.
    """

    FREE = 4 << 20  # bytes below which nobody is counted

    def __init__(self, total: int) -> None:
        self.scratch = Scratch()
        self._total, self._used = total, 0
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, size: int, job: Job) -> Iterator[None]:
        """Waits until `size` bytes may be used. Raises Abandoned."""
        if size <= self.FREE:
            yield
            return
        with self._changed:
            while self._used and self._used + size > self._total:
                self._changed.wait(0.1)
                job.check()
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()
