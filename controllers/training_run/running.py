"""The rules for a run whose Job was made: how it goes, and what has gone wrong. Pure; see decide.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from blueno.resources.api import JOBS, PODS
from blueno.resources.conditions import find, parse_time
from blueno.resources.run_reasons import RunReason as Reason
from controllers.pods import PodView, silent_node
from controllers.step import Ref, Step
from controllers.training_run import queueing, words
from controllers.training_run.case import Case
from controllers.training_run.environment import own_checkpoints
from controllers.training_run.observe import RunJob

QUIET = 20.0  # seconds in which a first pod may start on its node without a write, while nothing is known to be wrong
# Seconds in which the Job may wait for its pod and the pod for its node without one: a crowd of 200 keeps the Job
# controller and the scheduler for a little more than a minute, and would cost a write each.
UNMADE = 90.0
START_PATIENCE = 3.0  # seconds a pod may take to start before Events are asked why, and what the scheduler says is told
REFUSED_REST = 10.0  # seconds, doubled each time, until a node is asked again: it hears later than the scheduler does
REFUSALS = 3  # attempts in a row that a node may refuse; a wrong request is refused for ever
LOOK_AGAIN = 5.0  # seconds between two questions about a pod that does not start, or a Job that is held


def job_is_gone(case: Case) -> Step | None:
    """Somebody deleted it. While it was at work that is a way to end a run; otherwise nobody knows how it ended."""
    job = case.job
    if job is not None and job.state != "deleting":
        return None
    run = case.run
    number, name = case.under_way or (run.attempt, run.job_name or "")
    status, doubt = words.attempt(number, name), Ref(JOBS, run.namespace, name)
    at_work = case.stopping or (job is not None and any(not pod.ended for pod in job.pods))
    if job is not None or case.stopping:
        reason = Reason.CANCELLED if at_work or run.reason == Reason.CANCELLED else Reason.RESTARTING
        # Jobs and Pods come by watches of their own: a pod may be known before the Job that made it.
        confirm = doubt if job is None and run.job_name is None else None
        text = "its Job is being deleted, not by Blueno"
        return Step(reason, text, reconciling=True, status=status, confirm=confirm, again_in=5)
    status |= {"completionTime": words.time_of(case.now), "jobRef": None}
    if run.reason == Reason.CANCELLED:
        text = f"Job {name} was deleted while it was at work; make a new run to train again"
        return Step(Reason.CANCELLED, text, stalled=True, status=status, confirm=doubt)
    text = f"Job {name} was deleted before its outcome was known: make a new run"
    return Step(Reason.OUTCOME_LOST, text, stalled=True, status=status, confirm=doubt)


def pods_have_not_told(case: Case) -> Step | None:
    """The Job has failed, and the pod because of which is not seen to have ended: it comes by a watch of its own."""
    job = case.job
    if job is None or job.state != "failed" or job.failure == "DeadlineExceeded" or job.last is None:
        return None
    told = job.last.ended if case.run.team.nodes == 1 else any(pod.ended for pod in job.pods)
    if told or _since(case, job.finished) >= START_PATIENCE:
        return None
    status = words.attempt(job.attempt, job.name) | words.uses(case)
    said = find(case.run.conditions, "Succeeded")
    reason, text = (said.reason, said.message) if said is not None else (Reason.STARTING, "its pod has ended")
    return Step(reason, text, reconciling=True, status=status, again_in=1)


def node_has_refused(case: Case) -> Step | None:
    """It would not take the pod, which is no failure of the program's. The next attempt follows after a rest."""
    job = case.job
    if job is None or not words.was_refused(case.run, job):
        return None
    times = words.refusals(case.run, case.seen.jobs)
    if times >= REFUSALS:
        return None
    left = REFUSED_REST * 2 ** (times - 1) - _since(case, job.finished)
    status = words.attempt(job.attempt, job.name) | words.uses(case)
    text = f"{words.why_ended(words.culprit(case.run, job))}; attempt {job.attempt + 1} follows"
    if left > 0:
        return Step(Reason.RESTARTING, text, reconciling=True, status=status, again_in=left)
    return Step(Reason.RESTARTING, text, reconciling=True, status=status | {"jobRef": None}, again_in=0)


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
            why = words.why_ended(disrupted or words.culprit(run, job))
            text = f"{why}; all pods start again together"
            again = {"attempt": job.attempt, "jobRef": None, "failures": count} | words.uses(case)
            reason = Reason.PREEMPTED if words.preempted(disrupted) else Reason.RESTARTING
            return Step(reason, text, reconciling=True, status=again, again_in=0)
    reason_word, text = words.failure(run, job)
    status = words.end(case, job) | words.failure_status(reason_word, run, job)
    return Step(reason_word, text, stalled=True, status=status)


def job_was_cut_short(case: Case) -> Step | None:
    """A pod was asked to end, and did with exit code 0. The Job is as good as complete, the training is not."""
    job = case.job
    pod = job.cut_short if job is not None else None
    if job is None or pod is None or not (job.state == "complete" or (pod.ended and not _gives_up(case, job))):
        return None
    reason = Reason.PREEMPTED if words.preempted(pod) else Reason.RESTARTING
    status = {"attempt": job.attempt, "jobRef": None} | words.uses(case)
    return Step(reason, f"{words.why_ended(pod)}; it goes on from there", reconciling=True, status=status, again_in=0)


def _gives_up(case: Case, job: RunJob) -> bool:
    """Whether it is the Job that tells its pods to end: a rank has failed, or its time is over."""
    limit = case.run.limits.active_deadline_seconds
    late = limit is not None and job.begun is not None and _since(case, job.begun) >= limit
    return late or (case.run.team.nodes > 1 and any(pod.phase == "Failed" for pod in job.pods))


def node_is_lost(case: Case) -> Step | None:
    """Its node says nothing any more; whether it still trains there cannot be told."""
    job = case.job
    lost = next((pod for pod in job.pods if pod.lost), None) if job is not None else None
    if job is None or lost is None:
        return None
    status = words.attempt(job.attempt, job.name) | words.uses(case)
    if not case.run.limits.new_attempt_when_lost:
        return Step(Reason.NODE_LOST, silent_node(lost, "the run"), status=status)
    # Whatever still runs there goes on writing: the next attempt keeps its checkpoints elsewhere. Written before the
    # Job is deleted (waiting.earlier_attempt_goes_on): nothing else tells our deletion from somebody else's.
    outputs = {**status["outputs"], "checkpoints": own_checkpoints(job.attempt + 1)}
    status |= {"jobRef": None, "outputs": outputs}
    text = f"node {lost.node} does not answer; attempt {job.attempt + 1} starts elsewhere"
    return Step(Reason.NODE_LOST, text, reconciling=True, status=status, again_in=0)


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
    # Of a crowd the scheduler is behind with nodes and claims: what it refuses it often takes a moment later.
    rest = START_PATIENCE - _since(case, pod.judged) if pod.trouble == "unschedulable" and pod.judged else 0.0
    if case.run.observed_generation < 0 and rest > 0:
        return Step(reason, text, status=status, quiet=True, again_in=rest)
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
    age = _age(case, job) if idle is None else _since(case, _moved(idle))
    step = replace(step, quiet=case.run.observed_generation < 0 and _starts_quietly(case, job))
    if age < START_PATIENCE:
        return replace(step, again_in=START_PATIENCE - age)
    ask = job.ref if idle is None else Ref(PODS, case.run.namespace, idle.name)
    return replace(step, ask=ask, again_in=LOOK_AGAIN)


def _starts_quietly(case: Case, job: RunJob) -> bool:
    """Whether a first start needs no words yet: its pod came to a node lately or not yet, and the Job is young."""
    young = not job.pods or any(not pod.node or _since(case, _moved(pod)) < QUIET for pod in job.pods)
    return young and _age(case, job) < UNMADE


def _moved(pod: PodView) -> datetime | None:
    """When the scheduler gave it a node; of a pod that no scheduler has looked at, when it was made."""
    return pod.judged or parse_time(pod.order[0])


def _age(case: Case, job: RunJob) -> float:
    """Seconds since the Job was made."""
    return _since(case, job.created)


def _since(case: Case, moment: datetime | None) -> float:
    """Seconds; of what has no time as many as may pass in patience."""
    return (case.now - moment).total_seconds() if moment is not None else START_PATIENCE
