"""Where a version's labels and keys lie: counts, label numbers, marks. Used by ingest.py. Pure.

Marks make ranks of idx and idx of ranks in a few steps (see migrations/projection/0002_samples.sql).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from blueno.db.order import IndexRefused, Run
from blueno.db.versions import KEY_CHARACTERS

MARKS = 4096  # of a label, at most
MIN_STEP = 128
KEY_STEP = 64
_LOOK = 1 << 18
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sizes:
    """MIN_STEP and MARKS, small in tests."""

    min_step: int = MIN_STEP
    marks: int = MARKS
    key_step: int = KEY_STEP


class Labels:
    """The labels of a version. label_id 0 is "no label"; the others follow the classes, then numbers, then texts."""

    def __init__(self, column: pa.ChunkedArray, runs: Sequence[Run], classes: Sequence[str], sizes: Sizes) -> None:
        self.texts: list[str | None] = [None, *sorted(_distinct(column), key=_rank(classes))]
        self._ids = {text: label_id for label_id, text in enumerate(self.texts)} | {"null": 0}
        self._table: tuple[tuple[int, ...], pa.Array, _Ints] | None = None  # of the dictionary seen last
        self.facets = [self._count(column, run) for run in runs]  # per split: samples of each label_id
        self.samples: _Ints = np.sum(self.facets, axis=0, dtype=np.int64)
        self.steps = _steps(self.samples, sizes)
        self._seen = np.zeros(len(self.texts), np.int64)
        self._marks: list[tuple[_Ints, _Ints]] = []  # (label_id, idx), in the order of idx

    def ids(self, labels: pa.Array) -> _Ints:
        """label_id of each value of a piece of the label column."""
        table = self._table_of(labels.dictionary)
        codes = pc.fill_null(labels.indices, len(table) - 1).to_numpy(zero_copy_only=False)
        found: _Ints = table[codes]
        return found

    def note(self, label_ids: _Ints, first_idx: int) -> None:
        """The next samples in the order of idx."""
        few = len(self.texts) <= 1 << 16  # then numpy sorts by radix
        order = np.argsort(label_ids.astype(np.uint16) if few else label_ids, kind="stable")
        ordered = label_ids[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        counts = np.diff(starts, append=len(ordered))
        present = ordered[starts]
        ranks = np.arange(len(ordered)) - np.repeat(starts - self._seen[present], counts)
        self._seen[present] += counts
        marked = np.sort(order[ranks % self.steps[ordered] == 0])
        self._marks.append((label_ids[marked], marked + first_idx))

    def rows(self) -> Iterator[tuple[int, str | None, int, int, list[int]]]:
        """(label_id, label, samples, step, marks) of each label that has samples; after all were noted."""
        owners = np.concatenate([np.zeros(0, np.int64), *(part[0] for part in self._marks)])
        places = np.concatenate([np.zeros(0, np.int64), *(part[1] for part in self._marks)])
        order = np.argsort(owners, kind="stable")
        ends = np.cumsum(np.bincount(owners, minlength=len(self.texts)))
        begin = 0
        for label_id, end in enumerate(ends.tolist()):
            if end > begin:
                numbers = int(self.samples[label_id]), int(self.steps[label_id])
                yield label_id, self.texts[label_id], *numbers, places[order[begin:end]].tolist()
            begin = end

    def _table_of(self, dictionary: pa.Array) -> _Ints:
        """label_id of each of its texts, and 0 at the end; kept, since a million texts may come with every piece."""
        key = (len(dictionary), *(buffer.address for buffer in dictionary.buffers() if buffer is not None))
        if self._table is None or self._table[0] != key:
            table = np.array([*(self._ids[text] for text in dictionary.to_pylist()), 0], np.int64)
            self._table = (key, dictionary, table)
        return self._table[2]

    def _count(self, column: pa.ChunkedArray, run: Run) -> _Ints:
        counts = np.zeros(len(self.texts), np.int64)
        end = run.first + run.samples
        for at in range(run.first, end, _LOOK):
            for chunk in column.slice(at, min(_LOOK, end - at)).chunks:
                np.add(counts, np.bincount(self.ids(chunk), minlength=len(counts)), out=counts)
        return counts


def key_marks(keys: pa.Array, place: int, step: int) -> Iterator[tuple[str, int]]:
    """(key cut short, place) of every step-th of a split; `place` is that of the first of `keys` in their split."""
    for at in range(-place % step, len(keys), step):
        yield keys[at].as_py()[:KEY_CHARACTERS], place + at


def _distinct(column: pa.ChunkedArray) -> set[str]:
    """Every label but null; texts of unused dictionary entries do no harm."""
    texts = {text for chunk in column.chunks for text in chunk.dictionary.to_pylist() if text is not None}
    for text in texts:
        if "\0" in text:
            raise IndexRefused(f"index.arrow: label {text[:100]!r} holds a NUL, which PostgreSQL cannot store")
    return texts - {"null"}


def _rank(classes: Sequence[str]) -> Callable[[str], tuple[int, float, str]]:
    """Sort key: classes in their order, then numbers by value, then all else by text."""
    places = {name: place for place, name in enumerate(classes)}

    def rank(text: str) -> tuple[int, float, str]:
        try:
            value = json.loads(text)
        except ValueError:
            return (2, 0.0, text)
        if isinstance(value, str) and value in places:
            return (0, places[value], text)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
            return (1, float(value), text)
        return (2, 0.0, text)

    return rank


def _steps(samples: _Ints, sizes: Sizes) -> _Ints:
    """The smallest power of two that leaves at most so many marks, and not less than the smallest allowed."""
    least = np.maximum(samples / sizes.marks, sizes.min_step)
    steps: _Ints = np.exp2(np.ceil(np.log2(least))).astype(np.int64)
    return steps
