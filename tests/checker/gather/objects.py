"""Objects of an API server: out of the fake one's memory, by kubectl, or of a file. Used by tests and __main__.py."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from blueno.resources.api import BY_KIND
from tests.checker.snapshot import Body, Objects

# What is judged. Secrets are never read: the checker must not hold what it looks for.
KINDS = (
    *("Dataset", "TrainingRun", "Job", "Pod", "Deployment", "Service", "PersistentVolumeClaim", "PersistentVolume"),
    *("Event", "Lease", "Sample"),
)
Kubectl = Callable[..., str]  # arguments → standard output


def gather_bodies(bodies: Iterable[Mapping[str, Any]], kinds: Iterable[str] = KINDS) -> Objects:
    """Of objects in memory; they are copied, so that a later change is seen as one."""
    found: dict[str, list[Body]] = {kind: [] for kind in kinds}
    for body in bodies:
        if body["kind"] in found:
            found[body["kind"]].append(copy.deepcopy(dict(body)))
    return Objects({kind: tuple(some) for kind, some in found.items()})


def gather_kubectl(kubectl: Kubectl, namespaces: Iterable[str] = (), kinds: Iterable[str] = KINDS) -> Objects:
    """By kubectl; `namespaces`: only of these, and the volumes of their claims; all when there are none.

    Children are read before their owners: one that is made in between is not taken for one whose owner is gone.
    """
    wanted = tuple(namespaces)
    found: dict[str, tuple[Body, ...]] = {}
    for kind in sorted(kinds, key=lambda kind: kind in ("Dataset", "TrainingRun", "Sample")):
        resource = BY_KIND[kind]
        name = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
        places: tuple[tuple[str, ...], ...] = ((),)
        if resource.namespaced:
            places = tuple(("-n", space) for space in wanted) or (("--all-namespaces",),)
        items = [item for place in places for item in json.loads(kubectl("get", name, "-o", "json", *place))["items"]]
        found[kind] = tuple({"kind": kind, **item} for item in items if resource.namespaced or _is_of(item, wanted))
    return Objects(found)


def _is_of(volume: Body, namespaces: tuple[str, ...]) -> bool:
    """Whether a PersistentVolume is reserved for a claim of these namespaces."""
    return not namespaces or (volume["spec"].get("claimRef") or {}).get("namespace") in namespaces


def gather_list(text: str) -> Objects:
    """Of a file that `kubectl get … -o json` has written; only kinds that occur in it count as asked for."""
    body = json.loads(text)
    items = body.get("items", [body])
    return gather_bodies(items, {item["kind"] for item in items})
