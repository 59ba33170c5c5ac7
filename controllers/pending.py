"""What has changed since it was last written, object by object, and everything there is. Thread-safe.

Filled by controllers/mirror.py on the event loop, emptied by its thread. Bounded by the number of objects: of each the
newest state and its last few reasons; and so many deletions: when there are more, a full copy tells what is gone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from blueno.resources.conditions import parse_time
from blueno.resources.history import DELETED, TOLD, Turn
from blueno.resources.row import said
from controllers.cache import Body

GATHER_SECONDS = 0.02  # between two transactions: the first change goes at once, those that follow go together
BATCH = 500
TURNS_KEPT = 32  # of one object, until they are written
DELETIONS_KEPT = 4096  # until they are written


@dataclass(frozen=True)
class Pending:
    """What is to be written of one object. `body` None: it is gone."""

    kind: str
    uid: str
    namespace: str
    name: str
    body: Body | None
    turns: tuple[Turn, ...]
    since: float  # monotonic, of the oldest change in it

    def followed_by(self, newer: Pending) -> Pending:
        """The newest state and both histories; a reason that did not change is no turn."""
        turns: list[Turn] = []
        for turn in (*self.turns, *newer.turns):
            if not turns or turns[-1].says != turn.says:
                turns.append(turn)
        return replace(newer, turns=tuple(turns[-TURNS_KEPT:]), since=self.since)


class Changes:
    """The newest state of what has changed, and of everything there is. Thread-safe; waits for nobody."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._all: dict[str, tuple[str, Body]] = {}  # uid → kind and newest state
        self._waiting: dict[str, Pending] = {}  # oldest first
        self._taken_since: float | None = None  # of the oldest change that is being written
        self._deletions = 0  # of those waiting
        self._taken_at = 0.0  # monotonic
        self._incomplete = False  # deletions were dropped
        self._stopped = False

    def put(self, kind: str, body: Body, gone: bool) -> None:
        """An object of a kind in TOLD has changed."""
        meta = body["metadata"]
        uid = meta["uid"]
        now, clock = datetime.now(UTC), time.monotonic()
        with self._turn:
            if gone:
                turn = Turn(now, DELETED, "True", DELETED, "")
                new = Pending(kind, uid, meta["namespace"], meta["name"], None, (turn,), clock)
            elif uid in self._all:
                new = _as_seen(kind, body, now, clock)
            else:  # at a start of ours, most likely: nobody saw how it came to this
                new = _as_it_stands(kind, body, now, clock)
            if gone:
                self._all.pop(uid, None)
            else:
                self._all[uid] = (kind, body)
            before = self._waiting.get(uid)
            self._waiting[uid] = new if before is None else before.followed_by(new)
            self._count_deletions(before, new)
            if len(self._waiting) in (1, BATCH):
                self._turn.notify()

    def put_back(self, entries: Iterable[Pending]) -> None:
        """These were not written after all."""
        with self._turn:
            for entry in entries:
                newer = self._waiting.get(entry.uid)
                self._waiting[entry.uid] = entry if newer is None else entry.followed_by(newer)
                self._count_deletions(newer, self._waiting[entry.uid])
            self._taken_since = None

    def take(self, seconds: float) -> list[Pending]:
        """At most BATCH, the oldest first; [] when there is nothing within `seconds` or it is time to stop."""
        with self._turn:
            self._turn.wait_for(lambda: self._waiting or self._stopped, seconds)
            if self._waiting:
                rest = self._taken_at + GATHER_SECONDS - time.monotonic()
                self._turn.wait_for(lambda: len(self._waiting) >= BATCH or self._stopped, max(0.0, rest))
                self._taken_at = time.monotonic()
            taken = [self._waiting.pop(uid) for uid in list(self._waiting)[:BATCH]]
            self._deletions -= sum(1 for entry in taken if entry.body is None)
            self._taken_since = min((entry.since for entry in taken), default=None)
            return taken

    def take_everything(self) -> list[Pending]:
        """All there is, with the turns that were seen; or, where none was, the one that the object shows."""
        now, clock = datetime.now(UTC), time.monotonic()
        with self._turn:
            waiting, self._waiting = self._waiting, {}
            self._deletions, self._incomplete = 0, False
            self._taken_since = min((entry.since for entry in waiting.values()), default=None)
            known = list(self._all.items())
        gone = [entry for entry in waiting.values() if entry.body is None]
        return gone + [waiting.get(uid) or _as_it_stands(kind, body, now, clock) for uid, (kind, body) in known]

    def written(self) -> None:
        """What was taken is safe."""
        with self._turn:
            self._taken_since = None

    @property
    def incomplete(self) -> bool:
        """Whether only a full copy can tell what is gone."""
        return self._incomplete

    def lag(self) -> float:
        """Seconds since the oldest change that is not written."""
        with self._turn:
            oldest = [entry.since for entry in self._waiting.values()]
            oldest += [] if self._taken_since is None else [self._taken_since]
        return max(0.0, time.monotonic() - min(oldest)) if oldest else 0.0

    def stop(self) -> None:
        """No more waiting, for anything."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()

    def stopped_within(self, seconds: float) -> bool:
        """Wait so long, or until it is time to stop."""
        with self._turn:
            return self._turn.wait_for(lambda: self._stopped, seconds)

    def _count_deletions(self, before: Pending | None, after: Pending) -> None:
        was_gone = before is not None and before.body is None
        self._deletions += (after.body is None) - was_gone
        if self._deletions > DELETIONS_KEPT:
            self._waiting = {uid: entry for uid, entry in self._waiting.items() if entry.body is not None}
            self._deletions, self._incomplete = 0, True


def _as_seen(kind: str, body: Body, now: datetime, clock: float) -> Pending:
    """An object that has just changed."""
    shown, meta = said(body, TOLD[kind]), body["metadata"]
    turns = () if shown is None else (Turn(now, TOLD[kind], *shown[:3]),)
    return Pending(kind, meta["uid"], meta["namespace"], meta["name"], body, turns, clock)


def _as_it_stands(kind: str, body: Body, now: datetime, clock: float) -> Pending:
    """An object of which no change was seen: its reason counts from when the condition says it does."""
    shown, meta = said(body, TOLD[kind]), body["metadata"]
    since = parse_time(shown[3]) if shown is not None else None
    turns = () if shown is None else (Turn(since or now, TOLD[kind], *shown[:3], derived=True),)
    return Pending(kind, meta["uid"], meta["namespace"], meta["name"], body, turns, clock)
