"""Which Dataset a name of 2019 stands for. Used by the other modules here.

A person has one home: the first namespace on the person's list, or the configured one for who may enter all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from blueno.db.people import EVERY_NAMESPACE
from blueno.resources.api import DATASETS
from webui.access import CONTENT
from webui.api.dataset_writes import slug
from webui.api.platform.urls import NAME, DataAddress
from webui.api.targets import Target
from webui.call import Call
from webui.kinds import Text
from webui.problems import Problem, not_found
from webui.refusals import translated

DATASET: Text = Text(max=NAME, min=1)
SAMPLE: Text = Text(max=1024, min=1)


@dataclass(frozen=True)
class Found:
    """A Dataset under its name of 2019."""

    name: str
    body: Mapping[str, Any]

    @property
    def target(self) -> Target:
        return Target.of_body(self.body)

    @property
    def is_upload(self) -> bool:
        """Whether its samples are those of its working set and no others."""
        return "upload" in (self.body.get("spec", {}).get("source") or {})


def home(call: Call) -> str:
    """The namespace that names of 2019 are about. Raises Problem 403."""
    given = call.person.namespaces
    own = next((name for name in given if name != EVERY_NAMESPACE), None)
    if own is None and EVERY_NAMESPACE not in given:
        raise Problem(403, "forbidden", "you belong to no namespace: an administrator can add you to one")
    return own or call.services.config.default_namespace


def object_name(name: str) -> str:
    """The same for the same name; different for names that look alike."""
    tail = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{slug(name) or 'dataset'}-{tail}"


def shown_name(body: Mapping[str, Any]) -> str:
    """What a Dataset is called in 2019's words."""
    return str(body.get("spec", {}).get("displayName") or body["metadata"]["name"])


async def in_home(call: Call) -> list[dict[str, Any]]:
    """All Datasets there that are not about to go. Raises Problem 403 when they may not be listed."""
    namespace = home(call)
    if not await call.services.access.may(call.person, "list", DATASETS, namespace):
        raise Problem(403, "forbidden", f"you may not list data sets in the namespace {namespace}")
    with translated(DATASETS):
        found = [body async for body in call.services.cluster.list(DATASETS, namespace=namespace)]
    return [body for body in found if not body["metadata"].get("deletionTimestamp")]


async def look_up(call: Call, name: str) -> Found | None:
    """By the name that we would have given it, else by its display name, else by its own."""
    namespace = home(call)
    with translated(DATASETS):
        body = await call.services.cluster.get(DATASETS, namespace, object_name(name))
        if body is not None and shown_name(body) == name:
            return Found(name, body)
        return _named([body async for body in call.services.cluster.list(DATASETS, namespace=namespace)], name)


async def at(call: Call, address: DataAddress) -> Found | None:
    """The data set of an address here: of the names that this may begin with, the longest that there is."""
    if len(address.datasets) == 1:
        return await look_up(call, address.datasets[0])
    with translated(DATASETS):
        everything = [body async for body in call.services.cluster.list(DATASETS, namespace=home(call))]
    found = (_named(everything, name) for name in address.datasets)
    return next((one for one in found if one is not None), None)


def _named(everything: Iterable[Mapping[str, Any]], name: str) -> Found | None:
    """The one that we would have named so, else the oldest of that display name, else the one of that name."""
    alike = [body for body in everything if name in (shown_name(body), body["metadata"]["name"])]

    def rank(body: Mapping[str, Any]) -> tuple[bool, bool, str]:
        meta, is_shown = body["metadata"], shown_name(body) == name
        return not is_shown, meta["name"] != object_name(name), str(meta.get("creationTimestamp"))

    return Found(name, min(alike, key=rank)) if alike else None


async def find_at(call: Call, address: DataAddress, verb: str = "get", *, content: bool = False) -> Found:
    """As `find`, of the data set of an address here."""
    return await permitted(call, address.datasets[-1], await at(call, address), verb, content=content)


async def find(call: Call, name: str, verb: str = "get", *, content: bool = False) -> Found:
    """The Dataset, for who may see it (404) and do that to it (403). Raises Problem."""
    return await permitted(call, name, await look_up(call, name), verb, content=content)


async def find_object(call: Call, name: str) -> Found:
    """The Dataset of this name of its own in the person's home, for who may see its contents. Raises Problem 404."""
    with translated(DATASETS):
        body = await call.services.cluster.get(DATASETS, home(call), name)
    return await permitted(call, name, None if body is None else Found(shown_name(body), body), content=True)


async def permitted(call: Call, name: str, found: Found | None, verb: str = "get", *, content: bool = False) -> Found:
    """What was found, for who may see it (404) and do that to it (403). Raises Problem."""
    access, place = call.services.access, found.target if found is not None else None
    sub = CONTENT if content else ""
    if found is None or place is None or not await access.may(call.person, "get", DATASETS, *_at(place), sub):
        raise not_found(f"there is no data set {name[:64]!r}, or you may not see it")
    call.subject, call.resource = place.name, DATASETS.plural
    call.values = {**call.values, "namespace": place.namespace}
    if verb != "get" and not await access.may(call.person, verb, DATASETS, *_at(place)):
        raise Problem(403, "forbidden", f"you may not {verb} data sets in the namespace {place.namespace}")
    return found


def _at(place: Target) -> tuple[str, str]:
    return place.namespace, place.name
