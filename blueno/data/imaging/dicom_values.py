"""What a DICOM file says about its pixels, as plain checked values. Called by dicom.py and series.py.

The allow-list of this module is all that is ever read of a file: numbers about pixels and geometry, and words of closed
lists. Nothing else can get into metadata, whatever the file holds. pydicom turns bytes into values; it is given the
elements that dicom_walk.py cut out, and its words are never passed on, because they may quote what they complain about.
"""

from __future__ import annotations

import functools
import hashlib
import io
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.imaging.content import Content
from blueno.data.imaging.dicom_walk import NeedMore, Walked, walk

MAX_HEAD: Final = 8 << 20  # bytes before the pixels
_FIRST_READ: Final = 16 << 10

_ALLOWED: Final = {
    "Modality": 0x00080060, "SeriesInstanceUID": 0x0020000E, "InstanceNumber": 0x00200013,
    "ImagePositionPatient": 0x00200032, "ImageOrientationPatient": 0x00200037, "SliceThickness": 0x00180050,
    "SpacingBetweenSlices": 0x00180088, "ImagerPixelSpacing": 0x00181164, "SamplesPerPixel": 0x00280002,
    "PhotometricInterpretation": 0x00280004, "PlanarConfiguration": 0x00280006, "NumberOfFrames": 0x00280008,
    "Rows": 0x00280010, "Columns": 0x00280011, "PixelSpacing": 0x00280030, "BitsAllocated": 0x00280100,
    "BitsStored": 0x00280101, "HighBit": 0x00280102, "PixelRepresentation": 0x00280103, "WindowCenter": 0x00281050,
    "WindowWidth": 0x00281051, "RescaleIntercept": 0x00281052, "RescaleSlope": 0x00281053, "RescaleType": 0x00281054,
}  # fmt: skip
# Sequences of files with many frames, and what is read in them.
_SHARED, _PER_FRAME = 0x52009229, 0x52009230
_WITHIN: Final = {
    "PixelMeasuresSequence": 0x00289110, "PlanePositionSequence": 0x00209113, "PlaneOrientationSequence": 0x00209116,
    "PixelValueTransformationSequence": 0x00289145,
}  # fmt: skip
_GROUPS: Final = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_ENTERED: Final = frozenset((_SHARED, _PER_FRAME, *_WITHIN.values()))
_TAGS: Final = frozenset((*_ALLOWED.values(), _SHARED, _PER_FRAME))

MODALITIES: Final = frozenset(
    "AR BDUS BI BMD CR CT CTPROTOCOL DG DX ECG EPS ES GM HD IO IVOCT IVUS KER LEN LS MG MR NM OAM OCT OP OPM OPT "
    "OPTBSV OPTENF OPV OSS OT PA PT PX REG RF RG RTDOSE RTIMAGE SC SEG SM SRF TG US VA XA XC".split()
)
UNITS: Final = frozenset(("HU", "HU_MOD", "OD", "US", "MGML", "Z_EFF", "ED", "EDW", "PCT"))


@dataclass(frozen=True)
class Values:
    """Of one file. Its elements by keyword; `frames`: those of each frame, of files with many."""

    walked: Walked
    elements: Any
    frames: tuple[Any, ...] = ()

    @property
    def series(self) -> str:
        """What is common to the slices of a volume; not the file's own identifier, which leads back to a person."""
        return hashlib.sha256(self.text("SeriesInstanceUID").encode()).hexdigest()[:16]

    @property
    def modality(self) -> str:
        """A defined term, or ""."""
        found = self.text("Modality")
        return found if found in MODALITIES else ""

    @property
    def unit(self) -> str:
        """What true intensities are measured in, or ""."""
        found = self.text("RescaleType")
        return found if found in UNITS else "HU" if self.modality == "CT" and not found else ""

    def text(self, keyword: str) -> str:
        """Not for metadata: compare it with a closed list."""
        found = _value(self.elements, keyword)
        return str(found).strip() if found is not None and not isinstance(found, (list, tuple)) else ""

    def count(self, keyword: str, default: int | None = None) -> int:
        """A whole number, not negative. Raises BadSample when it is missing and has no default, or is none."""
        found = _value(self.elements, keyword)
        if found is None or found == "":
            if default is None:
                raise BadSample(BadSampleCode.CORRUPT, f"it has no {keyword}")
            return default
        try:
            number = int(found)
        except (TypeError, ValueError, OverflowError):
            number = -1
        if number < 0:
            raise BadSample(BadSampleCode.CORRUPT, f"{keyword} is no count")
        return number

    def numbers(self, keyword: str, count: int, frame: int | None = None) -> tuple[float, ...] | None:
        """So many finite numbers, None when the element is not there. Raises BadSample for anything else.

        `frame`: of that frame, or of all frames, before what the file says as a whole.
        """
        for place in self._places(frame):
            found = _floats(_value(place, keyword))
            if found:
                if len(found) < count or not all(map(math.isfinite, found)):
                    raise BadSample(BadSampleCode.CORRUPT, f"{keyword} are not {count} numbers")
                return found[:count]
        return None

    def _places(self, frame: int | None) -> list[Any]:
        if frame is None or not self.frames:
            return [self.elements]
        shared = _items(self.elements, _GROUPS[0])[:1]
        groups = [self.frames[frame], *shared] if frame < len(self.frames) else shared
        return [item for group in groups for name in _WITHIN for item in _items(group, name)[:1]] + [self.elements]


def values_of(content: Content) -> Values:
    """Reads as much of a DICOM file as lies before its pixels. Raises BadSample."""
    length = _FIRST_READ
    while True:
        part = bytes(content.read(0, min(length, content.size, MAX_HEAD)))
        try:
            walked = walk(part, _TAGS, _ENTERED)
            if walked.pixels is None and len(part) < content.size:
                raise NeedMore
            return _parsed(walked)
        except NeedMore:
            if len(part) == content.size:
                raise
            if len(part) == MAX_HEAD:
                raise BadSample(BadSampleCode.TOO_COMPLEX, f"no pixels in the first {MAX_HEAD} bytes") from None
            length *= 16


def _parsed(walked: Walked) -> Values:
    pydicom = _pydicom()
    try:
        syntax = walked.syntax
        elements = pydicom.filereader.read_dataset(io.BytesIO(walked.kept), syntax.implicit, syntax.little)
        return Values(walked, elements, tuple(_items(elements, _GROUPS[1])))
    except BadSample:
        raise
    except Exception as error:
        raise BadSample(BadSampleCode.CORRUPT, "its elements cannot be read") from error


def _value(elements: Any, keyword: str) -> Any:
    """None when it is not there. Raises BadSample."""
    try:
        return elements.get(keyword)
    except Exception as error:
        raise BadSample(BadSampleCode.CORRUPT, f"{keyword} cannot be read") from error


def _items(elements: Any, keyword: str) -> list[Any]:
    found = _value(elements, keyword)
    if found is None:
        return []
    try:
        return [item for item in found if hasattr(item, "get") and not isinstance(item, Mapping)]
    except TypeError as error:
        raise BadSample(BadSampleCode.CORRUPT, f"{keyword} is no sequence") from error


def _floats(value: Any) -> tuple[float, ...]:
    """Numbers of an element of one or many; NaN for what is none."""
    if value is None or value == "":
        return ()
    many = [value] if isinstance(value, (str, bytes, int, float)) else value
    try:
        return tuple(float(one) for one in many)
    except (TypeError, ValueError, OverflowError):
        return (math.nan,)


@functools.cache
def _pydicom() -> Any:
    """Silent: what it says may quote the file."""
    import pydicom
    from pydicom import config

    config.settings.reading_validation_mode = config.IGNORE
    logging.getLogger("pydicom").disabled = True
    return pydicom
