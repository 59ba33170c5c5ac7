"""One bundle from its first byte to its answer: contents into packs, uploads into packs, the writer's turn.

Called by working_app.py, in workers. Whatever happens to the request, `close` is called once, and comes last.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from blueno.data.journal import Place
from blueno.dataserver.problems import Problem
from blueno.dataserver.working_commit import Bundle
from blueno.dataserver.working_judge import DIGEST_MISMATCH, INVALID, Candidate, is_same_already
from blueno.dataserver.working_receive import Receiver
from blueno.dataserver.working_set import WorkingSet


class Incoming:
    """A bundle that comes in."""

    def __init__(self, to: WorkingSet, length: int | None, authors: bool = False) -> None:
        """Raises Problem while the working set is not ready. `authors`: its lines may say whose they are."""
        opened = to.ready()
        self._to, self._opened = to, opened
        self._receiver = Receiver(opened.packs, opened.state.get, length, authors)
        self._pinned: list[str] = []  # packs that uploads have become
        self._lock = threading.Lock()  # a step that nobody waits for any more may still be at work
        self._closed = False
        self._waits: Future[Any] | None = None

    def feed(self, data: bytes) -> None:
        """The next piece of the body. Raises BadBundle, OSError."""
        with self._lock:
            if not self._closed:
                self._receiver.feed(data)

    def finish(self) -> None:
        """The body is at its end. Raises BadBundle, OSError."""
        with self._lock:
            if self._closed:
                return
            self._receiver.finish()
            for candidate in self._receiver.candidates:
                if candidate.upload and candidate.refusal is None:
                    self._take_upload(candidate)

    def submit(self, by: str) -> Future[Any]:
        """Lets the writer judge. Raises Problem."""
        self._waits = self._to.submit(Bundle(self._receiver.candidates, by))
        return self._waits

    def settle(self) -> None:
        """The writer has judged: uploads that were used up are marked so. Raises OSError."""
        for candidate in self._receiver.candidates:
            if candidate.upload and candidate.verdict in ("created", "replaced", "same"):
                with suppress(Problem):
                    self._opened.uploads.finish(candidate.upload, candidate.sha256)

    def close(self) -> None:
        """Lets go of everything, once the writer is done with it."""
        with self._lock:
            self._closed = True
        if self._waits is None:
            self._let_go()
        else:
            self._waits.add_done_callback(lambda _: self._let_go())

    def _let_go(self) -> None:
        """Packs that no sample has come to need are taken away."""
        packs = [*self._pinned, *([self._receiver.pack] if self._receiver.pack else [])]
        self._receiver.close()
        for name in self._pinned:
            self._opened.packs.unpin(name)
        used = {c.place.object for c in self._receiver.candidates if c.place and c.verdict in ("created", "replaced")}
        for name in packs:
            if name not in used or (self._waits is not None and self._waits.exception() is not None):
                with suppress(Problem):
                    self._to.discard(name)
            else:
                with suppress(Problem):
                    self._to.released(name)

    def _take_upload(self, candidate: Candidate) -> None:
        """Its file becomes a pack, unless the sample is there already."""
        if is_same_already(candidate, self._opened.state.get):
            return
        try:
            upload = self._opened.uploads.get(candidate.upload)
            if upload.bytes != candidate.size:
                candidate.refuse(INVALID, f"the upload has {upload.bytes} bytes, not {candidate.size}")
            elif upload.finished:
                candidate.sha256 = upload.finished  # whose answer was lost, perhaps: then the sample is there
            else:
                self._link(candidate)
        except Problem as problem:
            if problem.status >= 500:
                raise
            candidate.refuse(DIGEST_MISMATCH if problem.code == DIGEST_MISMATCH else INVALID, str(problem))

    def _link(self, candidate: Candidate) -> None:
        sha256 = self._opened.uploads.pack(candidate.upload)
        self._pinned.append(sha256)
        if candidate.sha256 not in ("", sha256):
            candidate.refuse(DIGEST_MISMATCH, f"sha256 {candidate.sha256} was announced; the upload has {sha256}")
            return
        candidate.sha256, candidate.place = sha256, Place(sha256, 0, candidate.size)
