"""Encoded bytes → array, by an allow-list: PNG, JPEG, `.npy`, NIfTI and DICOM. Nothing else is ever tried.

Called by blueno/prep/verify.py (every sample, in full), blueno/data/dataset.py (samples of variable shape) and
blueno/dataserver (whole, or scaled down while decoding); calls headers.py first, and imaging/ for NIfTI and DICOM.
Pillow, nibabel and pydicom are imported when they are first needed. True intensities are kept: 16-bit grey stays
16-bit; palettes become RGB (RGBA when they have transparency), 1-bit becomes 0/255, CMYK becomes RGB; EXIF orientation
is not applied; slope and intercept of NIfTI and DICOM are.
"""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from blueno.data import npy
from blueno.data.badsample import MAX_SAMPLE_BYTES, BadSample, BadSampleCode
from blueno.data.headers import MAX_PIXELS, check_jpeg, check_png, check_size
from blueno.data.imaging import formats
from blueno.errors import BluenoError

SNIFFED = 16 << 10  # first bytes that tell a format
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_KEPT = {"L", "LA", "RGB", "RGBA"}


def sniff(data: bytes | memoryview) -> str:
    """The format by its first bytes (SNIFFED, or all when there are fewer): one of the column `format` of an index.

    Raises BadSample when it is none that is read.
    """
    start = bytes(data[:SNIFFED])
    if start.startswith(_PNG):
        return "png"
    if start.startswith(_JPEG):
        return "jpeg"
    if start.startswith(npy.MAGIC):
        return "npy"
    if not start:
        raise BadSample(BadSampleCode.EMPTY)
    if (kind := formats.sniff(start)) is not None:
        return kind
    if any(magic.startswith(start) for magic in (_PNG, _JPEG, npy.MAGIC)):
        raise BadSample(BadSampleCode.TRUNCATED, f"{len(start)} bytes")
    raise BadSample(BadSampleCode.UNKNOWN_FORMAT, "not PNG, JPEG, .npy, NIfTI or DICOM")


class Examined(NamedTuple):
    """What decoding in full said. `array` only when it is small enough to be wanted.

    `facts`: of NIfTI and DICOM, where the array lies in the body and the like, for the sample's metadata.
    """

    format: str
    shape: tuple[int, ...]
    dtype: str
    array: npt.NDArray[Any] | None
    facts: Mapping[str, Any] | None = None


def decode(data: bytes) -> tuple[str, npt.NDArray[Any]]:
    """(format, array). Images are (height, width, channels). Decodes in full. Raises BadSample, nothing else."""
    kind = _checked(data)
    if kind == "npy":
        return kind, npy.decode(data, MAX_PIXELS)
    if kind in formats.KINDS:
        return kind, formats.array(kind, data)
    with opened(data, kind) as image:
        return kind, pixels(image)


def examine(data: bytes, limit: int, room: Callable[[int], AbstractContextManager[None]]) -> Examined:
    """Decodes in full, as `decode` does, but makes no array of more than `limit` bytes. Raises BadSample, nothing else.

    `room(bytes)` is entered while a large image lies in memory: it may wait until there is room.
    """
    kind = _checked(data)
    if kind == "npy":
        dtype, shape, size = npy.checked(data, MAX_PIXELS)
        return Examined(
            kind, shape, dtype.newbyteorder("<").str, npy.decode(data, MAX_PIXELS) if size <= limit else None
        )
    if kind in formats.KINDS:
        stack, array = formats.examined(kind, data, limit)
        return Examined(kind, stack.shape, stack.dtype.str, array, stack.facts)
    with opened(data, kind) as image:
        width, height = image.size
        scanned = 6 if kind == "jpeg" else 0  # what libjpeg keeps of all three components when there are several scans
        with room(width * height * (4 + scanned)):
            image.load()
            if width * height * 4 <= limit:
                array = pixels(image)
                return Examined(kind, array.shape, array.dtype.str, array if array.nbytes <= limit else None)
            corner = pixels(image.crop((0, 0, 1, 1)))
            return Examined(kind, (height, width, corner.shape[2]), corner.dtype.str, None)


def _checked(data: bytes) -> str:
    kind = sniff(data)
    if len(data) > MAX_SAMPLE_BYTES:
        raise BadSample(BadSampleCode.TOO_LARGE, f"{len(data)} bytes")
    return kind


@contextmanager
def opened(data: bytes | BinaryIO, kind: str) -> Iterator[Any]:
    """The Pillow image of a "png" or "jpeg", its size checked and nothing decoded yet.

    A file is read as far as it is needed, so that its bytes never lie in memory as a whole. Whatever goes wrong while
    it is open, decoding included, is raised as BadSample; errors of ours pass.
    """
    if isinstance(data, bytes):
        (check_png if kind == "png" else check_jpeg)(data)
    try:
        file = io.BytesIO(data) if isinstance(data, bytes) else data
        with _pillow().open(file, formats=[kind.upper()]) as image:
            check_size(*image.size)
            if getattr(image, "n_frames", 1) > 1:
                raise BadSample(BadSampleCode.ANIMATED, f"{image.n_frames} frames")
            yield image
    except (BadSample, BluenoError):
        raise
    except MemoryError as error:
        raise BadSample(BadSampleCode.TOO_MANY_PIXELS, "does not fit in memory") from error
    except Exception as error:  # Pillow raises whatever its plugins raise: every one means this sample is bad
        text = str(error)
        if type(error).__name__.startswith("DecompressionBomb"):  # the header alone made Pillow refuse
            raise BadSample(BadSampleCode.TOO_MANY_PIXELS, text[:120]) from error
        short = "truncated" in text.lower() or isinstance(error, (EOFError, struct.error))
        raise BadSample(BadSampleCode.TRUNCATED if short else BadSampleCode.CORRUPT, text[:120]) from error


def pixels(image: Any) -> npt.NDArray[Any]:
    """(height, width, channels) of an `opened` image, or of a part of it, with its true intensities."""
    mode = image.mode
    if mode.startswith("I;16") or mode == "I":
        array = np.asarray(image).astype("<u2")
    else:
        array = np.asarray(image if mode in _KEPT else image.convert(shown_mode(image)))
    return array[:, :, np.newaxis] if array.ndim == 2 else array


def shown_mode(image: Any) -> str:
    """The mode whose numbers are an image's 8-bit intensities: L, LA, RGB or RGBA."""
    mode: str = image.mode
    if mode in _KEPT:
        return mode
    if mode == "1":
        return "L"
    if mode in ("P", "PA"):
        return "RGBA" if mode == "PA" or "transparency" in image.info else "RGB"
    return "RGB"  # CMYK, YCbCr


@functools.cache
def _pillow() -> Any:
    from PIL import Image

    return Image


def dimensions(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(width, height, depth, channels) of an array of 1 to 4 dimensions.

    (h, w), (h, w, c ≤ 4), (d, h, w), (d, h, w, c).
    """
    if len(shape) == 4:
        return shape[2], shape[1], shape[0], shape[3]
    if len(shape) == 3:
        return (shape[1], shape[0], 1, shape[2]) if shape[2] <= 4 else (shape[2], shape[1], shape[0], 1)
    if len(shape) == 2:
        return shape[1], shape[0], 1, 1
    return (shape[0] if shape else 1), 1, 1, 1
