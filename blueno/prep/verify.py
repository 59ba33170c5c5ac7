"""Looks at samples: hashes them, decodes them in full, says how they are made. Called by blueno/prep/pack.py."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.decode import decode
from blueno.data.digest import array_header
from blueno.prep.samples import Sample

DENSE_LIMIT = 64 << 10  # bytes of a sample: pixels of larger ones are not stored twice
_WORTH_A_THREAD = 8 << 10  # bytes: below that, handing a sample to a thread costs more than decoding it


class Loaded(NamedTuple):
    """A sample's bytes and their sum, not decoded yet; or why they cannot be had."""

    data: bytes
    sha256: bytes
    bad: BadSample | None


class Looked(NamedTuple):
    """What decoding said: `pixels` only when they are small enough to be stored."""

    format: str
    shape: tuple[int, ...]
    dtype: str
    pixels: npt.NDArray[Any] | None
    bad: BadSample | None


def load(sample: Sample) -> Loaded:
    """Reads and hashes one encoded sample."""
    assert callable(sample.content)  # noqa: S101
    try:
        data = sample.content()
    except BadSample as bad:
        return Loaded(b"", b"", bad)
    except FileNotFoundError as error:
        return Loaded(b"", b"", BadSample(BadSampleCode.MISSING_FILE, str(error.strerror)))
    except PermissionError as error:
        return Loaded(b"", b"", BadSample(BadSampleCode.UNREADABLE, str(error.strerror)))
    return Loaded(data, hashlib.sha256(data).digest(), None)


def look(data: bytes) -> Looked:
    """Decodes one encoded sample in full."""
    try:
        kind, array = decode(data)
    except BadSample as bad:
        return Looked("", (), "", None, bad)
    return Looked(kind, array.shape, array.dtype.str, array if array.nbytes <= DENSE_LIMIT else None, None)


def look_at_all(contents: Sequence[bytes]) -> list[Looked]:
    """`look` for each; larger images on all cores (the decoders let go of Python's lock). Warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        workers = min(len(os.sched_getaffinity(0)), 8)
        if workers > 1 and contents and sum(map(len, contents)) // len(contents) >= _WORTH_A_THREAD:
            pool = ThreadPoolExecutor(workers)
            try:
                return list(pool.map(look, contents))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)  # SIGTERM must not wait for the rest of the shard
        return [look(data) for data in contents]


def hash_arrays(rows: npt.NDArray[Any]) -> list[bytes]:
    """What `array_content_sha256` gives for each of `rows`, shape (samples, …), C order, little-endian."""
    start = hashlib.sha256(array_header(rows.dtype, rows.shape[1:]))
    body = rows.reshape(-1).view(np.uint8).data
    size = len(body) // max(1, len(rows))
    sums = []
    for offset in range(0, len(body), size):
        hasher = start.copy()
        hasher.update(body[offset : offset + size])
        sums.append(hasher.digest())
    return sums
