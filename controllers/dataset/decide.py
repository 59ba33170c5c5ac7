"""What to do next for one Dataset: the first rule that has something to say wins. Pure; read it top to bottom.

Called by controllers/dataset/kind.py; calls build.py for manifests. The rules about claims and volumes are in
storage.py, those of deletion in deletion.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from blueno import names
from blueno.resources.api import JOBS, PODS
from blueno.resources.reasons import DatasetReason as Reason
from controllers.dataset import words
from controllers.dataset.build import build_prep_job, prepare_hash, short_hash
from controllers.dataset.case import Case
from controllers.dataset.observe import claim_name
from controllers.dataset.storage import (
    claim_is_pending,
    name_is_taken,
    server_is_not_ready,
    source_claim_is_missing,
    storage_is_not_allowed,
    volume_is_binding,
    volume_is_lost,
    volume_is_missing,
    volume_is_stale,
)
from controllers.dataset.work import FAILED, OPEN, SEALED, Wanted
from controllers.step import Patch, Ref, Step

START_PATIENCE = 10.0  # seconds a pod may take to start before Events are asked why: mounts, quota, Pod Security
MAX_SILENT_ATTEMPTS = 20  # Jobs in a row that ended without a word: the image is not ours, or somebody deletes them

Rule = Callable[[Case], Step | None]


def volume_was_replaced(case: Case) -> Step | None:
    """The claim is another one than the version was sealed on: restored, or new and empty. An attempt finds out."""
    if not case.data_is_gone:
        return None
    if (waiting := volume_is_binding(case)) is not None:
        return waiting
    step = _start(case, case.wanted.following())
    text = f"claim {claim_name(case.dataset, case.seen.storage)} was replaced: looking for the version on the new one"
    return replace(step, message=text, status={**step.status, **words.NO_VERSION})


def earlier_work_still_runs(case: Case) -> Step | None:
    """A changed spec stops what prepared the old one, whatever becomes of the new one (suspended, failed, sealed)."""
    old = [j for j in case.seen.jobs if j.work != case.wanted.hash and j.state == "active"]
    if not old:
        return None
    refs = tuple(job.ref for job in old)
    return Step(Reason.PREPARING, "stopping the preparation of the earlier spec", reconciling=True, delete=refs)


def work_is_done(case: Case) -> Step | None:
    """Nothing to run: the version that was asked for is sealed."""
    if case.wanted.outcome != SEALED:
        return None
    return Step(Reason.AVAILABLE, words.available(case.dataset), ready=True)


def uploads_are_open(case: Case) -> Step | None:
    """An `upload` source whose volume is ready: samples come when people send them, a seal when they ask for it."""
    if case.wanted.outcome != OPEN:
        return None
    return Step(*words.accepting(case.dataset, case.wanted.work.requested_at is not None), ready=True)


def work_has_failed(case: Case) -> Step | None:
    """Only a person can help: what the failure said stays until the spec changes or somebody asks again."""
    if case.wanted.outcome != FAILED:
        return None
    reason, text = words.standing_failure(case.dataset)
    return Step(reason, text, stalled=True)


def dataset_is_suspended(case: Case) -> Step | None:
    """`spec.suspend`: the Job's pods go, its staging stays."""
    if not case.dataset.suspend:
        return None
    job = case.job
    if job is not None and job.state == "active" and not job.suspended:
        patch = Patch(job.ref, {"spec": {"suspend": True}})
        return Step(Reason.SUSPENDED, "stopping; what was done is kept", reconciling=True, patch=(patch,))
    if job is not None and job.outcome is not None and job.outcome.done:
        return None  # it was done before the pod was stopped
    text = "spec.suspend is true: preparation goes on where it was when it is set to false"
    return Step(Reason.SUSPENDED, text)


def job_is_outdated(case: Case) -> Step | None:
    """spec.prepare was changed, or the operator's image while no pod could start: a Job's template cannot be."""
    job = case.job
    if job is None or job.state not in ("active", "failed") or (job.outcome is not None and job.outcome.done):
        return None
    idle = not any(pod.started for pod in job.pods)
    image_changed = idle and job.image != short_hash(case.world.config.prep_image)
    if job.prepare == prepare_hash(case.dataset) and not image_changed:
        return None
    if job.state == "failed":
        return _start(case, case.wanted.following())
    text = "stopping this attempt: spec.prepare was changed; the next one goes on from what was done"
    return Step(Reason.PREPARING, text, reconciling=True, delete=(job.ref,))


def job_has_not_started(case: Case) -> Step | None:
    """The first attempt, or the next one after a request."""
    if case.job is not None or _job_was_made(case):
        return None
    if any(pod.may_write(case.now) for pod in case.seen.pods()):
        text = "an earlier attempt's pod is stopping; this one starts then"
        return Step(Reason.PREPARING, text, reconciling=True, again_in=5)
    return _start(case, case.wanted)


def job_is_gone(case: Case) -> Step | None:
    """Deleted by somebody or by its TTL before its outcome was read: the next attempt finds what there is."""
    job = case.job
    if job is not None and job.state == "deleting":
        return Step(Reason.PREPARING, "its Job is being deleted; the next attempt follows", reconciling=True)
    if job is not None and not (job.state == "complete" and job.outcome is None):
        return None
    if any(pod.may_write(case.now) for pod in case.seen.stray_pods):
        text = "its Job was deleted; the next attempt follows when its pod has stopped"
        return Step(Reason.PREPARING, text, reconciling=True, again_in=5)
    if case.wanted.attempt >= MAX_SILENT_ATTEMPTS:
        text = f"{MAX_SILENT_ATTEMPTS} Jobs ended without a result; is {case.world.config.prep_image} Blueno's image?"
        return _failed(case, Reason.PREP_FAILED, text)
    name = names.prep_job_name(case.dataset.name, case.dataset.uid, case.wanted.hash, case.wanted.attempt)
    doubt = Ref(JOBS, case.dataset.namespace, name)
    return replace(_start(case, case.wanted.following()), confirm=doubt)


def job_has_sealed(case: Case) -> Step | None:
    """A sealed outcome is the truth, whatever the Job says of itself; so is one that found nothing to seal."""
    job = case.job
    if job is None or job.outcome is None or not job.outcome.done:
        return None
    if job.outcome.opened:
        found = words.accepting(case.dataset, case.wanted.work.requested_at is not None)
        return Step(*found, ready=True, status=words.open_status(case.wanted), again_in=case.next_look)
    status = words.sealed_status(case.wanted, job.outcome)
    took = (case.now - job.created).total_seconds() if job.created is not None else None
    told = words.sealed(job.outcome)
    return Step(Reason.AVAILABLE, told, ready=True, status=status, took=took, again_in=case.next_look)


def job_has_failed(case: Case) -> Step | None:
    """The Job has used up its retries or failed for good (its pod says so before the Job's own status does)."""
    job = case.job
    if job is None or not (job.state == "failed" or job.has_failed_for_good):
        return None
    code = job.outcome.code if job.outcome is not None else ""
    if job.failure == "DeadlineExceeded":
        code = ""
    if code in (Reason.SOURCE_UNAVAILABLE, Reason.WAITING_FOR_VOLUME) or (
        code == Reason.ADOPTION_MISMATCH and case.seen.gone_owner
    ):
        return _start(case, case.wanted.following())
    reason, text = words.job_failure(job, case.dataset)
    failed = _failed(case, reason, text)
    return failed if job.outcome is not None else replace(failed, confirm=job.ref)


def job_is_suspended(case: Case) -> Step | None:
    """Resume after `spec.suspend`."""
    job = case.job
    if job is None or not job.suspended:
        return None
    patch = Patch(job.ref, {"spec": {"suspend": False}})
    return Step(Reason.PREPARING, "resuming", reconciling=True, patch=(patch,))


def pod_is_in_trouble(case: Case) -> Step | None:
    """Image, scheduling, volume: things that can heal while the Job waits."""
    job = case.job
    pod = job.pods[-1] if job is not None and job.pods else None
    if pod is None or not pod.trouble or pod.started:
        return None
    if pod.trouble == "image":
        text = f"the node cannot get the image {case.world.config.prep_image}: {pod.detail}"
        return Step(Reason.IMAGE_PULL_FAILED, text, reconciling=True)
    if pod.trouble == "unschedulable" and not words.is_about_claim(pod.detail):
        return Step(Reason.UNSCHEDULABLE, f"no node takes the preparation pod: {pod.detail}", reconciling=True)
    if pod.trouble == "unschedulable":
        return None  # claim_is_pending says it better
    return Step(Reason.PREP_FAILED, f"the preparation pod cannot start: {pod.detail}", reconciling=True)


def job_is_running(case: Case) -> Step:
    """The last rule: there is a Job and nothing is wrong with it."""
    job = case.job
    assert job is not None  # noqa: S101  # job_has_not_started and job_is_gone come before
    step = words.running(job, case.seen.heard.progress, case.wanted, case.dataset)
    pod = job.pods[-1] if job.pods else None
    if pod is not None and (pod.started or pod.ended):
        return step
    age = (case.now - job.created).total_seconds() if job.created is not None else 0.0
    if age < START_PATIENCE:
        return replace(step, again_in=START_PATIENCE - age)
    silent = job.ref if pod is None else Ref(PODS, case.dataset.namespace, pod.name)
    return replace(step, ask=silent, again_in=2 * START_PATIENCE)


RULES: tuple[Rule, ...] = (
    storage_is_not_allowed,
    name_is_taken,
    server_is_not_ready,
    volume_is_stale,
    volume_is_missing,
    volume_is_lost,
    volume_was_replaced,
    earlier_work_still_runs,
    work_is_done,
    uploads_are_open,
    work_has_failed,
    dataset_is_suspended,
    source_claim_is_missing,
    volume_is_binding,
    job_is_outdated,
    job_has_not_started,
    job_has_sealed,
    job_is_gone,
    job_has_failed,
    job_is_suspended,
    pod_is_in_trouble,
    claim_is_pending,
    job_is_running,
)


def decide(case: Case) -> Step:
    """The first rule that has something to say wins."""
    spoken = (rule(case) for rule in RULES)
    return next(step for step in spoken if step is not None)


def _job_was_made(case: Case) -> bool:
    """Whether status knows of a Job for this very attempt."""
    done = case.dataset.work
    return done.hash == case.wanted.hash and done.attempt >= case.wanted.attempt > 0


def _start(case: Case, wanted: Wanted) -> Step:
    manifest = build_prep_job(case.dataset, case.seen, wanted, case.world)
    status = words.work_status(wanted, "")
    text = f"starting preparation (attempt {wanted.attempt})" + words.kept(case.seen)
    reason = Reason.PENDING if wanted.attempt == 1 else Reason.PREPARING
    return Step(reason, text, reconciling=True, apply=(manifest,), status=status, again_in=0)


def _failed(case: Case, reason: str, text: str) -> Step:
    status: dict[str, Any] = words.work_status(case.wanted, FAILED)
    return Step(reason, text, stalled=True, status=status | {"progress": None}, again_in=case.next_look)
