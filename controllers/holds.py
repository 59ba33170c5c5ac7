"""Which Datasets the runs that are being started rely on, between the finalizer and the Job. In memory only.

Used by controllers/engine.py (holds and releases) and controllers/dataset/users.py (asks). A run puts the finalizer
`blueno.dev/in-use` on its Datasets and makes its Job in one reconcile; a Dataset takes it off when no run uses it. What
keeps the two apart is here: a run that is between the two writes counts as a user, and nobody decides about the
finalizer while somebody else writes it. docs/adr/0012-data-sets-in-use.md says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class Holds:
    """Not thread-safe: one event loop uses it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()  # around every write of the finalizer and the decision before it
        self._starting: dict[str, frozenset[str]] = {}  # uid of a run: uids of its Datasets

    def begin(self, run: str, datasets: Iterable[str]) -> None:
        """The run is about to be started on these; none: it is not."""
        held = frozenset(datasets)
        if held:
            self._starting[run] = held
        else:
            self.end(run)

    def end(self, run: str) -> None:
        """Its Job is in the cache, or is not made after all."""
        self._starting.pop(run, None)

    def is_starting(self, run: str, dataset: str) -> bool:
        """Whether the run is about to be started on the Dataset."""
        return dataset in self._starting.get(run, ())
