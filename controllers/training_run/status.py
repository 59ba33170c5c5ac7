"""What `kubectl get trainingruns` and `describe` show: the whole status of a run. Pure; called by kind.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from blueno.resources.conditions import Condition, advance, find, parse_time, rfc3339
from blueno.resources.run_reasons import RunReason as Reason
from blueno.resources.training_report import TrainingReport
from blueno.resources.training_run import TrainingRun
from controllers.diff import flag
from controllers.heard import Heard
from controllers.step import Step
from controllers.training_run import words
from controllers.training_run.observe import RunJob

_NOT_WAITING = (Reason.RUNNING, Reason.COMPLETED, Reason.SUSPENDED, Reason.CANCELLED)
# What the container before the training says when it has fetched code: {"revision": "<commit>"}.
_REVISION = re.compile(r'\{"revision": "([0-9a-f]{40,64})"\}')


def project_status(run: TrainingRun, job: RunJob | None, step: Step, heard: Heard, now: datetime) -> Any:
    """The whole status as it should be; `job` is the attempt under way, if there is one."""
    status: dict[str, Any] = {key: value for key, value in run.status.items() if value is not None}
    status.update(step.status)
    if status.get("jobRef") != run.status.get("jobRef"):
        status["pods"] = None  # those of the attempt before
    over = _is_over(step)
    if job is not None and not run.ended:
        seen = _seen(run, job)
        if run.reason == step.reason == Reason.STARTING:  # where it starts can wait until it runs: a write for each run
            seen = {key: seen[key] for key in ("restarts", "pods") if key in seen}  # by names the replaced are counted
        status |= seen
    status |= _told(run, job, heard.training)
    if over:
        status["nodes"] = status["pods"] = None
    status["pending"] = _pending(run, step, now)
    status = {key: value for key, value in status.items() if value is not None}
    status["observedGeneration"] = run.generation
    status["summary"] = summary(run, status)
    status["conditions"] = [c.to_dict() for c in advance(run.conditions, _conditions(run, step), now)]
    return status


def _is_over(step: Step) -> bool:
    return step.ready or step.stalled


def _seen(run: TrainingRun, job: RunJob) -> dict[str, Any]:
    """What the pods show: replaced ones, nodes, the image's digest, the commit of the code."""
    nodes = sorted({pod.node for pod in job.pods if pod.node and pod.phase != "Failed"})  # all ranks until all are done
    pods = sorted(pod.name for pod in job.pods)
    seen: dict[str, Any] = {"restarts": words.restarts(run, job), "nodes": nodes[:64] or None}
    if pods:
        seen["pods"] = pods[:256]
    if image := next((pod.image for pod in job.pods if pod.image), ""):
        seen["imageDigest"] = image[:512]
    if revision := next((found for pod in job.pods if (found := _REVISION.fullmatch(pod.setup.strip()))), None):
        seen["codeRevision"] = revision[1]
    return seen


def _told(run: TrainingRun, job: RunJob | None, report: TrainingReport | None) -> dict[str, Any]:
    """What the program has reported, also when it arrives after the end; only a checkpoint outlives its attempt."""
    if report is None:
        return {}
    told: dict[str, Any] = {}
    if report.checkpoint is not None:
        point = report.checkpoint
        step = {} if point.step is None else {"step": point.step}
        told["checkpoint"] = {"path": point.path, **step, "time": rfc3339(point.time)}
    before = parse_time((run.status.get("trainerStatus") or {}).get("lastUpdatedTime", ""))
    stale = before is not None and report.updated < before.replace(microsecond=0)
    if report.attempt != (job.attempt if job is not None else run.attempt) or stale:
        return told
    status: dict[str, Any] = {"lastUpdatedTime": rfc3339(report.updated)}
    if report.percentage is not None:
        status["progressPercentage"] = report.percentage
    if report.remaining_seconds is not None and not run.ended:
        status["estimatedRemainingSeconds"] = report.remaining_seconds
    if report.metrics:
        status["metrics"] = [{"name": name, "value": value} for name, value in report.metrics]
    return told | {"trainerStatus": status}


def summary(run: TrainingRun, status: Mapping[str, Any]) -> dict[str, str]:
    """What JSONPath columns cannot make: joined names, a number with its sign."""
    texts = {"datasets": ",".join(use.name for use in run.datasets)[:128]}
    if nodes := status.get("nodes"):
        texts["nodes"] = ",".join(nodes)[:128]
    told = status.get("trainerStatus") or {}
    if told.get("progressPercentage") is not None:
        texts["progress"] = f"{told['progressPercentage']}%"
    if metrics := {metric["name"]: metric["value"] for metric in told.get("metrics") or ()}:
        name = run.metrics.objective if run.metrics.objective in metrics else next(iter(metrics))
        texts["metric"] = f"{name}={_short(metrics[name])}"[:128]
    return {key: text for key, text in texts.items() if text}


def _short(value: str) -> str:
    """Four digits of a number are enough for a column."""
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def _pending(run: TrainingRun, step: Step, now: datetime) -> dict[str, Any] | None:
    """Why nothing runs yet, and since when; None when it runs or is over."""
    if _is_over(step) or step.reason in _NOT_WAITING:
        return None
    old = run.status.get("pending") or {}
    since = old.get("since") if old.get("reason") == step.reason else None
    return {"reason": str(step.reason), "message": step.message[:1024], "since": since or rfc3339(now)}


def _conditions(run: TrainingRun, step: Step) -> list[Condition]:
    generation = run.generation
    succeeded = "True" if step.ready else "False" if step.stalled else "Unknown"
    runs = step.reason == Reason.RUNNING
    pods = ("True", "Running", step.message) if runs else ("False", "NotRunning", "no pod runs")
    stopped = step.reason == Reason.SUSPENDED and not step.reconciling
    suspended = ("True", "Suspended", step.message) if stopped else ("False", "NotSuspended", "")
    before = find(run.conditions, "Reconciling")
    # Until its pods start for the first time; later restarts and waits do not make `helm --wait` block again.
    settled = before is not None and before.status == "False" and run.observed_generation == generation
    return [
        Condition("Succeeded", succeeded, step.reason, step.message, generation=generation),
        Condition("PodsReady", *pods, generation=generation),
        Condition("Suspended", *suspended, generation=generation),
        flag("Reconciling", step.reconciling and not settled, step, generation),
        # To be cancelled is what somebody wanted, and no reason for a GitOps tool to report a failure.
        flag("Stalled", step.stalled and step.reason != Reason.CANCELLED, step, generation),
    ]
