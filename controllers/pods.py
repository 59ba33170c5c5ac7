"""What a pod of ours is doing or waiting for, in words. Pure; used by observe.py of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from blueno import names
from blueno.resources.conditions import parse_time
from blueno.resources.outcome import Outcome

_IMAGE_REASONS = frozenset(
    ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
)

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
    lost: bool = False  # its node has not been heard of for a while
    begun: datetime | None = None  # when its container began
    ended_at: datetime | None = None
    attempt: int = 0  # of the Job that made it, by its label; 0 when it has none
    placed: datetime | None = None  # when a node took it, and with it its GPUs
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
    # The node controller, not the kubelet, says of a running container without probes that it is not ready.
    unheard = running and (conditions.get("Ready") or {}).get("status") == "False"
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
        lost=bool(unheard) and not meta.get("deletionTimestamp"),
        begun=parse_time(str((running or ended).get("startedAt") or "")),
        ended_at=parse_time(str(ended.get("finishedAt") or "")),
        attempt=int((meta.get("labels") or {}).get(names.ATTEMPT_LABEL) or 0),
        placed=parse_time(status.get("startTime") or ""),
        over=_over(status),
    )


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
