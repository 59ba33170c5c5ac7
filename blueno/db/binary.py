"""Samples as PostgreSQL's binary COPY format, out of Arrow columns, without a Python object per row. Used by ingest.py.

A row is its fixed columns (one big-endian numpy record), then the texts, each with its length before it. Arrow joins
the pieces row by row in C++: 0.4 µs a row. Texts that repeat are encoded once per value. See
https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from blueno.db.order import IndexRefused

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
PIECE_BYTES = 8 << 20  # of texts in one piece, when there is more than one row
_NULL = b"\xff\xff\xff\xff"
_FIXED = (
    ("version_id", ">i4"),
    ("idx", ">i4"),
    ("row", ">i4"),
    ("label_id", ">i4"),
    ("width", ">i4"),
    ("height", ">i4"),
    ("depth", ">i4"),
    ("bytes", ">i8"),
    ("split_id", ">i2"),
    ("channels", ">i2"),
    ("sha256", "V32"),
)
_FROM_INDEX = ("width", "height", "depth", "bytes", "channels", "sha256")
_REPEATED = ("dtype", "format", "group")
COLUMNS = (*(name for name, _ in _FIXED), "key", "dtype", "format", "group", "metadata")
_RECORD = np.dtype(
    [
        ("columns", ">i2"),
        *(field for name, kind in _FIXED for field in ((f"length of {name}", ">i4"), (name, kind))),
        ("length of key", ">i4"),
    ]
)


@dataclass(frozen=True)
class Part:
    """Some rows of the index (one chunk each) and what the index does not say of them: arrays, or numbers for all."""

    rows: pa.Table
    given: Mapping[str, npt.NDArray[Any] | int]  # version_id, idx, row, label_id, split_id

    def slice(self, start: int, count: int) -> Part:
        """Some of these rows."""
        given = {k: v if isinstance(v, int) else v[start : start + count] for k, v in self.given.items()}
        return Part(self.rows.slice(start, count), given)


def pieces(part: Part) -> Iterator[bytes]:
    """The rows of `part`, in pieces of bounded size. Raises IndexRefused for what PostgreSQL cannot store."""
    count = part.rows.num_rows
    if count > 1 and _text_bytes(part.rows) > PIECE_BYTES:
        yield from pieces(part.slice(0, count // 2))
        yield from pieces(part.slice(count // 2, count - count // 2))
    elif count:
        yield _encode(part)


def array_of(rows: pa.Table, name: str) -> pa.Array:
    """A column as one array."""
    column = rows.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _encode(part: Part) -> bytes:
    rows = part.rows
    keys = _bytes_of(rows, "key")
    fixed = np.empty(rows.num_rows, _RECORD)
    fixed["columns"] = len(COLUMNS)
    for name, kind in _FIXED:
        fixed[f"length of {name}"] = np.dtype(kind).itemsize
        fixed[name] = _numbers(rows, name) if name in _FROM_INDEX else part.given[name]
    fixed["length of key"] = pc.binary_length(keys).to_numpy(zero_copy_only=False)
    texts = [_repeated(rows, name) for name in _REPEATED]
    joined = pc.binary_join_element_wise(_binary(fixed), keys, *texts, *_optional(rows, "metadata"), b"")
    offsets = np.frombuffer(joined.buffers()[1], np.int32)
    return bytes(memoryview(joined.buffers()[2])[offsets[0] : offsets[len(joined)]])


def _numbers(rows: pa.Table, name: str) -> npt.NDArray[Any]:
    values = array_of(rows, name)
    if values.null_count:
        raise IndexRefused(f"index.arrow: column {name} lacks values: prepare the data set again")
    if name == "sha256":
        start = values.offset * 32
        return np.frombuffer(values.buffers()[1], "V32", len(values), start)
    numbers: npt.NDArray[Any] = values.to_numpy()
    if name == "channels" and numbers.size and numbers.max() > np.iinfo(np.int16).max:
        raise IndexRefused(f"index.arrow: a sample of {numbers.max()} channels, at most {np.iinfo(np.int16).max}")
    return numbers


def _bytes_of(rows: pa.Table, name: str) -> pa.Array:
    """A text column as bytes, without NUL."""
    texts = array_of(rows, name)
    values = texts.view(pa.binary())
    data, offsets = values.buffers()[2], np.frombuffer(values.buffers()[1], np.int32)
    if data is not None and len(values):
        begin, end = offsets[values.offset], offsets[values.offset + len(values)]
        if bytes(memoryview(data)[begin:end]).find(b"\0") >= 0:
            raise _nul(name, values.to_pylist())
    return values


def _repeated(rows: pa.Table, name: str) -> pa.Array:
    """A dictionary column as length and bytes of each value."""
    values = array_of(rows, name)
    encoded = [_NULL if text is None else _with_length(name, text) for text in (*values.dictionary.to_pylist(), None)]
    return pa.array(encoded, pa.binary()).take(pc.fill_null(values.indices, len(encoded) - 1))


def _with_length(name: str, text: str) -> bytes:
    raw = text.encode()
    if b"\0" in raw:
        raise _nul(name, [raw])
    return len(raw).to_bytes(4, "big") + raw


def _optional(rows: pa.Table, name: str) -> tuple[Any, ...]:
    """Lengths, then bytes, of a text column that may be null; one constant when it is null everywhere."""
    if array_of(rows, name).null_count == rows.num_rows:
        return (_NULL,)
    values = _bytes_of(rows, name)
    lengths = pc.fill_null(pc.binary_length(values), -1).to_numpy(zero_copy_only=False).astype(">i4")
    return _binary(lengths), pc.fill_null(values, b"")


def _binary(records: npt.NDArray[Any]) -> pa.Array:
    """An array's items as binary values, without a copy."""
    offsets = np.arange(len(records) + 1, dtype=np.int32) * np.int32(records.dtype.itemsize)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(records)]
    return pa.Array.from_buffers(pa.binary(), len(records), buffers)


def _text_bytes(rows: pa.Table) -> int:
    return sum(pc.sum(pc.binary_length(array_of(rows, name))).as_py() or 0 for name in ("key", "metadata"))


def _nul(name: str, values: list[bytes | None]) -> IndexRefused:
    bad = next(value for value in values if value is not None and b"\0" in value)
    return IndexRefused(f"index.arrow: {name} {bad[:100]!r} holds a NUL character, which PostgreSQL cannot store")
