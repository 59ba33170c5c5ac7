"""Reads a manifest line by line: NDJSON or CSV. Called by manifest_put.py. A bad line fails alone.

Nothing of a manifest is kept in memory but the line in hand.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Final

from blueno.ingest.failure import Failed
from blueno.resources.sample import KEY_LIMIT, LABEL_LIMIT, METADATA_LIMIT, SPLIT_LIMIT, canonical
from blueno.resources.sample_reasons import SampleReason as Reason
from blueno.resources.spec_types import is_deep

MAX_LINES: Final = 1_000_000
MAX_BYTES: Final = 1 << 30  # of a manifest
MAX_LINE: Final = 64 << 10  # bytes
FIELDS: Final = ("uri", "key", "sha256", "label", "split", "group", "metadata")

INVALID_LINE = "InvalidLine"
LINE_TOO_LONG = "LineTooLong"


@dataclass(frozen=True)
class Line:
    """One sample as a manifest lists it; `code` says what is wrong with the line, "" when it can be used."""

    number: int  # of the line, from 1
    fields: Mapping[str, Any]
    code: str = ""


def read_lines(file: IO[bytes], is_csv: bool) -> Iterator[Line]:
    """Every line that lists a sample. Raises Failed BadManifest when the file cannot be a manifest."""
    file.seek(0)
    yield from _csv(file) if is_csv else _ndjson(file)


def count_lines(file: IO[bytes], is_csv: bool) -> int:
    """How many samples it lists, before the first of them is fetched. Raises Failed BadManifest."""
    count = 0
    for _ in read_lines(file, is_csv):
        count += 1
        if count > MAX_LINES:
            raise Failed(Reason.BAD_MANIFEST, f"the manifest lists more than {MAX_LINES} samples: split it")
    if not count:
        raise Failed(Reason.BAD_MANIFEST, "the manifest lists no sample")
    return count


def _ndjson(file: IO[bytes]) -> Iterator[Line]:
    for number, raw in _lines(file):
        if raw is None:
            yield Line(number, {}, LINE_TOO_LONG)
        elif raw.strip():
            yield _parsed(number, raw)


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """(number, line); None for a line that is too long, of which no more than that is ever in memory."""
    number = 0
    while raw := file.readline(MAX_LINE + 1):
        number += 1
        if number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        if len(raw) <= MAX_LINE:
            yield number, raw
            continue
        while raw and not raw.endswith(b"\n"):
            raw = file.readline(MAX_LINE)
        yield number, None


def _parsed(number: int, raw: bytes) -> Line:
    try:
        found = json.loads(raw.decode())
    except (ValueError, RecursionError):
        return Line(number, {}, INVALID_LINE)
    return _checked(number, found) if isinstance(found, dict) else Line(number, {}, INVALID_LINE)


def _csv(file: IO[bytes]) -> Iterator[Line]:
    reader = csv.reader(_texts(file), strict=True)
    header: list[str] | None = None
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            if header is None:
                raise Failed(Reason.BAD_MANIFEST, "the first line of the manifest is no CSV") from None
            yield Line(reader.line_num, {}, INVALID_LINE)
            continue
        if header is None:
            header = _header(row)
        elif row:
            yield _row(reader.line_num, header, row)


def _texts(file: IO[bytes]) -> Iterator[str]:
    """Lines for the CSV reader; one that is no text or too long becomes one that no reader takes."""
    for _, raw in _lines(file):
        try:
            yield "\0\n" if raw is None else raw.decode()
        except UnicodeDecodeError:
            yield "\0\n"


def _header(row: list[str]) -> list[str]:
    names = [name.strip() for name in row]
    strange = [number for number, name in enumerate(names, 1) if name not in FIELDS]
    if "uri" not in names or strange or len(set(names)) != len(names):
        what = f"column {strange[0]} is none of them" if strange else "each once, and uri among them"
        raise Failed(
            Reason.BAD_MANIFEST, f"the first line of a CSV manifest names columns: {', '.join(FIELDS)}; {what}"
        )
    return names


def _row(number: int, header: list[str], row: list[str]) -> Line:
    if len(row) != len(header) or any("\0" in value for value in row):
        return Line(number, {}, INVALID_LINE)
    found: dict[str, Any] = {name: value for name, value in zip(header, row, strict=True) if value != ""}
    if "metadata" in found:
        try:
            found["metadata"] = json.loads(found["metadata"])
        except (ValueError, RecursionError):
            return Line(number, {}, INVALID_LINE)
    if "label" in found:
        found["label"] = _label(found["label"])
    return _checked(number, found)


def _label(text: str) -> Any:
    """A cell has no type: what is JSON is taken as it, anything else as a text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _checked(number: int, found: Mapping[str, Any]) -> Line:
    """Types and bounds of every field that is ours; others are left out."""
    texts = {"uri": 2048, "key": KEY_LIMIT, "sha256": 64, "split": SPLIT_LIMIT, "group": KEY_LIMIT}
    fields: dict[str, Any] = {}
    for name, most in texts.items():
        value = found.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not 0 < len(value) <= most or not _is_text(value):
            return Line(number, {}, INVALID_LINE)
        fields[name] = value
    for name, limit in (("label", LABEL_LIMIT), ("metadata", METADATA_LIMIT)):
        value = found.get(name)
        if value is None:
            continue
        if not _fits(value, limit) or (name == "metadata" and not isinstance(value, dict)):
            return Line(number, {}, INVALID_LINE)
        fields[name] = value
    good = "uri" in fields and (len(fields.get("sha256", "0" * 64)) == 64)
    return Line(number, fields if good else {}, "" if good else INVALID_LINE)


def _fits(value: Any, limit: int) -> bool:
    try:
        text = "" if is_deep(value) else canonical(value)
        return bool(text) and len(text.encode()) <= limit and "NaN" not in text and "Infinity" not in text
    except ValueError:  # half a surrogate pair
        return False


def _is_text(value: str) -> bool:
    return not any(ord(sign) < 32 or ord(sign) == 127 or 0xD800 <= ord(sign) <= 0xDFFF for sign in value)
