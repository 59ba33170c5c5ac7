"""Sends samples: the caller's thread reads and hashes, a few others send.

Called by samples.py; calls bundles.py, large.py.
The server is the only memory: it is asked what it has (present.py), a bundle that comes twice changes nothing, and a
large file goes on where it stopped. So whatever ends an upload, running it again sends what is missing.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from blueno import names
from blueno.client import asking, large, present
from blueno.client.bundles import Bundle, Job, Large, Skipped, pack
from blueno.client.contents import Unreadable
from blueno.client.driving import Blocking, run
from blueno.client.exchange import Request
from blueno.client.outcome import Tally, read_result
from blueno.client.sample_values import FIRST_REFUSED, NewSample, Refused, Uploaded, UploadProgress
from blueno.errors import Rejected

PARALLEL = 4  # bundles on their way at once; the server lets one person have eight
PEEK = 1000  # samples that are looked at before it is decided whether to ask what is there
PEEK_BYTES = 8 << 20  # of contents that are held meanwhile
PROBES = 5  # of those, whose presence says that this is being run again
LOOK = 0.2  # seconds between looks whether somebody wants no more of it
RESENDS = 3  # of what came damaged


@dataclass(frozen=True)
class Options:
    """`totals`: files and bytes, when they are known. `refused` and `progress` are called in the caller's thread."""

    parallel: int = PARALLEL
    totals: tuple[int, int] | None = None
    progress: Callable[[UploadProgress], object] | None = None
    refused: Callable[[Refused], object] | None = None
    resumes: bool = True  # asks what is there; False for a handful


Message = Tally | int | BaseException


class Upload:
    """One run. `place`: the data set's path in the API."""

    def __init__(self, blocking: Blocking, place: str, options: Options) -> None:
        self._outer, self._place, self._options = blocking, place, options
        self._stop = threading.Event()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._tally = Tally(options.refused, FIRST_REFUSED)
        self._moved = self._out = 0

    def run(self, samples: Iterator[NewSample]) -> Uploaded:
        """What became of them. Raises BluenoError when it cannot go on: what was sent by then is there."""
        threads = [
            threading.Thread(target=self._work, name="blueno-upload", daemon=True)
            for _ in range(max(1, self._options.parallel))
        ]
        for thread in threads:
            thread.start()
        try:
            for job in self._packed(samples):
                if isinstance(job, Skipped | Refused):
                    self._tally.add_known(job)
                    self._tell()
                else:
                    self._jobs.put(job)
                    self._out += 1
                self._hear(len(threads))
            self._hear(0)
        finally:
            self._stop.set()
            for _ in threads:
                self._jobs.put(None)
        return self._tally.result()

    def _packed(self, samples: Iterator[NewSample]) -> Iterable[Job | Skipped | Refused]:
        self._tell()
        if not self._options.resumes:
            return pack(samples, present.Present())
        seen, are_all = _peek(samples)
        there = self._look([sample.key for sample in seen], are_all) if seen else present.Present()
        return pack(chain(seen, samples), there)

    def _look(self, keys: list[str], are_all: bool) -> present.Present:
        blocking = Blocking(self._outer.connection, self._outer.stop)
        if not are_all:
            probes = keys[:: max(1, len(keys) // PROBES)][:PROBES]
            if not any(run(present.has_key(blocking, self._place, key)) for key in probes):
                return present.Present()
        return run(present.look(blocking, self._place, keys, are_all=are_all))

    def _hear(self, at_most: int) -> None:
        """Takes in what the threads say, and waits until at most so many jobs are out. Raises what they raise."""
        while True:
            self._outer.check()
            try:
                message = self._messages.get(block=self._out > at_most, timeout=LOOK)
            except queue.Empty:
                if self._out > at_most:
                    continue
                return
            if isinstance(message, BaseException):
                raise message
            if isinstance(message, int):
                self._moved += message
            else:
                self._out -= 1
                self._tally.add(message)
            self._tell()

    def _tell(self) -> None:
        if self._options.progress is None:
            return
        so_far, totals = self._tally.result(), self._options.totals
        files, total = totals if totals is not None else (None, None)
        # Bytes of large files that are on their way count already.
        done = so_far.bytes + self._moved - self._tally.large_bytes
        self._options.progress(UploadProgress(so_far.samples, files, done, total, so_far))

    def _work(self) -> None:
        """In a thread of its own, until there are no more jobs."""
        blocking = Blocking(self._outer.connection, self._stop)
        while (job := self._jobs.get()) is not None:
            try:
                self._messages.put(self._do(blocking, job))
            except BaseException as error:  # it is raised in the caller's thread
                self._messages.put(error)
                return

    def _do(self, blocking: Blocking, job: Job) -> Tally:
        tally = Tally()
        if isinstance(job, Bundle):
            self._send(blocking, job, tally)
            return tally
        moved = _Moved(self._messages.put)
        try:
            if large.is_there(blocking, self._place, job):
                tally.add_known(Skipped(1, 0))
            else:
                self._send_large(blocking, job, tally, moved)
        except Unreadable as error:
            tally.add_known(Refused(job.sample.key, error.code, str(error)))
        finally:
            job.content.close()
        moved.add(job.content.bytes - moved.total)
        tally.bytes = tally.large_bytes = job.content.bytes
        return tally

    def _send_large(self, blocking: Blocking, job: Large, tally: Tally, moved: _Moved) -> None:
        for number in range(RESENDS):
            bundle = large.send(blocking, large.Place(self._place, moved.add), job, number)
            outcome = self._post(blocking, bundle)
            if not outcome.created and not outcome.replaced:
                large.give_up(blocking, self._place, bundle)
            if not outcome.damaged or number == RESENDS - 1:
                tally.take(outcome, 0)
                return

    def _send(self, blocking: Blocking, bundle: Bundle, tally: Tally) -> None:
        """A bundle, and once more what of it came damaged; in halves when it is too large for a proxy between us."""
        for resends in range(RESENDS):
            try:
                outcome = self._post(blocking, bundle)
            except Rejected as error:
                if error.status != 413 or len(bundle.entries) < 2:
                    raise
                middle = len(bundle.entries) // 2
                self._send(blocking, Bundle.of(bundle.entries[:middle]), tally)
                self._send(blocking, Bundle.of(bundle.entries[middle:]), tally)
                return
            damaged = outcome.damaged if resends < RESENDS - 1 else []
            tally.take(outcome, bundle.content_bytes, without=damaged)
            if not damaged:
                return
            keys = {one.key for one in damaged}
            bundle = Bundle.of(one for one in bundle.entries if one[0].key in keys)
            bundle.content_bytes = 0  # they have been counted

    def _post(self, blocking: Blocking, bundle: Bundle) -> Tally:
        request = Request("POST", f"{self._place}/bundles", pieces=bundle.writer.parts(), media=names.BUNDLE_TYPE)
        return read_result(run(asking.patiently(blocking, request)).body, bundle)


class _Moved:
    """Bytes of one large file that have been told."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell, self.total = tell, 0

    def add(self, size: int) -> None:
        """So many more."""
        self.total += size
        self._tell(size)


def _peek(samples: Iterator[NewSample]) -> tuple[list[NewSample], bool]:
    """The first samples, and whether there are no more of them."""
    seen: list[NewSample] = []
    held = 0
    for sample in islice(samples, PEEK):
        seen.append(sample)
        held += len(sample.content) if isinstance(sample.content, bytes) else 0
        if held > PEEK_BYTES:
            return seen, False
    return seen, len(seen) < PEEK
