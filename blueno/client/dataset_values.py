"""What the server says about data sets, as frozen values. Built by datasets.py from JSON; printed by blueno/cli."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from blueno.client.reading import Fields


@dataclass(frozen=True)
class Preparation:
    """How far it is."""

    stage: str | None
    percentage: int  # 0 – 100
    remaining_seconds: int | None

    @classmethod
    def parse(cls, fields: Fields) -> Preparation:
        """From JSON. Raises BluenoError."""
        remaining = fields.whole_or_none("estimatedRemainingSeconds")
        return cls(fields.text_or_none("stage"), fields.whole("percentage", 0), remaining)


@dataclass(frozen=True)
class VersionRef:
    """Which version is meant by default."""

    digest: str
    sequence: int

    @classmethod
    def parse(cls, fields: Fields) -> VersionRef:
        """From JSON. Raises BluenoError."""
        return cls(fields.text("digest"), fields.whole("sequence", 0))


@dataclass(frozen=True)
class DatasetSummary:
    """One data set as in a list. Times are aware, in UTC. `raw` is the JSON it was read from."""

    uid: str
    namespace: str
    name: str
    display_name: str | None
    ready: bool
    reconciling: bool
    stalled: bool
    reason: str
    message: str
    progress: Preparation | None
    samples: int | None
    bytes: int | None
    classes: int | None
    version: VersionRef | None
    indexed: bool  # its version can be searched
    managed_by: str | None
    created_at: datetime | None
    changed_at: datetime | None
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def settled(self) -> bool:
        """Whether nothing will change by itself: it is ready, or only a person can help."""
        return self.stalled or (self.ready and not self.reconciling)

    @classmethod
    def parse(cls, value: Any, where: str = "dataset") -> Self:
        """From JSON. Raises BluenoError for what is not understood."""
        fields = Fields(value, where)
        return cls(**_common(fields), **cls._more(fields))

    @classmethod
    def _more(cls, _fields: Fields) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Dataset(DatasetSummary):
    """Everything about one data set. `spec` is the object's own, with the cluster's defaults."""

    description: str | None
    license: str | None
    source: str
    splits: Mapping[str, int]  # name → samples
    conditions: tuple[Mapping[str, Any], ...]
    last_handled_request: str | None  # of `seal`, `retry` and `refresh`: the last one that was acted on
    spec: Mapping[str, Any] = field(repr=False)

    @classmethod
    def _more(cls, _fields: Fields) -> dict[str, Any]:
        return {
            "description": _fields.text_or_none("description"),
            "license": _fields.text_or_none("license"),
            "source": _fields.text("source", ""),
            "splits": {one.text("name"): one.whole("samples", 0) for one in _fields.each("splits")},
            "conditions": tuple(one.raw for one in _fields.each("conditions")),
            "last_handled_request": _fields.text_or_none("lastHandledRequest"),
            "spec": _fields.free("spec"),
        }


@dataclass(frozen=True)
class Version:
    """A sealed version whose samples can be searched."""

    digest: str
    sequence: int
    sealed_at: datetime | None
    samples: int
    bytes: int
    current: bool
    classes: tuple[str, ...]
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, fields: Fields) -> Version:
        """From JSON. Raises BluenoError."""
        return cls(
            digest=fields.text("digest"),
            sequence=fields.whole("sequence"),
            sealed_at=fields.time("sealedAt"),
            samples=fields.whole("samples"),
            bytes=fields.whole("bytes"),
            current=fields.truth("current"),
            classes=fields.texts("classes"),
            raw=fields.raw,
        )


@dataclass(frozen=True)
class HistoryEntry:
    """What a condition of it said once."""

    at: datetime | None
    condition: str
    status: str
    reason: str
    message: str

    @classmethod
    def parse(cls, fields: Fields) -> HistoryEntry:
        """From JSON. Raises BluenoError."""
        texts = (fields.text(key, "") for key in ("condition", "status", "reason", "message"))
        return cls(fields.time("at"), *texts)


def _common(fields: Fields) -> dict[str, Any]:
    return {
        "uid": fields.text("uid", ""),
        "namespace": fields.text("namespace"),
        "name": fields.text("name"),
        "display_name": fields.text_or_none("displayName"),
        "ready": fields.truth("ready"),
        "reconciling": fields.truth("reconciling"),
        "stalled": fields.truth("stalled"),
        "reason": fields.text("reason", ""),
        "message": fields.text("message", ""),
        "progress": fields.maybe("progress", Preparation.parse),
        "samples": fields.whole_or_none("samples"),
        "bytes": fields.whole_or_none("bytes"),
        "classes": fields.whole_or_none("classes"),
        "version": fields.maybe("version", VersionRef.parse),
        "indexed": fields.truth("indexed"),
        "managed_by": fields.text_or_none("managedBy"),
        "created_at": fields.time("createdAt"),
        "changed_at": fields.time("changedAt"),
        "raw": fields.raw,
    }
