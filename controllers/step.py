"""What a kind's `decide` wants done, in plain values. Pure; read by controllers/engine.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blueno.resources.api import Resource


@dataclass(frozen=True)
class Ref:
    """One object in the cluster. With `uid`, only that very object is meant."""

    resource: Resource
    namespace: str | None
    name: str
    uid: str | None = None


@dataclass(frozen=True)
class Patch:
    """A merge-patch of one of our children."""

    ref: Ref
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One step closer to what the object asks for. The engine does, in this order:

    `finalizer` and `in_use` (True: it must be there; False: it must not, and goes last), `confirm`, `delete`, `hold`,
    `apply`, `patch`, then writes the status that the kind makes of `reason`, `message` and the flags, then does
    `serve`, then looks again after `again_in` seconds.
    """

    reason: str
    message: str
    ready: bool = False
    reconciling: bool = False
    stalled: bool = False
    quiet: bool = False  # nothing worth a write to status yet
    data_out_of_reach: bool = False  # not Ready even though a version was sealed
    apply: tuple[Mapping[str, Any], ...] = ()
    delete: tuple[Ref, ...] = ()
    patch: tuple[Patch, ...] = ()
    wish: tuple[Patch, ...] = ()  # patches that the cluster may refuse: then a Warning Event says so and we go on
    serve: tuple[Mapping[str, Any] | Patch, ...] = ()  # of the data server: refused, it costs an Event and no more
    ask: Ref | None = None  # an object whose Warning Events say more than `message` does
    queue: Ref | None = None  # a Job that is held: what Kueue says of it says more than `message` does
    warning: tuple[str, str] | None = None  # reason and message of a Warning Event of our own
    finalizer: bool | None = None  # blueno.dev/erase on this object
    owner: Mapping[str, Any] | None = None  # ownerReference that comes with `finalizer`, in the same write
    in_use: bool | None = None  # blueno.dev/in-use on this object
    hold: tuple[Ref, ...] = ()  # Datasets that must carry blueno.dev/in-use before anything of `apply` is made
    confirm: Ref | None = None  # a Job: ask the API server, not the cache, that it and its pods have no more to say
    release_if_refused: bool = False  # nothing can be created in a terminating namespace: then release the finalizer
    status: Mapping[str, Any] = field(default_factory=dict)  # top-level status fields to set; None removes
    again_in: float | None = None  # seconds
    took: float | None = None  # seconds that the work which just ended took, for /metrics
