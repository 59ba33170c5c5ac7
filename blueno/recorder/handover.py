"""Hands parts from the event loop to a thread that stores them, a few at a time. Used by working.py.

When either side fails, so does the other: the thread's transaction is rolled back.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType

from blueno.db.working_lines import Part
from blueno.errors import Unavailable

DEPTH = 2
LOOK_SECONDS = 0.01  # between two looks at a full queue


class Handover:
    """`async with`: inside, parts are put; at its end the work is done, and `result` is what it gave."""

    def __init__(self, work: Callable[[Iterable[Part]], int]) -> None:
        self._queue: queue.Queue[Part | Exception | None] = queue.Queue()
        self._work = work
        self._task: asyncio.Future[int] | None = None
        self.result = 0

    async def __aenter__(self) -> Handover:
        self._task = asyncio.ensure_future(asyncio.to_thread(self._work, self._parts()))
        return self

    async def put(self, part: Part) -> None:
        """Returns when there is room for another one. Raises what ended the work."""
        assert self._task is not None  # noqa: S101  # entered
        self._queue.put(part)
        while self._queue.qsize() >= DEPTH and not self._task.done():
            await asyncio.wait({self._task}, timeout=LOOK_SECONDS)
        if self._task.done():
            self._task.result()
            raise Unavailable("the rows were stored before all of them had come")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None  # noqa: S101  # entered
        self._queue.put(None if error is None else Unavailable(f"broken off: {error or type(error).__name__}"))
        if error is None:
            self.result = await asyncio.shield(self._task)
        else:
            await asyncio.wait({self._task})
            self._task.exception()  # seen: what is raised is `error`

    def _parts(self) -> Iterator[Part]:
        while True:
            part = self._queue.get()
            if part is None:
                return
            if isinstance(part, Exception):
                raise part
            yield part
