"""GET /datasets/, PUT and DELETE /datasets/<name>."""

from __future__ import annotations

import asyncio
from typing import Any

from blueno.resources.api import DATASETS
from webui.api.dataset_writes import make
from webui.api.platform import homes
from webui.api.platform.homes import DATASET, Found
from webui.call import Call
from webui.kinds import Field, Object
from webui.problems import Problem, not_found
from webui.refusals import translated
from webui.routes import Answer, Permission, Reply, Route
from webui.run_kinds import AnyObject

GONE_SECONDS = 40.0  # that one is waited for which is about to go
LOOK_SECONDS = 0.5


async def datasets(call: Call) -> Answer:
    """Those of the person's home, by name: from the cluster itself, so that what was just made is there."""
    found = sorted(await homes.in_home(call), key=homes.shown_name)
    return Answer({"datasets": [_shown(body) for body in found]})


async def put(call: Call) -> Answer:
    """A new one, empty, that takes samples. 409 when the name is taken."""
    name, namespace = call.values["dataset"], homes.home(call)
    call.resource, call.subject = DATASETS.plural, homes.object_name(name)
    call.values = {**call.values, "namespace": namespace}
    if not await call.services.access.may(call.person, "create", DATASETS, namespace):
        raise Problem(403, "forbidden", f"you may not create data sets in the namespace {namespace}")
    known = await homes.look_up(call, name)
    if known is not None and not await _is_gone(call, known):
        raise Problem(409, "already_exists", f"there is a data set {name[:64]!r} already")
    info = call.body["info"] or {}
    spec: dict[str, Any] = {"displayName": name, "source": {"upload": {}}}
    if info:
        spec["metadata"] = info
    if isinstance(info.get("description"), str):
        spec["description"] = info["description"]
    manifest = {
        "apiVersion": DATASETS.api_version,
        "kind": DATASETS.kind,
        "metadata": {"namespace": namespace, "name": homes.object_name(name), "annotations": {}},
        "spec": spec,
    }
    await call.intend()
    return Answer({"id": (await make(call, manifest))["metadata"]["uid"]})


async def delete(call: Call) -> Answer:
    """It goes with its samples, and its data by its reclaimPolicy; waited for, as far as a request may wait."""
    found = await homes.find(call, call.values["dataset"], "delete")
    meta = found.body["metadata"]
    if meta.get("deletionTimestamp"):
        raise not_found(f"the data set {found.name[:64]!r} is about to go already")
    await call.intend()
    with translated(DATASETS):
        await call.services.cluster.delete(DATASETS, meta["namespace"], meta["name"], meta["uid"])
    await _is_gone(call, found, deleted=True)
    return Answer({"id": meta["uid"]})


async def _is_gone(call: Call, found: Found, *, deleted: bool = False) -> bool:
    """Whether it is; one that is about to go gets some time."""
    meta = found.body["metadata"]
    if not deleted and not meta.get("deletionTimestamp"):
        return False
    loop = asyncio.get_running_loop()
    end = loop.time() + GONE_SECONDS
    while loop.time() < end:
        with translated(DATASETS):
            now = await call.services.cluster.get(DATASETS, meta["namespace"], meta["name"])
        if now is None or now["metadata"]["uid"] != meta["uid"]:
            return True
        await asyncio.sleep(LOOK_SECONDS)
    return False


def _shown(body: dict[str, Any]) -> dict[str, Any]:
    spec = body.get("spec", {})
    info = dict(spec.get("metadata") or {})
    if spec.get("description"):
        info.setdefault("description", spec["description"])
    return {"name": homes.shown_name(body), "info": info, "created_at": body["metadata"]["creationTimestamp"]}


ROUTES = (
    Route("GET", "/datasets/", Permission.PERSON, datasets, "Data sets, as in 2019", (Reply(200, "Datasets2019"),)),
    Route(
        *("PUT", "/datasets/{dataset}", Permission.PERSON, put, "A new data set, as in 2019", (Reply(200, "Id2019"),)),
        kinds={"dataset": DATASET},
        body=Object({"info": Field(AnyObject(), None)}),
        may_be_empty=True,
        audit="create",
    ),
    Route(
        *("DELETE", "/datasets/{dataset}", Permission.PERSON, delete, "Delete it, as in 2019", (Reply(200, "Id2019"),)),
        kinds={"dataset": DATASET},
        body=Object({}),
        may_be_empty=True,
        audit="delete",
    ),
)
