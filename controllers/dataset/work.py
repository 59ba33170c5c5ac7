"""Which work a Dataset asks for, and which attempt at it is the current one. Pure; used by decide.py and build.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from blueno.resources.dataset import Dataset
from blueno.resources.work import Work
from controllers.dataset.observe import JobView

SEALED = "Sealed"
OPEN = "Open"  # an `upload` source with nothing to seal: its volume is ready for samples
FAILED = "Failed"


@dataclass(frozen=True)
class Wanted:
    """The work in hand: `attempt` is the number of its current Job, `settled` whether there is nothing to run."""

    work: Work
    attempt: int
    outcome: str  # "" while it is not done
    handled_request: str | None  # goes to status.lastHandledRequest together with the attempt

    @property
    def hash(self) -> str:
        return self.work.hash

    def following(self) -> Wanted:
        """The next attempt at the same work."""
        return replace(self, attempt=self.attempt + 1, outcome="")


def wanted_work(dataset: Dataset, jobs: Sequence[JobView]) -> Wanted:
    """The work that spec and `blueno.dev/requested-at` ask for.

    A new request while the work has Failed means its next attempt (staging is kept), and so does a changed spec (a
    raised limit, more memory). While it is Sealed or Open a request means reading the source again, and sealing the
    working set with it, as a work of its own. On a fresh object, and while its first version is prepared, it changes
    nothing; but where samples may have been added since the work in hand began, it waits for that work's end.
    """
    done = dataset.work
    asked = dataset.requested_at is not None and dataset.requested_at != dataset.last_handled_request
    upload = dataset.source_kind == "upload"
    unheard = dataset.last_handled_request
    same = Work(dataset.source, dataset.layout, requested_at=done.requested_at)
    if same.hash != done.hash:
        handled = unheard if upload else dataset.requested_at
        return Wanted(same, _first_attempt(same.hash, jobs, done.attempt), "", handled)
    if done.outcome == FAILED and (asked or dataset.generation != dataset.observed_generation):
        return Wanted(same, done.attempt + 1, "", dataset.requested_at)
    if asked and done.outcome in (SEALED, OPEN):
        again = Work(dataset.source, dataset.layout, requested_at=dataset.requested_at)
        return Wanted(again, _first_attempt(again.hash, jobs, done.attempt), "", dataset.requested_at)
    handled = unheard if asked and (upload or dataset.accepts_samples) else dataset.requested_at
    return Wanted(same, max(done.attempt, 1), done.outcome, handled)


def _first_attempt(work: str, jobs: Sequence[JobView], known: int) -> int:
    """Number of the attempt to begin a work with, given the last one that status knows of (0: none).

    Numbers go on from work to work, so that no Job's name is ever used twice. A Job of this work with a higher number
    than status knows was made just before the operator died: it is the attempt.
    """
    made = [job.attempt for job in jobs if job.work == work and job.attempt > known]
    return max(made) if made else known + 1
