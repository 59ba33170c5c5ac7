"""Samples as the server tells of them, as they are handed over to be added, and what became of that: frozen values.

Built by samples.py and upload.py; printed by blueno/cli.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from blueno.client.reading import Fields
from blueno.errors import BluenoError, Conflict

FIRST_REFUSED = 1000  # refused samples that a result tells one by one; all are counted


@dataclass(frozen=True)
class Sample:
    """One sample of a sealed version. `label` and `metadata` are any JSON values; `raw` is what it was read from."""

    key: str
    split: str
    label: Any
    group: str | None
    bytes: int
    width: int
    height: int
    depth: int
    channels: int
    dtype: str
    format: str
    sha256: str
    metadata: Any
    row: int  # its place in the version's index
    version: str  # digest
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, fields: Fields, version: str) -> Sample:
        """From JSON. Raises BluenoError."""
        values: dict[str, Any] = {key: fields.text(key, "") for key in ("key", "split", "dtype", "format", "sha256")}
        for key in ("bytes", "width", "height", "depth", "channels", "row"):
            values[key] = fields.whole(key, 0)
        values |= {"label": _json_text(fields, "label"), "metadata": fields.raw.get("metadata")}
        return cls(**values, group=fields.text_or_none("group"), version=version, raw=fields.raw)


@dataclass(frozen=True)
class WorkingSample:
    """One sample of the working set: it was added since, and `seal` makes it part of a version. `etag`: its state."""

    key: str
    split: str | None
    label: Any
    group: str | None
    metadata: Any
    bytes: int
    sha256: str
    etag: str
    seq: int
    time: datetime | None
    by: str | None
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, fields: Fields, *, label_is_text: bool) -> WorkingSample:
        """From JSON: pages have labels as texts of JSON, single records as they are. Raises BluenoError."""
        return cls(
            key=fields.text("key"),
            split=fields.text_or_none("split"),
            label=_json_text(fields, "label") if label_is_text else fields.raw.get("label"),
            group=fields.text_or_none("group"),
            metadata=fields.raw.get("metadata"),
            bytes=fields.whole("bytes"),
            sha256=fields.text("sha256"),
            etag=fields.text("etag", ""),
            seq=fields.whole("seq", 0),
            time=fields.time("time"),
            by=fields.text_or_none("by"),
            raw=fields.raw,
        )


@dataclass(frozen=True)
class NewSample:
    """One sample to be added. `content`: its bytes, a path, or a file open for reading.

    `label` is any JSON value. `replace`: takes the place of a sample of that key; `if_match`: only of the one with that
    etag.
    """

    key: str
    content: bytes | str | Path | BinaryIO
    split: str | None = None
    label: Any = None
    group: str | None = None
    metadata: Mapping[str, Any] | None = None
    replace: bool = False
    if_match: str | None = None

    def etag(self, sha256: str) -> str:
        """Of the sample that this becomes: equal for equal content and record."""
        record = {
            "sha256": sha256,
            "split": self.split,
            "label": self.label,
            "group": self.group,
            "metadata": self.metadata,
        }
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class SampleConflict(Conflict):
    """There is another sample of that key; `etag` is what to give as `if_match` to replace it."""

    def __init__(self, message: str, etag: str | None) -> None:
        super().__init__(message)
        self.etag = etag


@dataclass(frozen=True)
class Refused:
    """A sample that was not taken, and why.

    Codes of the server: conflict, precondition_failed, digest_mismatch, invalid, too_large; ours: unreadable (the
    file), changed (while it was sent). `etag`: of what is there instead.
    """

    key: str
    code: str
    detail: str
    etag: str | None = None


@dataclass(frozen=True)
class Uploaded:
    """What became of samples. `same`: were there already; of those, `skipped` were not even sent again.

    `refused` counts all that were not taken; `first_refused` are the first of them.
    """

    created: int = 0
    same: int = 0
    replaced: int = 0
    skipped: int = 0
    refused: int = 0
    first_refused: tuple[Refused, ...] = ()
    bytes: int = 0  # of the contents of all that were looked at
    revision: int = 0  # of the working set, after the last of them

    @property
    def samples(self) -> int:
        """That were looked at."""
        return self.created + self.same + self.replaced + self.refused


@dataclass(frozen=True)
class UploadProgress:
    """How far it is; `of_samples` and `of_bytes` are None while nobody knows."""

    samples: int
    of_samples: int | None
    bytes: int
    of_bytes: int | None
    so_far: Uploaded


@dataclass(frozen=True)
class Removed:
    """How many went, and how many were not there."""

    removed: int
    missing: int
    revision: int


@dataclass(frozen=True)
class Facets:
    """Splits and labels with their numbers of samples, biggest first; `more_labels`: these are not all of them."""

    total: int
    splits: tuple[tuple[str, int], ...]
    labels: tuple[tuple[Any, int], ...]
    more_labels: bool

    @classmethod
    def parse(cls, value: Any) -> Facets:
        """From JSON. Raises BluenoError."""
        fields = Fields(value, "facets")
        splits = tuple((one.text("name"), one.whole("samples")) for one in fields.each("splits"))
        labels = tuple((_json_text(one, "label"), one.whole("samples")) for one in fields.each("labels"))
        return cls(fields.whole("total"), splits, labels, fields.truth("moreLabels"))


def _json_text(fields: Fields, key: str) -> Any:
    """A value that travels as a text of JSON."""
    text = fields.text_or_none(key)
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BluenoError(f"the server's answer is not understood: {fields.where}.{key} is no JSON") from None
