"""One sample as something to look at: arrays by plane, encoded pictures by Pillow. Called by views.py and about.py.

NIfTI and DICOM are in stacks.py.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from blueno.data import decode, npy
from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.imaging import formats
from blueno.dataserver.files import File, Span
from blueno.dataserver.intensity import Window, shown
from blueno.dataserver.problems import Damaged, Gone, Problem
from blueno.dataserver.shards import DenseShard, Elements
from blueno.dataserver.stacks import PART, RUN, Place, StackSample
from blueno.dataserver.version import Dense
from blueno.dataserver.workers import Budget, Job

ENCODED_BYTES = 64 << 20  # a PNG or JPEG with more is not decoded here: a single chunk of it may be that large
_TELLING = 4096  # first bytes of a file that tell NIfTI and DICOM
AT_ONCE = 1 << 20  # bytes of an encoded file that are read in one go


class Source(Protocol):
    """Where samples come from: a Version, or the working set (working_view.py)."""

    @property
    def samples(self) -> int: ...

    @property
    def dense(self) -> Dense | None: ...

    @property
    def deviations(self) -> tuple[float, float] | None: ...

    @property
    def formats(self) -> frozenset[str]: ...

    def place(self, row: int) -> tuple[int, int]: ...

    def dense_shard(self, shard: int) -> DenseShard | None: ...

    def raw_shard(self, shard: int) -> Originals | None: ...

    def pixels(self, rows: Sequence[int]) -> npt.NDArray[Any]: ...


class Originals(Protocol):
    """Encoded files, one after the other in a file."""

    @property
    def file(self) -> File: ...

    def span(self, at: int) -> tuple[int, int]: ...

    def key(self, at: int) -> str: ...


@dataclass(frozen=True)
class Context:
    """What every look at a sample needs."""

    version: Source
    budget: Budget
    job: Job


@dataclass(frozen=True)
class ArraySample:
    """Numbers in a file: (height, width[, channels]) or (depth, height, width[, channels])."""

    elements: Elements

    @property
    def shape(self) -> tuple[int, ...]:
        return self.elements.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.elements.dtype

    @property
    def depth(self) -> int | None:
        """Slices of a volume; None for an image."""
        return self.shape[0] if _is_volume(self.shape) else None

    def plane(self, context: Context, axis: int, at: int, window: Window | None) -> npt.NDArray[np.uint8]:
        """(height, width, channels) in 8 bits: a volume's slice across `axis`, or the whole image."""
        across = None if self.depth is None else axis
        plane = self.elements.plane(across, at, lambda values: shown(values, window), context.job.check)
        has_channels = len(self.shape) == (3 if self.depth is None else 4)
        return plane if has_channels else plane.reshape(*plane.shape, 1)

    def values_in_plane(self, axis: int) -> int:
        """How many numbers a plane has."""
        return math.prod(self.shape) // (1 if self.depth is None else self.shape[axis])

    def parts(self, context: Context) -> Iterator[npt.NDArray[Any]]:
        """All values, (n,) at a time, in the order of the file."""
        total = math.prod(self.shape)
        for first in range(0, total, PART):
            context.job.check()
            yield self.elements.flat(first, min(PART, total - first))

    def aspect(self, _: int) -> float:
        """How much higher than wide an element is: nobody has said."""
        return 1.0

    def some(self, _: Context) -> npt.NDArray[Any]:
        """(n,): all values, or a million of them in short runs spread evenly over the sample."""
        total = math.prod(self.shape)
        if total <= PART:
            return self.elements.flat(0, total)
        starts = np.linspace(0, total - RUN, PART // RUN).astype(np.int64).tolist()
        return np.concatenate([self.elements.flat(start, RUN) for start in starts])


@dataclass(frozen=True)
class EncodedSample:
    """A PNG or JPEG in a file."""

    file: File
    offset: int
    size: int
    kind: str

    @contextmanager
    def image(self, context: Context, most: int | None = None) -> Iterator[tuple[Any, tuple[int, int]]]:
        """(Pillow image, decoded; its true width and height).

        With `most`, a JPEG with a longer side may be decoded at a half, quarter or eighth. Raises Problem 409 when it
        cannot be decoded.
        """
        try:
            with decode.opened(self._content(), self.kind) as image:
                size = image.size
                if most is not None and self.kind == "jpeg" and max(size) > most:
                    scale = most / max(size)
                    image.draft(None, (max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))
                with context.budget.reserve(_need(image, most), context.job):
                    image.load()
                    yield image, size
        except BadSample as error:
            raise damaged(error) from error

    def _content(self) -> bytes | BinaryIO:
        if self.size <= AT_ONCE:
            return self.file.read(self.offset, self.size)
        return io.BufferedReader(Span(self.file, self.offset, self.size), 1 << 16)


Sample = ArraySample | EncodedSample | StackSample


def _need(image: Any, most: int | None) -> int:
    """Bytes that decoding, converting and scaling take, roughly."""
    pixels = image.width * image.height
    converted = 0 if image.mode in ("L", "LA", "RGB", "RGBA") else 4
    scale = 1.0 if most is None else min(1.0, most / max(image.size))
    return int(pixels * (4 + converted) + (0 if most is None else pixels * scale * scale * 12))


def open_sample(context: Context, row: int) -> Sample:
    """Where a sample's pixels are. Raises Problem: 404 no such row, 409 damaged, 422 too large to be shown."""
    version = context.version
    shard, at = version.place(row)
    dense = version.dense_shard(shard)
    if dense is not None:
        return _upright(context, row) or ArraySample(_shown(dense.sample(at)))
    raw = version.raw_shard(shard)
    assert raw is not None  # noqa: S101 - a shard has pixels or encoded bytes
    offset, size = raw.span(at)
    start = raw.file.read(offset, min(size, decode.SNIFFED))
    try:
        kind = decode.sniff(start)
        if kind in formats.KINDS:
            return StackSample.opened(kind, Place(raw.file, offset, size), context.budget.scratch, context.job)
        if kind == "npy":
            dtype, fortran, shape, skip = npy.header_of(start)
            elements = Elements(raw.file, offset + skip, dtype, shape, fortran)
            if skip + elements.nbytes != size:
                raise BadSample(BadSampleCode.CORRUPT, "its size is not what its header says")
            return ArraySample(elements)
    except BadSample as error:
        raise damaged(error) from error
    if size > ENCODED_BYTES:
        text = f"the file has {size} bytes: pictures of at most {ENCODED_BYTES} are shown; its raw bytes can be had"
        raise Problem(422, "too_large", text)
    return EncodedSample(raw.file, offset, size, kind)


def place_of(context: Context, row: int) -> Place | None:
    """Where a sample's file is; None for an array, and for a file that cannot be had. Raises Problem 404."""
    shard, at = context.version.place(row)
    try:
        raw = context.version.raw_shard(shard)
        return None if raw is None else Place(raw.file, *raw.span(at))
    except (Damaged, Gone):
        return None


def _upright(context: Context, row: int) -> StackSample | None:
    """A sample stored as pixels whose file says more: how it lies in the body, and how to show it."""
    try:
        if not context.version.formats & formats.KINDS:
            return None
        place = place_of(context, row)
        kind = None if place is None else formats.sniff(place.read(0, min(place.size, _TELLING)))
        if place is None or kind is None:
            return None
        return StackSample.opened(kind, place, context.budget.scratch, context.job)
    except (BadSample, Damaged, Gone):
        return None  # its pixels are there all the same


def damaged(error: BadSample) -> Problem:
    """A sample that was fine when it was sealed."""
    return Problem(409, "sample_damaged", f"the sample cannot be read ({error}); it was readable when it was sealed")


def _shown(elements: Elements) -> Elements:
    """Arrays of one dimension are shown as one row."""
    if len(elements.shape) > 1:
        return elements
    return Elements(elements.file, elements.offset, elements.dtype, (1, *elements.shape))


def _is_volume(shape: tuple[int, ...]) -> bool:
    """As in decode.dimensions: three dimensions are a volume unless the last can only be channels."""
    return len(shape) == 4 or (len(shape) == 3 and shape[2] > 4)
