"""What to do now, given what there is to do and how earlier attempts went. Called by recorder.py. Pure.

Times are seconds of one clock, whichever; they are arguments.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from blueno.db.listings import Pending

AT_ONCE = 4  # data sets whose indexes are read at a time; the operator grants no more
REPORT_SECONDS = 10.0  # between two reports of the same
FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0  # seconds after a failure
DAMAGED_FIRST, DAMAGED_LONGEST = 30.0, 3600.0  # when it needs somebody to repair the volume: do not keep it awake
FAILURES_TOLD = 3  # so many in a row are no hiccup: the Dataset's status says so


@dataclass(frozen=True)
class Try:
    """How the last attempts on a data set's version went."""

    digest: str
    failures: int = 0
    not_before: float = 0.0


@dataclass
class Memory:
    """What one process remembers. Losing it costs attempts that were not needed, nothing else."""

    tries: dict[str, Try] = field(default_factory=dict)  # by uid
    reported: dict[str, tuple[str, float]] = field(default_factory=dict)  # uid: (digest, when)
    waiting_since: dict[str, tuple[str, float]] = field(default_factory=dict)  # uid: (digest, when first seen)
    unstored: dict[str, str] = field(default_factory=dict)  # uid: why the database did not take its rows last time


@dataclass(frozen=True)
class Plan:
    """`load`: to be compared with their volumes; `report`: loaded, but the Dataset's status does not say so."""

    load: tuple[Pending, ...] = ()
    report: tuple[Pending, ...] = ()


def decide(pending: Iterable[Pending], busy: Mapping[str, object], memory: Memory, now: float) -> Plan:
    """`busy`: uids of data sets that are being loaded. Those that never failed come first, then by turn."""
    due = [one for one in pending if one.uid not in busy and not _is_done(one) and _is_due(one, memory, now)]
    due.sort(key=lambda one: _try_of(one, memory).not_before)
    report = [one for one in pending if one.uid not in busy and _is_done(one) and _may_report(one, memory, now)]
    return Plan(tuple(due[: max(0, AT_ONCE - len(busy))]), tuple(report))


def failed(memory: Memory, one: Pending, now: float, *, damaged: bool = False) -> int:
    """Notes a failure; how many there were in a row. Each time it waits twice as long as before, up to a limit."""
    failures = _try_of(one, memory).failures + 1
    first, longest = (DAMAGED_FIRST, DAMAGED_LONGEST) if damaged else (FIRST_WAIT, LONGEST_WAIT)
    wait = min(longest, first * 2 ** min(failures - 1, 20))
    # Many that failed together do not come back together: up to a fifth more, the same for the same data set.
    share = zlib.crc32(one.uid.encode()) / 2**32
    memory.tries[one.uid] = Try(one.digest, failures, now + wait * (1 + share / 5))
    memory.unstored.pop(one.uid, None)
    return failures


def postponed(memory: Memory, one: Pending, until: float) -> None:
    """Nothing is wrong, but not now."""
    memory.tries[one.uid] = Try(one.digest, _try_of(one, memory).failures, until)


def unstored(memory: Memory, one: Pending, until: float, why: str) -> None:
    """Nothing is wrong with the data set: the database does not take its rows."""
    postponed(memory, one, until)
    memory.unstored[one.uid] = why


def succeeded(memory: Memory, one: Pending) -> None:
    """Forgets earlier failures."""
    memory.tries.pop(one.uid, None)
    memory.unstored.pop(one.uid, None)


def lag(pending: Iterable[Pending], memory: Memory, now: float) -> float:
    """Seconds that the version waiting longest has been waiting, as far as this process has seen."""
    waiting = {one.uid: one.digest for one in pending if not _is_done(one)}
    known = memory.waiting_since
    memory.waiting_since = {
        uid: known[uid] if uid in known and known[uid][0] == digest else (digest, now)
        for uid, digest in waiting.items()
    }
    return max((now - since for _, since in memory.waiting_since.values()), default=0.0)


def forget(pending: Iterable[Pending], busy: Mapping[str, object], memory: Memory) -> None:
    """Of data sets that no longer wait for anything, so that memory does not grow with those that ever were."""
    kept = {one.uid for one in pending} | busy.keys()
    memory.tries = {uid: one for uid, one in memory.tries.items() if uid in kept}
    memory.reported = {uid: one for uid, one in memory.reported.items() if uid in kept}
    memory.unstored = {uid: why for uid, why in memory.unstored.items() if uid in kept}


def _is_done(one: Pending) -> bool:
    return one.listed and one.rows is not None


def _try_of(one: Pending, memory: Memory) -> Try:
    """A new version has a clean slate."""
    known = memory.tries.get(one.uid)
    return known if known is not None and known.digest == one.digest else Try(one.digest)


def _is_due(one: Pending, memory: Memory, now: float) -> bool:
    return _try_of(one, memory).not_before <= now


def _may_report(one: Pending, memory: Memory, now: float) -> bool:
    """The status follows a report within a second or two: repeating it sooner would only be noise."""
    digest, when = memory.reported.get(one.uid, ("", now))
    return digest != one.digest or now - when >= REPORT_SECONDS
