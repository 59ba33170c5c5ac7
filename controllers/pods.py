"""What a pod of ours is doing or waiting for, in words. Pure; used by observe.py of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from blueno import names
from blueno.resources.conditions import parse_time
from blueno.resources.outcome import Outcome

_IMAGE_REASONS = frozenset(
    ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
)

_OUT_OF_SERVICE = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
_ENDED_BY_NODE = frozenset(("Evicted", "DeadlineExceeded"))  # reasons of pods that had been taken
_LOST_AFTER = 20.0  # seconds after the end of a pod's grace period


@dataclass(frozen=True)
class PodView:
    """One pod. `trouble` is "", "image", "unschedulable" or "container"; `detail` says more about it."""

    name: str
    phase: str
    node: str
    trouble: str
    detail: str
    out_of_memory: bool
    exit_code: int | None
    outcome: Outcome | None
    started: bool  # the container runs or ran
    deleted: datetime | None  # when its grace period is over
    order: tuple[str, str]  # creation time, name
    said: str = ""  # its termination message, as it is
    image: str = ""  # that the node runs, with its digest
    setup: str = ""  # what the container that runs before has said: its last words
    setup_failed: bool = False
    disrupted: str = ""  # why somebody else ends it: PreemptionByScheduler, EvictionByEvictionAPI, …
    node_says: str = ""  # why its node ended or refused it, as "Evicted: The node was low on resource: memory"
    refused: bool = False  # its node would not take it, or not take it back
    cut_short: bool = False  # it was asked to end before it did: exit code 0 says that it has saved what it had
    lost: bool = False  # its node has not been heard of for a while
    begun: datetime | None = None  # when its container began
    ended_at: datetime | None = None
    attempt: int = 0  # of the Job that made it, by its label; 0 when it has none
    placed: datetime | None = None  # when a node took it, and with it its GPUs
    judged: datetime | None = None  # since when the scheduler says what it says: that it has a node, or why it has none
    over: datetime | None = None  # when its last container ended; None: it runs, or nobody said

    @property
    def ended(self) -> bool:
        return self.phase in ("Succeeded", "Failed")

    def may_write(self, now: datetime) -> bool:
        """Whether it is worth waiting for. A pod whose node is lost stays for ever: it is waited for only so long."""
        overdue = self.deleted is not None and (now - self.deleted).total_seconds() > _LOST_AFTER
        return not self.ended and not overdue


def view_pod(body: Mapping[str, Any]) -> PodView:
    """Plain words for the pod's status."""
    meta, status = body["metadata"], body["status"]
    containers = status.get("containerStatuses") or ()
    state: Mapping[str, Any] = containers[0].get("state") or {} if containers else {}
    ended, running = state.get("terminated") or {}, state.get("running")
    before = _terminated((status.get("initContainerStatuses") or ({},))[-1])
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    disrupted = conditions.get("DisruptionTarget") or {}
    not_ready = [kind for kind in ("Ready", "ContainersReady") if (conditions.get(kind) or {}).get("status") == "False"]
    trouble, detail = _trouble(status, state.get("waiting") or {})
    return PodView(
        name=meta["name"],
        phase=status.get("phase", "Pending"),
        node=body["spec"].get("nodeName", ""),
        trouble=trouble,
        detail=detail,
        out_of_memory=ended.get("reason") == "OOMKilled",
        exit_code=ended.get("exitCode"),
        outcome=Outcome.from_json(ended["message"]) if ended.get("message") else None,
        started=bool(ended or running),
        deleted=parse_time(meta.get("deletionTimestamp", "")),
        order=(meta.get("creationTimestamp", ""), meta["name"]),
        said=str(ended.get("message") or ""),
        image=str(containers[0].get("imageID") or "") if containers else "",
        setup=str(before.get("message") or ""),
        setup_failed=bool(before.get("exitCode")),
        disrupted=str(disrupted.get("reason") or "") if disrupted.get("status") == "True" else "",
        node_says=_node_says(status),
        refused=_refused(status),
        cut_short=_cut_short(meta, disrupted, ended),
        # Only the node controller says the one without the other; a kubelet that ends a pod says both.
        lost=bool(running) and not_ready == ["Ready"],
        begun=parse_time(str((running or ended).get("startedAt") or "")),
        ended_at=parse_time(str(ended.get("finishedAt") or "")),
        attempt=int((meta.get("labels") or {}).get(names.ATTEMPT_LABEL) or 0),
        placed=parse_time(status.get("startTime") or ""),
        judged=parse_time((conditions.get("PodScheduled") or {}).get("lastTransitionTime") or ""),
        over=_over(status),
    )


def silent_node(pod: PodView, what: str) -> str:
    """What a person can do about a pod that is lost."""
    return (
        f"node {pod.node} does not answer; {what} goes on by itself when it is back. If it is gone for good: "
        f"`kubectl taint nodes {pod.node} {_OUT_OF_SERVICE}`"
    )


def _node_says(status: Mapping[str, Any]) -> str:
    said = (str(status.get(key) or "").rstrip(". ") for key in ("reason", "message"))
    return ": ".join(text for text in said if text) if status.get("phase") == "Failed" else ""


def _refused(status: Mapping[str, Any]) -> bool:
    """By the kubelet's admission: its labels, GPUs or room are others than the scheduler knew a moment ago.

    The reason is whatever check said no (NodeAffinity, OutOfcpu, UnexpectedAdmissionError, NodeShutdown, a device
    plugin's own): it is told by what is missing, a container that ever had a state. A node that has started again
    before its GPUs were there says the same of pods that had run on it.
    """
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    began = any((one.get("state") or {}).keys() & {"running", "terminated"} for one in containers)
    reason = status.get("reason") or ""
    return status.get("phase") == "Failed" and bool(reason) and reason not in _ENDED_BY_NODE and not began


def _cut_short(meta: Mapping[str, Any], disrupted: Mapping[str, Any], ended: Mapping[str, Any]) -> bool:
    """By eviction, preemption or deletion; a pod that was done before that was not."""
    deleted = parse_time(meta.get("deletionTimestamp") or "")
    if disrupted.get("status") != "True" and deleted is None:
        return False
    asked = parse_time(disrupted.get("lastTransitionTime") or "")
    if asked is None and deleted is not None:  # which is when its grace period is over
        asked = deleted - timedelta(seconds=meta.get("deletionGracePeriodSeconds") or 0)
    finished = parse_time(ended.get("finishedAt") or "")
    return asked is None or finished is None or asked <= finished


def _terminated(container: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (container.get("state") or {}).get("terminated") or {}
    return found


def _over(status: Mapping[str, Any]) -> datetime | None:
    if status.get("phase") not in ("Succeeded", "Failed"):
        return None
    ended = [((c.get("state") or {}).get("terminated") or {}) for c in status.get("containerStatuses") or ()]
    # A pod that was evicted may have no containers left to ask: then its conditions say when.
    texts = [state.get("finishedAt") for state in ended if state.get("finishedAt")]
    texts = texts or [condition.get("lastTransitionTime") for condition in status.get("conditions") or ()]
    return max((moment for text in texts if (moment := parse_time(text or "")) is not None), default=None)


def _trouble(status: Mapping[str, Any], waiting: Mapping[str, Any]) -> tuple[str, str]:
    reason = waiting.get("reason", "")
    if reason in _IMAGE_REASONS:
        return "image", waiting.get("message") or reason
    if reason.endswith("Error"):  # CreateContainerConfigError, CreateContainerError, RunContainerError
        return "container", f"{reason}: {waiting.get('message', '')}"
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return "unschedulable", condition.get("message") or condition.get("reason", "")
    return "", ""
