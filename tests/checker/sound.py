"""All judges together. `assert_sound` is what tests call after each fault; `judge` what __main__.py calls."""

from __future__ import annotations

from tests.checker.finding import Finding, Invariant, report
from tests.checker.judge import (
    audit,
    bounds,
    conservation,
    deletion,
    durability,
    early_truth,
    fencing,
    honesty,
    progress,
    replay,
    secrecy,
    tenancy,
)
from tests.checker.snapshot import Snapshot

JUDGES = (
    *(conservation, early_truth, durability, replay, progress, deletion, fencing, honesty, tenancy, bounds),
    *(secrecy, audit),
)


def judge(snapshot: Snapshot) -> list[Finding]:
    """Everything that does not hold, in the order of the judges."""
    return list(dict.fromkeys(finding for module in JUDGES for finding in module.judge(snapshot)))


def assert_sound(snapshot: Snapshot, *, but: frozenset[Invariant] = frozenset()) -> Snapshot:
    """Fails with all findings; else the snapshot, to be given as `before` to the next one.

    `but`: invariants that cannot hold in this test, for a reason that stands beside the call.
    """
    found = [finding for finding in judge(snapshot) if finding.invariant not in but]
    assert not found, f"{len(found)} findings\n{report(found)}"
    return snapshot
