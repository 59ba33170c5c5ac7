"""What is worth keeping of volumes between requests: headers in memory, unpacked pixels on the pod's own disk.

Owned by workers.py:Budget, used by stacks.py. A compressed volume must be unpacked from its beginning for every slice;
here that happens once for all slices that somebody scrolls through. Files have no name from the moment they are made.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from blueno.data.imaging import inflate
from blueno.data.imaging.content import Content
from blueno.dataserver.files import File
from blueno.dataserver.problems import Problem

if TYPE_CHECKING:
    from blueno.dataserver.workers import Job

T = TypeVar("T")

UNPACKED_BYTES = 1 << 30  # on disk; a larger volume is kept alone
STACKS = 64
PICTURE_BYTES = 16 << 20


class Recent(Generic[T]):
    """The values that were used last, up to a total weight. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most, self._weight = most, 0
        self._values: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        """None when it is not there, or not any more."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: T, weight: int = 1) -> T:
        """The value; those that were not used for longest go."""
        with self._lock:
            _, before = self._values.pop(key, (None, 0))
            self._values[key] = (value, weight)
            self._weight += weight - before
            while self._weight > self._most and len(self._values) > 1:
                self._weight -= self._values.popitem(last=False)[1][1]
        return value

    def make(self, key: Hashable, make: Callable[[], T], weight: int = 1) -> T:
        """The value, made when it is not there. Two threads may both make it."""
        found = self.get(key)
        return self.put(key, make(), weight) if found is None else found


class Scratch:
    """Of one process."""

    def __init__(self) -> None:
        self.stacks: Recent[Any] = Recent(STACKS)
        self.pictures: Recent[Any] = Recent(PICTURE_BYTES)
        self._files: Recent[File] = Recent(UNPACKED_BYTES)
        self._turns = [threading.Lock() for _ in range(16)]

    def unpacked(self, key: Hashable, content: Content, size: int, job: Job) -> File:
        """What gzip `content` unpacks to, `size` bytes, as a file. Raises BadSample, Abandoned, Problem."""
        turn = self._turns[hash(key) % len(self._turns)]  # scrolling asks for many slices of one volume at once
        while not turn.acquire(timeout=0.1):
            job.check()
        try:
            found = self._files.get(key)
            return self._files.put(key, _unpacked(content, size, job), size) if found is None else found
        finally:
            turn.release()


def _unpacked(content: Content, size: int, job: Job) -> File:
    try:
        handle, name = tempfile.mkstemp(prefix="blueno-volume-")
    except OSError as error:
        raise _no_disk(error) from error
    with suppress(OSError):
        Path(name).unlink()
    try:
        os.ftruncate(handle, 0)
        for block in inflate.blocks(content, size):
            job.check()
            view = memoryview(block)
            while view:
                view = view[os.write(handle, view) :]
        return File(handle, "an unpacked volume")
    except OSError as error:
        os.close(handle)
        raise _no_disk(error) from error
    except BaseException:
        os.close(handle)
        raise


def _no_disk(error: OSError) -> Problem:
    text = f"there is no room on the pod's own disk to unpack this volume ({os.strerror(error.errno or 0)})"
    return Problem(503, "no_scratch", text, retry_after=30)
