"""The audit table of schema `record`, which refuses changes.

Called by webui/ (call.py, pipeline.py, users.py) with a cursor in a transaction. Times are the database's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blueno.db.connect import Cursor


@dataclass(frozen=True)
class AuditRow:
    """Who tried what, and how it ended: `outcome` is ok, denied, failed or unknown; `intended` until that is known."""

    actor: str
    verb: str
    resource: str
    outcome: str
    namespace: str = ""
    name: str = ""
    request_id: str = ""
    remote: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


def insert_audit(cursor: Cursor, row: AuditRow) -> int:
    """Appends; its id. The table refuses changes."""
    cursor.execute(
        "INSERT INTO record.audit (actor, verb, resource, namespace, name, outcome, request_id, remote, detail)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
        (
            *(row.actor, row.verb, row.resource, row.namespace, row.name, row.outcome, row.request_id, row.remote),
            json.dumps(row.detail),
        ),
    )
    (number,) = cursor.fetchone() or (0,)
    return int(number)


def settle_audit(cursor: Cursor, number: int, outcome: str, detail: Mapping[str, Any]) -> None:
    """How an intended deed ended: the one change that a row may have, once. `detail` is added to what it says."""
    cursor.execute(
        "UPDATE record.audit SET outcome = %s, detail = detail || %s::jsonb WHERE id = %s",
        (outcome, json.dumps(detail), number),
    )
