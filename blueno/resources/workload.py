"""Kueue's Workload of a Job (kueue.x-k8s.io): the part of it that says why the Job is held. Pure.

Read by controllers/kueue.py, put into words by controllers/training_run/queueing.py. Everything in it is another
program's text: fields of another shape are read as missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blueno.resources.conditions import Condition, find, shorten

WORDS = 400  # characters of one of Kueue's messages


@dataclass(frozen=True)
class AdmissionCheck:
    """One of `status.admissionChecks`; `state` is Pending, Ready, Retry or Rejected."""

    name: str
    state: str
    message: str


@dataclass(frozen=True)
class Workload:
    """One Workload. `requeue_at` is RFC 3339 or "", `requeues` counts how often it was tried again."""

    name: str
    active: bool = True
    conditions: tuple[Condition, ...] = ()
    checks: tuple[AdmissionCheck, ...] = ()
    requeue_at: str = ""
    requeues: int = 0

    def true(self, kind: str) -> Condition | None:
        """The condition of this type if it is True."""
        found = find(self.conditions, kind)
        return found if found is not None and found.status == "True" else None

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Workload:
        """Never fails."""
        status, requeue = _map(body.get("status")), _map(_map(body.get("status")).get("requeueState"))
        count = requeue.get("count")
        return cls(
            name=_text(_map(body.get("metadata")).get("name")),
            active=_map(body.get("spec")).get("active") is not False,
            conditions=tuple(_condition(c) for c in _maps(status.get("conditions"))),
            checks=tuple(
                AdmissionCheck(_text(c.get("name")), _text(c.get("state")), _text(c.get("message")))
                for c in _maps(status.get("admissionChecks"))
            ),
            requeue_at=_text(requeue.get("requeueAt")),
            requeues=count if isinstance(count, int) else 0,
        )


@dataclass(frozen=True)
class Admission:
    """What could be learnt about a Job that is held: whether Kueue is in the cluster, and its Workload, if any.

    `installed` None: it could not be asked (`trouble` says why).
    """

    installed: bool | None
    workload: Workload | None = field(default=None)
    trouble: str = ""


def _condition(raw: Mapping[str, Any]) -> Condition:
    kind, status, reason = (_text(raw.get(key)) for key in ("type", "status", "reason"))
    return Condition(kind, status, reason, _text(raw.get("message")))


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _maps(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    """One line without control characters, cut at WORDS."""
    if not isinstance(value, str):
        return ""
    printable = "".join(sign if sign.isprintable() else " " for sign in value[: 4 * WORDS])
    return shorten(" ".join(printable.split()), WORDS)
