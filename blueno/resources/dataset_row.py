"""What a Dataset says of itself, as columns of projection.dataset. Pure.

Used by controllers/dataset/project.py for the mirror and by webui/ for objects fresh from the API server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blueno.resources.row import INTEGER, LARGE, SMALL, conditions, mapping, number, text


def dataset_columns(spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    """Column → value. Tolerates whatever an object may lack before the operator's first write."""
    told = conditions(status)
    ready, progress, version = told.get("Ready") or {}, mapping(status.get("progress")), mapping(status.get("version"))
    return {
        "display_name": text(spec.get("displayName")),
        "ready": ready.get("status") == "True",
        "reconciling": (told.get("Reconciling") or {}).get("status") == "True",
        "stalled": (told.get("Stalled") or {}).get("status") == "True",
        "reason": text(ready.get("reason")) or "",
        "message": text(ready.get("message")) or "",
        "stage": text(progress.get("stage")),
        "percentage": number(progress.get("percentage"), SMALL),
        "remaining_seconds": number(progress.get("estimatedRemainingSeconds"), LARGE),
        "samples": number(status.get("samples"), LARGE),
        "bytes": number(version.get("bytes"), LARGE),
        "classes": number(status.get("classes"), INTEGER),
        "version_digest": text(version.get("digest")),
        "version_sequence": number(version.get("sequence"), INTEGER),
        "indexed_digest": text(mapping(status.get("index")).get("digest")),
    }
