"""Small versions for tests, and what the gallery must say of them, found by looking at every sample."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from blueno.data import index
from blueno.db.ingest import VersionMeta
from blueno.db.samples import NO_LABEL, Filter


@dataclass(frozen=True)
class Sample:
    """What matters of a sample; the rest follows from its row."""

    split: str
    key: str
    label: str | None = None
    group: str | None = None
    metadata: str | None = None


def a_table(samples: Sequence[Sample]) -> pa.Table:
    """index.arrow of these samples, in this order."""
    count = len(samples)
    numbers = np.arange(count)
    return index.table(
        {
            **{name: [getattr(s, name) for s in samples] for name in ("key", "split", "label", "group", "metadata")},
            "shard": np.zeros(count, np.int32),
            "row": numbers.astype(np.int32),
            "bytes": numbers + 784,
            "width": (numbers % 7 + 28).astype(np.int32),
            "height": np.full(count, 28, np.int32),
            "depth": np.full(count, 1, np.int32),
            "channels": np.full(count, 3, np.int32),
            "dtype": ["|u1"] * count,
            "format": ["png" if n % 2 else "jpeg" for n in range(count)],
            "sha256": [n.to_bytes(32, "big") for n in range(count)],
        }
    )


def a_meta(samples: Sequence[Sample], splits: Sequence[str] = (), **changes: Any) -> VersionMeta:
    """A version of these samples; `splits` as its manifest lists them (those that are used, when not given)."""
    counts = Counter(s.split for s in samples)
    listed = [{"name": name, "samples": counts[name]} for name in splits or dict.fromkeys(s.split for s in samples)]
    given: dict[str, Any] = {
        "dataset_uid": str(uuid.uuid4()),
        "digest": uuid.uuid4().hex * 2,
        "sequence": 1,
        "sealed_at": "2026-03-01T11:00:00Z",
        "samples": len(samples),
        "bytes": 784 * len(samples),
        "manifest": {"splits": listed, "classes": []},
    }
    return VersionMeta(**{**given, **changes})


class Model:
    """The samples in the order of the gallery: [(row in the index, Sample)]."""

    def __init__(self, samples: Sequence[Sample], splits: Sequence[str]) -> None:
        self.splits = list(splits)
        numbered = list(enumerate(samples))
        self.ordered = sorted(numbered, key=lambda one: (self.splits.index(one[1].split), one[1].key.encode(), one[0]))

    def places(self, wanted: Filter) -> list[int]:
        """idx of every sample that matches."""
        return [idx for idx, (_, sample) in enumerate(self.ordered) if matches(sample, wanted)]

    def split_counts(self, wanted: Filter) -> list[tuple[str, int]]:
        """Under label and prefix."""
        some = Filter(None, wanted.label, wanted.prefix)
        counts = Counter(sample.split for _, sample in self.ordered if matches(sample, some))
        return [(name, counts[name]) for name in self.splits]

    def label_counts(self, wanted: Filter) -> Counter[str | None]:
        """Under split and prefix."""
        some = Filter(wanted.split, None, wanted.prefix)
        return Counter(sample.label for _, sample in self.ordered if matches(sample, some))


def matches(sample: Sample, wanted: Filter) -> bool:
    """Whether the sample is among those asked for."""
    label = NO_LABEL if sample.label is None else sample.label
    return (
        wanted.split in (None, sample.split)
        and wanted.label in (None, label)
        and sample.key.encode().startswith(wanted.prefix.encode())
    )
