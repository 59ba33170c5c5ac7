"""Conditions as `metav1.Condition`, and the one rule for when their clock moves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

MESSAGE_LIMIT = 1024  # characters of a condition's message; the schema allows no more
SCHEMA_MADE = "1970-01-01T00:00:00Z"  # lastTransitionTime of a condition that a schema's default brings (crds/)


@dataclass(frozen=True)
class Condition:
    """One entry of `status.conditions`. `status` is "True", "False" or "Unknown"."""

    type: str
    status: str
    reason: str
    message: str = ""
    since: str = ""  # lastTransitionTime, RFC 3339
    generation: int = 0  # observedGeneration

    def to_dict(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": self.since,
            "observedGeneration": self.generation,
        }


def parse_conditions(raw: Iterable[Mapping[str, Any]]) -> tuple[Condition, ...]:
    """Conditions as they stand in a status, without those that nobody wrote (SCHEMA_MADE)."""
    return tuple(
        Condition(
            type=c["type"],
            status=c["status"],
            reason=c.get("reason", ""),
            message=c.get("message", ""),
            since=c.get("lastTransitionTime", ""),
            generation=c.get("observedGeneration", 0),
        )
        for c in raw
        if c.get("lastTransitionTime") != SCHEMA_MADE
    )


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """The condition of type `kind`, or None."""
    return next((c for c in conditions if c.type == kind), None)


def is_true(conditions: Iterable[Condition], kind: str) -> bool:
    """Whether the condition of type `kind` is there and True."""
    found = find(conditions, kind)
    return found is not None and found.status == "True"


def advance(old: Sequence[Condition], new: Iterable[Condition], now: datetime) -> tuple[Condition, ...]:
    """`new` put over their namesakes in `old`; lastTransitionTime moves only when a status flips.

    Returns all conditions sorted by type, so that equal states are equal lists.
    """
    merged = {c.type: c for c in old}
    for condition in new:
        before = merged.get(condition.type)
        since = before.since if before is not None and before.status == condition.status else rfc3339(now)
        merged[condition.type] = replace(condition, since=since, message=shorten(condition.message, MESSAGE_LIMIT))
    return tuple(merged[kind] for kind in sorted(merged))


def shorten(text: str, limit: int) -> str:
    """`text`, or its beginning and an ellipsis when it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def rfc3339(moment: datetime) -> str:
    """`moment` (aware) in UTC with whole seconds, as Kubernetes writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime | None:
    """Inverse of `rfc3339`; None when `text` is no time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
