"""Which data servers are wanted, and until when: in memory only, nothing about it is written to the cluster.

Told by controllers/reports.py (the web process: somebody looked; the recorder: let me read), asked through it by each
reconcile. After a restart a data server that runs counts as looked at (controllers/lifecycle.py), and so does one that
somebody else started: another operator at work, which the Lease should prevent, or a person. Time is an argument.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

LEASE_SECONDS = 60  # a recorder that is still reading asks again before
LEASES = 4  # data sets that are read at the same time


class Demand:
    """Wishes by Dataset uid. Not thread-safe: one event loop uses it."""

    def __init__(self, serve_seconds: int) -> None:
        self._serve = timedelta(seconds=serve_seconds)
        self._looked: dict[str, datetime] = {}  # until when a look keeps the server up
        self._leases: dict[str, datetime] = {}
        self._ours: set[str] = set()  # their server runs, or may run, by a wish told to us: it is ours to end
        self._found: dict[str, datetime] = {}  # it runs by no wish that we know: until when it is left alone

    def look(self, uids: Iterable[str], now: datetime) -> list[str]:
        """Somebody looks at these; returns those that nothing had kept up."""
        new = []
        for uid in uids:
            if self.until(uid, now) is None:
                new.append(uid)
            self._looked[uid] = now + self._serve
        return new

    def lease(self, uid: str, now: datetime) -> int:
        """Let the recorder read one more, or go on reading: 0, or the seconds after which asking again is worth it."""
        self._leases = {held: until for held, until in self._leases.items() if until > now}
        if uid not in self._leases and len(self._leases) >= LEASES:
            return max(1, math.ceil((min(self._leases.values()) - now).total_seconds()))
        self._leases[uid] = now + timedelta(seconds=LEASE_SECONDS)
        return 0

    def give_back(self, uid: str) -> None:
        """The recorder is done with this one."""
        self._leases.pop(uid, None)

    def until(self, uid: str, now: datetime) -> datetime | None:
        """Until when the data server of `uid` is wanted, as far as is known now; None: it is not."""
        ends = [kept[uid] for kept in (self._looked, self._leases) if uid in kept and kept[uid] > now]
        return max(ends, default=None)

    def keep_until(self, uid: str, runs: bool, now: datetime) -> datetime | None:
        """Until when the data server of `uid`, which runs or does not, is kept up; None: nobody wants it.

        One that was found running without a wish is left alone for as long as a look lasts. Two operators, of which one
        was told, would else scale it up and down for as long as both are there.
        """
        until = self.until(uid, now)
        if until is not None:
            self._ours.add(uid)
        elif not runs:
            self._ours.discard(uid)
            self._found.pop(uid, None)
        elif uid not in self._ours:
            found = self._found.setdefault(uid, now + self._serve)
            return found if found > now else None
        return until

    def forget(self, now: datetime) -> None:
        """Drop what is over, so that memory follows what is looked at."""
        self._looked = {uid: until for uid, until in self._looked.items() if until > now}
        self._found = {uid: until for uid, until in self._found.items() if until > now}
        self._ours = {uid for uid in self._ours if self.until(uid, now) is not None}

    def __len__(self) -> int:
        return len(self._looked.keys() | self._found.keys() | self._ours)
