"""An iterator that works ahead, a few items far, in a thread of its own. Used by ingest.py: PostgreSQL takes in one
piece while the next is encoded."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")
DEPTH = 2


class _End:
    """What the thread puts last: the error that ended it, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Ahead(Generic[T]):
    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._ready: queue.Queue[T | _End] = queue.Queue(DEPTH)
        self._wanted = True
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended, within one item."""
        self._wanted = False
        while self._thread.is_alive():
            try:
                self._ready.get(timeout=0.01)
            except queue.Empty:
                continue

    def __iter__(self) -> Iterator[T]:
        while True:
            item = self._ready.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._wanted:
                    return
                self._ready.put(item)
        except BaseException as error:
            self._ready.put(_End(error))
        else:
            self._ready.put(_End(None))


@contextmanager
def ahead(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """The same items, errors included. After the block the thread has ended, whether all were taken or not."""
    running = _Ahead(items)
    try:
        yield iter(running)
    finally:
        running.stop()
