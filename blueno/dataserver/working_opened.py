"""The working set as it was read: memory and journals in step. Made and changed by working_set.py's writer thread."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

from blueno.dataserver.files import Folder
from blueno.dataserver.problems import Gone, Problem
from blueno.dataserver.working_feed import Marks, Wanted, feed, first_seq
from blueno.dataserver.working_journal import Changed, Journals, Overtaken
from blueno.dataserver.working_packs import Packs, made
from blueno.dataserver.working_state import State, apply
from blueno.dataserver.working_upkeep import compacted, is_worthwhile, purge
from blueno.dataserver.working_uploads import Uploads
from blueno.names import WORKING_DIR

log = logging.getLogger("blueno.dataserver")


class _Fold:
    """What read_journals gives its lines to."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.state, self.marks, self.lines = State(), Marks(), 0

    def batch(self, lines: list[bytes], part: str, offset: int) -> None:
        self.lines += len(lines)
        seq = first_seq(lines)
        if seq is not None:
            self.marks.add(seq, part, offset)
        for line in lines:
            apply(self.state, line)


@dataclass
class Opened:
    """Everything that is known. Others than the writer's thread only read."""

    root: Folder
    packs: Packs
    uploads: Uploads
    state: State = field(default_factory=State)
    marks: Marks = field(default_factory=Marks)
    folder: Folder | None = None  # working/, once it is there
    journals: Journals | None = None
    _purged: bool = False  # what an earlier server has left to do was tried
    _restored: bool = False
    _lines: int = 0  # in all journals when they were read

    @classmethod
    def read(cls, root: Folder, before: Opened | None) -> Opened:
        """`before`: what was read before: contents may be on their way. Raises JournalDamaged, OSError, Problem."""
        packs = Packs(root) if before is None else before.packs
        uploads = Uploads(root, packs) if before is None else before.uploads
        packs.root = uploads.root = root
        opened = cls(root, packs, uploads)
        if (folder := _working(root)) is not None:
            fold = opened._attach(folder)
            opened.state, opened.marks, opened._lines = fold.state, fold.marks, fold.lines
        opened.uploads.load()
        packs.clear()
        return opened

    @property
    def lines(self) -> int:
        """In all journals."""
        return self._lines + (0 if self.journals is None else self.journals.appended)

    @property
    def is_ours(self) -> bool:
        """Whether this server writes: then nothing changes without it, or it finds out before it acknowledges."""
        return self.journals is not None and self.journals.writes

    def is_current(self) -> bool:
        """Whether nobody else has written since it was read. Raises OSError, Problem."""
        return _working(self.root) is None if self.journals is None else self.journals.unchanged()

    def confirm(self) -> None:
        """What is in memory is so, and durable. Raises Changed, Overtaken, OSError, Problem."""
        if self.journals is not None:
            self.journals.confirm()
        elif not self.is_current():
            raise Changed("the working set has begun meanwhile")

    def append(self, lines: list[str]) -> None:
        """Lines of samples, durable when this returns. Raises Changed, Overtaken, OSError, Problem."""
        if self.journals is None and self._attach(made(self.root, WORKING_DIR, set())).state.revision:
            raise Changed("the working set has begun meanwhile")
        assert self.journals is not None  # noqa: S101
        offset = self.journals.append("".join(lines).encode())
        self.marks.add(self.state.revision + 1, self.journals.chain.parts[-1].name, offset)

    def changes(self, after: int, limit: int) -> tuple[int, Iterator[bytes]]:
        """(revision, the lines of samples after a number as they stand in the journals)."""
        revision = self.state.revision
        if self.journals is None or self.folder is None:
            return revision, iter(())
        parts = list(self.journals.chain.parts)
        start = self.marks.start(after)
        return revision, feed(self.folder, parts, start, Wanted(after, limit, revision))

    def tidy(self) -> None:
        """After a turn: purges, and puts the journals together when that is worthwhile. What fails is tried again."""
        if self.journals is None:
            return
        try:
            if self.is_ours and not self._restored:
                self._restored = True
                self.packs.restore(lambda packs: {sample.object for sample in self.state.in_packs(packs)})
            if self.state.due and (self.is_ours or not self._purged):
                self._purged = True
                purge(self.state, self.packs, self.journals)
            useful = self.journals.chain.useful
            if self.is_ours and (self.journals.many or is_worthwhile(self.lines, useful, len(self.state))):
                self._compact(self.journals)
        except (Overtaken, Changed, OSError, Problem) as error:
            log.warning("the working set was not tidied up: %s", error)

    def close(self) -> None:
        """Lets go of the journal."""
        if self.journals is not None:
            self.journals.close()

    def _attach(self, folder: Folder) -> _Fold:
        """What the journals in `folder` say."""
        fold, journals = _Fold(), Journals(folder.descriptor)
        journals.load(fold)
        self.folder, self.journals = folder, journals
        return fold

    def discard(self, pack: str) -> None:
        """A pack that was written for nothing goes, unless somebody needs it after all. Raises as `confirm` does."""
        if self.is_ours and not any(True for _ in self.state.in_packs({pack})):
            self.packs.remove(pack, self.confirm)

    def _compact(self, journals: Journals) -> None:
        assert self.folder is not None  # noqa: S101
        source = compacted(self.folder, journals.chain, self.marks.start(0), self.state)
        firsts: list[int] = []
        lines = 0

        def batches() -> Iterator[bytes]:
            nonlocal lines
            for batch in source:
                firsts.append(first_seq(batch) or 0)
                lines += len(batch)
                yield b"".join(batch)

        offsets = journals.replace(batches())
        marks = Marks()
        for seq, offset in zip(firsts, offsets, strict=True):
            marks.add(seq, journals.chain.parts[-1].name, offset)
        journals.chain.useful = self._lines = lines
        self.marks = marks


def _working(root: Folder) -> Folder | None:
    try:
        return root.folder(WORKING_DIR)
    except Gone:
        return None
