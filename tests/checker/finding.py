"""What a checker finds: an invariant that does not hold, of which object, in a sentence. Pure; used by judge/*."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Invariant(StrEnum):
    """What has to hold after every fault."""

    CONSERVATION = "conservation"  # every declared sample is ready, failed with a code, or left out, exactly once
    EARLY_TRUTH = "no early truth"  # Ready only after the seal, and nothing is named before its bytes are durable
    REPLAY = "replay"  # same samples, same digest, recomputed from the bytes; what is sealed never changes
    PROGRESS = "progress"  # after healing: ended, at work, or waiting with a reason and a date
    DELETION = "deletion"  # of a uid that is gone nothing is left; what had to be kept is there
    FENCING = "fencing"  # one live Job for each object, attempts count up, a stale writer changes nothing
    HONESTY = "honest errors"  # reasons and codes of the closed lists, counts that agree, no stack traces
    TENANCY = "tenancy"  # nothing of one namespace shows in another
    BOUNDS = "bounds"  # sizes and numbers stay under their limits
    SECRECY = "secrecy"  # a planted secret is nowhere but where its owner put it
    AUDIT = "audit"  # every deed has one row, which says how it ended


@dataclass(frozen=True)
class Finding:
    """`about` names the object ("Dataset lab/mnist", "directory lab/mnist-0a1b2c3d", "row …")."""

    invariant: Invariant
    about: str
    sentence: str

    def __str__(self) -> str:
        return f"[{self.invariant}] {self.about}: {self.sentence}"


def report(findings: Iterable[Finding], limit: int = 40) -> str:
    """For people: one line for each, the rest counted."""
    lines = [str(finding) for finding in findings]
    more = [f"… and {len(lines) - limit} more"] if len(lines) > limit else []
    return "\n".join(lines[:limit] + more)
