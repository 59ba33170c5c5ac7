"""Samples → finished shards in staging. Called by blueno/prep/prepare.py, calls verify.py and blueno/data/shards.py.

A shard that an earlier attempt finished is taken as it is; one whose samples and content equal a shard of the version
before becomes a hard link to it.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from blueno.data import index, npy
from blueno.data.badsample import BadSampleCode
from blueno.data.cuts import DEFAULT_SHARD_BYTES, MAX_SHARD_BYTES, MIN_SHARD_BYTES, Cutter
from blueno.data.decode import dimensions
from blueno.data.digest import canonical_json
from blueno.data.files import make_directory
from blueno.data.shards import write_dense, write_raw
from blueno.errors import InvalidSpec
from blueno.prep.badcount import BadCount
from blueno.prep.record import SHARDS_DIR, Record, shard_id
from blueno.prep.reuse import Previous
from blueno.prep.samples import Context, Reading, Sample
from blueno.prep.verify import Loaded, Looked, hash_arrays, load, look_at_all

log = logging.getLogger("blueno.prep")

IMAGING = "imaging"  # name in the metadata of what NIfTI and DICOM files say of their pixels

# A file counts as at least this much when shards are cut: bounds the decoded pixels held at once to 512 MiB.
_LEAST_WEIGHT = 4096


@dataclass
class Packer:
    """Packs one reading. `bad` counts what was left out and ends the work when it is too much."""

    context: Context
    reading: Reading
    bad: BadCount
    previous: Previous
    records: list[Record] = field(default_factory=list)
    _done: int = 0  # bytes of samples that are packed

    def run(self) -> list[Record]:
        """All records in index order. Raises PrepFailure TooManyBadSamples, OSError."""
        make_directory(self.folder)
        self.bad.add(self.reading.bad)
        progress, space = self.context.progress, self.context.space
        for batch in self._batches():
            progress.tick()
            size = sum(sample.size for sample in batch)
            finish = functools.partial(self._finish, batch)
            record = space.patiently(finish, "the data set", max(size, self._left()))
            self._done += size
            space.left = self._left() or space.left
            self.records.append(record)
            self.bad.add(record.bad)
            progress.samples_done += len(batch)
            progress.shards_done += 1
            self.bad.check()
        self.bad.check()
        return self.records

    def _left(self) -> int:
        """Bytes of samples that are not packed yet, 0 while nobody knows."""
        return max(0, self.reading.total_bytes - self.reading.linked_bytes - self._done)

    @property
    def folder(self) -> Path:
        return self.context.staging / SHARDS_DIR

    def _batches(self) -> Iterator[list[Sample]]:
        """Runs of samples of one kind that make one shard each; a duplicate of a key is left out and counted."""
        cutter = Cutter(shard_bytes(self.context.work.pack))
        seen: set[str] = set()
        batch: list[Sample] = []
        for sample in self.reading.samples:
            if sample.key in seen:
                self.bad.add([(sample.key, BadSampleCode.DUPLICATE_KEY)])
                continue
            seen.add(sample.key)
            if batch and (batch[-1].split != sample.split or is_file(batch[-1]) != is_file(sample)):
                yield batch
                batch = []
                cutter.restart()
            batch.append(sample)
            if cutter.full(sample.key, max(sample.size, _LEAST_WEIGHT) if is_file(sample) else sample.size):
                yield batch
                batch = []
        if batch:
            yield batch

    def _finish(self, batch: list[Sample]) -> Record:
        name = shard_id(f"{self.reading.revision}", batch)
        record = Record.read(self.folder, name)
        if record is None:
            record = self._pack_files(name, batch) if is_file(batch[0]) else self._pack_arrays(name, batch)
            record.write(self.folder, self.context.tag)
        return record

    def _pack_arrays(self, name: str, batch: list[Sample]) -> Record:
        arrays = [_little(s.content) for s in batch]
        first = arrays[0]
        alike = all(a.shape == first.shape and a.dtype == first.dtype for a in arrays)
        stacked = np.stack(arrays) if alike else None
        sums = [hash_arrays(a[np.newaxis])[0] for a in arrays] if stacked is None else hash_arrays(stacked)
        keys = [s.key for s in batch]
        table = _rows(batch, sums, [(a.shape, a.dtype.str, "array") for a in arrays])
        contents = [npy.encode(a) for a in arrays] if stacked is None else None
        return self._write(Record(name, table, index.identity(keys, sums)), keys, contents, stacked)

    def _pack_files(self, name: str, batch: list[Sample]) -> Record:
        loaded = [load(s) for s in batch]
        looked = look_at_all([one.data for one in loaded if one.bad is None])
        views = iter(looked)
        bad: list[tuple[str, BadSampleCode]] = []
        good: list[tuple[Sample, Loaded, Looked]] = []
        for sample, one in zip(batch, loaded, strict=True):
            view = None if one.bad is not None else next(views)
            reason = one.bad if view is None else view.bad
            if reason is not None or view is None:
                bad.append((sample.key, reason.code if reason else BadSampleCode.UNREADABLE))
            else:
                good.append((_told(sample, view.facts), one, view))
        if not good:
            return Record(name, index.SCHEMA.empty_table(), bad=tuple(bad))
        keys, sums = [g[0].key for g in good], [g[1].sha256 for g in good]
        contents = [g[1].data for g in good]
        table = _rows(
            [g[0] for g in good],
            sums,
            [(g[2].shape, g[2].dtype, g[2].format) for g in good],
            [len(c) for c in contents],
        )
        record = Record(name, table, index.identity(keys, sums), bad=tuple(bad))
        return self._write(record, keys, contents, _stack([g[2].pixels for g in good]))

    def _write(
        self, record: Record, keys: list[str], contents: list[bytes] | None, pixels: npt.NDArray[Any] | None
    ) -> Record:
        base, tag = self.folder / record.id, self.context.tag
        if pixels is not None:
            shape = {"shape": list(pixels.shape[1:]), "dtype": pixels.dtype.str}
            record = replace(record, pixels=shape, moments=moments_of(pixels))
        linked = self.previous.link(record.identity, (contents is not None, pixels is not None), base, tag)
        if linked is not None:
            return replace(record, raw=linked.raw, dense=linked.dense)
        raw = None if contents is None else write_raw(base.with_suffix(".arrow"), keys, contents, tag)
        dense = None if pixels is None else write_dense(base.with_suffix(".npy"), pixels, tag)
        return replace(record, raw=raw, dense=dense)


def is_file(sample: Sample) -> bool:
    """Whether it has encoded bytes; else it is an array. A data set of arrays may have files added to it."""
    return callable(sample.content)


def _told(sample: Sample, facts: Mapping[str, Any] | None) -> Sample:
    """With what its content says of itself in its metadata; what a person has put there in that place stays."""
    known = json.loads(sample.metadata) if sample.metadata else {}
    if not facts or not isinstance(known, dict) or IMAGING in known:
        return sample
    return sample._replace(metadata=canonical_json({**known, IMAGING: facts}))


def _little(content: Any) -> npt.NDArray[Any]:
    array = np.asarray(content)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _stack(pixels: Sequence[npt.NDArray[Any] | None]) -> npt.NDArray[Any] | None:
    """All pixels as one array when all are there and alike, else None."""
    arrays = [p for p in pixels if p is not None]
    if len(arrays) != len(pixels) or any(a.shape != arrays[0].shape or a.dtype != arrays[0].dtype for a in arrays):
        return None
    return np.stack(arrays)


def shard_bytes(pack: Mapping[str, Any]) -> int:
    """The target size of a shard. Raises InvalidSpec when it is out of bounds."""
    wanted = pack.get("shardBytes", DEFAULT_SHARD_BYTES)
    if not isinstance(wanted, int) or not MIN_SHARD_BYTES <= wanted <= MAX_SHARD_BYTES:
        raise InvalidSpec("pack.shardBytes", f"{wanted!r} is not between {MIN_SHARD_BYTES} and {MAX_SHARD_BYTES}")
    return wanted


def moments_of(rows: npt.NDArray[Any]) -> dict[str, Any]:
    """Count, sum and sum of squares per channel of integer pixels: mean and deviation follow. {} for other types."""
    if rows.dtype.kind not in "ui" or rows.dtype.itemsize > 2 or rows.ndim != 4:
        return {}
    flat = rows.reshape(-1, rows.shape[-1])
    total = flat.sum(axis=0, dtype=np.int64)
    squares = np.zeros(flat.shape[1], np.float64)
    for start in range(0, len(flat), 1 << 20):
        block = flat[start : start + (1 << 20)].astype(np.float32)
        squares += np.einsum("ij,ij->j", block, block, dtype=np.float64)
    return {"count": len(flat), "sum": [int(n) for n in total], "squares": [float(n) for n in squares]}


def _rows(
    samples: Sequence[Sample],
    sums: Sequence[bytes],
    views: Sequence[tuple[tuple[int, ...], str, str]],
    sizes: Sequence[int] | None = None,
) -> pa.Table:
    known = {shape: dimensions(shape) for shape in {view[0] for view in views}}
    dims = [known[view[0]] for view in views]
    width, height, depth, channels = zip(*dims, strict=True)
    return index.table(
        {
            "key": [s.key for s in samples],
            "split": [s.split for s in samples],
            "label": [s.label for s in samples],
            "group": [s.group for s in samples],
            "shard": np.zeros(len(samples), np.int32),
            "row": np.arange(len(samples), dtype=np.int32),
            "bytes": [s.size for s in samples] if sizes is None else sizes,
            "width": width,
            "height": height,
            "depth": depth,
            "channels": channels,
            "dtype": [view[1] for view in views],
            "format": [view[2] for view in views],
            "sha256": sums,
            "metadata": [s.metadata for s in samples],
        }
    )
