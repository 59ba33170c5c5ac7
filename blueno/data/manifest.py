"""`manifest.json`: what a sealed version holds. Written by prep/seal.py, read by data/dataset.py. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FORMAT_VERSION = 1


@dataclass(frozen=True)
class DataFile:
    """A file of a version, by its name in the version's directory."""

    name: str
    bytes: int
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "bytes": self.bytes, "sha256": self.sha256}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> DataFile:
        return cls(str(body["name"]), int(body["bytes"]), str(body["sha256"]))


@dataclass(frozen=True)
class Shard:
    """A run of samples of one split. At least one of `raw` and `dense` is there."""

    split: str
    first: int  # row of its first sample in the index
    samples: int
    identity: str  # of (key, content) of its samples: equal identities are equal shards
    raw: DataFile | None = None  # data-NNNNN.arrow: original encoded bytes
    dense: DataFile | None = None  # data-NNNNN.npy: pixels

    def to_dict(self) -> dict[str, Any]:
        body: dict[str, Any] = {"split": self.split, "first": self.first, "samples": self.samples}
        body["identity"] = self.identity
        if self.raw is not None:
            body["raw"] = self.raw.to_dict()
        if self.dense is not None:
            body["dense"] = self.dense.to_dict()
        return body

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Shard:
        raw, dense = body.get("raw"), body.get("dense")
        return cls(
            split=str(body["split"]),
            first=int(body["first"]),
            samples=int(body["samples"]),
            identity=str(body["identity"]),
            raw=DataFile.from_dict(raw) if raw else None,
            dense=DataFile.from_dict(dense) if dense else None,
        )


@dataclass(frozen=True)
class Manifest:
    """A sealed version. Everything but `sealed_at` follows from the samples, the packing and the work."""

    digest: str
    layout_digest: str
    work: str  # hash of the Work that made it first
    sealed_at: str  # RFC 3339, UTC
    source: Mapping[str, Any]  # as in the spec
    revision: Mapping[str, Any]  # what was really read: sums of archives, the builder's version …
    samples: int
    splits: tuple[tuple[str, int], ...]  # (name, samples) in the order of the index
    classes: tuple[str, ...]  # names in the order of their numbers
    dense: Mapping[str, Any] | None  # {"shape": [28, 28, 1], "dtype": "|u1"} when all samples are alike and small
    shapes: tuple[Mapping[str, Any], ...]  # {"shape", "dtype", "samples"}, most frequent first, at most 64
    shards: tuple[Shard, ...]
    index: DataFile
    bad_samples: Mapping[str, Any] = field(default_factory=dict)  # {"count", "byCode", "first": [{"key", "code"}]}
    ignored: int = 0  # files that are no samples: README, LICENSE, hidden files …
    statistics: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    @property
    def files(self) -> tuple[DataFile, ...]:
        """Every file of the version but the manifest itself."""
        data = (f for shard in self.shards for f in (shard.raw, shard.dense) if f is not None)
        return (self.index, *data)

    @property
    def bytes(self) -> int:
        return sum(f.bytes for f in self.files)

    def to_json(self) -> str:
        body = {
            "formatVersion": self.format_version,
            "digest": self.digest,
            "layoutDigest": self.layout_digest,
            "work": self.work,
            "sealedAt": self.sealed_at,
            "source": self.source,
            "revision": self.revision,
            "samples": self.samples,
            "bytes": self.bytes,
            "splits": [{"name": name, "samples": samples} for name, samples in self.splits],
            "classes": list(self.classes),
            "dense": self.dense,
            "shapes": list(self.shapes),
            "index": self.index.to_dict(),
            "shards": [shard.to_dict() for shard in self.shards],
            "badSamples": self.bad_samples,
            "ignoredFiles": self.ignored,
            "statistics": self.statistics,
        }
        return json.dumps(body, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Raises ValueError on anything but a manifest of a format version we know."""
        try:
            body = json.loads(text)
            if body["formatVersion"] > FORMAT_VERSION:
                raise ValueError(f"format version {body['formatVersion']} is newer than this library: update blueno")
            return cls(
                digest=str(body["digest"]),
                layout_digest=str(body["layoutDigest"]),
                work=str(body["work"]),
                sealed_at=str(body["sealedAt"]),
                source=body["source"],
                revision=body["revision"],
                samples=int(body["samples"]),
                splits=tuple((str(s["name"]), int(s["samples"])) for s in body["splits"]),
                classes=tuple(str(c) for c in body["classes"]),
                dense=body["dense"],
                shapes=tuple(body["shapes"]),
                shards=tuple(Shard.from_dict(s) for s in body["shards"]),
                index=DataFile.from_dict(body["index"]),
                bad_samples=body["badSamples"],
                ignored=int(body["ignoredFiles"]),
                statistics=body["statistics"],
                format_version=int(body["formatVersion"]),
            )
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"not a manifest: {error!r}") from error
