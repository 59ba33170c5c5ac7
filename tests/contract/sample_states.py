"""One Sample for every reason its Ready condition may carry, brought there by the operator's own rules.

Used by test_sample_tables.py: how it reads in `kubectl get`, whether the schema takes it, what waiting tools see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from blueno.resources.ingest import ENDS
from blueno.resources.sample_reasons import SampleReason as R
from tests.unit.controllers.sample.world import SAMPLE, World

MANIFEST: dict[str, Any] = {"manifest": {"configMapRef": {"name": "lists", "key": "new.csv"}}}


@dataclass(frozen=True)
class State:
    """A Sample as a cluster in use would show it."""

    world: World
    body: dict[str, Any]


def _told(reason: R, message: str = "", first: tuple[tuple[str, str], ...] = (), **more: Any) -> State:
    """What a pod says of it."""
    spec = more.pop("spec", {"uri": "s3://scans/2026/0017.nii.gz", "key": "patient 17"})
    world = World()
    world.dataset()
    body = world.guarded(name_of(reason), **spec)
    world.tell(body, reason, message=message, rejected=more.pop("rejected", len(first)), first=first, **more)
    if not ENDS[reason]:
        world.roster.rest(body["metadata"]["uid"], world.now + timedelta(seconds=15))
    world.step(body)
    return State(world, body)


def _without_dataset() -> State:
    world = World()
    body = world.sample(name_of(R.DATASET_NOT_FOUND))
    world.step(body)
    return State(world, body)


def _not_ready() -> State:
    world = World()
    world.dataset(ready=False)
    body = world.sample(name_of(R.DATASET_NOT_READY))
    world.step(body)
    return State(world, body)


def _with_pod(reason: R, state: dict[str, Any] | None, **status: Any) -> State:
    world = World()
    world.dataset()
    body = world.guarded(name_of(reason))
    world.step(body)
    if state is not None:
        world.pod(world.jobs()[0], state, "Pending", **status)
    world.later(21)
    world.step(body)
    return State(world, body)


def _removing() -> State:
    world = World()
    world.dataset()
    body = world.guarded(name_of(R.REMOVING))
    world.tell(body, R.AVAILABLE, samples=1, key="removing")
    world.step(body)
    world.delete(body)
    world.tell(body, R.DATA_SERVER_UNAVAILABLE, message="the data server does not answer (HTTP 503)")
    world.roster.rest(body["metadata"]["uid"], world.now + timedelta(seconds=15))
    world.step(body)
    return State(world, body)


def _invalid() -> State:
    world = World()
    body = world.sample(name_of(R.INVALID_SPEC), label={"a": "x" * 5000})
    world.step(body)
    return State(world, body)


def _conflict() -> State:
    world = World()
    world.dataset()
    body = world.guarded(name_of(R.NAME_CONFLICT))
    text = "Job mnist-1a2b3c4d-ingest-1 exists and was not made for this object: delete or rename it"
    body["status"] |= world.kind.conflict(body, text, world.now)
    world.put(SAMPLE, body)
    return State(world, body)


def _pending() -> State:
    """As the schema makes it; nobody has written anything."""
    world = World()
    world.dataset()
    return State(world, world.guarded(name_of(R.PENDING)))


SCAN: dict[str, Any] = {"samples": 1, "key": "patient 17", "bytes": 9437184, "digest": "1a2b3c4d" * 8}
WAITS = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient cpu."}
PULL = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
FIRST = (("line 9: nowhere.png", "SourceNotFound"), ("line 12", "InvalidLine"))

STATES: dict[R, Callable[[], State]] = {
    R.PENDING: _pending,
    R.DATASET_NOT_FOUND: _without_dataset,
    R.DATASET_NOT_READY: _not_ready,
    R.INGESTING: lambda: _with_pod(R.INGESTING, None),
    R.AVAILABLE: lambda: _told(R.AVAILABLE, shape="512x512x40", dtype="int16", **SCAN),
    R.PARTLY_AVAILABLE: lambda: _told(R.PARTLY_AVAILABLE, samples=119, rejected=3, first=FIRST, spec=MANIFEST),
    R.REMOVING: _removing,
    R.INVALID_SPEC: _invalid,
    R.BAD_SAMPLE: lambda: _told(R.BAD_SAMPLE, "Truncated: 40 bytes", (("patient 17", "Truncated"),)),
    R.BAD_MANIFEST: lambda: _told(R.BAD_MANIFEST, "the manifest lists no sample", spec=MANIFEST),
    R.NOTHING_USABLE: lambda: _told(
        R.NOTHING_USABLE, "none of 2 samples could be taken: line 12 (InvalidLine)", FIRST, spec=MANIFEST
    ),
    R.KEY_CONFLICT: lambda: _told(
        R.KEY_CONFLICT, "the working set has another sample with the key 'patient 17'", (("patient 17", "KeyConflict"),)
    ),
    R.CHECKSUM_MISMATCH: lambda: _told(R.CHECKSUM_MISMATCH, "the bytes have sha256 1a2b…, 3c4d… was given"),
    R.SOURCE_NOT_FOUND: lambda: _told(R.SOURCE_NOT_FOUND, "https://example.org/17.png answers HTTP 404"),
    R.SOURCE_NOT_ALLOWED: lambda: _told(R.SOURCE_NOT_ALLOWED, "example.org has the address 10.0.0.1"),
    R.SOURCE_UNAVAILABLE: lambda: _told(R.SOURCE_UNAVAILABLE, "https://example.org/17.png answers HTTP 503"),
    R.SECRET_NOT_FOUND: lambda: _told(R.SECRET_NOT_FOUND, "there is no Secret scanner, or it is empty"),
    R.CONFIG_MAP_NOT_FOUND: lambda: _told(
        R.CONFIG_MAP_NOT_FOUND, "there is no ConfigMap lists with the key new.csv", spec=MANIFEST
    ),
    R.NO_SPACE: lambda: _told(R.NO_SPACE, "the volume is full"),
    R.DATA_SERVER_UNAVAILABLE: lambda: _told(R.DATA_SERVER_UNAVAILABLE, "the data server does not answer (HTTP 503)"),
    R.INGEST_FAILED: lambda: _told(R.INGEST_FAILED, "the data server refuses: HTTP 400"),
    R.IMAGE_PULL_FAILED: lambda: _with_pod(R.IMAGE_PULL_FAILED, PULL),
    R.UNSCHEDULABLE: lambda: _with_pod(R.UNSCHEDULABLE, {}, conditions=[WAITS]),
    R.NAME_CONFLICT: _conflict,
}


def name_of(reason: R) -> str:
    """`BadSample` → `bad-sample`."""
    return "".join(f"-{sign.lower()}" if sign.isupper() else sign for sign in reason).lstrip("-")
