"""Rows of the database as the API shows them. Used by api/ and listen.py. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from blueno.db.datasets import DatasetRow, HistoryRow
from blueno.db.people import Person, TokenRow
from blueno.resources.conditions import parse_time
from blueno.resources.dataset_row import dataset_columns
from blueno.resources.row import identity

SOURCE_CHARACTERS = 256


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def summary(row: DatasetRow) -> dict[str, Any]:
    """DatasetSummary: a line of the list, and what an event carries."""
    progress = None
    if row.percentage is not None:
        progress = {
            "stage": row.stage,
            "percentage": row.percentage,
            "estimatedRemainingSeconds": row.remaining_seconds,
        }
    version = None
    if row.version_digest is not None:
        version = {"digest": row.version_digest, "sequence": row.version_sequence or 0}
    return {
        "uid": row.uid,
        "namespace": row.namespace,
        "name": row.name,
        "displayName": row.display_name,
        "ready": row.ready,
        "reconciling": row.reconciling,
        "stalled": row.stalled,
        "reason": row.reason,
        "message": row.message,
        "progress": progress,
        "samples": row.samples,
        "bytes": row.bytes,
        "classes": row.classes,
        "version": version,
        "indexed": row.version_digest is not None and row.version_digest == row.indexed_digest,
        "managedBy": row.managed_by,
        "createdAt": time_text(row.created_at),
        "changedAt": time_text(row.changed_at),
    }


def detail(row: DatasetRow, document: Mapping[str, Any]) -> dict[str, Any]:
    """Dataset: the summary and what its page shows. `document` is {"spec", "status"} as in the cluster."""
    spec = _mapping(document.get("spec"))
    status = _mapping(document.get("status"))
    return summary(row) | {
        "description": _text(spec.get("description")),
        "license": _text(spec.get("license")),
        "citation": _text(spec.get("citation")),
        "homepage": _text(spec.get("homepage")),
        "metadata": spec.get("metadata") if isinstance(spec.get("metadata"), dict) else None,
        "source": str(_mapping(status.get("summary")).get("source") or _source(spec)),
        "splits": [
            {"name": str(split.get("name", "")), "samples": int(split.get("samples") or 0)}
            for split in _mappings(status.get("splits"))
        ],
        "shapes": [str(shape) for shape in status.get("shapes") or ()],
        "badSamples": status.get("badSamples"),
        "conditions": [dict(condition) for condition in _mappings(status.get("conditions"))],
        "volume": status.get("volume"),
        "lastHandledRequest": _text(status.get("lastHandledRequest")),
        "spec": spec,
    }


def detail_of_body(body: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Dataset, of an object that the API server has just answered: the mirror may not have its row yet."""
    known = identity(body)
    row = DatasetRow(
        uid=known["uid"],
        namespace=known["namespace"],
        name=known["name"],
        created_at=parse_time(known["created_at"]) or now,
        changed_at=now,
        managed_by=known["managed_by"],
        **dataset_columns(body.get("spec") or {}, body.get("status") or {}),
    )
    return detail(row, json.loads(known["document"]))


def history(row: HistoryRow) -> dict[str, Any]:
    """An entry of a data set's history."""
    return {
        "at": time_text(row.at),
        "condition": row.condition,
        "status": row.status,
        "reason": row.reason,
        "message": row.message,
    }


def user(person: Person) -> dict[str, Any]:
    """User: a person, as administrators see one."""
    return {
        "email": person.email,
        "role": person.role,
        "namespaces": list(person.namespaces),
        "createdAt": time_text(person.created_at),
    }


def token(row: TokenRow) -> dict[str, Any]:
    """Token, without the secret."""
    return {
        "id": row.id,
        "name": row.name,
        "createdAt": time_text(row.created_at),
        "usedAt": time_text(row.used_at) if row.used_at else None,
        "expiresAt": time_text(row.expires_at) if row.expires_at else None,
    }


def label_text(label: str | None) -> str:
    """A label (canonical JSON) for people: a text without its quotes, anything else as it is, "" for none."""
    if label is None:
        return ""
    try:
        value = json.loads(label)
    except ValueError:
        return label
    return value if isinstance(value, str) else label


def _source(spec: Mapping[str, Any]) -> str:
    """Before the operator has summed it up."""
    source = _mapping(spec.get("source"))
    kind = next(iter(source), "")
    name = _mapping(source.get(kind)).get("name")
    return (f"{kind}:{name}" if name else str(kind))[:SOURCE_CHARACTERS]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
