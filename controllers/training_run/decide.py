"""What to do next for one TrainingRun: the first rule that has something to say wins. Pure; read it top to bottom.

Called by controllers/training_run/kind.py; calls build.py for the Job, words.py for sentences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from blueno import names
from blueno.resources.api import JOBS, PODS
from blueno.resources.conditions import find
from blueno.resources.run_reasons import RunReason as Reason
from controllers.step import Ref, Step
from controllers.training_run import words
from controllers.training_run.build import build_job
from controllers.training_run.case import Case

START_PATIENCE = 3.0  # seconds a pod may take to start before Events are asked why: quota, mounts, Pod Security
LOOK_AGAIN = 10.0  # seconds between two questions about a pod that does not start

Rule = Callable[[Case], Step | None]


def run_is_over(case: Case) -> Step | None:
    """What was said at the end stays."""
    succeeded = find(case.run.conditions, "Succeeded")
    if not case.run.ended or succeeded is None:
        return None
    return Step(
        succeeded.reason, succeeded.message, ready=succeeded.status == "True", stalled=succeeded.status == "False"
    )


def job_has_completed(case: Case) -> Step | None:
    """Exit code 0, whatever else was asked meanwhile."""
    job = case.job
    if job is None or job.state != "complete":
        return None
    return Step(Reason.COMPLETED, words.completed(job), ready=True, status=words.end(case, job))


def run_is_suspended(case: Case) -> Step | None:
    """`spec.suspend`: the Job goes, with SIGTERM and the grace period; resuming is a new attempt."""
    if not case.run.suspend:
        return None
    job = case.job
    if job is not None and job.state != "deleting":
        status = words.attempt(job.attempt, job.name)  # of a Job that status may not know yet
        return Step(Reason.SUSPENDED, "stopping", reconciling=True, delete=(job.ref,), status=status)
    if case.writing_pods or job is not None:
        return Step(Reason.SUSPENDED, "stopping; the pod has its grace period", reconciling=True, again_in=5)
    return Step(
        Reason.SUSPENDED, "spec.suspend is true: the next attempt starts when it is false", status={"jobRef": None}
    )


def datasets_are_not_ready(case: Case) -> Step | None:
    """No Job before every data set has a sealed version; a version once pinned is enough for later attempts."""
    if case.job is not None or case.run.job_name is not None:
        return None
    waiting = [
        view for view in case.seen.datasets if not (view.usable or (view.claim and view.use.name in case.run.pinned))
    ]
    if not waiting:
        return None
    return Step(Reason.DATASET_NOT_READY, words.not_ready(waiting))


def datasets_are_being_deleted(case: Case) -> Step | None:
    """Nothing begins on a Dataset that goes; but a run that uses it already goes on to its end, attempt by attempt."""
    if case.job is not None or case.run.job_name is not None:
        return None
    before = find(case.run.conditions, "Succeeded")
    idle = (Reason.SUSPENDED, Reason.DATASET_NOT_READY)
    if case.run.attempt and before is not None and before.reason not in idle:
        return None
    waiting = [view for view in case.seen.datasets if view.deleting]
    return Step(Reason.DATASET_NOT_READY, words.not_ready(waiting)) if waiting else None


def datasets_are_not_pinned(case: Case) -> Step | None:
    """Written before the Job is made, so that nothing it reads can change between two writes of ours."""
    if all(view.use.name in case.run.pinned for view in case.seen.datasets):
        return None
    pinned = {view.use.name: view.digest for view in case.seen.datasets} | dict(case.run.pinned)
    status = {"datasets": [{"name": view.use.name, "digest": pinned[view.use.name]} for view in case.seen.datasets]}
    return Step(Reason.PENDING, "its data sets are ready", reconciling=True, status=status, again_in=0)


def job_has_not_started(case: Case) -> Step | None:
    """The first attempt, or the next one after a suspension."""
    if case.job is not None or case.run.job_name is not None:
        return None
    if case.writing_pods:
        return Step(Reason.PENDING, "an earlier attempt's pod is stopping; this one starts then", again_in=5)
    number = case.run.attempt + 1
    job = build_job(case.run, number, case.seen.datasets)
    status = words.attempt(number, job["metadata"]["name"])
    step = Step(Reason.PENDING, f"starting attempt {number}", reconciling=True, apply=(job,), status=status, again_in=0)
    return replace(step, hold=tuple(view.ref for view in case.seen.datasets if view.ref is not None))


def job_is_gone(case: Case) -> Step | None:
    """Somebody deleted it: whether it trained to its end cannot be told any more."""
    job = case.job
    if job is not None and job.state != "deleting":
        return None
    if job is not None or case.writing_pods:
        return Step(Reason.RESTARTING, "its Job is being deleted", reconciling=True, again_in=5)
    name = case.run.job_name or names.train_job_name(case.run.name, case.run.uid, case.run.attempt)
    text = f"Job {name} was deleted before its outcome was known: make a new run"
    status = {"completionTime": words.time_of(case.now), "jobRef": None}
    doubt = Ref(JOBS, case.run.namespace, name)
    return Step(Reason.OUTCOME_LOST, text, stalled=True, status=status, confirm=doubt)


def job_has_failed(case: Case) -> Step | None:
    """The Job has given up: deadline, or more failures than allowed."""
    job = case.job
    if job is None or job.state != "failed":
        return None
    reason, text = words.failure(case.run, job)
    return Step(reason, text, stalled=True, status=words.end(case, job) | words.failure_status(reason, job))


def pod_is_in_trouble(case: Case) -> Step | None:
    """Things that can heal while the Job waits: GPUs, nodes, image, claims."""
    job = case.job
    pod = job.last if job is not None else None
    if pod is None or not pod.trouble or pod.started:
        return None
    reason, text = words.trouble(case.run, pod)
    return Step(reason, text)


def job_is_running(case: Case) -> Step:
    """The last rule: there is a Job and nothing is known to be wrong with it."""
    job = case.job
    assert job is not None  # noqa: S101  # job_has_not_started and job_is_gone come before
    status = words.attempt(job.attempt, job.name)
    if case.run.started is None and job.created is not None:
        status["startTime"] = words.time_of(job.created)
    step = replace(words.running(job), status=status)
    pod = job.last
    if pod is not None and (pod.started or pod.ended):
        return step
    age = (case.now - job.created).total_seconds() if job.created is not None else 0.0
    if age < START_PATIENCE:
        return replace(step, again_in=START_PATIENCE - age)
    return replace(step, ask=job.ref if pod is None else Ref(PODS, case.run.namespace, pod.name), again_in=LOOK_AGAIN)


RULES: tuple[Rule, ...] = (
    run_is_over,
    job_has_completed,
    run_is_suspended,
    datasets_are_not_ready,
    datasets_are_being_deleted,
    datasets_are_not_pinned,
    job_has_not_started,
    job_is_gone,
    job_has_failed,
    pod_is_in_trouble,
    job_is_running,
)


def decide(case: Case) -> Step:
    """The first rule that has something to say wins."""
    spoken = (rule(case) for rule in RULES)
    return next(step for step in spoken if step is not None)
