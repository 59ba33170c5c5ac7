"""Everything a rule of controllers/training_run/decide.py may look at. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from blueno import names
from blueno.resources.run_reasons import RunReason as Reason
from blueno.resources.training_run import TrainingRun
from controllers.pods import PodView
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
    def under_way(self) -> tuple[int, str] | None:
        """Attempt and name of the Job under way; of one that was deleted before status named it, as its pods say."""
        if self.job is not None:
            return self.job.attempt, self.job.name
        number = max((pod.attempt for pod in self.seen.stray_pods), default=0)
        name = names.train_job_name(self.run.name, self.run.uid, number)
        return (number, name) if number > self.run.attempt else None

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
    def being_suspended(self) -> bool:
        """Whether the Job that status names goes because `spec.suspend` was true, whatever it is by now."""
        return self.run.reason == Reason.SUSPENDED and self.run.job_name is not None

    @property
    def stopping(self) -> bool:
        """Whether pods of earlier attempts are still stopping."""
        return any(pod.may_write(self.now) for pod in self._pods)

    @property
    def given_up(self) -> PodView | None:
        """The latest pod that nobody waits for any more: its node is lost, and it may still write."""
        lost = [pod for pod in self._pods if not pod.ended and not pod.may_write(self.now)]
        return max(lost, key=lambda pod: pod.attempt, default=None)

    @property
    def _pods(self) -> tuple[PodView, ...]:
        return (*self.seen.stray_pods, *(pod for job in self.seen.jobs for pod in job.pods))
