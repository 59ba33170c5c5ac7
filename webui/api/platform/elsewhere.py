"""Data of 2019 that lie in a bucket or on a web server: a Sample object stands for each, and the operator's Job fetches
them with the Dataset's own secret. Used by samples.py.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

from blueno import names
from blueno.errors import Conflict
from blueno.resources.api import SAMPLES
from blueno.resources.row import conditions
from webui.api.dataset_writes import slug
from webui.api.platform.homes import Found
from webui.api.platform.records import Info
from webui.call import Call
from webui.problems import Problem
from webui.refusals import translated

FETCHED_SECONDS = 40.0  # that a sample is waited for which is to be validated
LOOK_SECONDS = 0.5


async def register(call: Call, found: Found, key: str, info: Info, *, wait: bool) -> None:
    """A Sample object of this address; with `wait` its data must be there. Raises Problem 400, 403, 409."""
    place = found.target
    if not await call.services.access.may(call.person, "create", SAMPLES, place.namespace):
        raise Problem(403, "forbidden", f"you may not create samples in the namespace {place.namespace}")
    said = {"label": info.label, "split": info.split, "metadata": info.metadata}
    spec = {"datasetRef": {"name": place.name}, "uri": info.url, "key": key}
    manifest = {
        "apiVersion": SAMPLES.api_version,
        "kind": SAMPLES.kind,
        "metadata": {"namespace": place.namespace, "name": _name(found, key)},
        "spec": spec | {name: value for name, value in said.items() if value is not None},
    }
    await call.intend()
    with translated(SAMPLES, creating=True):
        try:
            made = await call.services.cluster.create(SAMPLES, manifest, manager=names.WEB)
        except Conflict:
            raise Problem(409, "already_exists", f"there is a sample {key[:64]!r} already") from None
    if wait:
        await _fetched(call, made)


async def remove(call: Call, found: Found, key: str, *, purge: bool) -> bool:
    """The Sample object of this key goes, if there is one: the operator would fetch it again otherwise."""
    namespace, name = found.target.namespace, _name(found, key)
    with translated(SAMPLES):
        body = await call.services.cluster.get(SAMPLES, namespace, name)
        if body is None:
            return False
        if purge:
            patch = {"spec": {"purgeOnDelete": True}}
            await call.services.cluster.change(SAMPLES, namespace, name, patch, names.WEB)
        await call.services.cluster.delete(SAMPLES, namespace, name, body["metadata"]["uid"])
    return True


async def _fetched(call: Call, made: Mapping[str, Any]) -> None:
    """Until its data are there. Raises Problem 400 with the operator's words when they cannot be."""
    meta = made["metadata"]
    loop = asyncio.get_running_loop()
    end = loop.time() + FETCHED_SECONDS
    while loop.time() < end:
        await asyncio.sleep(LOOK_SECONDS)
        with translated(SAMPLES):
            body = await call.services.cluster.get(SAMPLES, meta["namespace"], meta["name"]) or {}
        told = conditions(body.get("status") or {})
        if (told.get("Ready") or {}).get("status") == "True":
            return
        if (told.get("Stalled") or {}).get("status") == "True":
            with translated(SAMPLES):
                await call.services.cluster.delete(SAMPLES, meta["namespace"], meta["name"], meta["uid"])
            why = str((told.get("Ready") or {}).get("message") or "they could not be fetched")[:500]
            raise Problem(400, "no_data", f"there are no data at the sample's URL: {why}")


def _name(found: Found, key: str) -> str:
    """The same for the same sample."""
    tail = hashlib.sha256(f"{found.target.uid}/{key}".encode()).hexdigest()[:12]
    return f"{slug(key) or 'sample'}-{tail}"
