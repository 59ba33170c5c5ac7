"""Everything a rule of controllers/training_run/decide.py may look at. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from blueno.resources.training_run import TrainingRun
from controllers.training_run.observe import Observed, RunJob
from controllers.training_run.pod import Attempt
from controllers.world import World


@dataclass(frozen=True)
class Case:
    """One TrainingRun with what was observed."""

    run: TrainingRun
    seen: Observed
    world: World
    now: datetime

    @property
    def job(self) -> RunJob | None:
        """The Job of the attempt under way: the one status names, or one made just before an operator died."""
        newest = self.seen.jobs[-1] if self.seen.jobs else None
        if newest is None or newest.attempt > self.run.attempt or newest.name == self.run.job_name:
            return newest
        return None

    @property
    def pinned(self) -> Mapping[str, str]:
        """Digests of the versions the run reads: as status has them, as its Job mounts them, or as they are now."""
        now = {view.use.name: view.digest for view in self.seen.datasets if view.digest}
        return {**now, **(self.job.pinned if self.job is not None else {}), **self.run.pinned}

    @property
    def next(self) -> Attempt:
        """The attempt that comes next."""
        return Attempt(self.run, self.run.attempt + 1, self.seen.datasets, self.pinned, self.seen.earlier)

    @property
    def stopping(self) -> bool:
        """Whether pods of earlier attempts are still stopping."""
        pods = (*self.seen.stray_pods, *(pod for job in self.seen.jobs for pod in job.pods))
        return any(pod.may_write(self.now) for pod in pods)
