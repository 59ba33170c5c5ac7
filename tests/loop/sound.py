"""Asks the checker (tests/checker) whether the fake cluster is sound. Called at the end of tests of faults."""

from __future__ import annotations

import time

from tests.checker import Snapshot, Text, assert_sound, judge
from tests.checker.gather.objects import gather_bodies
from tests.loop.conftest import World

PAUSE = 25.0  # seconds: controllers/queue.py's longest pause after errors, and a slow machine


async def sound(world: World, before: Snapshot | None = None) -> Snapshot:
    """Wait until nothing is written any more; then every invariant has to hold. The snapshot, for the next call.

    Quiet is not yet the end: after an error the operator may pause before its next write, for as long as PAUSE.
    """
    end = time.monotonic() + PAUSE
    while True:
        await world.settled(0.5)
        collect_garbage(world)
        seen = picture(world, before)
        if time.monotonic() > end or not judge(seen):
            return assert_sound(seen)


def picture(world: World, before: Snapshot | None = None) -> Snapshot:
    """Objects and the operators' logs, as they are now."""
    logs = tuple(Text(f"log of {operator.log.name}", operator.log.read_text()) for operator in world.operators)
    return Snapshot(objects=gather_bodies(world.api.objects.values()), texts=logs, before=before)


def collect_garbage(world: World) -> None:
    """What has lost its owner goes, as in a real cluster; its pods after it."""
    while True:
        alive = {body["metadata"]["uid"] for body in world.api.objects.values()}
        orphans = [
            body["metadata"] | {"kind": body["kind"]}
            for body in list(world.api.objects.values())
            if any(owner["uid"] not in alive for owner in body["metadata"].get("ownerReferences") or ())
        ]
        for meta in orphans:
            world.api.remove(meta["kind"], meta["name"], meta.get("namespace", ""))
        if not orphans:
            return
