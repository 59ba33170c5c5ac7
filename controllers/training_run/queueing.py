"""Why a Job is held, in words: what Kueue's Workload says, and what a person can do. Pure; called by kind.py.

Types and reasons of conditions are Kueue's (kueue.x-k8s.io/v1beta2, the same in v1beta1).
"""

from __future__ import annotations

from blueno.resources.conditions import find
from blueno.resources.run_reasons import RunReason as Reason
from blueno.resources.workload import Admission, Workload

# Reasons of QuotaReserved=False that are about room. Kueue before 0.16 says Pending for those and others.
_NO_ROOM = ("WaitingForQuota", "ExceedsMaxQuota", "WaitingForPreemptedWorkloads")
_ROOM = "Kueue admits it when the queue has room"


def held(queue: str, job: str) -> str:
    """What can be said of a Job that is held without having asked."""
    if queue:
        return f"Kueue has not admitted it to queue {queue} yet; `kubectl describe workload` says more"
    return f"Job {job} is suspended, not by Blueno"


def told(queue: str, job: str, admission: Admission) -> tuple[str, str]:
    """Reason and sentence for a Job that is held, once it was looked for its Workload."""
    workload = admission.workload
    if workload is not None:
        return _of(workload, queue)
    if admission.installed is None:
        return Reason.QUEUED, f"{held(queue, job)} (Blueno could not read it: {admission.trouble})"
    if not queue:
        return Reason.QUEUED, held(queue, job)
    if admission.installed:
        return Reason.QUEUED, f"Kueue has made no Workload yet for Job {job} in queue {queue}"
    text = f"Job {job} is suspended and waits for queue {queue}, but Kueue is not installed in this cluster"
    return Reason.QUEUED, f"{text}: whoever suspended it has to resume it"


def _of(workload: Workload, queue: str) -> tuple[str, str]:
    """The newest turn of its life first: an eviction stands until quota is reserved anew."""
    where = f"queue {queue}" if queue else "its queue"
    if finished := workload.true("Finished"):
        return Reason.QUEUED, f"Kueue counts it as finished ({finished.reason}): {finished.message}"
    if not workload.active:
        return Reason.QUEUED, _deactivated(workload)
    if workload.true("Evicted") or workload.true("Preempted"):
        return _evicted(workload)
    if workload.true("Admitted"):
        return Reason.STARTING, f"Kueue has admitted it to {where}; its pods are about to start"
    if workload.true("QuotaReserved"):
        return Reason.QUEUED, _checked(workload, where)
    reason, says = _quota(workload)
    if not says:
        return Reason.QUEUED, f"Kueue has not looked at it yet in {where}"
    return reason, f"Kueue, {where}: {says}"


def _quota(workload: Workload) -> tuple[str, str]:
    """Why it has no quota: reason and sentence, "" when Kueue has not said."""
    blocked = workload.true("BlockedOnPreemptionGates")
    if blocked is not None:
        return Reason.QUEUED, blocked.message or blocked.reason
    found = find(workload.conditions, "QuotaReserved")
    if found is None or found.status == "True":
        return Reason.QUEUED, ""
    says, lower = found.message or found.reason, found.message.lower()
    if found.reason == "ExceedsMaxQuota" or "maximum capacity" in lower:
        hint = "; it can never start like this: ask for less in a new run, or have the quota raised"
        return Reason.WAITING_FOR_QUOTA, says + hint
    if found.reason in _NO_ROOM or "insufficient" in lower:
        return Reason.WAITING_FOR_QUOTA, says
    return Reason.QUEUED, says + _queue_hint(found.reason, lower)


def _queue_hint(reason: str, lower: str) -> str:
    """What to do about a queue that is missing or stands still; "" for anything else."""
    if "doesn't exist" in lower or "missing" in lower:
        return "; `kubectl get localqueues` shows those of this namespace: have it made, or name another in a new run"
    if reason == "Suspended" or "inactive" in lower or "is stopped" in lower:
        return "; whoever manages the queues has to start it (`kubectl describe localqueue`)"
    if reason == "NoMatchingFlavor":
        return "; change spec.nodeSelector or spec.tolerations in a new run, or have a flavor added"
    return ""


def _evicted(workload: Workload) -> tuple[str, str]:
    preempted, evicted = workload.true("Preempted"), workload.true("Evicted")
    away = preempted is not None or (evicted is not None and evicted.reason == "Preempted")
    said = preempted or evicted
    assert said is not None  # noqa: S101  # one of them is True
    what = "took its place away" if away else f"evicted it ({said.reason})"
    text = f"Kueue {what}: {said.message or said.reason}"
    _, now = _quota(workload)
    if now and now != said.message and now not in text:
        text = f"{text}; now: {now}"
    return (Reason.PREEMPTED if away else Reason.QUEUED), f"{text}; {_again(workload)}"


def _again(workload: Workload) -> str:
    times = f" (tried again {workload.requeues} times so far)" if workload.requeues > 1 else ""
    when = f"Kueue tries it again at {workload.requeue_at}" if workload.requeue_at else _ROOM
    return when + times


def _deactivated(workload: Workload) -> str:
    evicted = workload.true("Evicted")
    why = f" ({evicted.message or evicted.reason})" if evicted is not None else ""
    patch = '{"spec":{"active":true}}'
    command = f"kubectl patch workload {workload.name} --type=merge -p '{patch}'"
    return f"its Workload in Kueue is switched off{why}: `{command}` lets it start again"


def _checked(workload: Workload, where: str) -> str:
    """Quota is there; something else has to agree."""
    waiting = [check for check in workload.checks if check.state != "Ready"]
    if not waiting:
        says = find(workload.conditions, "Admitted")
        rest = f": {says.message}" if says is not None and says.message else ""
        return f"Kueue has quota for it in {where} and has not admitted it yet{rest}"
    named = "; ".join(f"{c.name} is {c.state}" + (f" ({c.message})" if c.message else "") for c in waiting[:3])
    return f"Kueue has quota for it in {where} and waits for an admission check: {named}"
