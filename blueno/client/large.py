"""Sends one large file in chunks and goes on where it stopped. Called by upload.py in one of its threads.

It may have stopped because an answer was lost, the server restarted, or the client was killed and run again.
Nothing is kept on this side: an upload is begun under an Idempotency-Key made of the sample's key and the file's size
and time, so that whoever begins it again is told the same upload, and HEAD says how much of it is there.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from blueno import names
from blueno.client import asking
from blueno.client.bundles import Bundle, Large, entry_of
from blueno.client.contents import STEP, Unreadable
from blueno.client.driving import Blocking, run
from blueno.client.exchange import Request
from blueno.client.reading import Fields
from blueno.client.sample_values import WorkingSample
from blueno.errors import BluenoError, Conflict, NotFound, Rejected, Unavailable

CHUNK = 8 << 20  # bytes; the server takes 16 MiB
SMALLEST = 64 << 10  # to which chunks are halved for a proxy that takes less
TRIES = 6  # uploads that are begun for one file: those of earlier times may have been used up


@dataclass(frozen=True)
class Place:
    """Where to: the data set's path in the API."""

    path: str
    moved: Callable[[int], None]  # told bytes as they arrive


class _Gone(BluenoError):
    """The upload is not there any more, or is of no use."""


def is_there(blocking: Blocking, place: str, large: Large) -> bool:
    """Whether the server has exactly this sample. Reads the whole file, if one of that key and size is there."""
    try:
        request = Request("GET", f"{place}/working/sample", {"key": large.sample.key})
        fields = Fields(run(asking.patiently(blocking, request)).body, "sample")
        there = WorkingSample.parse(fields, label_is_text=False)
    except NotFound:
        return False
    if there.bytes != large.content.bytes:
        return False
    with large.content.open() as file:
        return there.etag == large.sample.etag(_sum(file))


def send(blocking: Blocking, place: Place, large: Large, number: int) -> Bundle:
    """Sends the content; the bundle that makes a sample of it. `number`: of tries before. Raises Unreadable."""
    for attempt in range(number * TRIES, (number + 1) * TRIES):
        try:
            upload = _begin(blocking, place, large, attempt)
            sha256 = _Sending(blocking, place, large, upload).run()
        except _Gone:
            continue
        return Bundle.of([(entry_of(large.sample, large.content.bytes, sha256, upload), b"")])
    raise Unavailable(
        "the server forgets uploads while they are sent: its volume may have no room, or its log says why"
    )


def _begin(blocking: Blocking, place: Place, large: Large, attempt: int) -> str:
    said = f"{place.path}\n{large.sample.key}\n{large.content.identity}\n{attempt}"
    key = hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()
    body = {"bytes": large.content.bytes}
    request = Request("POST", f"{place.path}/uploads", body=body, headers={"Idempotency-Key": f"upload-{key}"})
    answer = run(asking.patiently(blocking, request))
    return asking.segment(Fields(answer.body, "upload").text("id"), "upload")


def give_up(blocking: Blocking, place: str, bundle: Bundle) -> None:
    """Removes what was sent and is not wanted."""
    for entry, _ in bundle.entries:
        _give_up(blocking, f"{place}/uploads/{entry.upload}")


def _give_up(blocking: Blocking, path: str) -> None:
    try:
        run(blocking.send(Request("DELETE", path)))
    except BluenoError:
        return  # it goes by itself after a week


class _Sending:
    """One walk through the file."""

    def __init__(self, blocking: Blocking, place: Place, large: Large, upload: str) -> None:
        self._blocking, self._large = blocking, large
        self._path = f"{place.path}/uploads/{upload}"
        self._moved = place.moved
        self._chunk = CHUNK
        self._furthest = 0  # that the server ever was
        self._vain = 0  # pieces that were sent since then
        self._since = 0.0  # when the first of those was refused

    def run(self) -> str:
        """The sum of what was sent. Raises Unreadable when the file is not what it was."""
        total = self._large.content.bytes
        offset = self._furthest = self._offset()
        summed, at = hashlib.sha256(), 0
        try:
            with self._large.content.open() as file:
                while at < total:
                    size = min(self._chunk, total - at) if at >= offset else min(CHUNK, offset - at)
                    block = _exactly(file, size)
                    summed.update(block)
                    if at >= offset:
                        offset = self._send(block, at)
                    at += len(block)
                    self._moved(len(block))
                if file.read(1):
                    raise Unreadable("changed", "it grew while it was sent")
        except (OSError, Unreadable) as error:
            _give_up(self._blocking, self._path)
            if isinstance(error, OSError):
                raise Unreadable("unreadable", f"it cannot be read: {error.strerror or error}") from error
            raise
        return summed.hexdigest()

    def _send(self, block: bytes, at: int) -> int:
        """Until the server has it all; where it is then. Raises Unavailable when it takes nothing for long."""
        sent = 0
        while sent < len(block):
            pieces = [block[sent : sent + self._chunk]]
            headers = {names.UPLOAD_OFFSET: str(at + sent)}
            try:
                run(self._blocking.send(Request("PATCH", self._path, headers=headers, pieces=pieces)))
                sent += len(pieces[0])
            except Rejected as error:
                if error.status != 413 or self._chunk <= SMALLEST:
                    raise
                self._chunk //= 2
            except NotFound as error:
                raise _Gone(str(error)) from error
            except (Unavailable, Conflict) as error:
                sent = self._look(block, at, error)
            if at + sent > self._furthest:
                self._furthest, self._vain = at + sent, 0
        return at + sent

    def _look(self, block: bytes, at: int, error: Unavailable | Conflict) -> int:
        """How much of the block is there: the answer may be lost and the chunk there, wholly or in part.

        Raises `error` when it says that sending again is no use, or that has been of none for `asking.AWAY` seconds.
        """
        if isinstance(error, Conflict):
            if error.code != names.OFFSET_MISMATCH:
                raise error
            error = Unavailable(str(error))
        there = self._offset() - at
        if not 0 <= there <= len(block):
            raise _Gone("the server has another part of the file") from None
        if at + there <= self._furthest:
            self._rest(error)
        return there

    def _rest(self, error: Unavailable) -> None:
        """Before a piece is sent again that did not come to be there."""
        now = time.monotonic()
        self._since = self._since if self._vain else now
        if now - self._since >= asking.AWAY:
            raise error
        run(asking.rest(self._blocking, error, self._vain))
        self._vain += 1

    def _offset(self) -> int:
        try:
            answer = run(asking.patiently(self._blocking, Request("HEAD", self._path)))
        except NotFound as error:
            raise _Gone(str(error)) from error
        text = answer.headers.get(names.UPLOAD_OFFSET, "")
        if not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text) <= self._large.content.bytes):
            raise BluenoError("the server does not say how much of an upload it has: is it of about the same version?")
        return int(text)


def _sum(file: BinaryIO) -> str:
    summed = hashlib.sha256()
    while block := file.read(STEP):
        summed.update(block)
    return summed.hexdigest()


def _exactly(file: BinaryIO, size: int) -> bytes:
    block = file.read(size)
    while 0 < len(block) < size and (more := file.read(size - len(block))):
        block += more
    if len(block) < size:
        raise Unreadable("changed", "it shrank while it was sent")
    return block
