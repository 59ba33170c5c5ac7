"""A sample's original bytes as a download. Called by app.py.

Whatever a file says it is, a browser is told to save it and never to show it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from blueno.data import npy
from blueno.data.imaging import series
from blueno.data.imaging.dicom_walk import is_dicom
from blueno.data.layout import may_be_dicom
from blueno.dataserver.samples import Context
from blueno.dataserver.stream import Part

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_LENGTH = 100


@dataclass(frozen=True)
class Original:
    """What is sent, and under which name."""

    part: Part
    headers: dict[str, str]


def original(context: Context, row: int) -> Original:
    """The file that was prepared; for samples whose source was arrays, a `.npy`. Raises Problem."""
    version = context.version
    shard, at = version.place(row)
    raw = version.raw_shard(shard)
    if raw is not None:
        offset, size = raw.span(at)
        start = raw.file.read(offset, min(size, series.HEAD))
        return Original(Part(raw.file, offset, size), _headers(raw.key(at) + _ending(raw.key(at), start), row))
    dense = version.dense_shard(shard)
    assert dense is not None  # noqa: S101 - a shard has pixels or encoded bytes
    elements = dense.sample(at)  # at most 64 KiB, or what a TFDS builder calls an image
    data = npy.header(elements.dtype, elements.shape) + elements.file.read(elements.offset, elements.nbytes)
    return Original(Part(None, 0, len(data), data), _headers(f"sample-{row}.npy", row))


def _ending(key: str, start: bytes) -> str:
    """What the name lacks: a series is called like its folder, and scanners write files without an ending."""
    if series.is_tar(start):
        return "" if key.lower().endswith(".tar") else ".tar"
    return ".dcm" if is_dicom(start) and may_be_dicom(key) else ""


def _headers(key: str, row: int) -> dict[str, str]:
    name = _UNSAFE.sub("_", key.rpartition("/")[2])[-_NAME_LENGTH:].lstrip("._-")
    return {"Content-Disposition": f'attachment; filename="{name or f"sample-{row}"}"'}
