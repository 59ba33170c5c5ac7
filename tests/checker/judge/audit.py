"""Every deed has one row, which says who, what and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tests.checker.finding import Finding, Invariant
from tests.checker.snapshot import Snapshot

OUTCOMES = ("intended", "ok", "denied", "failed", "unknown")
SETTLED = timedelta(minutes=1)  # after which a deed that was intended has been done or not


def judge(snapshot: Snapshot) -> Iterator[Finding]:
    """Rows of record.audit."""
    if snapshot.rows is None:
        return
    for row in snapshot.rows.of("audit"):
        about = f"audit row {row['id']} ({row['verb']} {row['resource']} {row['namespace']}/{row['name']})"
        if row["outcome"] not in OUTCOMES:
            yield Finding(Invariant.AUDIT, about, f"has ended as {row['outcome']!r}, which is on no list")
        if row["outcome"] == "intended" and snapshot.at_rest and snapshot.taken - row["at"] > SETTLED:
            yield Finding(Invariant.AUDIT, about, "does not say how it ended")
        if row["outcome"] == "ok" and not row["actor"]:
            yield Finding(Invariant.AUDIT, about, "was done by nobody")
