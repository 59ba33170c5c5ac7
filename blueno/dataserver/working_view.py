"""Samples of the working set in the shape of a version, so that the same code draws them. Called by working_app.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy.typing as npt

from blueno.data.working import WorkingSample
from blueno.dataserver.files import File
from blueno.dataserver.problems import Damaged, Gone, Problem
from blueno.dataserver.working_packs import Packs


@dataclass(frozen=True)
class WorkingView:
    """Some samples; row n is the n-th of them, None one that was changed or removed meanwhile."""

    packs: Packs
    rows: Sequence[WorkingSample | None]
    dense: None = None
    deviations: None = None
    formats: frozenset[str] = frozenset()  # nobody has looked

    @property
    def samples(self) -> int:
        return len(self.rows)

    def place(self, row: int) -> tuple[int, int]:
        """Every sample is a shard of its own."""
        if not 0 <= row < len(self.rows):
            _not_there()
        return row, 0

    def dense_shard(self, _: int) -> None:
        """There are no pixels but in the files."""

    def raw_shard(self, shard: int) -> _Original:
        """Where its content lies. Raises Problem: 409 for one that is gone, as the sheet marks those."""
        sample = self.rows[shard]
        if sample is None:
            raise Damaged("the sample was changed or removed meanwhile")
        try:
            file = self.packs.file(sample.object)
        except Gone:
            raise Damaged("the sample's content is not there: it was purged, or the volume is damaged") from None
        if sample.offset + sample.bytes > file.size:
            raise Damaged("the sample's content is not whole")
        return _Original(file, sample)

    def pixels(self, _: Sequence[int]) -> npt.NDArray[Any]:
        """Never asked for: `dense` is None."""
        _not_there()


@dataclass(frozen=True)
class _Original:
    """As shards.py:RawShard, with one sample."""

    file: File
    sample: WorkingSample

    def span(self, _: int) -> tuple[int, int]:
        """(offset in the file, bytes)."""
        return self.sample.offset, self.sample.bytes

    def key(self, _: int) -> str:
        """Its name."""
        return self.sample.key


def _not_there() -> NoReturn:
    raise Problem(404, "sample_not_found", "there is no such sample in the working set")
