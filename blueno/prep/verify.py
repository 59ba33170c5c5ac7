"""Looks at samples: hashes them, decodes them in full, says how they are made. Called by blueno/prep/pack.py."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.decode import examine
from blueno.data.digest import array_header
from blueno.prep.samples import Sample

DENSE_LIMIT = 64 << 10  # bytes of a sample: pixels of larger ones are not stored twice
ROOM = 640 << 20  # bytes of large images that are decoded at the same time; one that is larger is decoded alone
_SMALL = 4 << 20  # bytes of an image that nobody counts
_WORTH_A_THREAD = 8 << 10  # bytes: below that, handing a sample to a thread costs more than decoding it


class Loaded(NamedTuple):
    """A sample's bytes and their sum, not decoded yet; or why they cannot be had."""

    data: bytes
    sha256: bytes
    bad: BadSample | None


class Looked(NamedTuple):
    """What decoding said: `pixels` only when they are small enough to be stored; `facts` of NIfTI and DICOM."""

    format: str
    shape: tuple[int, ...]
    dtype: str
    pixels: npt.NDArray[Any] | None
    facts: Mapping[str, Any] | None
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


class Room:
    """Memory for large images: ROOM bytes at a time in all threads together, or one image alone."""

    def __init__(self) -> None:
        self._used = 0
        self._changed = threading.Condition()

    @contextmanager
    def take(self, size: int) -> Iterator[None]:
        """Waits until `size` bytes may be used."""
        if size <= _SMALL:
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + size <= ROOM)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()


def look(data: bytes, room: Room) -> Looked:
    """Decodes one encoded sample in full."""
    try:
        return Looked(*examine(data, DENSE_LIMIT, room.take), None)
    except BadSample as bad:
        return Looked("", (), "", None, None, bad)


def look_at_all(contents: Sequence[bytes]) -> list[Looked]:
    """`look` for each; larger images on all cores (the decoders let go of Python's lock). Warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        room = Room()
        workers = min(len(os.sched_getaffinity(0)), 8)
        if workers > 1 and contents and sum(map(len, contents)) // len(contents) >= _WORTH_A_THREAD:
            pool = ThreadPoolExecutor(workers)
            try:
                return list(pool.map(look, contents, itertools.repeat(room)))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)  # SIGTERM must not wait for the rest of the shard
        return [look(data, room) for data in contents]


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
