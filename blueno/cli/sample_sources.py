"""Files, directories, lists and standard input as samples. Called by sample_add.py; calls blueno/client/contents.py.

Nothing is held but the line that is read: a list may have a million of them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from blueno.client.words import plain
from blueno.errors import InvalidSpec

if TYPE_CHECKING:
    from blueno.client.sample_values import NewSample

FIELDS = ("path", "key", "split", "label", "group", "metadata")
LINE = 1 << 20  # characters of one line of a list


@dataclass(frozen=True)
class Said:
    """What the options say of every sample; None: nothing."""

    split: str | None = None
    label: Any = None
    group: str | None = None
    metadata: Mapping[str, Any] | None = None
    layout: str | None = None
    prefix: str = ""
    key: str | None = None
    replace: bool = False


def said(options: Mapping[str, Any]) -> Said:
    """From the command line. Raises InvalidSpec."""
    metadata = options["metadata"]
    if metadata is not None:
        try:
            metadata = json.loads(metadata)
        except (ValueError, RecursionError) as error:
            raise InvalidSpec("--metadata", f"is not JSON: {plain(str(error), 100)}") from None
        if not isinstance(metadata, dict):
            raise InvalidSpec("--metadata", 'must be an object of JSON, like {"device": "A"}')
    layout = options["layout"]
    return Said(
        **{**options, "label": label_of(options["label"]), "metadata": metadata, "layout": layout and str(layout)}
    )


def label_of(text: str | None) -> Any:
    """A label as it is typed: JSON where it is some, else the text."""
    if text is None:
        return None
    try:
        return json.loads(text, parse_constant=lambda _: _not_json())
    except (ValueError, RecursionError):
        return text


@dataclass(frozen=True)
class Source:
    """Everything that one command adds. Raises InvalidSpec, at once for what contradicts itself."""

    paths: tuple[str, ...]
    listed: str | None
    said: Said
    stdin: BinaryIO = field(repr=False)

    def __post_init__(self) -> None:
        if not self.paths and self.listed is None:
            raise InvalidSpec("PATH", "is missing: name files or directories, or a --list")
        if self.paths and self.listed is not None:
            raise InvalidSpec("--list", "names the files itself: leave out PATH")
        if self.said.key is not None and (len(self.paths) != 1 or Path(self.paths[0]).is_dir()):
            raise InvalidSpec("--key", "goes with one file")
        if "-" in self.paths and (len(self.paths) > 1 or self.said.key is None):
            raise InvalidSpec("--key", "must say what standard input is called; it is one file, alone")
        for path in self.paths:
            if path != "-" and not Path(path).exists():
                raise InvalidSpec("PATH", f"{plain(path, 200)} is not there")

    def __iter__(self) -> Iterator[NewSample]:
        for sample in self._found():
            yield self._with_what_is_said(sample)

    def lines(self) -> Iterator[str]:
        """What would be sent, a line of JSON each."""
        for one in self:
            shown = {"key": one.key, "path": str(one.content), "split": one.split, "label": one.label}
            more = {"group": one.group, "metadata": one.metadata}
            yield json.dumps({key: value for key, value in (shown | more).items() if value is not None})

    def count(self) -> tuple[int, int] | None:
        """Files and bytes; None when nobody knows before they are read."""
        from blueno.client import contents

        files = total = 0
        if self.listed is not None or "-" in self.paths:
            return None
        for path in self.paths:
            below = contents.size_of(path, self._describe())
            files += below[0] if below else 1
            total += below[1] if below else Path(path).stat().st_size
        return files, total

    def _found(self) -> Iterator[NewSample]:
        from blueno.client import contents
        from blueno.client.sample_values import NewSample

        if self.listed is not None:
            yield from _of_list(self.listed)
        for path in self.paths:
            if self.said.key is not None:
                yield NewSample(self.said.key, self.stdin if path == "-" else path)
            else:
                yield from contents.samples_of(path, self._describe(), False)

    def _describe(self) -> Any:
        from blueno.client import contents

        return None if self.said.layout is None else contents.by_folders(self.said.layout)

    def _with_what_is_said(self, sample: NewSample) -> NewSample:
        """What a list or a directory says of a sample goes before the options, which are for all."""
        given = self.said
        return replace(
            sample,
            key=f"{given.prefix}{sample.key}",
            split=sample.split if sample.split is not None else given.split,
            label=sample.label if sample.label is not None else given.label,
            group=sample.group if sample.group is not None else given.group,
            metadata={**(given.metadata or {}), **sample.metadata} if sample.metadata else given.metadata,
            replace=given.replace,
        )


def _of_list(path: str) -> Iterator[NewSample]:
    """Samples of a CSV with a head, or of lines of JSON; paths are below the list's own directory."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = _csv_rows(file, path) if path.lower().endswith((".csv", ".tsv")) else _json_rows(file, path)
            for number, row in rows:
                yield _of_row(row, Path(path).parent, f"{plain(path, 200)}, line {number}")
    except OSError as error:
        raise InvalidSpec("--list", f"{plain(path, 200)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidSpec("--list", f"{plain(path, 200)} is not UTF-8") from None


def _csv_rows(file: IO[str], path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    where = plain(path, 200)
    reader = csv.reader(file, delimiter="\t" if path.lower().endswith(".tsv") else ",", strict=True)
    try:
        head = next(reader, [])
        unknown = [name for name in head if name not in FIELDS]
        if "path" not in head or unknown or len(set(head)) < len(head):
            why = f"; {plain(unknown[0], 60)!r} is none of them" if unknown else ""
            raise InvalidSpec(
                "--list", f"{where} begins with a line of names out of {', '.join(FIELDS)}{why}; path is one"
            )
        for cells in reader:
            if cells and len(cells) != len(head):
                raise InvalidSpec(
                    "--list", f"{where}, line {reader.line_num}: {len(cells)} cells and {len(head)} names"
                )
            if cells:
                row: dict[str, Any] = {key: cell for key, cell in zip(head, cells, strict=True) if cell != ""}
                if "label" in row:
                    row["label"] = label_of(row["label"])
                if "metadata" in row:
                    row["metadata"] = _json(row["metadata"], f"{where}, line {reader.line_num}")
                yield reader.line_num, row
    except csv.Error as error:
        raise InvalidSpec("--list", f"{where}, line {reader.line_num}: {error}") from None


def _json_rows(file: IO[str], path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    where, number = plain(path, 200), 0
    while line := file.readline(LINE):
        number += 1
        if len(line) == LINE and not line.endswith("\n"):
            raise InvalidSpec("--list", f"{where}, line {number} is longer than {LINE} characters")
        if not line.strip():
            continue
        row = _json(line, f"{where}, line {number}")
        if not isinstance(row, dict):
            raise InvalidSpec("--list", f"{where}, line {number} is no object of JSON")
        yield number, row


def _of_row(row: Mapping[str, Any], folder: Path, where: str) -> NewSample:
    from blueno.client.sample_values import NewSample

    path = row.get("path")
    unknown = [key for key in row if key not in FIELDS]
    if unknown:
        raise InvalidSpec("--list", f"{where}: {plain(unknown[0], 60)!r} is none of {', '.join(FIELDS)}")
    for key in ("path", "key", "split", "group"):
        if not isinstance(row.get(key, "x"), str) or row.get(key) == "":
            raise InvalidSpec("--list", f"{where}: {key} must be a text")
    if path is None:
        raise InvalidSpec("--list", f"{where}: path is missing")
    metadata = row.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise InvalidSpec("--list", f"{where}: metadata must be an object of JSON")
    key = row.get("key") or path
    return NewSample(
        key, folder / path, split=row.get("split"), label=row.get("label"), group=row.get("group"), metadata=metadata
    )


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda _: _not_json())
    except (ValueError, RecursionError) as error:
        raise InvalidSpec("--list", f"{where} is not JSON: {plain(str(error), 100)}") from None


def _not_json() -> Any:
    raise ValueError("NaN and Infinity are no JSON")
