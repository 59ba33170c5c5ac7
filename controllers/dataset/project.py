"""A Dataset's body as a row of projection.dataset. Pure.

Called by controllers/mirror.py; calls blueno/resources/row.py. The columns are those of blueno/db/tables.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blueno.resources.row import INTEGER, LARGE, SMALL, conditions, identity, number, text

Body = Mapping[str, Any]


def project_row(body: Body) -> dict[str, Any]:
    """Column → value. Tolerates whatever an object may lack before the operator's first write."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    told = conditions(status)
    ready, progress, version = told.get("Ready") or {}, status.get("progress") or {}, status.get("version") or {}
    return identity(body) | {
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
        "indexed_digest": text((status.get("index") or {}).get("digest")),
    }
