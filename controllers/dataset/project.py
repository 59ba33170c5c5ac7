"""A Dataset's body as a row of projection.dataset, and its Ready condition as a turn of its history. Pure.

Called by controllers/mirror.py; the columns are those of blueno/db/mirror.py. Every text comes from outside: what
PostgreSQL cannot store is replaced, numbers are brought into their column's bounds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from blueno import names

Body = Mapping[str, Any]

_SMALL, _INTEGER, _LARGE = (1 << 15) - 1, (1 << 31) - 1, (1 << 63) - 1
_NUL = "\\u0000"  # as json.dumps writes it
_NO_TIME = "1970-01-01T00:00:00Z"


def project_row(body: Body) -> dict[str, Any]:
    """Column → value. Tolerates whatever an object may lack before the operator's first write."""
    meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    conditions = {c.get("type"): c for c in status.get("conditions") or ()}
    ready, progress, version = conditions.get("Ready") or {}, status.get("progress") or {}, status.get("version") or {}
    return {
        "uid": meta["uid"],
        "namespace": meta["namespace"],
        "name": meta["name"],
        "rv": int(meta.get("resourceVersion") or 0),
        "generation": _number(meta.get("generation"), _LARGE) or 0,
        "created_at": meta.get("creationTimestamp") or _NO_TIME,
        "display_name": _text(spec.get("displayName")),
        "ready": ready.get("status") == "True",
        "reconciling": (conditions.get("Reconciling") or {}).get("status") == "True",
        "stalled": (conditions.get("Stalled") or {}).get("status") == "True",
        "reason": _text(ready.get("reason")) or "",
        "message": _text(ready.get("message")) or "",
        "stage": _text(progress.get("stage")),
        "percentage": _number(progress.get("percentage"), _SMALL),
        "remaining_seconds": _number(progress.get("estimatedRemainingSeconds"), _LARGE),
        "samples": _number(status.get("samples"), _LARGE),
        "bytes": _number(version.get("bytes"), _LARGE),
        "classes": _number(status.get("classes"), _INTEGER),
        "version_digest": _text(version.get("digest")),
        "version_sequence": _number(version.get("sequence"), _INTEGER),
        "indexed_digest": _text((status.get("index") or {}).get("digest")),
        "managed_by": managed_by(meta),
        "document": _document({"spec": spec, "status": status}),
    }


def ready_turn(body: Body) -> tuple[str, str, str, str] | None:
    """(status, reason, message, since) of the Ready condition; None before there is one."""
    for condition in (body.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            values = (condition.get(key) for key in ("status", "reason", "message", "lastTransitionTime"))
            status, reason, message, since = (_text(value) or "" for value in values)
            return status, reason, message, since
    return None


def managed_by(meta: Mapping[str, Any]) -> str | None:
    """The tool that keeps the object as it is in a repository, by the marks it leaves on it."""
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    marked = any(key.startswith(names.ARGOCD_PREFIX) for key in labels)
    if names.ARGOCD_TRACKING in annotations or (names.INSTANCE_LABEL in labels and marked):
        return "Argo CD"
    if any(key in labels for key in names.FLUX_LABELS):
        return "Flux"
    return "Helm" if labels.get(names.MANAGED_BY_LABEL) == "Helm" else None


def _number(value: Any, most: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return max(0, min(value, most))


def _text(value: Any) -> str | None:
    return clean(value) if isinstance(value, str) else None


def clean(text: str) -> str:
    """`text` with U+FFFD for what PostgreSQL cannot hold: NUL and halves of surrogate pairs."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in text)
    return text


def _document(body: Any) -> str:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    if _NUL in text or clean(text) != text:
        text = json.dumps(_cleaned(body), separators=(",", ":"), ensure_ascii=False)
    return text


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): _cleaned(item) for key, item in value.items()}
    return [_cleaned(item) for item in value] if isinstance(value, list | tuple) else value
