"""One sealed version, opened: its manifest, checked; its shard files when they are asked for. Made by library.py."""

from __future__ import annotations

import functools
import json
import math
import re
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from blueno.data.manifest import DataFile, Manifest
from blueno.dataserver.files import File, Folder
from blueno.dataserver.problems import Damaged, Problem, Stale
from blueno.dataserver.shards import DenseShard, RawShard
from blueno.names import INDEX_FILE, MANIFEST_FILE

MANIFEST_BYTES = 64 << 20
SHARDS_OPEN = 64  # of one version
_DATA_FILE = re.compile(r"data-[0-9]{5,10}\.(npy|arrow)")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_DTYPES = {f"<{kind}" for kind in ("u2", "u4", "u8", "i2", "i4", "i8", "f2", "f4", "f8")} | {"|u1", "|i1", "|b1"}


@dataclass(frozen=True)
class Dense:
    """Shape and type of every sample of a version that is stored as pixels."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Version:
    """Thread-safe. `rows` are positions in the index, as in the gallery."""

    def __init__(self, folder: Folder, name: str) -> None:
        """Raises Gone, Damaged, Unreadable."""
        self._folder = folder
        self.identity = folder.identity_of(MANIFEST_FILE)
        text = folder.text(MANIFEST_FILE, MANIFEST_BYTES)
        try:
            manifest = Manifest.from_json(text)
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Damaged(f"{MANIFEST_FILE}: {str(error)[:200]}") from error
        if not _HEX64.fullmatch(manifest.digest) or manifest.digest[:16] != name:
            raise Damaged(f"{MANIFEST_FILE} is that of another version")
        body.pop("shards", None)
        self.manifest_json = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        self.digest, self.sealed_at = manifest.digest, manifest.sealed_at
        self.samples, self.bytes = manifest.samples, manifest.bytes
        self.deviations = _deviations(manifest.statistics)
        self._index = manifest.index
        self._starts, self._dense_files, self._raw_files = _shards(manifest)
        self.dense = _dense(manifest)
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, int], DenseShard | RawShard] = OrderedDict()

    @property
    def weight(self) -> int:
        """Rough bytes of memory it holds."""
        return len(self.manifest_json) + 400 * len(self._starts)

    def is_there(self) -> bool:
        """Whether the directory still holds what was opened. Raises Unreadable."""
        try:
            return self._folder.identity_of(MANIFEST_FILE) == self.identity
        except Stale:
            return False

    def index(self) -> File:
        """index.arrow, of the size that was sealed."""
        return self._folder.file(INDEX_FILE, self._index.bytes)

    @functools.cached_property
    def formats(self) -> frozenset[str]:
        """Of its samples, as its index says. Raises Damaged, Gone, Unreadable.

        pyarrow maps the file, reads its metadata and this column's few different words, and is then let go.
        """
        import pyarrow as pa

        file = self.index()
        try:
            with pa.memory_map(file.path) as source:
                column = pa.ipc.open_file(source).get_batch(0).column("format")
                return frozenset(column.dictionary.to_pylist())
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            raise Damaged(f"{INDEX_FILE} is not the Arrow file that was sealed") from error

    def place(self, row: int) -> tuple[int, int]:
        """(shard, position in it). Raises Problem 404."""
        if not 0 <= row < self.samples:
            raise Problem(404, "sample_not_found", f"there is no sample {row}: this version has {self.samples}")
        shard = bisect_right(self._starts, row) - 1
        return shard, row - self._starts[shard]

    def dense_shard(self, shard: int) -> DenseShard | None:
        """The pixels of a shard; None when it has encoded files only."""
        file = self._dense_files[shard]
        if file is None or self.dense is None:
            return None
        dense = self.dense
        opened = self._opened(
            "dense", shard, lambda: DenseShard(self._data(file), self._samples_of(shard), dense.shape, dense.dtype)
        )
        assert isinstance(opened, DenseShard)  # noqa: S101
        return opened

    def raw_shard(self, shard: int) -> RawShard | None:
        """The original files of a shard; None when its source was arrays."""
        file = self._raw_files[shard]
        if file is None:
            return None
        opened = self._opened("raw", shard, lambda: RawShard(self._data(file), self._samples_of(shard)))
        assert isinstance(opened, RawShard)  # noqa: S101
        return opened

    def pixels(self, rows: Sequence[int]) -> npt.NDArray[Any]:
        """(len(rows), *shape): samples of a dense version, in that order."""
        assert self.dense is not None  # noqa: S101
        target = np.empty((len(rows), *self.dense.shape), self.dense.dtype)
        by_shard: dict[int, tuple[list[int], list[int]]] = {}
        for number, row in enumerate(rows):
            shard, at = self.place(row)
            places, wanted = by_shard.setdefault(shard, ([], []))
            places.append(at)
            wanted.append(number)
        for shard, (places, wanted) in by_shard.items():
            opened = self.dense_shard(shard)
            assert opened is not None  # noqa: S101 - checked when the manifest was read
            opened.fill(places, target, wanted)
        return target

    def _samples_of(self, shard: int) -> int:
        end = self._starts[shard + 1] if shard + 1 < len(self._starts) else self.samples
        return end - self._starts[shard]

    def _data(self, file: DataFile) -> File:
        return self._folder.file(file.name, file.bytes)

    def _opened(self, kind: str, shard: int, make: Callable[[], DenseShard | RawShard]) -> DenseShard | RawShard:
        key = (kind, shard)
        with self._lock:
            found = self._open.get(key)
            if found is not None:
                self._open.move_to_end(key)
                return found
        made = make()  # two threads may both make it: the later one stays
        with self._lock:
            self._open[key] = made
            while len(self._open) > SHARDS_OPEN:
                self._open.popitem(last=False)
        return made


def _shards(manifest: Manifest) -> tuple[list[int], list[DataFile | None], list[DataFile | None]]:
    """(first rows, dense files, raw files). Raises Damaged unless the shards follow each other without a gap."""
    starts, expected = [], 0
    for shard in manifest.shards:
        if shard.first != expected or shard.samples < 1:
            raise Damaged(f"{MANIFEST_FILE}: the shards do not follow each other")
        if shard.dense is None and (shard.raw is None or manifest.dense is not None):
            raise Damaged(f"{MANIFEST_FILE}: a shard without its files")
        for file in (shard.dense, shard.raw):
            if file is not None and (not _DATA_FILE.fullmatch(file.name) or file.bytes < 0):
                raise Damaged(f"{MANIFEST_FILE}: {file.name!r:.80} is no data file")
        starts.append(expected)
        expected += shard.samples
    if expected != manifest.samples or manifest.index.name != INDEX_FILE:
        raise Damaged(f"{MANIFEST_FILE}: the shards hold {expected} samples of {manifest.samples}")
    # Only names and sizes are kept: sums of a hundred thousand shards would be megabytes.
    slim = [
        tuple(None if f is None else DataFile(f.name, f.bytes, "") for f in (s.dense, s.raw)) for s in manifest.shards
    ]
    return starts, [dense for dense, _ in slim], [raw for _, raw in slim]


def _dense(manifest: Manifest) -> Dense | None:
    if manifest.dense is None:
        return None
    try:
        shape, dtype = manifest.dense["shape"], manifest.dense["dtype"]
        if all(type(n) is int and n > 0 for n in shape) and 1 <= len(shape) <= 4 and dtype in _DTYPES:
            return Dense(tuple(shape), np.dtype(dtype))
    except (KeyError, TypeError) as error:
        raise Damaged(f"{MANIFEST_FILE}: `dense` is not readable") from error
    raise Damaged(f"{MANIFEST_FILE}: `dense` is not readable")


def _deviations(statistics: Any) -> tuple[float, float] | None:
    """(mean - 3 deviations, mean + 3 deviations) over all channels; None when the manifest has none."""
    try:
        pixels = statistics["pixels"]
        pairs = [(float(m), float(s)) for m, s in zip(pixels["mean"], pixels["std"], strict=True)]
    except (KeyError, TypeError, ValueError):
        return None
    if not pairs or not all(math.isfinite(m) and math.isfinite(s) for m, s in pairs):
        return None
    return min(m - 3 * s for m, s in pairs), max(m + 3 * s for m, s in pairs)
