"""The sentences and status fields of a TrainingRun's Steps. Pure; used by decide.py and kind.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from blueno.resources.conditions import rfc3339
from blueno.resources.run_reasons import RunReason as Reason
from blueno.resources.training_run import TrainingRun
from controllers.pods import PodView
from controllers.step import Step
from controllers.training_run.case import Case
from controllers.training_run.observe import DatasetView, RunJob

NAMED = 3  # data sets in one sentence


def time_of(moment: datetime) -> str:
    """As status writes times."""
    return rfc3339(moment)


def attempt(number: int, job: str) -> dict[str, Any]:
    """`status.attempt` and `status.jobRef`, written together."""
    return {"attempt": number, "jobRef": {"name": job}}


def not_ready(waiting: Sequence[DatasetView]) -> str:
    """Which data sets a run waits for, and what they say."""
    named = "; ".join(f"data set {view.use.name}: {view.says}" for view in waiting[:NAMED])
    more = f"; and {len(waiting) - NAMED} more" if len(waiting) > NAMED else ""
    return f"{named}{more}; the run starts by itself"


def completed(job: RunJob) -> str:
    """How long it took."""
    if job.created is None or job.finished is None:
        return "exit code 0"
    return f"exit code 0 after {_duration(int((job.finished - job.created).total_seconds()))}"


def end(case: Case, job: RunJob) -> dict[str, Any]:
    """Times and attempt of a run that is over."""
    ended = attempt(job.attempt, job.name)
    ended["completionTime"] = rfc3339(job.finished or case.now)
    if case.run.started is None and job.created is not None:
        ended["startTime"] = rfc3339(job.created)
    return ended | {"restarts": max(0, len(job.pods) - 1)}


def failure(run: TrainingRun, job: RunJob) -> tuple[str, str]:
    """Reason and sentence for a Job that has given up."""
    pod = job.last
    if job.failure == "DeadlineExceeded":
        text = f"it took longer than spec.activeDeadlineSeconds ({run.limits.active_deadline_seconds} s)"
        return Reason.DEADLINE_EXCEEDED, text
    if pod is not None and pod.out_of_memory:
        limit = ((run.placement.resources.get("limits") or {}).get("memory")) or "the node's"
        return (
            Reason.OUT_OF_MEMORY,
            f"killed for using more memory than allowed ({limit}): raise spec.resources.limits.memory",
        )
    code = f"exit code {pod.exit_code}" if pod is not None and pod.exit_code is not None else "no exit code"
    look = f"read `kubectl logs job/{job.name}`"
    if run.limits.backoff_limit:
        return Reason.BACKOFF_LIMIT_EXCEEDED, f"failed {len(job.pods)} times, the last time with {code}; {look}"
    return Reason.USER_ERROR, f"the process ended with {code}; {look}"


def failure_status(reason: str, job: RunJob) -> dict[str, Any]:
    """`status.failure`."""
    pod = job.last
    if pod is None:
        return {"failure": {"reason": reason}}
    code = {} if pod.exit_code is None else {"exitCode": pod.exit_code}
    return {"failure": {"reason": reason, "pod": pod.name, **code}}


def trouble(run: TrainingRun, pod: PodView) -> tuple[str, str]:
    """Why a pod does not start, in words a person can act on."""
    if pod.trouble == "image":
        return Reason.IMAGE_PULL_FAILED, f"the node cannot get {run.container.image}: {pod.detail}; check spec.image"
    if pod.trouble == "container":
        return Reason.STARTING, f"the container cannot start: {pod.detail}"
    gpus = run.placement.gpus
    if gpus.count and f"insufficient {gpus.resource_name}" in pod.detail.lower():
        kind = f"{gpus.product} " if gpus.product else ""
        return Reason.INSUFFICIENT_GPU, f"needs {gpus.count} {kind}{gpus.resource_name} on one node: {pod.detail}"
    if "persistentvolumeclaim" in pod.detail.lower() or "volume binding" in pod.detail.lower():
        return Reason.VOLUME_UNBOUND, f"waits for a claim: {pod.detail}"
    return Reason.UNSCHEDULABLE, f"no node takes the pod: {pod.detail}"


def running(job: RunJob) -> Step:
    """A Job at work, from what its pods show."""
    pod = job.last
    if pod is None:
        return Step(Reason.STARTING, "waiting for the pod to be made", reconciling=True)
    if pod.ended:
        code = f"exit code {pod.exit_code}" if pod.exit_code is not None else "no exit code"
        why = "used more memory than allowed" if pod.out_of_memory else f"ended with {code}"
        return Step(Reason.RESTARTING, f"pod {pod.name} {why}; it is tried again", reconciling=True)
    if not pod.started:
        return Step(Reason.STARTING, "the pod is starting", reconciling=True)
    return Step(Reason.RUNNING, f"pod {pod.name} runs on node {pod.node}" if pod.node else f"pod {pod.name} runs")


def refused(message: str) -> tuple[str, str]:
    """Reason and sentence when the API server does not accept the Job or its pods."""
    quota = "exceeded quota" in message or "quota" in message.lower()
    reason = Reason.WAITING_FOR_QUOTA if quota else Reason.PENDING
    return reason, f"the API server refuses what has to be made: {message}"


def _duration(seconds: int) -> str:
    minutes, rest = divmod(max(0, seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
