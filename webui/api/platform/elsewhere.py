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
from webui.problems import Problem, later
from webui.refusals import translated

FETCHED_SECONDS = 25.0  # that a sample is waited for which is to be validated: clients wait 30 s for an answer
RETRY_SECONDS = 2.0  # until a client that was told that it is still being fetched asks again
LOOK_SECONDS = 0.5
_SIGNED = ("s3", "gs", "az")


async def register(call: Call, found: Found, key: str, info: Info, *, wait: bool) -> None:
    """A Sample object of this address; with `wait` its data must be there. Raises Problem 400, 403, 409, 503.

    Whoever was told 503 asks again, as clients of 2019 do: then the Sample that is there already is waited for.
    """
    place = found.target
    if not await call.services.access.may(call.person, "create", SAMPLES, place.namespace):
        raise Problem(403, "forbidden", f"you may not create samples in the namespace {place.namespace}")
    said = {"label": info.label, "split": info.split, "metadata": info.metadata}
    spec = {"datasetRef": {"name": place.name}, "uri": info.url, "key": key} | _secret(found, info.url)
    manifest: dict[str, Any] = {
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
            known = await call.services.cluster.get(SAMPLES, place.namespace, manifest["metadata"]["name"])
            if not wait or known is None or not _is_waited_for(known, manifest["spec"]):
                raise Problem(409, "already_exists", f"there is a sample {key[:64]!r} already") from None
            made = known
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
    """Until its data are there. Raises Problem 400 with the operator's words when they cannot be, 503 when not yet."""
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
    text = f"the data are still being fetched (Sample {meta['name']}): ask again, or register it with validate: false"
    raise later("still_fetching", text, RETRY_SECONDS)


def _is_waited_for(body: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    """Whether this Sample is the one that is asked for, and its data have yet to come."""
    told = conditions(body.get("status") or {})
    same = all(body["spec"].get(name) == value for name, value in spec.items())
    return same and (told.get("Ready") or {}).get("status") != "True"


def _secret(found: Found, url: str) -> dict[str, Any]:
    """The data set's Secret, for buckets only: it signs, and at a web address would be sent to whoever is there."""
    scheme = url.partition(":")[0]
    reference = ((found.body["spec"].get("source") or {}).get("upload") or {}).get("secretRef")
    if reference is not None and scheme in _SIGNED:
        return {"secretRef": reference}
    if scheme == "az":
        detail = (
            f"az:// is read with a Secret that names the account, and the data set has none: an administrator can set "
            f"spec.source.upload.secretRef of Dataset {found.target.name}"
        )
        raise Problem(400, "bad_url", detail)
    return {}


def _name(found: Found, key: str) -> str:
    """The same for the same sample."""
    tail = hashlib.sha256(f"{found.target.uid}/{key}".encode()).hexdigest()[:12]
    return f"{slug(key) or 'sample'}-{tail}"
