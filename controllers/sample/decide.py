"""What to do next for one Sample: the first rule that has something to say wins. Pure; read it top to bottom.

Called by controllers/sample/kind.py; calls build.py for the Job. A Sample that does well costs two writes: its
finalizer, with its Dataset as owner, and its final status. What keeps all of them waiting is told by the first few in
line only. How many become one Job: docs/adr/0024-samples-in-one-job.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from blueno.resources.sample_reasons import SampleReason as Reason
from controllers.objects.meta import owner_reference
from controllers.sample import words
from controllers.sample.build import build_ingest_job, owner
from controllers.sample.case import Case
from controllers.sample.observe import JobView
from controllers.sample.roster import SETTLED
from controllers.step import Step

GRACE = 3.0  # seconds in which a Dataset of the same `kubectl apply` may come after its Samples
STOP_PATIENCE = 5.0  # seconds between two looks at a pod that stops
START_PATIENCE = 20.0  # seconds a pod may take to start before anything is said about it
FIRST_PAUSE, LAST_PAUSE = 5.0, 600.0  # seconds between a Job that did nothing and the next one, doubled each time

QUIET = Step("", "", quiet=True)
Rule = Callable[[Case], Step | None]


# A Sample that is to be in the working set -----------------------------------------------------------


def it_is_settled(case: Case) -> Step | None:
    """Status says how it ended; nobody has asked for anything since."""
    return QUIET if case.seen.standing == SETTLED else None


def pod_has_told(case: Case) -> Step | None:
    """How it ended. What may heal is tried again, later and later (controllers/ingests.py)."""
    if case.result is None:
        return None
    step = words.told(case.sample, case.result, case.seen.dataset)
    return replace(step, again_in=_rest(case)) if step.reconciling else step


def dataset_is_missing(case: Case) -> Step | None:
    """Made in the same breath, perhaps: then nothing is said about it."""
    if case.seen.dataset is not None:
        return None
    age = (case.now - case.sample.created).total_seconds() if case.sample.created is not None else GRACE
    if 0 <= age < GRACE:
        return Step("", "", quiet=True, again_in=GRACE - age)
    text = f"there is no Dataset {case.sample.dataset} in namespace {case.sample.namespace}"
    return Step(Reason.DATASET_NOT_FOUND, text, reconciling=True)


def dataset_is_not_ready(case: Case) -> Step | None:
    """Nothing is fetched that cannot be put anywhere. The words are the same for all, whatever the Dataset does."""
    dataset = case.seen.dataset
    if dataset is None or (dataset.ready and not dataset.going):
        return None
    why = "is being deleted, and its Samples with it" if dataset.going else "is not Ready yet"
    text = f"Dataset {dataset.name} {why}: see kubectl describe dataset {dataset.name}"
    return Step(Reason.DATASET_NOT_READY, text, reconciling=True)


def it_is_not_guarded(case: Case) -> Step | None:
    """The first write: before anything of it is anywhere. With the Dataset it goes, too."""
    dataset = case.seen.dataset
    if dataset is None or (case.sample.guarded and dataset.uid in case.sample.owners):
        return None
    reference = {**owner_reference(owner(dataset)), "controller": False}  # it is the user's object
    return Step("", "", quiet=True, finalizer=True, owner=reference)


# A Sample that was deleted ----------------------------------------------------------------------------


def nothing_of_ours_holds_it(case: Case) -> Step | None:
    """It was never handed out, or somebody else's finalizer is all that is left."""
    return None if case.sample.guarded else QUIET


def its_dataset_is_gone(case: Case) -> Step | None:
    """With the Dataset goes the working set: nothing to take out of it, and nobody who could."""
    dataset = case.seen.dataset
    if dataset is not None and not dataset.going and case.sample.status.get("datasetUID") in (None, dataset.uid):
        return None
    return Step(Reason.REMOVING, "its Dataset is gone", finalizer=False)


def it_is_removed(case: Case) -> Step | None:
    """The journal says so: the object may go."""
    return Step(Reason.REMOVING, "removed", finalizer=False) if case.is_removed else None


def removal_has_failed(case: Case) -> Step | None:
    """Tried again, later and later."""
    if case.result is None:
        return None
    text = f"not removed yet: {case.result.message}"
    return Step(Reason.REMOVING, text, reconciling=True, again_in=_rest(case))


# What both wait for: the pod --------------------------------------------------------------------------


def it_rests(case: Case) -> Step | None:
    """What failed may heal, but not by asking all the time."""
    return None if case.seen.resting_until is None else Step("", "", quiet=True, again_in=_rest(case))


def others_come_first(case: Case) -> Step | None:
    """Nothing to say: the first in line make the Job and say what all wait for."""
    return None if case.seen.near else QUIET


def job_is_at_work(case: Case) -> Step | None:
    """It takes everybody in line with it, whoever made it."""
    job = case.seen.job
    if job is None:
        return None
    trouble = words.trouble(case, job)
    if trouble is not None:
        return trouble
    pod = job.pods[-1] if job.pods else None
    if pod is not None and (pod.started or pod.ended):
        return QUIET
    age = (case.now - job.created).total_seconds() if job.created is not None else 0.0
    if age < START_PATIENCE:
        return Step("", "", quiet=True, again_in=START_PATIENCE - age)
    return Step(_waits(case), f"Job {job.ref.name} was made; its pod has not started yet", reconciling=True)


def others_make_the_job(case: Case) -> Step | None:
    return None if case.seen.leads else QUIET


def earlier_pod_stops(case: Case) -> Step | None:
    """Two pods at once would do everything twice, and might bring in what the other has just taken out."""
    if not case.seen.pods_stop:
        return None
    return Step("", "", quiet=True, again_in=STOP_PATIENCE)


def job_pauses(case: Case) -> Step | None:
    """After Jobs that did nothing the next one comes later and later."""
    last = case.seen.jobs[-1] if case.seen.jobs else None
    if last is None:
        return None
    if last.state == "deleting":
        return Step("", "", quiet=True, again_in=STOP_PATIENCE)
    idle = _idle(case.seen.jobs)
    if not idle:
        return None
    pause = min(LAST_PAUSE, FIRST_PAUSE * 2 ** (idle - 1))
    since = last.finished or last.created
    left = pause - (case.now - since).total_seconds() if since is not None else 0.0
    if left <= 0:
        return None
    if last.state == "complete" and idle < 3:  # there may just have been nothing left to do
        return Step("", "", quiet=True, again_in=left)
    return Step(_failed(case), words.job_failed(last), reconciling=True, again_in=left)


def job_starts(case: Case) -> Step:
    """The last rule: one Job for all that is in line now or comes while it runs."""
    dataset = case.seen.dataset
    assert dataset is not None  # noqa: S101  # the rules about the Dataset come before
    number = max((job.number for job in case.seen.jobs), default=0) + 1
    manifest = build_ingest_job(dataset, number, case.seen.needs, case.world)
    return Step("", "", quiet=True, apply=(manifest,), release_if_refused=case.sample.deleting, again_in=START_PATIENCE)


_POD: tuple[Rule, ...] = (
    it_rests,
    others_come_first,
    job_is_at_work,
    others_make_the_job,
    earlier_pod_stops,
    job_pauses,
    job_starts,
)
RULES: tuple[Rule, ...] = (
    it_is_settled,
    pod_has_told,
    dataset_is_missing,
    dataset_is_not_ready,
    it_is_not_guarded,
    *_POD,
)
FAREWELL: tuple[Rule, ...] = (
    nothing_of_ours_holds_it,
    its_dataset_is_gone,
    it_is_removed,
    removal_has_failed,
    dataset_is_not_ready,
    *_POD,
)


def decide(case: Case) -> Step:
    """The first rule that has something to say wins."""
    spoken = (rule(case) for rule in (FAREWELL if case.sample.deleting else RULES))
    return next(step for step in spoken if step is not None)


def _rest(case: Case) -> float:
    until = case.seen.resting_until
    return 0.0 if until is None else max(0.0, (until - case.now).total_seconds())


def _idle(jobs: tuple[JobView, ...]) -> int:
    """How many Jobs in a row, up to the last one, have dealt with no Sample."""
    count = 0
    for job in reversed(jobs):
        if job.settled:
            break
        count += 1
    return min(count, 12)


def _waits(case: Case) -> str:
    return Reason.REMOVING if case.sample.deleting else Reason.INGESTING


def _failed(case: Case) -> str:
    return Reason.REMOVING if case.sample.deleting else Reason.INGEST_FAILED
