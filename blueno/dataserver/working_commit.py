"""One turn of the writer: what is asked for → lines of the journal and what changes in memory. Pure.

Called by working_set.py. Several requests share a turn, and so an fsync; each sees what those before it have done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from blueno.data.journal import put_line, quoted, remove_line
from blueno.data.removal import REMOVALS
from blueno.data.working import WorkingSample
from blueno.dataserver.working_judge import TOO_LARGE, Candidate, Refusal, judge
from blueno.dataserver.working_receive import DECODING
from blueno.dataserver.working_state import State

MOST_SAMPLES: Final = 1_500_000  # that fit in the memory of a data server


@dataclass(frozen=True)
class Bundle:
    """Samples that `by` sends. Their contents are in packs already."""

    candidates: Sequence[Candidate]
    by: str


@dataclass(frozen=True)
class Removal:
    """Samples that `by` takes out; with `purge` their bytes go, too."""

    keys: Sequence[str]
    purge: bool
    by: str


class Leaving(NamedTuple):
    """A sample that goes, and the pack whose bytes of it shall go, if any."""

    key: str
    seq: int
    purged: str


@dataclass
class Turn:
    """Collects. `changes` are to be made in this order once `lines` are durable."""

    state: State
    time: str
    most: int = MOST_SAMPLES
    lines: list[str] = field(default_factory=list)
    changes: list[WorkingSample | Leaving] = field(default_factory=list)
    _changed: dict[str, WorkingSample | None] = field(default_factory=dict)
    _added: int = 0

    @property
    def revision(self) -> int:
        """Once everything is done."""
        return self.state.revision + len(self.changes)

    def get(self, key: str) -> WorkingSample | None:
        """As it is after what was asked for so far."""
        return self._changed[key] if key in self._changed else self.state.get(key)

    def take(self, asked: Bundle | Removal) -> dict[str, Any]:
        """The answer, should the lines become durable."""
        return self._bundle(asked) if isinstance(asked, Bundle) else self._removal(asked)

    def _bundle(self, asked: Bundle) -> dict[str, Any]:
        counts = {"created": 0, "same": 0, "replaced": 0}
        refused = []
        by_time = (quoted(asked.by), self.time)
        for candidate in asked.candidates:
            verdict, refusal = judge(candidate, self.get(candidate.key))
            if verdict == "created" and len(self.state) + self._added >= self.most:
                text = f"the working set has {self.most} samples and holds no more: remove some that were sealed"
                refusal = Refusal(TOO_LARGE, text)
            candidate.verdict = "refused" if refusal is not None else verdict
            if refusal is not None:
                refused.append(_refused(candidate.key, refusal))
                continue
            counts[verdict] += 1
            if verdict != "same":
                by = candidate.by or asked.by
                self._put(candidate, (quoted(by), self.time) if candidate.by else by_time, by)
                self._added += verdict == "created"
        return {"revision": self.revision, **counts, "refused": refused}

    def _removal(self, asked: Removal) -> dict[str, Any]:
        removed = 0
        by_time = (quoted(asked.by), self.time)
        for key in asked.keys:
            present = self.get(key)
            if present is None:
                continue
            removed += 1
            purged = present.object if asked.purge else ""
            seq = self.revision + 1
            self.lines.append(remove_line(key, seq, by_time, purged))
            self.changes.append(Leaving(key, seq, purged))
            self._changed[key] = None
            self._added -= 1
        return {"revision": self.revision, "removed": removed, "missing": len(asked.keys) - removed}

    def apply(self) -> None:
        """The lines are durable."""
        for change in self.changes:
            if isinstance(change, Leaving):
                self.state.remove(*change)
            else:
                self.state.put(change)

    def _put(self, candidate: Candidate, by_time: tuple[str, str], by: str) -> None:
        key, sha256, place, seq = candidate.key, candidate.sha256, candidate.place, self.revision + 1
        assert place is not None  # noqa: S101 - judged
        self.lines.append(put_line(key, sha256, place, seq, by_time, candidate.fields))
        sample = WorkingSample(key, sha256, *place, *candidate.record, seq, self.time, by)
        self.changes.append(sample)
        self._changed[key] = sample


def removal_of(body: bytes, by: str, wrong_key: Callable[[str], str]) -> Removal:
    """Out of a request's JSON. Raises ValueError, saying what is wrong with it."""
    with DECODING:
        return _removal(body, by, wrong_key)


def _removal(body: bytes, by: str, wrong_key: Callable[[str], str]) -> Removal:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("the body must be JSON") from error
    if type(asked) is not dict or not asked.keys() <= {"keys", "purge"}:
        raise ValueError("the body must be an object with `keys` and, if wanted, `purge`")
    keys, purge = asked.get("keys"), asked.get("purge", False)
    if type(keys) is not list or len(keys) > REMOVALS or not all(type(key) is str for key in keys):
        raise ValueError(f"keys must be a list of at most {REMOVALS} texts")
    if type(purge) is not bool:
        raise ValueError("purge must be true or false")
    for key in keys:
        if wrong := wrong_key(key):
            raise ValueError(wrong)
    return Removal(keys, purge, by)


def _refused(key: str, refusal: Refusal) -> dict[str, str]:
    tag = {"etag": refusal.etag} if refusal.etag else {}
    return {"key": key, "code": refusal.code, "detail": refusal.detail, **tag}
