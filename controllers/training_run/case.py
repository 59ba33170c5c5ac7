"""Everything a rule of controllers/training_run/decide.py may look at. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from blueno.resources.training_run import TrainingRun
from controllers.training_run.observe import Observed, RunJob


@dataclass(frozen=True)
class Case:
    """One TrainingRun with what was observed."""

    run: TrainingRun
    seen: Observed
    now: datetime

    @property
    def job(self) -> RunJob | None:
        """The Job of the attempt under way: the one status names, or one made just before an operator died."""
        newest = self.seen.jobs[-1] if self.seen.jobs else None
        if newest is None or newest.attempt > self.run.attempt or newest.name == self.run.job_name:
            return newest
        return None

    @property
    def writing_pods(self) -> bool:
        """Whether pods of earlier attempts are still stopping."""
        pods = (*self.seen.stray_pods, *(pod for job in self.seen.jobs for pod in job.pods))
        return any(pod.may_write(self.now) for pod in pods)
