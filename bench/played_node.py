"""A node that is played: pods that the scheduler gives it run and end as told, without containers.

Used by training_runs.py. The API server, the controllers and the scheduler are real, and so is everything that Blueno
does. What is not real is the kubelet: this process says what one would say of a pod (running, then succeeded). So a
machine of two cores shows how soon the operator tells what happens on a node, and not how slowly it starts two hundred
containers itself.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from blueno.errors import BluenoError, NotFound
from blueno.resources.api import LEASES, PODS, Resource

NODES = Resource("", "v1", "nodes", "Node")
NAME = "bench-node"
TAINT = "bench.blueno.dev/played"
LEASE_NAMESPACE = "kube-node-lease"
HEARTBEAT = 10.0  # seconds; after 40 without one the node would count as lost


def now() -> str:
    """RFC 3339, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class PlayedNode:
    """Starts each pod within `spread` seconds and ends it `seconds` later."""

    def __init__(self, cluster: Any, spread: float, seconds: float) -> None:
        self._cluster, self._spread, self._seconds = cluster, spread, seconds
        self._dice = random.Random(7)
        self._known: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self) -> None:
        """Makes the Node, ready, and keeps it so."""
        await self.leave()
        room = {"cpu": "1000", "memory": "4Ti", "pods": "5000", "ephemeral-storage": "4Ti"}
        meta = {"name": NAME, "labels": {"kubernetes.io/hostname": NAME}}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {"taints": [
            {"key": TAINT, "effect": "NoSchedule"}]}}  # fmt: skip
        await self._cluster.create(NODES, node)
        ready = {"type": "Ready", "status": "True", "reason": "Played", "lastHeartbeatTime": now()}
        status = {"capacity": room, "allocatable": room, "conditions": [ready | {"lastTransitionTime": now()}]}
        await self._cluster.merge(NODES, None, NAME, {"status": status}, "status")
        self._keep(self._beat())

    async def leave(self) -> None:
        """Removes the Node and its Lease; whoever still has pods there loses them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(BluenoError):
            await self._cluster.delete(NODES, None, NAME)
        with suppress(BluenoError):
            await self._cluster.delete(LEASES, LEASE_NAMESPACE, NAME)

    def look(self, pod: dict[str, Any]) -> None:
        """One event of a watch of Pods: a new one on this node is played from now on."""
        uid = pod["metadata"]["uid"]
        waits = (pod.get("status") or {}).get("phase") == "Pending"  # those of an earlier repetition are over
        if pod["spec"].get("nodeName") == NAME and waits and uid not in self._known:
            self._known.add(uid)
            self._keep(self._play(pod))

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _beat(self) -> None:
        spec = {"holderIdentity": NAME, "leaseDurationSeconds": 40}
        meta = {"name": NAME, "namespace": LEASE_NAMESPACE}
        while True:
            stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            about = {"spec": spec | {"renewTime": stamp}}
            try:
                await self._cluster.merge(LEASES, LEASE_NAMESPACE, NAME, about)
            except NotFound:
                kind = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": meta}
                await self._cluster.create(LEASES, kind | about)
            await asyncio.sleep(HEARTBEAT)

    async def _play(self, pod: dict[str, Any]) -> None:
        await asyncio.sleep(self._dice.uniform(0, self._spread))
        started = now()
        await self._say(pod, "Running", {"running": {"startedAt": started}}, started)
        await asyncio.sleep(self._seconds)
        ended = {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": now()}
        await self._say(pod, "Succeeded", {"terminated": ended}, started)

    async def _say(self, pod: dict[str, Any], phase: str, state: dict[str, Any], started: str) -> None:
        """What a kubelet writes into a pod's status."""
        ready = "True" if phase == "Running" else "False"
        conditions = [
            {"type": kind, "status": "True" if kind in ("Initialized", "PodScheduled") else ready,
             "lastTransitionTime": started}
            for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ]  # fmt: skip
        done = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": started}}
        spec = pod["spec"]
        status = {
            "phase": phase,
            "startTime": started,
            "conditions": conditions,
            "initContainerStatuses": [_container(each, done, False) for each in spec.get("initContainers", ())],
            "containerStatuses": [_container(each, state, phase == "Running") for each in spec["containers"]],
        }
        meta = pod["metadata"]
        await self._cluster.merge(PODS, meta["namespace"], meta["name"], {"status": status}, "status")


def _container(spec: dict[str, Any], state: dict[str, Any], ready: bool) -> dict[str, Any]:
    return {
        "name": spec["name"], "image": spec["image"], "imageID": "played", "containerID": "played://1",
        "ready": ready, "started": ready, "restartCount": 0, "state": state,
    }  # fmt: skip
