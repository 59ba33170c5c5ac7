"""`source.upload`: nothing but the samples that people have added, as they are at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blueno.prep.added import read_added
from blueno.prep.reuse import unchanged_bytes
from blueno.prep.samples import Context, Reading


def read(_spec: Mapping[str, Any], context: Context) -> Reading:
    """Reads the working set once: what comes later is for the next seal. Raises PrepFailure, OSError."""
    added = read_added(context.config.root)
    return Reading(
        samples=added.samples,
        revision={"upload": {}},  # not the number of the last change: unchanged shards of an earlier attempt are taken
        total=len(added.samples),
        total_bytes=sum(sample.size for sample in added.samples),
        linked_bytes=unchanged_bytes(context.config.root, added.samples),
        classes=added.classes,
        added=added.state,
        stored=added.stored,
    )
