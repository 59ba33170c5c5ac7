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
    asked = sorted(kinds, key=lambda kind: kind in ("Dataset", "TrainingRun", "Sample"))
    found: dict[str, list[Body]] = {kind: [] for kind in asked}
    everywhere: tuple[tuple[str, ...], ...] = (("--all-namespaces",),)
    for namespaced in (True, False):
        resources = [BY_KIND[kind] for kind in asked if BY_KIND[kind].namespaced == namespaced]
        named = ",".join(f"{each.plural}.{each.group}" if each.group else each.plural for each in resources)
        for place in (tuple(("-n", space) for space in wanted) if namespaced else ()) or everywhere:
            items = json.loads(kubectl("get", named, "-o", "json", *place))["items"] if resources else []
            for item in items:
                if namespaced or _is_of(item, wanted):
                    found[item["kind"]].append(item)
    return Objects({kind: tuple(some) for kind, some in found.items()})


def _is_of(volume: Body, namespaces: tuple[str, ...]) -> bool:
    """Whether a PersistentVolume is reserved for a claim of these namespaces."""
    return not namespaces or (volume["spec"].get("claimRef") or {}).get("namespace") in namespaces


def gather_list(text: str) -> Objects:
    """Of a file that `kubectl get … -o json` has written; only kinds that occur in it count as asked for."""
    body = json.loads(text)
    items = body.get("items", [body])
    return gather_bodies(items, {item["kind"] for item in items})
