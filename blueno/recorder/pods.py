"""Watches training pods and has the log of each followed. Called by runs.py; calls the API server, starts Followers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from blueno.errors import BluenoError
from blueno.kube import Cluster
from blueno.recorder.config import RecorderConfig
from blueno.recorder.follow import Follower
from blueno.recorder.metrics import Metrics
from blueno.recorder.runstore import RunStore
from blueno.recorder.trainpod import SELECTOR, TrainPod, parse_pod
from blueno.resources.api import PODS

log = logging.getLogger("blueno.recorder")

AT_ONCE = 1000  # logs that are followed at a time, of some 300 KB each; others wait
AGAIN_SECONDS = 2.0  # after a watch has broken
LOST_SECONDS = 30.0  # between two looks whether the database still has what was complete


class Pods:
    """For one event loop. Pods that are complete are known by their uid until they are gone.

    What they are known for is looked up now and then: a database may lose what it had (blueno/db/older.py).
    """

    def __init__(self, cluster: Cluster, store: RunStore, metrics: Metrics, config: RecorderConfig) -> None:
        self._cluster, self._store, self._metrics, self._config = cluster, store, metrics, config
        self._followers: dict[str, Follower] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Until cancelled."""
        trouble = ""
        finding = asyncio.create_task(self._find_lost(), name="lost logs")
        try:
            while True:
                try:
                    await self._watch()
                    said = ""
                except BluenoError as error:
                    said = str(error)
                    self._metrics.failures.labels("pods").inc()
                if said != trouble:
                    log.warning("training pods: %s", said or "watched again")
                trouble = said
                await asyncio.sleep(AGAIN_SECONDS if said else 0)
        finally:
            ended = [finding, *self._tasks.values()]
            for task in ended:
                task.cancel()
            await asyncio.gather(*ended, return_exceptions=True)

    async def _watch(self) -> None:
        found, version = await self._cluster.snapshot(PODS, SELECTOR)
        for uid in self._followers.keys() - {body["metadata"]["uid"] for body in found}:
            self._gone(uid)
        for body in found:
            self._see(body)
        async for kind, body in self._cluster.watch(PODS, SELECTOR, version):
            if kind in ("ADDED", "MODIFIED"):
                self._see(body)
            elif kind == "DELETED":
                self._see(body)
                self._gone(body["metadata"]["uid"])

    def _see(self, body: Mapping[str, Any]) -> None:
        pod = parse_pod(body)
        if pod is None:
            return
        follower = self._followers.get(pod.uid)
        if follower is not None:
            follower.look(pod)
            return
        follower = Follower(pod, self._cluster, self._store, self._metrics, self._config.flush_seconds)
        self._followers[pod.uid] = follower
        self._start(follower)

    def _start(self, follower: Follower) -> None:
        uid = follower.pod.uid
        self._tasks[uid] = asyncio.create_task(self._follow(follower), name=f"log {uid}")
        self._metrics.following.set(len(self._tasks))

    async def _find_lost(self) -> None:
        """Follows again what was complete and is not, as long as the kubelet has it."""
        while True:
            await asyncio.sleep(LOST_SECONDS)
            complete = [uid for uid, one in self._followers.items() if one.complete and uid not in self._tasks]
            try:
                lost = await self._store.lost(complete) if complete else []
            except BluenoError as error:
                log.info("complete logs are looked up later: %s", error)
                continue
            for follower in filter(None, map(self._followers.get, lost)):
                log.warning("log of %s/%s: the database has lost it", follower.pod.namespace, follower.pod.name)
                self._start(follower)

    async def _follow(self, follower: Follower) -> None:
        uid = follower.pod.uid
        try:
            while True:
                try:
                    await follower.begun()
                    async with self._slots:
                        await follower.run()
                    return
                except Exception:  # a bug of ours, met by one log, is not to stop the others
                    log.exception("log of %s/%s", follower.pod.namespace, follower.pod.name)
                    self._metrics.failures.labels("logs").inc()
                    await asyncio.sleep(60.0)
        finally:
            self._tasks.pop(uid, None)
            self._metrics.following.set(len(self._tasks))

    def _gone(self, uid: str) -> None:
        """Its follower, if there is one, finds out by itself: it stores what it has and ends."""
        follower = self._followers.pop(uid, None)
        task = self._tasks.get(uid)
        if follower is not None and task is not None:
            follower.look(_ended(follower.pod))


def _ended(pod: TrainPod) -> TrainPod:
    return replace(pod, began=True, over=True)
