"""Working sets as the API shows them. Used by api/working_samples.py and api/samples.py. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from blueno.db.working import WorkingRow, WorkingSet
from blueno.resources.row import mapping
from webui.views import label_text, time_text


def working_summary(of: WorkingSet, not_sealed: int, document: Mapping[str, Any]) -> dict[str, Any]:
    """What stands beside the versions. `document` is {"spec", "status"} of the Dataset."""
    return {
        "accepts": mapping(mapping(document.get("status")).get("working")).get("accepts") is True,
        "samples": of.samples,
        "bytes": of.bytes,
        "revision": of.revision,
        "sealedRevision": of.sealed,
        "notSealed": not_sealed,
    }


def working_row(row: WorkingRow) -> dict[str, Any]:
    """A sample of it."""
    return {
        "seq": row.seq,
        "key": row.key,
        "split": row.split,
        "label": row.label,
        "labelText": label_text(row.label),
        "group": row.group,
        "bytes": row.bytes,
        "sha256": row.sha256,
        "metadata": json.loads(row.metadata) if row.metadata else None,
        "etag": row.etag,
        "time": time_text(row.at),
        "by": row.by,
    }
