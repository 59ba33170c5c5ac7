"""index.arrow of any size, written in pieces and memory-mapped. Used by bench/gallery_pages.py and bench/ingest.py."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from blueno.data import index
from blueno.db.ingest import VersionMeta

SPLITS = (("train", 0.8), ("validation", 0.1), ("test", 0.1))
CLASSES = 10
RARE = '"rare"'  # one sample in 100,000
_PIECE = 500_000


def write_index(path: Path, rows: int, *, shuffled: bool = False) -> pa.Table:
    """MNIST-shaped rows, memory-mapped: three splits, ten even labels, a rare one, one in fifty without.

    Keys of a split ascend, unless shuffled.
    """
    made = []
    at = 0
    for name, share in SPLITS:
        count = round(rows * share)
        numbers = np.random.default_rng(1).permutation(count) if shuffled else np.arange(count)
        starts = range(0, count, _PIECE)
        made.extend(_piece(name, numbers[start : start + _PIECE], at + start) for start in starts)
        at += count
    whole = index.join(made)
    with pa.OSFile(os.fspath(path), "wb") as sink, pa.ipc.new_file(sink, whole.schema) as writer:
        writer.write_table(whole)
    return index.read(path)


def a_version(rows: int, number: int = 1) -> VersionMeta:
    """The version that such an index belongs to."""
    splits = [{"name": name, "samples": round(rows * share)} for name, share in SPLITS]
    manifest = {"splits": splits, "classes": [str(digit) for digit in range(CLASSES)]}
    uid = f"00000000-0000-4000-8000-{number:012x}"
    return VersionMeta(uid, f"{number:064x}", 1, "2026-03-01T11:00:00Z", rows, rows * 784, manifest)


def _piece(split: str, numbers: np.ndarray, first: int) -> pa.Table:  # type: ignore[type-arg]
    count = len(numbers)
    random = np.random.default_rng(first)
    labels = random.integers(0, CLASSES, count).astype(np.int32)
    labels[numbers % 100_000 == 7] = CLASSES
    unlabelled = random.integers(0, 50, count) == 0
    texts = [*(f'"{digit}"' for digit in range(CLASSES)), RARE]
    ones = np.ones(count, np.int32)
    columns = {
        "key": pa.array(np.char.add(f"{split}/", np.char.zfill(numbers.astype(str), 8))),
        "split": _repeated(np.zeros(count, np.int32), [split]),
        "label": pa.DictionaryArray.from_arrays(pa.array(labels, mask=unlabelled), pa.array(texts)),
        "group": pa.DictionaryArray.from_arrays(pa.nulls(count, pa.int32()), pa.array([], pa.string())),
        "shard": pa.array(np.zeros(count, np.int32)),
        "row": pa.array(np.arange(count, dtype=np.int32)),
        "bytes": pa.array(np.full(count, 784, np.int64)),
        "width": pa.array(ones * 28),
        "height": pa.array(ones * 28),
        "depth": pa.array(ones),
        "channels": pa.array(ones),
        "dtype": _repeated(np.zeros(count, np.int32), ["|u1"]),
        "format": _repeated(np.zeros(count, np.int32), ["array"]),
        "sha256": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(32), count, [None, pa.py_buffer(random.bytes(32 * count))]
        ),
        "metadata": pa.nulls(count, pa.string()),
    }
    return index.table(columns)


def _repeated(codes: np.ndarray, texts: list[str]) -> pa.DictionaryArray:  # type: ignore[type-arg]
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(texts))
