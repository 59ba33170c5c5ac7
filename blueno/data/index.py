"""`index.arrow`: one row per sample, in (split, source) order. Used by blueno/prep and blueno/data/dataset.py."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

_REPEATED = pa.dictionary(pa.int32(), pa.string())

# What a row says. `shard` and `row` say where its bytes lie; `format` how they are encoded ("array": dense only).
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("split", _REPEATED),
        ("label", _REPEATED),  # canonical JSON, null when there is none
        ("group", _REPEATED),  # null when there is none
        ("shard", pa.int32()),  # index into the manifest's shards
        ("row", pa.int32()),  # row within the shard's files
        ("bytes", pa.int64()),  # of the content: encoded bytes of a file, plain bytes of an array
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("depth", pa.int32()),  # 1 for an image, slices for a volume
        ("channels", pa.int32()),
        ("dtype", _REPEATED),  # numpy's name with byte order, for example "|u1" or "<u2"
        ("format", _REPEATED),  # "png", "jpeg", "npy", "nifti", "dicom", "dicom-series" or "array"
        ("sha256", pa.binary(32)),  # of the content
        ("metadata", pa.string()),  # canonical JSON, null when there is none
    ]
)


def table(columns: dict[str, Any]) -> pa.Table:
    """A table of SCHEMA out of plain lists or arrays."""
    arrays = []
    for field in SCHEMA:
        values = columns[field.name]
        if isinstance(values, (pa.Array, pa.ChunkedArray)):
            arrays.append(values)
        elif pa.types.is_dictionary(field.type):
            arrays.append(pa.array(values, pa.string()).dictionary_encode())
        else:
            arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def join(tables: Iterable[pa.Table]) -> pa.Table:
    """One table with one dictionary per column and one chunk."""
    whole = pa.concat_tables([SCHEMA.empty_table(), *tables])
    return whole.unify_dictionaries().combine_chunks()


def to_bytes(rows: pa.Table) -> bytes:
    """The bytes of an Arrow IPC file: the same rows give the same bytes."""
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue()


def from_bytes(data: bytes | memoryview) -> pa.Table:
    """Inverse of `to_bytes`. Raises pyarrow.ArrowInvalid on anything else."""
    with pa.ipc.open_file(pa.py_buffer(data)) as reader:
        return reader.read_all()


def read(path: Path) -> pa.Table:
    """Reads an index by memory map: columns are paged in when they are used."""
    with pa.memory_map(os.fspath(path), "r") as source:
        return pa.ipc.open_file(source).read_all()


def identity(keys: Iterable[str], sums: Iterable[bytes]) -> str:
    """64 hexadecimal digits that name a shard's samples and their content, whatever their labels are."""
    hasher = hashlib.sha256(b"blueno-shard-1\n")
    for key, content in zip(keys, sums, strict=True):
        raw = key.encode()
        hasher.update(len(raw).to_bytes(8, "little") + raw + content)
    return hasher.hexdigest()
