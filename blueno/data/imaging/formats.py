"""The formats of this package behind one door. Called by blueno/data/decode.py and blueno/dataserver."""

from __future__ import annotations

from typing import Any, Final

import numpy.typing as npt

from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.imaging import dicom, dicom_walk, inflate, nifti, series
from blueno.data.imaging.content import Content, Memory
from blueno.data.imaging.stack import Stack
from blueno.errors import BluenoError

NIFTI: Final = "nifti"
DICOM: Final = "dicom"
DICOM_SERIES: Final = "dicom-series"
_READERS: Final = {NIFTI: nifti.stack_of, DICOM: dicom.stack_of, DICOM_SERIES: series.stack_of}
KINDS: Final = frozenset(_READERS)


def sniff(start: bytes) -> str | None:
    """The format by a file's first bytes, None when it is none of these. Raises BadSample for a NIfTI that is cut."""
    if dicom_walk.is_dicom(start):
        return DICOM
    if series.is_tar(start):
        return DICOM_SERIES
    return NIFTI if nifti.version_of(nifti.head_of(start)) is not None else None


def stack_of(kind: str, content: Content) -> Stack:
    """Where the pixels lie and what they mean; nothing is taken into memory but headers. Raises BadSample."""
    try:
        return _READERS[kind](content)
    except (BadSample, BluenoError, OSError):
        raise
    except MemoryError as error:
        raise BadSample(BadSampleCode.TOO_MANY_PIXELS, "does not fit in memory") from error
    except Exception as error:  # the libraries raise what they like; their words may quote the file
        raise BadSample(BadSampleCode.CORRUPT, f"its header makes no sense ({type(error).__name__})") from error


def array(kind: str, data: bytes) -> npt.NDArray[Any]:
    """All true values, little-endian, C order. Raises BadSample."""
    content = Memory(data)
    return _array(stack_of(kind, content), content)


def examined(kind: str, data: bytes, limit: int) -> tuple[Stack, npt.NDArray[Any] | None]:
    """(stack, its array when it has at most `limit` bytes): everything is checked that decoding would find wrong."""
    content = Memory(data)
    stack = stack_of(kind, content)
    if stack.nbytes <= limit:
        return stack, _array(stack, content)
    if stack.is_compressed:
        for _ in inflate.blocks(content, stack.end):
            pass
    return stack, None


def _array(stack: Stack, content: Memory) -> npt.NDArray[Any]:
    try:
        return stack.array(Memory(inflate.whole(content, stack.end)) if stack.is_compressed else content)
    except MemoryError as error:
        raise BadSample(BadSampleCode.TOO_MANY_PIXELS, "does not fit in memory") from error
