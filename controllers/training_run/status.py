"""What `kubectl get trainingruns` and `describe` show: the whole status of a run. Pure; called by kind.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from blueno.resources.conditions import Condition, advance, find, rfc3339
from blueno.resources.run_reasons import RunReason as Reason
from blueno.resources.training_run import TrainingRun
from controllers.diff import flag
from controllers.step import Step
from controllers.training_run.observe import RunJob

_ACTIVE = (Reason.RUNNING, Reason.COMPLETED)


def project_status(run: TrainingRun, job: RunJob | None, step: Step, now: datetime) -> Any:
    """The whole status as it should be; `job` is the attempt under way, if there is one."""
    status: dict[str, Any] = {key: value for key, value in run.status.items() if value is not None}
    status.update(step.status)
    if job is not None and not run.ended:
        status["restarts"] = max(0, len(job.pods) - 1)
        nodes = sorted({pod.node for pod in job.pods if pod.node and not pod.ended})
        status["nodes"] = nodes or None
    if step.ready or step.stalled:
        status["nodes"] = None
    status["pending"] = _pending(run, step, now)
    status = {key: value for key, value in status.items() if value is not None}
    status["observedGeneration"] = run.generation
    status["summary"] = summary(run, status)
    status["conditions"] = [c.to_dict() for c in advance(run.conditions, _conditions(run, step), now)]
    return status


def summary(run: TrainingRun, status: Mapping[str, Any]) -> dict[str, str]:
    """What JSONPath columns cannot make: joined names."""
    texts = {"datasets": ",".join(use.name for use in run.datasets)[:128]}
    if nodes := status.get("nodes"):
        texts["nodes"] = ",".join(nodes)[:128]
    return {key: text for key, text in texts.items() if text}


def _pending(run: TrainingRun, step: Step, now: datetime) -> dict[str, Any] | None:
    """Why nothing runs yet, and since when; None when it runs or is over."""
    if step.ready or step.stalled or step.reason in (*_ACTIVE, Reason.SUSPENDED):
        return None
    old = run.status.get("pending") or {}
    since = old.get("since") if old.get("reason") == step.reason else None
    return {"reason": str(step.reason), "message": step.message[:1024], "since": since or rfc3339(now)}


def _conditions(run: TrainingRun, step: Step) -> list[Condition]:
    generation = run.generation
    succeeded = "True" if step.ready else "False" if step.stalled else "Unknown"
    runs = step.reason == Reason.RUNNING
    pods = ("True", "Running", "the pod runs") if runs else ("False", "NotRunning", "no pod runs")
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
        flag("Stalled", step.stalled, step, generation),
    ]
