"""The rules for a run whose Job was made: how it goes, and what has gone wrong. Pure; see decide.py."""

from __future__ import annotations

from dataclasses import replace

from blueno import names
from blueno.resources.api import JOBS, PODS
from blueno.resources.conditions import parse_time
from blueno.resources.run_reasons import RunReason as Reason
from controllers.pods import PodView
from controllers.step import Ref, Step
from controllers.training_run import queueing, words
from controllers.training_run.case import Case
from controllers.training_run.observe import RunJob

QUIET = 20.0  # seconds in which a first pod may start without a write, as long as nothing is known to be wrong
UNMADE = 60.0  # the same, of the Job: 200 at once keep the Job controller for more than 20 s, and for less than this
START_PATIENCE = 3.0  # seconds a pod may take to start before Events are asked why: quota, mounts, Pod Security
LOOK_AGAIN = 5.0  # seconds between two questions about a pod that does not start, or a Job that is held


def job_is_gone(case: Case) -> Step | None:
    """Somebody deleted it. While it was at work that is a way to end a run; otherwise nobody knows how it ended."""
    job = case.job
    if job is not None and job.state != "deleting":
        return None
    at_work = case.stopping or (job is not None and any(not pod.ended for pod in job.pods))
    if job is not None or case.stopping:
        reason = Reason.CANCELLED if at_work or case.run.reason == Reason.CANCELLED else Reason.RESTARTING
        return Step(reason, "its Job is being deleted, not by Blueno", reconciling=True, again_in=5)
    name = case.run.job_name or names.train_job_name(case.run.name, case.run.uid, case.run.attempt)
    status = {"completionTime": words.time_of(case.now), "jobRef": None}
    doubt = Ref(JOBS, case.run.namespace, name)
    if case.run.reason == Reason.CANCELLED:
        text = f"Job {name} was deleted while it was at work; make a new run to train again"
        return Step(Reason.CANCELLED, text, stalled=True, status=status, confirm=doubt)
    text = f"Job {name} was deleted before its outcome was known: make a new run"
    return Step(Reason.OUTCOME_LOST, text, stalled=True, status=status, confirm=doubt)


def job_has_failed(case: Case) -> Step | None:
    """The Job has given up. Of a run on several nodes the next attempt may follow; evictions are not counted."""
    job = case.job
    if job is None or job.state != "failed":
        return None
    run = case.run
    disrupted = next((pod for pod in job.pods if pod.disrupted), None)
    if run.team.nodes > 1 and job.failure != "DeadlineExceeded":
        count = run.failures + (0 if disrupted else 1)
        if disrupted or run.failures < run.limits.backoff_limit:
            why = words.why_ended(disrupted or words.culprit(job))
            text = f"{why}; all pods start again together"
            again = {"attempt": job.attempt, "jobRef": None, "failures": count} | words.uses(case)
            reason = Reason.PREEMPTED if words.preempted(disrupted) else Reason.RESTARTING
            return Step(reason, text, reconciling=True, status=again, again_in=0)
    reason_word, text = words.failure(run, job)
    status = words.end(case, job) | words.failure_status(reason_word, job)
    return Step(reason_word, text, stalled=True, status=status)


def node_is_lost(case: Case) -> Step | None:
    """Its node says nothing any more; whether it still trains there cannot be told."""
    job = case.job
    lost = next((pod for pod in job.pods if pod.lost), None) if job is not None else None
    if job is None or lost is None:
        return None
    status = words.attempt(job.attempt, job.name) | words.uses(case)
    if not case.run.limits.new_attempt_when_lost:
        return Step(Reason.NODE_LOST, words.node_lost(lost), status=status)
    # Whatever still runs there goes on writing: the next attempt keeps its checkpoints elsewhere.
    outputs = {**status["outputs"], "checkpoints": f"{names.CHECKPOINTS_DIR}-a{job.attempt + 1}"}
    status |= {"jobRef": None, "outputs": outputs}
    text = f"node {lost.node} does not answer; attempt {job.attempt + 1} starts elsewhere"
    return Step(Reason.NODE_LOST, text, reconciling=True, delete=(job.ref,), status=status, again_in=5)


def job_is_held(case: Case) -> Step | None:
    """`spec.suspend` of the Job belongs to whoever admits it; we never write it."""
    job = case.job
    if job is None or not job.held:
        return None
    status = words.attempt(job.attempt, job.name) | words.uses(case)
    text, age = queueing.held(case.run.placement.queue or "", job.name), _age(case, job)
    # Kueue holds every Job for a moment, also one that it admits at once.
    if case.run.observed_generation < 0 and age < START_PATIENCE:
        return Step(Reason.QUEUED, text, status=status, quiet=True, again_in=START_PATIENCE - age)
    return Step(Reason.QUEUED, text, status=status, queue=job.ref, again_in=LOOK_AGAIN)


def pod_is_in_trouble(case: Case) -> Step | None:
    """Things that can heal while the Job waits: GPUs, nodes, image, claims."""
    job = case.job
    pod = next((p for p in job.pods if p.trouble and not p.started and not p.ended), None) if job is not None else None
    if job is None or pod is None:
        return None
    reason, text = words.trouble(case.run, pod, case.world.config.accelerator_profiles)
    if reason == Reason.VOLUME_UNBOUND and _age(case, job) < START_PATIENCE:
        return None  # a claim that was made a moment ago is bound a moment later
    status = words.attempt(job.attempt, job.name) | words.uses(case)
    return Step(reason, text, status=status, ask=_unmounted(case, pod), again_in=LOOK_AGAIN)


def _unmounted(case: Case, pod: PodView) -> Ref | None:
    """The pod, when the scheduler is content and only Events know more."""
    return Ref(PODS, case.run.namespace, pod.name) if pod.trouble == "container" else None


def job_is_running(case: Case) -> Step:
    """The last rule: there is a Job and nothing is known to be wrong with it."""
    job = case.job
    assert job is not None  # noqa: S101  # job_has_not_started and job_is_gone come before
    status = words.attempt(job.attempt, job.name) | words.uses(case)
    if case.run.started is None and job.created is not None:
        status["startTime"] = words.time_of(job.created)
    step = replace(words.running(case.run, job), status=status)
    idle = next((pod for pod in job.pods if not pod.started and not pod.ended), None)
    if idle is None and len(job.pods) >= case.run.team.nodes:
        return step
    age = _age(case, job)
    step = replace(step, quiet=case.run.observed_generation < 0 and _starts_quietly(case, job))
    if age < START_PATIENCE:
        return replace(step, again_in=START_PATIENCE - age)
    ask = job.ref if idle is None else Ref(PODS, case.run.namespace, idle.name)
    return replace(step, ask=ask, again_in=LOOK_AGAIN)


def _starts_quietly(case: Case, job: RunJob) -> bool:
    """Whether a first start needs no words yet: its pod is young or still to be made, and the Job is not old."""
    newest = parse_time(max((pod.order[0] for pod in job.pods), default=""))
    young = newest is None or (case.now - newest).total_seconds() < QUIET
    return young and _age(case, job) < UNMADE


def _age(case: Case, job: RunJob) -> float:
    """Seconds since the Job was made."""
    return (case.now - job.created).total_seconds() if job.created is not None else START_PATIENCE
