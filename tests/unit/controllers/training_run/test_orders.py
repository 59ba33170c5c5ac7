"""Jobs and pods come by streams of their own. In whatever order a run that goes well is seen, it costs three writes."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.controllers.training_run.world import NOW as BEGIN
from tests.unit.controllers.training_run.world import World, _merge, timedelta
from tests.unit.controllers.training_run.world import _text as text

WRITES_TO_STATUS = 2  # "Running" and the end; the third is the Job
LAG = 1.5  # seconds that one stream may be behind the other
PENDING = {"type": "Succeeded", "status": "Unknown", "reason": "Pending", "lastTransitionTime": "1970-01-01T00:00:00Z"}
Version = tuple[float, dict[str, Any]]  # when it came to be, and the status


def at(seconds: float) -> str:
    return text(BEGIN + timedelta(seconds=seconds))


def conditions(seconds: float, **kinds: str) -> list[dict[str, Any]]:
    return [{"type": kind, "status": said, "lastTransitionTime": at(seconds)} for kind, said in kinds.items()]


def pod(phase: str, state: dict[str, Any], placed: float, ready: str = "False", image: str = "") -> dict[str, Any]:
    """What a kubelet says."""
    said = [*conditions(placed, PodScheduled="True"), *conditions(placed, Ready=ready, ContainersReady=ready)]
    containers = [{"name": "train", "imageID": image, "state": state}]
    return {"phase": phase, "startTime": at(placed), "conditions": said, "containerStatuses": containers}


def pods(placed: float, begun: float) -> list[Version]:
    """One that gets its node and begins after so many seconds, and runs for five."""
    waits, runs = {"waiting": {"reason": "PodInitializing"}}, {"running": {"startedAt": at(begun)}}
    ended = {"terminated": {"exitCode": 0, "startedAt": at(begun), "finishedAt": at(begun + 5)}}
    return [
        (1, {"phase": "Pending"}),
        (placed, {"phase": "Pending", "conditions": conditions(placed, PodScheduled="True")}),
        (placed, pod("Pending", waits, placed)),
        (begun, pod("Running", runs, placed, "True", "image@sha256:1")),
        (begun + 5, pod("Running", ended, placed, "False", "image@sha256:1")),
        (begun + 5, pod("Succeeded", ended, placed, "False", "image@sha256:1")),
    ]


def jobs(begun: float) -> list[Version]:
    over = begun + 6
    met = conditions(over, SuccessCriteriaMet="True")
    return [
        (0, {}),
        (1, {"active": 1, "ready": 0}),
        (begun, {"active": 1, "ready": 1}),
        (begun + 5, {"active": 0, "uncountedTerminatedPods": {"succeeded": ["uid"]}}),
        (over, {"succeeded": 1, "conditions": met}),
        (over, {"succeeded": 1, "conditions": [*met, *conditions(over, Complete="True")]}),
    ]


def refused(reason: str, message: str) -> Version:
    (said,) = conditions(2, PodScheduled="False")
    return 2, {"phase": "Pending", "conditions": [said | {"reason": reason, "message": message}]}


NOT_READY = refused(
    "Unschedulable", "0/2 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."
)
UNBOUND = refused("Unschedulable", "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.")
NOT_BOUND = refused("SchedulerError", "binding rejected: the object has been modified")


class Play:
    """Walks through all orders in which the versions of both can be seen; each view is looked at or passed over."""

    def __init__(self, of_pod: Sequence[Version], of_job: Sequence[Version], told: str) -> None:
        self._pod, self._job, self._told = of_pod, of_job, told
        self._most: dict[tuple[int, int, str], int] = {}  # writes until here, by what is seen and what was written
        self.worst: list[str] = []

    def go(self, p: int, j: int, status: str, said: list[str]) -> None:
        """`p` versions of the pod and `j` of the Job were seen."""
        if self._most.get((p, j, status), -1) >= len(said):
            return
        self._most[p, j, status] = len(said)
        self.worst = max(self.worst, said, key=len)
        for more_p, more_j in ((p + 1, j), (p, j + 1)):
            if more_p > len(self._pod) or more_j > len(self._job) or not self._together(more_p, more_j):
                continue
            self.go(more_p, more_j, status, said)
            reason, changes = self._look(more_p, more_j, status)
            if changes:
                written = json.loads(status)
                _merge(written, changes)
                self.go(more_p, more_j, json.dumps(written, sort_keys=True), [*said, reason])

    def _now(self, p: int, j: int) -> float:
        return max(self._pod[p - 1][0] if p else 0.0, self._job[j - 1][0])

    def _together(self, p: int, j: int) -> bool:
        """Whether neither has missed something for longer than it may."""
        missed = [versions[n][0] for versions, n in ((self._pod, p), (self._job, j)) if n < len(versions)]
        return all(self._now(p, j) - moment <= LAG for moment in missed)

    def _look(self, p: int, j: int, status: str) -> tuple[str, Any]:
        world = World()
        world.step()
        world.run["status"] = json.loads(status)
        world.job["status"] = self._job[j - 1][1]
        if p:
            body = world.pod(world.job, **copy.deepcopy(self._pod[p - 1][1]))
            body["metadata"]["creationTimestamp"] = at(1)
            taken = any(
                c["type"] == "PodScheduled" and c["status"] == "True" for c in body["status"].get("conditions", ())
            )
            body["spec"] = {"nodeName": "node1"} if taken else {}
        world.now = BEGIN + timedelta(seconds=self._now(p, j))
        step, changes = world.plan()
        if step.ask is not None and self._told and p and body["spec"]:  # only a node has said anything so far
            world.told = self._told
            step, changes = world.plan()
        return str(step.reason), changes


@pytest.mark.parametrize(
    ("refusal", "placed", "begun", "told"),
    [
        (None, 3, 5, ""),
        (None, 3, 5, "Pulling image"),  # for a moment only, of a pod that was made a while after its Job
        (None, 18, 30, ""),  # 200 at once keep scheduler and nodes busy
        (NOT_READY, 3, 5, ""),  # a node that has just come
        (UNBOUND, 3, 5, ""),
        (NOT_BOUND, 3, 5, ""),
    ],
)
def test_no_order_costs_a_fourth_write(refusal: Version | None, placed: float, begun: float, told: str) -> None:
    versions = pods(placed, begun)
    if refusal is not None:
        versions.insert(1, refusal)
    play = Play(versions, jobs(begun), told)
    play.go(0, 1, json.dumps({"observedGeneration": -1, "conditions": [PENDING]}), [])
    assert len(play.worst) == WRITES_TO_STATUS, play.worst
