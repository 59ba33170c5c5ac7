"""The TrainingRun kind as the engine sees it: body in, Step and status out. Called by controllers/engine.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from blueno import names
from blueno.errors import InvalidSpec
from blueno.resources.api import TRAINING_RUNS
from blueno.resources.run_reasons import RunReason as Reason
from blueno.resources.training_run import TrainingRun
from controllers.cache import Body, Cache
from controllers.diff import difference
from controllers.heard import NOTHING, Heard
from controllers.queue import Key
from controllers.step import Step
from controllers.training_run import queueing, words
from controllers.training_run.case import Case
from controllers.training_run.decide import decide
from controllers.training_run.observe import observe
from controllers.training_run.status import project_status
from controllers.training_run.usage import count_usage
from controllers.world import World


class TrainingRunKind:
    """Pure but for the cache it reads."""

    resource = TRAINING_RUNS

    def __init__(self, world: World, cache: Cache) -> None:
        self._world = world
        self._cache = cache

    def plan(self, body: Body, heard: Heard, now: datetime, told: str = "") -> tuple[Step, Mapping[str, Any]]:
        """The next Step for `body` and the status changes that go with it; `told` answers what it asked before."""
        try:
            run = TrainingRun.parse(body)
        except InvalidSpec as error:
            run = TrainingRun.parse({**body, "spec": {"image": "?"}})
            step = Step(Reason.INVALID_SPEC, str(error), stalled=True)
            return step, difference(run.status, project_status(run, None, step, NOTHING, now))
        if run.deleting:
            return Step(Reason.SUSPENDED, ""), {}  # garbage collection stops the Job
        case = Case(run, observe(self._cache, run), self._world, now)
        step = count_usage(case, decide(case))
        if step.ask is not None and told:
            reason, message = words.told(run, step, told)
            step = replace(step, reason=reason, message=message, quiet=False)
        if step.queue is not None and heard.admission is not None:
            reason, message = queueing.told(run.placement.queue or "", step.queue.name, heard.admission)
            step = replace(step, reason=reason, message=message, quiet=False)
        if step.quiet:
            return step, {}
        return step, difference(run.status, project_status(run, case.job, step, heard, now))

    def conflict(self, body: Body, message: str, now: datetime) -> Mapping[str, Any]:
        """Status changes when a name we need is taken by somebody else."""
        return self._explain(body, Step(Reason.NAME_CONFLICT, message, reconciling=True), now)

    def refused(self, body: Body, step: Step, message: str, now: datetime) -> Mapping[str, Any]:  # noqa: ARG002
        """Status changes when the API server does not accept the Job: a quota, a policy."""
        return self._explain(body, Step(*words.refused(message), reconciling=True), now)

    def interested(self, kind: str, body: Body) -> Iterable[Key]:
        """Runs that name this data set."""
        if kind != names.DATASET_KIND:
            return
        meta = body["metadata"]
        for run in self._cache.runs_of(meta["namespace"], meta["name"]):
            yield names.TRAINING_RUN_KIND, run["metadata"]["uid"]

    def _explain(self, body: Body, step: Step, now: datetime) -> Mapping[str, Any]:
        run = TrainingRun.parse(body)
        return difference(run.status, project_status(run, None, step, NOTHING, now))
