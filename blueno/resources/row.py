"""Values of an object's body as columns of a database hold them, whatever kind it is of. Pure.

Used by controllers (dataset/project.py, training_run/project.py, pending.py), run_row.py and webui/. Every text comes
from outside: what PostgreSQL cannot store is replaced, numbers are brought into their column's bounds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from blueno import names
from blueno.resources.conditions import SCHEMA_MADE
from blueno.resources.spec_types import is_deep

Body = Mapping[str, Any]

SMALL: Final = (1 << 15) - 1
INTEGER: Final = (1 << 31) - 1
LARGE: Final = (1 << 63) - 1
_NUL = "\\u0000"  # as json.dumps writes it
_NO_TIME = "1970-01-01T00:00:00Z"


def identity(body: Body) -> dict[str, Any]:
    """Column → value of what objects of every kind have. Tolerates what a bare one lacks."""
    meta = body["metadata"]
    return {
        "uid": meta["uid"],
        "namespace": meta["namespace"],
        "name": meta["name"],
        "rv": int(meta.get("resourceVersion") or 0),
        "generation": number(meta.get("generation"), LARGE) or 0,
        "created_at": meta.get("creationTimestamp") or _NO_TIME,
        "managed_by": managed_by(meta),
        "document": document({"spec": _flat(body.get("spec") or {}), "status": body.get("status") or {}}),
    }


def _flat(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec without free JSON that is nested deeper than any Dataset may have it: PostgreSQL's stack is small."""
    return {**spec, "metadata": None} if is_deep(spec.get("metadata")) else spec


def conditions(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Type → condition."""
    return {str(c.get("type")): c for c in mappings(status.get("conditions"))}


def said(body: Body, condition: str) -> tuple[str, str, str, str] | None:
    """(status, reason, message, since) of a condition; None before there is one.

    One that a schema's default made is as old as the object.
    """
    found = conditions(body.get("status") or {}).get(condition)
    if found is None:
        return None
    values = (found.get(key) for key in ("status", "reason", "message", "lastTransitionTime"))
    status, reason, message, since = (text(value) or "" for value in values)
    if since == SCHEMA_MADE:
        since = text(body["metadata"].get("creationTimestamp")) or ""
    return status, reason, message, since


def managed_by(meta: Mapping[str, Any]) -> str | None:
    """The tool that keeps the object as it is in a repository, by the marks it leaves on it."""
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    marked = any(key.startswith(names.ARGOCD_PREFIX) for key in labels)
    if names.ARGOCD_TRACKING in annotations or (names.INSTANCE_LABEL in labels and marked):
        return "Argo CD"
    if any(key in labels for key in names.FLUX_LABELS):
        return "Flux"
    return "Helm" if labels.get(names.MANAGED_BY_LABEL) == "Helm" else None


def number(value: Any, most: int) -> int | None:
    """`value` from 0 to `most`; None when it is no whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return max(0, min(value, most))


def text(value: Any) -> str | None:
    """`value` as it can be stored; None when it is no text."""
    return clean(value) if isinstance(value, str) else None


def mapping(value: Any) -> Mapping[str, Any]:
    """`value`; empty when it is no object."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; empty when it is no list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def clean(text: str) -> str:
    """`text` with U+FFFD for what PostgreSQL cannot hold: NUL and halves of surrogate pairs."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in text)
    return text


def document(value: Any) -> str:
    """JSON that jsonb takes (but for NaN: who writes it leaves such an object out)."""
    found = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if _NUL in found or clean(found) != found:
        found = json.dumps(cleaned(value), separators=(",", ":"), ensure_ascii=False)
    return found


def cleaned(value: Any) -> Any:
    """`value` with every text in it clean."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): cleaned(item) for key, item in value.items()}
    return [cleaned(item) for item in value] if isinstance(value, list | tuple) else value
