"""Files with names → a Reading, by the data set's layout. Called by sources/archive.py and sources/claim.py.

Calls series.py first, which makes one of the slices of a DICOM series.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blueno.data.badsample import BadSample, BadSampleCode
from blueno.data.digest import canonical_json
from blueno.data.layout import Placement, find_labels_file, is_sample, named_in, place, slices_by_folder
from blueno.errors import InvalidSpec
from blueno.prep.entries import Entry
from blueno.prep.samples import Reading, Sample
from blueno.prep.series import fold, unnamed_dicom

MAX_LABELS_BYTES = 1 << 30


def reading_of(
    entries: Mapping[str, Entry],
    bad: list[tuple[str, BadSampleCode]],
    layout: Mapping[str, Any],
    revision: dict[str, Any],
    ignored: int = 0,
) -> Reading:
    """Places `entries` (path → Entry). `bad`: members that were refused; those that are no samples count as ignored.

    Raises InvalidSpec when the layout does not hold.
    """
    paths = list(entries)
    labels_file = find_labels_file(paths, layout)
    text = None if labels_file is None else _text(labels_file, entries[labels_file])
    also = unnamed_dicom(entries)
    if slices := slices_by_folder(paths, also):
        apart = named_in(labels_file, text, layout) if labels_file is not None and text is not None else set()
        entries, also = fold(entries, slices, also, apart)
        paths = list(entries)
    placement = place(paths, layout, text, also)
    refused = [(key, code) for key, code in bad if is_sample(key)]
    return Reading(
        samples=_samples(entries, placement),
        revision=revision,
        total=len(placement.samples),
        total_bytes=sum(entries[s.path].size for s in placement.samples),
        classes=placement.classes,
        ignored=placement.ignored + ignored + len(bad) - len(refused),
        bad=[*refused, *placement.bad],
    )


def _samples(entries: Mapping[str, Entry], placement: Placement) -> Iterator[Sample]:
    labels = {label: canonical_json(label) for label in placement.classes}
    for one in placement.samples:
        entry = entries[one.path]
        label = None if one.label is None else labels[one.label]
        metadata = None if one.metadata is None else canonical_json(one.metadata)
        yield Sample(one.key, one.split, label, one.group, metadata, entry.size, entry.stamp, entry.read)


def _text(name: str, entry: Entry) -> str:
    if entry.size > MAX_LABELS_BYTES:
        raise InvalidSpec("spec.layout.labelsFile", f"{name} has {entry.size} bytes; {MAX_LABELS_BYTES} are the most")
    try:
        return entry.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidSpec(
            "spec.layout.labelsFile", f"{name} is not UTF-8 ({error.reason} at byte {error.start})"
        ) from error
    except BadSample as error:
        raise InvalidSpec("spec.layout.labelsFile", f"{name} cannot be read: {error}") from error
