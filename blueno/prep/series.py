"""Slices of a DICOM series that lie in one folder → one sample, which is a tar of them. Called by tree.py.

Which files belong together is in their headers, not in their names: they are read here, a few kilobytes of each. A
slice must say where it lies in the body: radiographs, ultrasound and photographs of one series stay images each. What
cannot be read stays a sample of its own, and fails alone when its turn comes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from blueno.data.badsample import MAX_SAMPLE_BYTES, BadSample, BadSampleCode
from blueno.data.imaging import dicom_walk, series
from blueno.data.imaging.dicom_values import Values, values_of
from blueno.data.layout import is_sample, may_be_dicom, series_name
from blueno.prep.entries import Entry

_TELLING: Final = 132  # bytes
_WORTH_UNPACKING: Final = 16 << 20  # bytes of a file that is unpacked only to see whether it is DICOM
_PARALLEL: Final = 1e-3
_TAR_BLOCK: Final = 512


@dataclass(frozen=True)
class _Slice:
    """What decides which other slices a file goes with."""

    series: str
    form: tuple[int, ...]
    directions: tuple[float, ...]

    def goes_with(self, other: _Slice) -> bool:
        """Whether both are of one volume."""
        same = (self.series, self.form) == (other.series, other.form)
        return same and bool(np.allclose(self.directions, other.directions, rtol=0, atol=_PARALLEL))


def unnamed_dicom(entries: Mapping[str, Entry]) -> set[str]:
    """Names without the ending of a sample whose first bytes are those of a DICOM file."""
    return {
        name
        for name, entry in entries.items()
        if entry.size > _TELLING
        and (entry.part is not None or entry.size <= _WORTH_UNPACKING)
        and may_be_dicom(name)
        and not is_sample(name)
        and _begins_as_dicom(entry)
    }


def fold(
    entries: Mapping[str, Entry], folders: Mapping[str, Sequence[str]], also: set[str], apart: Collection[str]
) -> tuple[dict[str, Entry], set[str]]:
    """`entries` with one entry in place of the slices of each series, and the names that are samples by now.

    `folders`: the DICOM files of each; those in `apart` stay as they are.
    """
    found, samples = dict(entries), set(also)
    for folder, names in folders.items():
        groups = _groups({name: entries[name] for name in names if name not in apart})
        for known, files in groups:
            key = series_name(folder, known.series, len(groups) == 1)
            if key in found:
                key = series_name(folder, known.series, is_alone=False)
            if key in found:  # several volumes of one series: by their first files
                key = f"{key}-{hashlib.sha256(files[0].encode()).hexdigest()[:8]}"
            slices = {name: found.pop(name) for name in files}
            samples.difference_update(files)
            found[key] = _joined(slices, len(folder) + 1 if folder else 0)
            samples.add(key)
    return found, samples


def _groups(files: Mapping[str, Entry]) -> list[tuple[_Slice, list[str]]]:
    """Files that make a volume together, two or more, in the order of their first names."""
    groups: list[tuple[_Slice, list[str]]] = []
    latest: dict[str, list[int]] = {}  # series → its groups
    for name, entry in files.items():
        slice_ = _slice(entry)
        if slice_ is None:
            continue
        numbers = latest.setdefault(slice_.series, [])
        number = next((n for n in numbers if groups[n][0].goes_with(slice_)), None)
        if number is None:
            numbers.append(len(groups))
            groups.append((slice_, [name]))
        else:
            groups[number][1].append(name)
    return [group for group in groups if len(group[1]) > 1]


def _slice(entry: Entry) -> _Slice | None:
    """None for what is no slice of a volume, or cannot be read."""
    try:
        values = values_of(_EntryContent(entry))
        if not values.text("SeriesInstanceUID") or values.count("NumberOfFrames", 1) > 1:
            return None
        directions, position = values.numbers("ImageOrientationPatient", 6), values.numbers("ImagePositionPatient", 3)
        if directions is None or position is None or values.walked.pixels is None:
            return None
        return _Slice(values.series, _form(values), directions)
    except (BadSample, OSError):
        return None


def _form(values: Values) -> tuple[int, ...]:
    return tuple(values.count(name, 0) for name in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated"))


def _begins_as_dicom(entry: Entry) -> bool:
    try:
        return dicom_walk.is_dicom(_EntryContent(entry).read(0, _TELLING))
    except (BadSample, OSError):
        return False


class _EntryContent:
    """An entry as imaging/content.py:Content. What cannot be read in parts is read once, as a whole."""

    def __init__(self, entry: Entry) -> None:
        self._entry, self.size = entry, entry.size
        self._whole: bytes | None = None

    def read(self, offset: int, length: int) -> bytes:
        """A part of it."""
        if self._entry.part is not None:
            data = self._entry.part(offset, length)
        else:
            self._whole = self._entry.read() if self._whole is None else self._whole
            data = self._whole[offset : offset + length]
        if len(data) < length:
            raise BadSample(BadSampleCode.TRUNCATED, "shorter than it was")
        return data


def _joined(slices: Mapping[str, Entry], prefix: int) -> Entry:
    """The entry of a series. Its files keep their names below the folder."""
    stamp = hashlib.sha256()
    for name, entry in slices.items():
        stamp.update(f"{name}\0{entry.size}\0{entry.stamp}\0".encode())
    size = sum(entry.size + 2 * _TAR_BLOCK for entry in slices.values())

    def read() -> bytes:
        if sum(entry.size for entry in slices.values()) > MAX_SAMPLE_BYTES:
            raise BadSample(BadSampleCode.TOO_LARGE, f"{len(slices)} slices")
        return series.pack(_read(slices, prefix))

    return Entry(size, stamp.hexdigest()[:32], read)


def _read(slices: Mapping[str, Entry], prefix: int) -> Iterator[tuple[str, bytes]]:
    for name, entry in slices.items():
        yield name[prefix:], entry.read()
