"""What to do next for one TrainingRun: the first rule that has something to say wins. Pure; read it top to bottom.

Called by controllers/training_run/kind.py; calls waiting.py (rules before the Job), running.py (about it).
"""

from __future__ import annotations

from collections.abc import Callable

from blueno.resources.conditions import find
from blueno.resources.run_reasons import RunReason as Reason
from controllers.step import Step
from controllers.training_run import running, waiting, words
from controllers.training_run.case import Case

Rule = Callable[[Case], Step | None]


def run_is_over(case: Case) -> Step | None:
    """What was said at the end stays; Jobs and pods stay as long as the run says."""
    succeeded = find(case.run.conditions, "Succeeded")
    if not case.run.ended or succeeded is None:
        return None
    over = words.over(succeeded)
    ttl, jobs = case.run.limits.ttl_seconds, [job.ref for job in case.seen.jobs if job.state != "deleting"]
    if ttl is None or case.run.completed is None or not jobs:
        return over
    left = ttl - (case.now - case.run.completed).total_seconds()
    return words.over(succeeded, again_in=left) if left > 0 else words.over(succeeded, delete=tuple(jobs))


def job_has_completed(case: Case) -> Step | None:
    """Exit code 0, unless it was asked to end before; the pod may say it before the Job does."""
    job = case.job
    if job is None or job.cut_short:
        return None
    alone = job.last if case.run.team.nodes == 1 else None
    done = job.state == "complete" or (alone is not None and alone.phase == "Succeeded")
    return Step(Reason.COMPLETED, words.completed(job), ready=True, status=words.end(case, job)) if done else None


def run_is_stopped(case: Case) -> Step | None:
    """`spec.cancel` and `spec.suspend`: the Job goes, with SIGTERM and the grace period."""
    if not (case.run.cancel or case.run.suspend):
        return None
    reason = Reason.CANCELLED if case.run.cancel else Reason.SUSPENDED
    job, text = case.job, "stopping; the pod has its grace period"
    status = words.attempt(*case.under_way) if case.under_way else {}  # of a Job that status may not know yet
    if job is not None and job.state != "deleting":
        status |= words.uses(case)  # the next attempt reads the same
        if case.run.cancel or case.being_suspended:
            return Step(reason, text, reconciling=True, delete=(job.ref,), status=status)
        # Written first: once `suspend` is false again, nothing else tells our deletion from somebody else's.
        return Step(reason, text, reconciling=True, status=status, again_in=0)
    if case.stopping or job is not None:
        return Step(reason, text, reconciling=True, status=status, again_in=5)
    if reason == Reason.CANCELLED:
        status = {"completionTime": words.time_of(case.now), "jobRef": None}
        return Step(reason, "spec.cancel is true: its outputs and its log stay", stalled=True, status=status)
    text = "spec.suspend is true: the next attempt starts when it is false"
    return Step(reason, text, status={"jobRef": None, **waiting.apart(case)})


def run_is_resumed(case: Case) -> Step | None:
    """While it was being suspended: that is brought to its end, and the next attempt starts after it."""
    if not case.being_suspended:
        return None
    # Also one that was deleted already: the cache may not know it yet.
    going = (case.job.ref,) if case.job is not None and case.job.state != "deleting" else ()
    status = {"jobRef": None}
    return Step(Reason.PENDING, waiting.STOPPING, reconciling=True, delete=going, status=status, again_in=0)


RULES: tuple[Rule, ...] = (
    run_is_over,
    job_has_completed,
    waiting.earlier_attempt_goes_on,
    run_is_stopped,
    run_is_resumed,
    waiting.old_pod_may_write,
    waiting.datasets_are_not_ready,
    waiting.volume_is_not_shared,
    waiting.datasets_are_being_deleted,
    waiting.earlier_run_has_no_checkpoint,
    waiting.profile_is_unknown,
    waiting.outputs_are_going,
    waiting.job_has_not_started,
    running.job_is_gone,
    running.pods_have_not_told,
    running.node_has_refused,
    running.job_has_failed,
    running.job_was_cut_short,
    running.node_is_lost,
    running.job_is_held,
    running.pod_is_in_trouble,
    running.job_is_running,
)


def decide(case: Case) -> Step:
    """The first rule that has something to say wins."""
    spoken = (rule(case) for rule in RULES)
    return next(step for step in spoken if step is not None)
