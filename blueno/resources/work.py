"""What a preparation Job is asked to do: the Work (what is made) and the PrepOptions (how carefully).

Written by controllers/dataset/build.py into the pod's environment, read by blueno/prep. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

FORMAT_VERSION = 1  # of what lies on the volume; a higher one means new works for all


@dataclass(frozen=True)
class Work:
    """Everything that decides which samples a version holds, and nothing else.

    Two Works with the same hash are the same work: one staging directory, one sealed version.
    """

    source: Mapping[str, Any]  # as in the spec: {"tfds": {…}}, {"archive": {…}}, {"claim": {…}} or {"upload": {}}
    layout: Mapping[str, Any]  # as in the spec: {"type": "auto", …}
    pack: Mapping[str, Any] = field(default_factory=dict)  # {"shardBytes": n}: changes layoutDigest, never the digest
    requested_at: str | None = None  # set when a person asked to read the same source again
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces, so that equal works are equal texts."""
        body = {"formatVersion": self.format_version, "layout": self.layout, "pack": self.pack, "source": self.source}
        if self.requested_at is not None:
            body["requestedAt"] = self.requested_at
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Work:
        """Inverse of `to_json`."""
        body = json.loads(text)
        return cls(
            source=body["source"],
            layout=body["layout"],
            pack=body.get("pack", {}),
            requested_at=body.get("requestedAt"),
            format_version=body["formatVersion"],
        )

    @property
    def hash(self) -> str:
        """16 hexadecimal digits: names the staging directory, `works/<hash>.json` and (8 of them) the Job."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    @property
    def base(self) -> str:
        """The hash without a request: the same for every time that one source is read with one layout."""
        return replace(self, requested_at=None).hash


@dataclass(frozen=True)
class PrepOptions:
    """How a preparation pod behaves; changing one makes no new version."""

    on_bad_sample: str = "Skip"  # Skip | Fail
    max_bad_samples: int = 100  # with Skip: more than this many fail the whole
    allowed_source_networks: tuple[str, ...] = ()  # CIDRs of private networks a source may lie in
    max_source_bytes: int = 2 << 40  # refuse to download more than this

    def to_json(self) -> str:
        return json.dumps(
            {
                "onBadSample": self.on_bad_sample,
                "maxBadSamples": self.max_bad_samples,
                "allowedSourceNetworks": list(self.allowed_source_networks),
                "maxSourceBytes": self.max_source_bytes,
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> PrepOptions:
        """Inverse of `to_json`."""
        body = json.loads(text)
        return cls(
            on_bad_sample=body["onBadSample"],
            max_bad_samples=body["maxBadSamples"],
            allowed_source_networks=tuple(body["allowedSourceNetworks"]),
            max_source_bytes=body["maxSourceBytes"],
        )
