"""A Sample's body as a row of projection.sample_object. Pure.

Called by controllers/mirror.py; calls blueno/resources/row.py. The columns are those of blueno/db/tables.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blueno.resources.row import LARGE, conditions, identity, mapping, number, text
from blueno.resources.sample import dataset_of

Body = Mapping[str, Any]


def project_row(body: Body) -> dict[str, Any]:
    """Column → value. Tolerates whatever an object may lack before the operator's first write."""
    status = body.get("status") or {}
    told = conditions(status)
    ready = told.get("Ready") or {}
    return identity(body) | {
        "dataset": text(dataset_of(body)) or "",
        "dataset_uid": text(status.get("datasetUID")),
        "ready": ready.get("status") == "True",
        "reconciling": (told.get("Reconciling") or {}).get("status") == "True",
        "stalled": (told.get("Stalled") or {}).get("status") == "True",
        "reason": text(ready.get("reason")) or "",
        "message": text(ready.get("message")) or "",
        "key": text(status.get("key")),
        "samples": number(status.get("samples"), LARGE),
        "rejected": number(mapping(status.get("rejected")).get("count"), LARGE) or 0,
    }
