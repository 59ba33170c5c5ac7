"""The journals' only writer. Called by working_set.py, from one thread.

Two servers may run at once for a while: a node is given up, its pod replaced, and the node comes back. Locks of a
network file system do not survive that, so the order of steps decides (docs/adr/0019-working-set.md). Who takes over
makes a journal with the next number (O_EXCL), and only then looks at what the others have. Who writes looks, after its
fsync and before it acknowledges, whether a higher number is there. Either the new one has read the line, or the old one
sees the new journal and acknowledges nothing.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress

from blueno.data import journal
from blueno.data.files import sync_handle
from blueno.data.journal import FLAGS, Chain, Part, Sink, control_line, epoch_of, journal_name, journal_names
from blueno.errors import BluenoError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 100
MANY = 64  # journals that are read at every start, before they are put together


class Overtaken(BluenoError):
    """Another data server has taken over: what was not acknowledged was not done."""


class Changed(BluenoError):
    """Somebody has written since the journals were read: read them again."""


class Journals:
    """What counts, as it was read, and the own journal once it is needed. `folder`: an open directory."""

    def __init__(self, folder: int) -> None:
        self._folder = folder
        self.chain = Chain()
        self._known: dict[str, int] = {}  # sizes of all journals when they were read
        self._mine: set[str] = set()  # those that were made since: nobody else writes to them
        self._own, self._name, self._size = -1, "", 0  # the own journal, when it has begun
        self._claimed = ""  # one of ours that has not begun yet
        self._stale = True
        self.appended = 0  # lines since it was read or put together

    @property
    def writes(self) -> bool:
        """Whether the head is ours."""
        return self._own >= 0

    @property
    def many(self) -> bool:
        """Whether there are so many that they should be put together."""
        return len(self.chain.parts) > MANY

    def load(self, sink: Sink) -> None:
        """Reads everything. Raises JournalDamaged, OSError."""
        self.close()
        self._mine.clear()
        self.appended = 0
        for _ in range(_TRIES):
            self._known = self._look()
            self.chain = journal.read_journals(self._folder, sink)
            if self._look().keys() == self._known.keys():
                self._stale = False
                return
        raise Changed("the working set changes faster than it can be read")

    def unchanged(self) -> bool:
        """Whether nobody else has written since. Raises OSError."""
        seen = self._look()
        return not self._stale and {n: s for n, s in seen.items() if n not in self._mine} == self._known

    def claim(self) -> None:
        """Makes this the writer. Raises Changed when somebody has written since it was read, Overtaken, OSError."""
        if self.writes:
            return
        if self._stale:
            raise Changed("the working set has to be read again")
        if not self._claimed:
            self._claimed = self._create()
        self._alone(self._claimed)

    def confirm(self) -> None:
        """What was read is still so, and durable. Raises Changed, Overtaken, OSError."""
        if self.writes:
            self._must_lead(self._name)
            return
        if not self.unchanged():
            self._stale = True
            raise Changed("the working set has changed since it was read")
        self._sync_head()

    def append(self, lines: bytes) -> int:
        """Lines of samples, durable when this returns: where in the own journal they begin.

        Raises Changed, Overtaken, OSError: then nothing was done. After an error nobody knows how much of it reached
        the disk: the next journal says how much of this one counts.
        """
        self.claim()
        data, before = journal.committed(lines), self._size
        try:
            if not self.writes:
                self._sync_head()
                beginning = _beginning(self.chain.parts)
                data, before = beginning + data, len(beginning)
                self._open(self._claimed)
            _write(self._own, data, self._size)
            os.fsync(self._own)
            self._must_lead(self._name)
        except BaseException:
            self.close()
            raise
        first = not self._size
        self._size += len(data)
        self.appended += lines.count(b"\n")
        self.chain.parts = [part for part in self.chain.parts if part.name != self._name]
        self.chain.parts.append(Part(self._name, self._size))
        if first:
            self._forget_others()
        return before

    def replace(self, batches: Iterable[bytes]) -> list[int]:
        """Puts everything together in a new journal that holds `batches`, and removes the others; where each begins.

        Raises Changed, Overtaken, OSError: then everything is as it was.
        """
        self.claim()
        name = self._create()
        target = -1
        try:
            self._alone(name)
            target = self._opened(name)
            offsets, size = _fill(target, batches)
            os.fsync(target)
            self._must_lead(name)
        except BaseException:
            if target >= 0:
                os.close(target)
            with suppress(OSError):
                os.unlink(name, dir_fd=self._folder)
            raise
        self.close()
        self._own, self._name, self._size = target, name, size
        self.chain = Chain([Part(name, size)], epoch_of(name) or 0)
        self.appended = 0
        self._forget_others()
        return offsets

    def close(self) -> None:
        """Lets go of the own journal: it counts as far as it was acknowledged."""
        if self._own >= 0:
            os.close(self._own)
        self._own, self._name, self._size, self._claimed = -1, "", 0, ""

    def _open(self, name: str) -> None:
        self._own = self._opened(name)
        self._name, self._size, self._claimed = name, 0, ""
        self.chain.epoch = epoch_of(name) or 0

    def _opened(self, name: str) -> int:
        """A journal of ours, to be written. Whoever has taken it away had taken over before."""
        try:
            return os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        except FileNotFoundError:
            raise self._overtaken() from None

    def _overtaken(self) -> Overtaken:
        self._stale = True
        return Overtaken("another data server has taken over the working set: send it again")

    def _sync_head(self) -> None:
        """What the writer before was about to sync when it died is read, and so far only in memory."""
        for part in self.chain.parts[-1:]:
            try:
                handle = os.open(part.name, FLAGS, dir_fd=self._folder)
            except FileNotFoundError:
                raise self._overtaken() from None
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _create(self) -> str:
        """The name of a new journal, whose number is higher than all others."""
        names = journal_names(self._folder)
        epoch = max((epoch_of(names[-1]) or 0) if names else 0, self.chain.epoch)
        for number in range(epoch + 1, epoch + _TRIES):
            name = journal_name(number)
            try:
                os.close(os.open(name, _NEW, 0o644, dir_fd=self._folder))
            except FileExistsError:
                continue
            self._mine.add(name)
            sync_handle(self._folder)
            return name
        raise OSError(errno.EEXIST, "no number is free for a journal")

    def _alone(self, name: str) -> None:
        """Nobody has a higher number, and nobody has written before this one was made."""
        self._must_lead(name)
        if not self.unchanged():
            self._stale = True
            raise Changed("the working set has changed since it was read")

    def _must_lead(self, name: str) -> None:
        names = journal_names(self._folder)
        if not names or names[-1] != name:
            raise self._overtaken()

    def _look(self) -> dict[str, int]:
        """Sizes of all journals."""
        found = {}
        for name in journal_names(self._folder):
            with suppress(FileNotFoundError):
                found[name] = os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_size
        return found

    def _forget_others(self) -> None:
        """Removes journals that no longer count, the oldest first; what cannot go now goes another time."""
        keep = {part.name for part in self.chain.parts}
        with suppress(OSError):
            for name in journal_names(self._folder):
                if name not in keep and name < self._name:
                    os.unlink(name, dir_fd=self._folder)
                    self._known.pop(name, None)
                    self._mine.discard(name)


def _beginning(parts: Iterable[Part]) -> bytes:
    return control_line("begin", takes={part.name: part.size for part in parts})


def _fill(target: int, batches: Iterable[bytes]) -> tuple[list[int], int]:
    """A whole journal: where each batch begins, and its size. It counts once its `base` line is there."""
    offsets, size = [], _write(target, control_line("begin", takes={}, whole=True), 0)
    for lines in batches:
        offsets.append(size)
        size += _write(target, journal.committed(lines), size)
    return offsets, size + _write(target, control_line("base"), size)


def _write(handle: int, data: bytes, offset: int) -> int:
    """How many bytes that were: all of them."""
    view = memoryview(data)
    while view:
        done = os.pwrite(handle, view, offset)
        view, offset = view[done:], offset + done
    return len(data)
