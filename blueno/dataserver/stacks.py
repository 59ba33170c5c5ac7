"""NIfTI, DICOM and DICOM series to look at: single planes of true intensities, upright and undistorted.

Opened by samples.py, drawn by views.py, counted by about.py. Only the bytes of the planes that are wanted are read;
what is compressed is unpacked to the pod's disk first (scratch.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from blueno.data.imaging import formats
from blueno.data.imaging.content import Content
from blueno.data.imaging.stack import Look, Stack
from blueno.dataserver.files import File
from blueno.dataserver.intensity import Window, shown
from blueno.dataserver.scratch import Scratch

if TYPE_CHECKING:
    from blueno.dataserver.samples import Context
    from blueno.dataserver.workers import Job

PART: Final = 1 << 20  # values looked at together
RUN: Final = 2048  # values of a large sample that are looked at in one place
MOST_STRETCHED: Final = 16.0  # however far apart slices are said to be

Convert = Callable[[npt.NDArray[Any]], npt.NDArray[np.uint8]]


class Place:
    """A part of a file as imaging/content.py:Content."""

    def __init__(self, file: File, offset: int, size: int) -> None:
        self.file, self._offset, self.size = file, offset, size
        self.key: Hashable = (file.identity, offset, size)

    def read(self, offset: int, length: int) -> bytes:
        """Raises Problem."""
        return self.file.read(self._offset + offset, length)


@dataclass(frozen=True)
class StackSample:
    """As samples.py:ArraySample, of a stack. `key`: of its content, for what is kept of it."""

    stack: Stack
    content: Content
    key: Hashable

    @classmethod
    def opened(cls, kind: str, place: Place, scratch: Scratch, job: Job) -> StackSample:
        """Raises BadSample, Problem, Abandoned."""
        stack: Stack = scratch.stacks.make(place.key, lambda: formats.stack_of(kind, place))
        if not stack.is_compressed:
            return cls(stack, place, place.key)
        file = scratch.unpacked(place.key, place, stack.end, job)
        return cls(stack, Place(file, 0, stack.end), place.key)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stack.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.stack.dtype.newbyteorder("=")

    @property
    def depth(self) -> int | None:
        """Slices of a volume; None for an image."""
        return self.stack.shape[0] if self.stack.is_volume else None

    @property
    def look(self) -> Look:
        return self.stack.look

    def aspect(self, axis: int) -> float:
        """How much higher than wide an element is across `axis`."""
        if self.stack.spacing is None:
            return 1.0
        across = 0 if self.depth is None else axis
        height, width = (found for number, found in enumerate(self.stack.spacing) if number != across)
        return min(MOST_STRETCHED, max(1 / MOST_STRETCHED, height / width))

    def values_in_plane(self, axis: int) -> int:
        """How many numbers a plane has that is shown."""
        if self.depth is None:
            return math.prod(self.stack.size[1:]) * self._channels
        return math.prod(self.stack.size) // self.stack.size[self.stack.turn.axes[axis]] * self._channels

    def plane(self, context: Context, axis: int, at: int, window: Window | None) -> npt.NDArray[np.uint8]:
        """(height, width, channels) in 8 bits: the slice across `axis`, head or front up; or the whole image."""

        def convert(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
            found = shown(values, window)
            return 255 - found if self.look.inverted else found

        if self.depth is None:
            return self._stored_plane(0, 0, convert, context.job)
        turn = self.stack.turn
        stored = turn.axes[axis]
        number = self.stack.size[stored] - 1 - at if turn.flips[axis] else at
        plane = self._stored_plane(stored, number, convert, context.job)
        rows, columns = (a for a in range(3) if a != axis)
        if turn.axes[rows] > turn.axes[columns]:
            plane = plane.transpose(1, 0, 2)
        upside_down = turn.flips[rows] != (self.stack.oriented and rows == 0)
        return plane[:: -1 if upside_down else 1, :: -1 if turn.flips[columns] else 1]

    def parts(self, context: Context) -> Iterator[npt.NDArray[Any]]:
        """All true values, some thousand at a time."""
        for plane in range(self.stack.size[0]):
            for first, count in self._blocks():
                context.job.check()
                yield self.stack.rows(self.content, plane, first, count, self.stack.channels).reshape(-1)

    def some(self, context: Context) -> npt.NDArray[Any]:
        """(n,): all true values, or a million of them in short runs spread evenly over the sample."""
        planes, rows, columns = self.stack.size
        if planes * rows * columns * self._channels <= PART:
            return np.concatenate([self._rows(plane, 0, rows).reshape(-1) for plane in range(planes)])
        height = max(1, RUN // (columns * self._channels))  # rows of a run
        runs = max(1, PART // (height * columns * self._channels))
        found = []
        for place in np.linspace(0, planes * rows - 1, runs).astype(np.int64).tolist():
            context.job.check()
            plane, row = divmod(place, rows)
            values = self._rows(plane, row, min(height, rows - row)).reshape(-1)
            found.append(values[: max(RUN, PART // runs)])
        return np.concatenate(found)

    @property
    def _channels(self) -> int:
        """That are read to show it: of measurements that lie apart, the first."""
        return self.stack.channels if self.stack.is_colour or not self.stack.channel_step else 1

    def _rows(self, plane: int, first: int, count: int) -> npt.NDArray[Any]:
        return self.stack.rows(self.content, plane, first, count, self._channels)

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """(first row, rows) that hold PART values or fewer."""
        rows = self.stack.size[1]
        step = max(1, PART // (self.stack.size[2] * self.stack.channels))
        return ((first, min(step, rows - first)) for first in range(0, rows, step))

    def _stored_plane(self, axis: int, at: int, convert: Convert, job: Job) -> npt.NDArray[np.uint8]:
        """Across a stored axis, as it is stored."""
        planes, rows, columns = self.stack.size
        if axis == 0:
            found = np.empty((rows, columns, self._channels), np.uint8)
            for first, count in self._blocks():
                job.check()
                found[first : first + count] = convert(self._rows(at, first, count))
            return found
        found = np.empty((planes, columns if axis == 1 else rows, self._channels), np.uint8)
        for plane in range(planes):
            job.check()
            if axis == 1:
                found[plane] = convert(self._rows(plane, at, 1))[0]
            else:
                for first, count in self._blocks():
                    found[plane, first : first + count] = convert(self._rows(plane, first, count)[:, at])
        return found
