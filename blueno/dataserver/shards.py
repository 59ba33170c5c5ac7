"""Pixels and encoded bytes of single samples, out of the shard files. Called by version.py.

Nothing is kept but where things lie; every sample is read when it is asked for.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from blueno.data import npy
from blueno.data.badsample import BadSample
from blueno.dataserver.files import File
from blueno.dataserver.problems import Damaged

Convert = Callable[[npt.NDArray[Any]], npt.NDArray[np.uint8]]  # same shape

_GAP = 16 << 10  # bytes between two wanted samples that are read along rather than skipped
_RUN = 1 << 20  # bytes read at once at most
_DIMENSIONS = 6  # (samples, depth, height, width, channels), and one to spare


@dataclass(frozen=True)
class Elements:
    """An array in a file, stored in C order, or in Fortran order as some `.npy` of users are."""

    file: File
    offset: int  # bytes before its first element
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool = False

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def flat(self, first: int, count: int) -> npt.NDArray[Any]:
        """(count,): elements as they are stored, in the machine's byte order."""
        values = np.empty(count, self.dtype)
        self.file.fill(self.offset + first * self.dtype.itemsize, values)
        return values.astype(self.dtype.newbyteorder("="), copy=False)

    def plane(self, axis: int | None, at: int, convert: Convert, check: Callable[[], None]) -> npt.NDArray[np.uint8]:
        """Everything with index `at` on `axis` (None: everything), shape without it, through `convert`.

        Reads little more than that, and holds little more than the result.
        """
        stored = self.shape[::-1] if self.fortran else self.shape
        before: tuple[int, ...]
        if axis is None:
            before, length, after = (), 1, stored
        else:
            axis = len(stored) - 1 - axis if self.fortran else axis
            before, length, after = stored[:axis], stored[axis], stored[axis + 1 :]
        outer, inner = math.prod(before), math.prod(after)
        found = np.empty((outer, inner), np.uint8)
        pitch = length * inner  # elements from one outer index to the next
        size = self.dtype.itemsize
        if inner * size < _GAP and pitch * size < _RUN:  # reading what lies between is cheaper than to skip it
            block = max(1, _RUN // (pitch * size))
            for first in range(0, outer, block):
                check()
                count = min(block, outer - first)
                rows = self.flat(first * pitch, count * pitch).reshape(count, length, inner)
                found[first : first + count] = convert(rows[:, at])
        else:
            step = max(1, _RUN // size)
            for number in range(outer):
                for first in range(0, inner, step):
                    check()
                    count = min(step, inner - first)
                    found[number, first : first + count] = convert(
                        self.flat(number * pitch + at * inner + first, count)
                    )
        plane = found.reshape(before + after)
        return plane.transpose() if self.fortran else plane


class DenseShard:
    """A `.npy` of many samples of one shape."""

    def __init__(self, file: File, samples: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Raises Damaged unless the file says of itself what the manifest says."""
        start = file.read(0, min(file.size, npy.MAX_HEADER + 12))
        if not start.startswith(npy.MAGIC):
            raise Damaged(f"{file.name} is no .npy")
        try:
            found, fortran, whole, offset = npy.header_of(start, _DIMENSIONS)
        except BadSample as error:
            raise Damaged(f"{file.name}: {error}") from error
        if (found, fortran, whole) != (dtype, False, (samples, *shape)):
            raise Damaged(f"{file.name} holds {whole} {found}; the manifest says {(samples, *shape)} {dtype}")
        self._file, self._offset, self._shape, self._dtype = file, offset, shape, dtype
        self._size = math.prod(shape) * dtype.itemsize
        if file.size != offset + samples * self._size:
            raise Damaged(f"{file.name} does not have the size its header says")

    def sample(self, at: int) -> Elements:
        """One sample."""
        return Elements(self._file, self._offset + at * self._size, self._dtype, self._shape)

    def fill(self, places: Sequence[int], target: npt.NDArray[Any], wanted: Sequence[int]) -> None:
        """target[wanted[i]] = the sample at places[i], for all i; neighbours are read together."""
        order = sorted(range(len(places)), key=places.__getitem__)
        start = 0
        while start < len(order):
            end = self._run_end(places, order, start)
            first, last = places[order[start]], places[order[end - 1]]
            offset = self._offset + first * self._size
            if first == last:
                for i in order[start:end]:
                    self._file.fill(offset, target[wanted[i]])
            else:
                run = np.empty((last - first + 1, *self._shape), self._dtype)
                self._file.fill(offset, run)
                chosen = order[start:end]
                target[[wanted[i] for i in chosen]] = run[[places[i] - first for i in chosen]]
            start = end

    def _run_end(self, places: Sequence[int], order: Sequence[int], start: int) -> int:
        """Where the samples end that are read together with the one at `start`."""
        most = max(1, _RUN // self._size)
        gap = _GAP // self._size + 1
        end, first = start + 1, places[order[start]]
        while (
            end < len(order)
            and places[order[end]] - places[order[end - 1]] <= gap
            and places[order[end]] - first < most
        ):
            end += 1
        return end


class RawShard:
    """An Arrow file of original bytes: where its two columns lie."""

    def __init__(self, file: File, samples: int) -> None:
        """Raises Damaged unless it is what blueno/data/shards.py writes."""
        self._file, self._samples = file, samples
        try:
            (_, self._key_ends, self._keys), (_, self._ends, self._data) = _buffers(file, samples)
        except (ValueError, TypeError, KeyError, OSError) as error:  # pyarrow's errors are ValueErrors and OSErrors
            raise Damaged(f"{file.name} is not the Arrow file that was sealed") from error

    @functools.lru_cache(maxsize=64)  # noqa: B019 - a sheet asks neighbours; a shard does not outlive its version
    def span(self, at: int) -> tuple[int, int]:
        """(offset in the file, bytes) of a sample's content."""
        return self._between(at, self._ends, self._data, "<i8")

    def key(self, at: int) -> str:
        """A sample's name."""
        offset, size = self._between(at, self._key_ends, self._keys, "<i4")
        return self._file.read(offset, min(size, 4096)).decode("utf-8", "replace")

    @property
    def file(self) -> File:
        return self._file

    def _between(self, at: int, ends: tuple[int, int], data: tuple[int, int], kind: str) -> tuple[int, int]:
        width = np.dtype(kind).itemsize
        start, end = np.frombuffer(self._file.read(ends[0] + at * width, 2 * width), kind).tolist()
        if not 0 <= start <= end <= data[1]:
            raise Damaged(f"{self._file.name}: the offsets of sample {at} make no sense")
        return data[0] + start, end - start


Place = tuple[int, int]  # offset in the file, bytes


def _buffers(file: File, samples: int) -> tuple[tuple[Place, ...], ...]:
    """For each column: where its validity, offsets and data lie in the file.

    pyarrow maps the file to read its metadata (outside of the interpreter's lock), and is then let go.
    """
    import pyarrow as pa

    with pa.memory_map(file.path) as source:
        base = source.read_buffer(source.size()).address if source.size() else 0
        batch = pa.ipc.open_file(source).get_batch(0)
        if batch.num_rows != samples or batch.schema.names != ["key", "bytes"]:
            raise ValueError("other rows or columns")
        if (batch.schema.field(0).type, batch.schema.field(1).type) != (pa.string(), pa.large_binary()):
            raise ValueError("other types")
        columns = [_places(column, base, file.size) for column in batch.columns]
    for (_, ends, _), width in zip(columns, (4, 8), strict=True):
        if ends[1] < (samples + 1) * width:
            raise ValueError("too few offsets")
    return tuple(columns)


def _places(column: Any, base: int, size: int) -> tuple[Place, ...]:
    if column.offset:
        raise ValueError("a slice")
    found: list[Place] = []
    for buffer in column.buffers():
        if buffer is None or buffer.size == 0:
            found.append((0, 0))
        elif base <= buffer.address and buffer.address + buffer.size <= base + size:
            found.append((buffer.address - base, buffer.size))
        else:  # decompressed, or an empty column's
            raise ValueError("not plain")
    return tuple(found)
