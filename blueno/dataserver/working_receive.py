"""A bundle while it comes in: head, then contents, which go straight into a pack. Called by working_app.py, in workers.

Nothing is held in memory but the head and the piece at hand. Every content is summed as it passes; what need not be
kept, since it is there already or refused by its line, is not written.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any

from blueno.data.bundle import BadBundle, head_length, read_head
from blueno.data.journal import Place
from blueno.data.working import WorkingSample
from blueno.dataserver.working_judge import DIGEST_MISMATCH, Candidate, Reader, is_same_already
from blueno.dataserver.working_packs import NewPack, Packs

_START = 8
DECODING = threading.Lock()  # one head or removal at a time: what it decodes to is large, and two are not done sooner


class Receiver:
    """Takes the pieces of one body. `close` ends it in any case."""

    def __init__(
        self,
        packs: Packs,
        present: Callable[[str], WorkingSample | None],
        length: int | None,
        authors: bool = False,  # whether its lines may say whose sample each is
    ) -> None:
        self.candidates: list[Candidate] = []
        self.pack = ""  # its name, once `finish` has sealed it; pinned
        self._packs, self._present, self._length, self._authors = packs, present, length, authors
        self._start = bytearray()  # length of the head, and the head, until it is whole
        self._head = -1
        self._contents: list[Candidate] = []  # those that are still to come; in the pack if they have an offset
        self._at = 0  # in `_contents`
        self._left = 0  # bytes of the content at hand that are still to come; 0 before its first one
        self._hasher: Any = None
        self._into: NewPack | None = None

    def feed(self, data: bytes) -> None:
        """The next piece. Raises BadBundle, OSError."""
        view = memoryview(data)
        if self._head != 0:
            view = view[self._take_head(view) :]
        if view:
            self._take(view)

    def finish(self) -> None:
        """The body is at its end: what was kept is durable, if anything was. Raises BadBundle, OSError."""
        if self._head != 0 or self._at < len(self._contents):
            raise BadBundle("the body ends before what its head announces")
        if self._into is None:
            return
        taken = [candidate for candidate in self._contents if candidate.offset >= 0 and candidate.refusal is None]
        if taken:
            self.pack = self._into.seal()
            for candidate in taken:
                candidate.place = Place(self.pack, candidate.offset, candidate.size)
        self._into.discard()

    def close(self) -> None:
        """Takes away what was not sealed, and lets go of what was."""
        if self._into is not None:
            self._into.discard()
        if self.pack:
            self._packs.unpin(self.pack)
            self.pack = ""

    def _take_head(self, view: memoryview) -> int:
        """How much of the piece belongs to it."""
        taken = 0
        if self._head < 0:
            taken = min(len(view), _START - len(self._start))
            self._start += view[:taken]
            if len(self._start) < _START:
                return taken
            self._head = head_length(bytes(self._start))
            self._start.clear()
        part = min(len(view) - taken, self._head)
        self._start += view[taken : taken + part]
        self._head -= part
        if self._head == 0:
            self._begin(bytes(self._start))
            self._start.clear()
        return taken + part

    def _begin(self, head: bytes) -> None:
        reader = Reader(authors=self._authors)
        with DECODING:
            self.candidates = [reader.read(body) for body in read_head(head)]
        self._contents = [one for one in self.candidates if not one.upload and one.size]
        contents = kept = 0
        for candidate in self._contents:
            contents += candidate.size
            if not is_same_already(candidate, self._present):
                candidate.offset = kept
                kept += candidate.size
        if self._length is not None and contents != self._length - _START - len(head):
            raise BadBundle(f"{self._length - _START - len(head)} bytes follow the head, which announces {contents}")

    def _take(self, view: memoryview) -> None:
        """Contents, whole ones and parts. Neighbours that are kept are written together."""
        at, kept, end = 0, 0, len(view)
        contents, number = self._contents, self._at
        while at < end:
            if number >= len(contents):
                raise BadBundle("the body does not end where its head says")
            candidate = contents[number]
            left = self._left or candidate.size
            size = min(left, end - at)
            if candidate.offset < 0:
                self._write(view[kept:at])
                kept = at + size
            if size == candidate.size:
                self._summed(candidate, hashlib.sha256(view[at : at + size]).hexdigest())
            else:
                self._hasher = self._hasher or hashlib.sha256()
                self._hasher.update(view[at : at + size])
                if size == left:
                    self._summed(candidate, self._hasher.hexdigest())
                    self._hasher = None
            at += size
            self._left = left - size
            if not self._left:
                number = self._at = number + 1
        self._write(view[kept:])

    def _summed(self, candidate: Candidate, found: str) -> None:
        """One content has passed."""
        if candidate.sha256 and candidate.sha256 != found:
            candidate.refuse(DIGEST_MISMATCH, f"sha256 {candidate.sha256} was announced; what came has {found}")
        candidate.sha256 = found

    def _write(self, view: memoryview) -> None:
        if not view:
            return
        if self._into is None:
            self._into = self._packs.new()
        self._into.write(view)
