"""What there is of a data server, and what has to be done so that it runs or rests. Pure.

Used by the kinds that have one: controllers/dataset and controllers/outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blueno import names
from blueno.resources.api import DEPLOYMENTS
from controllers.cache import Cache
from controllers.objects.server import patch_to
from controllers.step import Patch, Ref

LOOK_AGAIN = 1.0  # seconds after a Deployment was made: one that was there already may be another than we want

Deed = Mapping[str, Any] | Patch


@dataclass(frozen=True)
class ServerView:
    """The data server's Deployment."""

    name: str
    uid: str
    replicas: int
    template: str  # hash of the pod template that it was made from
    deleting: bool


def view_server(cache: Cache, uid: str) -> ServerView | None:
    """The data server that was made for the object `uid`."""
    for body in cache.children(DEPLOYMENTS.kind, uid):
        meta = body["metadata"]
        return ServerView(
            name=meta["name"],
            uid=meta["uid"],
            replicas=body["spec"].get("replicas", 1),
            template=meta["labels"].get(names.TEMPLATE_LABEL, ""),
            deleting=bool(meta.get("deletionTimestamp")),
        )
    return None


def runs(server: ServerView | None) -> bool:
    """Whether there is one that has not been told to rest or to go."""
    return server is not None and server.replicas > 0 and not server.deleting


def wake(
    server: ServerView | None, wanted: tuple[Mapping[str, Any], Mapping[str, Any]], service_made: bool, ends_in: float
) -> tuple[tuple[Deed, ...], float]:
    """What to make or patch so that it runs as `wanted` (Deployment, Service), and when to look again.

    `ends_in`: seconds until nobody wants it any more.
    """
    deployment, service = wanted
    deeds: list[Deed] = [] if service_made else [service]
    if server is None:
        return (deployment, *deeds), min(ends_in, LOOK_AGAIN)
    if server.deleting:  # its end will tell
        return tuple(deeds), ends_in
    ref = _ref(deployment["metadata"]["namespace"], server)
    if server.template != deployment["metadata"]["labels"][names.TEMPLATE_LABEL]:
        deeds.insert(0, Patch(ref, patch_to(deployment)))
    elif server.replicas != 1:
        deeds.insert(0, Patch(ref, {"spec": {"replicas": 1}}))
    return tuple(deeds), ends_in


def rest(namespace: str, server: ServerView | None) -> tuple[Deed, ...]:
    """Nobody wants it: to zero, kept for the next time."""
    if server is None or not runs(server):
        return ()
    return (Patch(_ref(namespace, server), {"spec": {"replicas": 0}}),)


def _ref(namespace: str, server: ServerView) -> Ref:
    return Ref(DEPLOYMENTS, namespace, server.name, server.uid)
