"""The order of samples in the gallery: splits as the manifest lists them, keys by their bytes. Used by ingest.py. Pure.

An index is grouped by split, and its keys are usually in order already. Where they are not, they are sorted by buckets:
each bucket holds the keys between two pivots, some 4 MB of them, so that memory stays small at any size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from blueno.errors import BluenoError

BUCKET_ROWS = 200_000
BUCKET_BYTES = 4 << 20
_LOOK = 1 << 18  # rows looked at in one step
_PROBES = 64  # sampled keys per bucket: pivots that cut evenly enough


class IndexRefused(BluenoError):
    """index.arrow does not hold what its version says, or something that PostgreSQL cannot store."""


@dataclass(frozen=True)
class Run:
    """A split: rows [first, first + samples) of the index; in PostgreSQL the same range of idx, sorted by key."""

    split_id: int
    name: str
    first: int
    samples: int


def runs_of(splits: pa.ChunkedArray, manifest: Sequence[str]) -> list[Run]:
    """The splits of an index, those of the manifest without samples included. Raises IndexRefused."""
    found = [(name, first, samples) for name, first, samples in _runs(splits)]
    names = [name for name, _, _ in found]
    if len(set(names)) < len(names):
        raise IndexRefused("index.arrow is not grouped by split: prepare the data set again")
    order = [*dict.fromkeys(manifest), *(name for name in names if name not in set(manifest))]
    if names != [name for name in order if name in set(names)]:
        raise IndexRefused("index.arrow and manifest.json name the splits in different orders: prepare again")
    if len(order) > np.iinfo(np.int16).max:
        raise IndexRefused(f"the version has {len(order)} splits, at most {np.iinfo(np.int16).max} can be shown")
    where = {name: (first, samples) for name, first, samples in found}
    made: list[Run] = []
    at = 0
    for split_id, name in enumerate(order):
        first, samples = where.get(name, (at, 0))
        made.append(Run(split_id, name, first, samples))
        at = first + samples
    return made


def in_order(keys: pa.ChunkedArray, run: Run) -> bool:
    """Whether the keys of a split ascend."""
    for start in range(run.first, run.first + run.samples - 1, _LOOK):
        count = min(_LOOK, run.first + run.samples - 1 - start)
        here, following = _one(keys.slice(start, count)), _one(keys.slice(start + 1, count))
        if not pc.all(pc.less_equal(here, following)).as_py():
            return False
    return True


def sorted_rows(keys: pa.ChunkedArray, run: Run) -> Iterator[npt.NDArray[np.int64]]:
    """The rows of a split in the order of their keys (equal keys by row), bucket by bucket."""
    pivots = _pivots(keys, run)
    for low, high in zip([None, *pivots], [*pivots, None], strict=True):
        rows = _rows_between(keys, run, low, high)
        chosen = _one(keys.take(pa.array(rows)))
        yield rows[pc.sort_indices(chosen).to_numpy()]


def _pivots(keys: pa.ChunkedArray, run: Run) -> list[Any]:
    own = keys.slice(run.first, run.samples)
    total = sum(pc.sum(pc.binary_length(own.slice(at, _LOOK))).as_py() for at in range(0, run.samples, _LOOK))
    buckets = max(-(-run.samples // BUCKET_ROWS), -(-total // BUCKET_BYTES))
    if buckets == 1:
        return []
    chosen = np.random.default_rng(0).integers(run.first, run.first + run.samples, buckets * _PROBES)
    probes = _one(keys.take(pa.array(np.sort(chosen))))
    ascending = probes.take(pc.sort_indices(probes))
    return list(dict.fromkeys(ascending[at * _PROBES] for at in range(1, buckets)))


def _rows_between(keys: pa.ChunkedArray, run: Run, low: Any, high: Any) -> npt.NDArray[np.int64]:
    """Rows of keys in [low, high); None is no bound."""
    found = []
    for start in range(run.first, run.first + run.samples, _LOOK):
        here = _one(keys.slice(start, min(_LOOK, run.first + run.samples - start)))
        inside = np.ones(len(here), bool)
        if low is not None:
            inside &= pc.greater_equal(here, low).to_numpy(zero_copy_only=False)
        if high is not None:
            inside &= pc.less(here, high).to_numpy(zero_copy_only=False)
        found.append(np.flatnonzero(inside) + start)
    return np.concatenate(found)


def _runs(splits: pa.ChunkedArray) -> Iterator[tuple[str, int, int]]:
    """(name, first row, rows) of each run of equal values."""
    current, first = None, 0
    for at in range(0, len(splits), _LOOK):
        part = _one(splits.slice(at, _LOOK))
        if part.null_count:
            raise IndexRefused("index.arrow holds samples without a split: prepare the data set again")
        names, codes = part.dictionary.to_pylist(), part.indices.to_numpy()
        for start in np.flatnonzero(np.diff(codes, prepend=-1)).tolist():
            name = names[codes[start]]
            if name != current:
                if current is not None:
                    yield current, first, at + start - first
                current, first = name, at + start
    if current is not None:
        yield current, first, len(splits) - first


def _one(values: pa.ChunkedArray) -> pa.Array:
    """A plain array; without a copy when there is one chunk."""
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
