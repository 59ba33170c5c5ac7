"""What the API server's refusals are in our own errors. Called by blueno/kube.py; calls nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from blueno.errors import Conflict, NotFound, Rejected, Unavailable

CAUSES = 20  # fields that a refusal names


def error_of(what: str, status: int, raw: bytes, retry_after: str | None) -> Exception:
    """The error of blueno.errors for an answer of 400 or more."""
    try:
        answer = json.loads(raw)
        message = str(answer["message"])
    except (ValueError, KeyError, TypeError):
        answer, message = {}, raw[:200].decode(errors="replace")
    text = f"{what}: {status} {message}"
    if status == 404:
        return NotFound(text, message)
    if status == 409:
        return Conflict(text)
    if status in (401, 429) or status >= 500:
        return Unavailable(text, float(retry_after) if retry_after and retry_after.isdecimal() else None)
    return Rejected(text, status, message, _causes(answer))


def _causes(answer: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """(path, message) of the fields that a Status names."""
    details = answer.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    found = [cause for cause in causes or () if isinstance(cause, dict)] if isinstance(causes, list) else []
    return tuple((str(cause.get("field") or ""), str(cause.get("message") or "")) for cause in found[:CAUSES])
