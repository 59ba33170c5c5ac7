"""Numbers about a version for its manifest and outcome. Called by blueno/prep/seal.py. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

_SHAPES = 64  # listed in a manifest
_LABELS = 10_000  # counted in a manifest; beyond that only their number is of use


def count_labels(rows: pa.Table) -> dict[str, dict[str, int]]:
    """Samples by split and label (canonical JSON); {} when there are no labels or too many different ones."""
    labels = rows["label"].combine_chunks()
    if labels.null_count == len(labels) or len(labels.dictionary) > _LABELS:
        return {}
    counted = rows.group_by(["split", "label"]).aggregate([([], "count_all")])
    found: dict[str, dict[str, int]] = {}
    for row in counted.to_pylist():
        if row["label"] is not None:
            found.setdefault(row["split"], {})[row["label"]] = row["count_all"]
    return {split: dict(sorted(of.items())) for split, of in found.items()}


def shapes_of(rows: pa.Table, dense: Mapping[str, Any] | None) -> tuple[dict[str, Any], ...]:
    """{"shape", "dtype", "samples"}, most frequent first. Images are (height, width, channels)."""
    if dense is not None:
        return ({"shape": dense["shape"], "dtype": dense["dtype"], "samples": rows.num_rows},)
    names = ["height", "width", "depth", "channels", "dtype"]
    counted = rows.select(names).group_by(names).aggregate([([], "count_all")]).to_pylist()
    found = [
        {
            "shape": [*([row["depth"]] if row["depth"] > 1 else []), row["height"], row["width"], row["channels"]],
            "dtype": row["dtype"],
            "samples": row["count_all"],
        }
        for row in counted
    ]
    return tuple(sorted(found, key=lambda s: (-s["samples"], s["shape"], s["dtype"]))[:_SHAPES])


def pixel_statistics(moments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """{"pixels": {"mean": [per channel], "std": […]}} when every shard has its moments, else {}."""
    if not moments or not all(moments) or len({len(m["sum"]) for m in moments}) != 1:
        return {}
    count = sum(m["count"] for m in moments)
    mean = [sum(m["sum"][c] for m in moments) / count for c in range(len(moments[0]["sum"]))]
    squares = [sum(m["squares"][c] for m in moments) / count for c in range(len(mean))]
    std = [math.sqrt(max(0.0, s - m * m)) for s, m in zip(squares, mean, strict=True)]
    return {"pixels": {"mean": [round(m, 6) for m in mean], "std": [round(s, 6) for s in std]}}
