"""A DICOM series as one sample: a plain tar of its slices, each file untouched. Called by decode.py and blueno/prep.

Any tar of the slices of one series is read, whoever made it; `pack` makes the same bytes of the same slices.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.imaging.content import Content, Part
from blueno.data.imaging.dicom import Pixels, Plane, look_of, pixels_of, stack_from
from blueno.data.imaging.dicom_values import Values, values_of
from blueno.data.imaging.stack import Stack
from blueno.data.tars import BadTar, tar_members

MAX_SLICES: Final = 4096
MAX_STEPS: Final = 1_000_000  # elements of all slices together
_MAGIC: Final = (257, b"ustar")
HEAD: Final = 262  # bytes that tell a tar


def is_tar(start: bytes) -> bool:
    """By the first bytes of a file."""
    place, magic = _MAGIC
    return start[place : place + len(magic)] == magic


def pack(slices: Iterable[tuple[str, bytes]]) -> bytes:
    """A tar of (name, bytes), in the order of names. Equal slices give equal bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in sorted(slices):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o444
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def stack_of(content: Content) -> Stack:
    """Its slices in the order in which they lie in the body, checked. Raises BadSample."""
    found = [(values, offset, _pixels(values, size)) for values, offset, size in _slices(content)]
    if not found:
        raise BadSample(BadSampleCode.NO_PIXELS, "a tar without files")
    first, _, pixels = found[0]
    for values, _, other in found:
        if values.series != first.series:
            raise BadSample(BadSampleCode.UNSUPPORTED_SHAPE, "slices of more than one series")
        if _form(other) != _form(pixels):
            raise BadSample(BadSampleCode.UNSUPPORTED_SHAPE, "slices of different sizes or types")
    planes = [Plane.of(values, 0) for values, _, _ in found]
    order = _order(planes, [values for values, _, _ in found])
    offsets = tuple(found[i][1] + found[i][2].offset for i in order)
    stack = stack_from(first, pixels, [planes[i] for i in order], offsets)
    same = all(look_of(values).window == stack.look.window for values, _, _ in found)
    return stack if same else replace(stack, look=replace(stack.look, window=None))


def _slices(content: Content) -> Iterator[tuple[Values, int, int]]:
    """(values, where it begins, bytes) of each slice."""
    steps = count = 0
    try:
        for member in tar_members(lambda place, size: _read(content, place, size), content.size):
            if member.kind == "directory":
                continue
            if member.kind != "file":
                raise BadSample(BadSampleCode.NOT_A_FILE, "the tar holds links or devices")
            count += 1
            if count > MAX_SLICES:
                raise BadSample(BadSampleCode.TOO_COMPLEX, f"more than {MAX_SLICES} slices")
            values = values_of(Part(content, member.offset, member.size))
            steps += values.walked.steps
            if steps > MAX_STEPS:
                raise BadSample(BadSampleCode.TOO_COMPLEX, f"more than {MAX_STEPS} elements in its slices")
            yield values, member.offset, member.size
    except BadTar as error:
        raise BadSample(BadSampleCode.CORRUPT, "the tar of its slices is damaged") from error


def _read(content: Content, place: int, size: int) -> bytes:
    return bytes(content.read(place, max(0, min(size, content.size - place))))


def _pixels(values: Values, size: int) -> Pixels:
    pixels = pixels_of(values, size)
    if pixels.frames > 1:
        raise BadSample(BadSampleCode.UNSUPPORTED_SHAPE, "a slice of many frames")
    return pixels


def _form(pixels: Pixels) -> tuple[object, ...]:
    """What all slices must have in common."""
    return pixels.dtype, pixels.bits, pixels.rows, pixels.columns, pixels.channels, pixels.planar


def _order(planes: list[Plane], values: list[Values]) -> list[int]:
    """By where they lie along the normal of the first; by InstanceNumber when they do not say. Raises BadSample."""
    everyone = range(len(planes))
    normal = planes[0].normal
    if normal is None or any(p.position is None or p.directions is None for p in planes):
        return sorted(everyone, key=lambda i: (values[i].count("InstanceNumber", 0), i))
    directions = np.array([p.directions for p in planes])
    if np.abs(directions - directions[0]).max() > 1e-3:
        raise BadSample(BadSampleCode.UNSUPPORTED_SHAPE, "slices that are not parallel")
    places = np.array([p.position for p in planes]) @ normal
    order = [int(i) for i in np.argsort(places, kind="stable")]
    if len(planes) > 1 and float(np.diff(places[order]).min()) < 1e-4:
        raise BadSample(BadSampleCode.UNSUPPORTED_SHAPE, "two slices lie at the same place")
    return order
