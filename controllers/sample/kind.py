"""The Sample kind as the engine sees it: body in, Step and status out. Called by controllers/engine.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from blueno import names
from blueno.errors import InvalidSpec
from blueno.resources.api import JOBS, PODS, SAMPLES
from blueno.resources.sample import Sample, dataset_of, unreadable
from blueno.resources.sample_reasons import SampleReason as Reason
from controllers.cache import Body, Cache, owner_uid
from controllers.diff import difference
from controllers.heard import Heard
from controllers.queue import Key
from controllers.sample.case import Case, of_now
from controllers.sample.decide import decide
from controllers.sample.observe import NEAR, ingests, is_at_work, observe, takes_samples
from controllers.sample.roster import Place, Roster
from controllers.sample.status import project_status
from controllers.step import Step
from controllers.world import World


class SampleKind:
    """Pure but for the cache and the roster that it reads."""

    resource = SAMPLES

    def __init__(self, world: World, cache: Cache, roster: Roster) -> None:
        self._world = world
        self._cache = cache
        self._roster = roster

    def plan(
        self,
        body: Body,
        heard: Heard,
        now: datetime,
        told: str = "",  # noqa: ARG002
    ) -> tuple[Step, Mapping[str, Any]]:
        """The next Step for `body` and the status changes that go with it."""
        try:
            sample = Sample.parse(body)
        except InvalidSpec as error:
            sample = unreadable(body)
            if not sample.deleting:
                step = Step(Reason.INVALID_SPEC, str(error), stalled=True)
                return step, difference(sample.status, project_status(sample, step, now))
        seen = observe(self._cache, self._roster, sample, body, now)
        result = of_now(sample, heard.ingest)
        if result is not None and not result.permanent and seen.resting_until is None:
            result = None  # it is to be tried again
        step = decide(Case(sample, seen, result, self._world, now))
        if step.quiet or step.finalizer is False:  # the object goes with that write
            return step, {}
        return step, difference(sample.status, project_status(sample, step, now))

    def conflict(self, body: Body, message: str, now: datetime) -> Mapping[str, Any]:
        """Status changes when the Job's name is taken by somebody else."""
        return self._explain(body, Reason.NAME_CONFLICT, message, now)

    def refused(self, body: Body, step: Step, message: str, now: datetime) -> Mapping[str, Any]:  # noqa: ARG002
        """Status changes when the API server does not accept the Job: a quota, a policy."""
        return self._explain(body, Reason.INGEST_FAILED, f"the API server refuses the ingest Job: {message}", now)

    def interested(self, kind: str, body: Body) -> Iterable[Key]:
        """Samples to look at: the first in line when another comes or goes, or when their Job or Dataset changes."""
        for uid in self._concerned(kind, body):
            yield names.SAMPLE_KIND, uid

    def _concerned(self, kind: str, body: Body) -> Iterable[str]:
        if kind == names.SAMPLE_KIND:
            place = (body["metadata"]["namespace"], dataset_of(body))
            dataset = self._cache.named(names.DATASET_KIND, *place)
            if dataset is not None and not is_at_work(self._cache, dataset["metadata"]["uid"]):
                yield from self._first(place, 1)
        elif kind == names.DATASET_KIND:
            yield from self._of_dataset(body)
        elif kind in (JOBS.kind, PODS.kind) and ingests(body):
            dataset = self._cache.get(names.DATASET_KIND, owner_uid(body) or "")
            if dataset is not None:
                meta = dataset["metadata"]
                yield from self._first((meta["namespace"], meta["name"]), NEAR if kind == PODS.kind else 1)

    def _of_dataset(self, dataset: Body) -> Iterable[str]:
        meta = dataset["metadata"]
        place = (meta["namespace"], meta["name"])
        there = self._cache.named(names.DATASET_KIND, *place)
        if there is None or there["metadata"].get("deletionTimestamp"):
            yield from self._roster.members(place)
            return
        if takes_samples(there):
            yield from self._roster.waiting(place)
        yield from self._first(place, NEAR)

    def _first(self, place: Place, count: int) -> tuple[str, ...]:
        return self._roster.first(place, count, datetime.now(UTC))

    def _explain(self, body: Body, reason: Reason, message: str, now: datetime) -> Mapping[str, Any]:
        try:
            sample = Sample.parse(body)
        except InvalidSpec:
            sample = unreadable(body)
        step = Step(Reason.REMOVING if sample.deleting else reason, message, reconciling=True)
        return difference(sample.status, project_status(sample, step, now))
