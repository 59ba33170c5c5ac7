"""Reads the text of a labels file (CSV, or TSV by its ending). Called by blueno/data/layout.py. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blueno.errors import InvalidSpec

# Names tried when spec.layout.columns does not say, in this order.
DEFAULT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "file", "filename", "file_name", "image"),
    "label": ("label", "class"),
    "split": ("split",),
    "group": ("group",),
}


@dataclass(frozen=True)
class LabelRow:
    """A line of a labels file. Empty fields are None."""

    path: str
    label: str | None
    split: str | None
    group: str | None
    metadata: Mapping[str, str] | None  # every further column that is not empty


def parse_labels(text: str, name: str, columns: Mapping[str, str]) -> list[LabelRow]:
    """One LabelRow per line after the header. Raises InvalidSpec when a column is missing or a line is malformed."""
    csv.field_size_limit(1 << 20)
    reader = csv.reader(
        io.StringIO(text.removeprefix("\ufeff"), newline=""),
        delimiter="\t" if name.endswith(".tsv") else ",",
        strict=True,
    )
    try:
        header = next(reader, None)
        if not header:
            raise InvalidSpec("spec.layout.labelsFile", f"{name} is empty; its first line must name the columns")
        places = _columns(header, columns)
        others = [i for i in range(len(header)) if i not in places.values() and header[i]]
        return [_row(line, header, places, others) for line in reader if line]
    except (csv.Error, IndexError) as error:
        raise InvalidSpec(
            "spec.layout.labelsFile", f"{name}, line {reader.line_num}: {error or 'too few fields'}"
        ) from error


def _columns(header: Sequence[str], wanted: Mapping[str, str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for role, defaults in DEFAULT_COLUMNS.items():
        named = wanted.get(role)
        found = next((c for c in ([named] if named else defaults) if c in header), None)
        if found is not None:
            places[role] = header.index(found)
        elif named or role == "path":
            raise InvalidSpec(
                f"spec.layout.columns.{role}",
                f"the labels file has no column {named or ' or '.join(defaults)!r}; it has {', '.join(header)[:500]}",
            )
    return places


def _row(line: Sequence[str], header: Sequence[str], places: Mapping[str, int], others: Sequence[int]) -> LabelRow:
    if len(line) != len(header):
        raise csv.Error(f"{len(line)} fields where the header has {len(header)}")

    def value(role: str) -> str | None:
        return (line[places[role]] or None) if role in places else None

    metadata = {header[i]: line[i] for i in others if line[i]} or None
    return LabelRow(line[places["path"]].removeprefix("./"), value("label"), value("split"), value("group"), metadata)
