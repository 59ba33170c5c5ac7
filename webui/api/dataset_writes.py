"""Data sets: create, change, delete, and asking again (seal, retry, refresh). All through the Kubernetes API, as far as
the person may; the pipeline has asked that, what a new one names is asked here.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from blueno import names
from blueno.errors import Conflict
from blueno.resources.api import DATASETS
from blueno.resources.row import conditions
from webui.api.parameters import NAME, NAMESPACE, OBJECT
from webui.api.reviewed import require_named
from webui.call import Call
from webui.idempotency import HEADER
from webui.kinds import LEFT_OUT, Field, Object, OneOf, Optional, Text
from webui.problems import FieldError, Problem, gone, invalid
from webui.refusals import translated
from webui.routes import Answer, Param, Permission, Reply, Route
from webui.run_kinds import AnyObject, YesNo
from webui.views import detail_of_body, time_text

REQUESTS = ("seal", "retry", "refresh")
_STEM = 40  # characters of a name that is made of a display name


async def create(call: Call) -> Answer:
    """A new data set; with `dryRun` everything is checked and nothing made."""
    namespace, dry_run = call.values["namespace"], call.values["dryRun"]
    manifest = _manifest(call)
    call.subject = manifest["metadata"]["name"]
    await require_named(call, namespace, call.body["spec"])
    if dry_run:
        call.detail = {"dryRun": True}
    else:
        await call.intend()
    return Answer(detail_of_body(await make(call, manifest, dry_run=dry_run), datetime.now(UTC)), 201)


async def make(call: Call, manifest: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
    """Creates it; one that this same request has made before it was cut short is as good. Raises Problem 409."""
    cluster = call.services.cluster
    with translated(DATASETS, creating=True):
        try:
            return await cluster.create(DATASETS, manifest, manager=names.WEB, dry_run=dry_run)
        except Conflict:
            meta = manifest["metadata"]
            found = await cluster.get(DATASETS, meta["namespace"], meta["name"])
            mark = meta["annotations"].get(names.REQUEST_KEY)
            if mark and found and (found["metadata"].get("annotations") or {}).get(names.REQUEST_KEY) == mark:
                return found
            detail = f"there is a data set {meta['name']} in {meta['namespace']} already: choose another name"
            raise Problem(409, "already_exists", detail) from None


async def change(call: Call) -> Answer:
    """Suspend or resume it, pin a version, tell more about it. `null` takes a field away."""
    spec = dict(call.body)
    if not spec:
        raise invalid([FieldError("body", f"must hold one of {', '.join(_CHANGE.fields)}")])
    call.detail = {key: value for key, value in spec.items() if key != "description"}
    await call.intend()
    with translated(DATASETS):
        after = await call.services.cluster.change(DATASETS, *_place(call), {"spec": spec}, names.WEB)
    return Answer(detail_of_body(after, datetime.now(UTC)))


async def delete(call: Call) -> Answer:
    """It goes, and its data by its reclaimPolicy; it may wait for runs that use it."""
    found = await _found(call)
    await call.intend()
    with translated(DATASETS):
        await call.services.cluster.delete(DATASETS, *_place(call), found["metadata"]["uid"])
    return Answer({"uid": found["metadata"]["uid"]}, 202)


async def request(call: Call) -> Answer:
    """Seal the working set, try again, or read the source anew: an annotation that the operator acts on."""
    kind = call.body["kind"]
    call.detail = {"kind": kind}
    found = await _found(call)
    if kind == "retry" and (conditions(found.get("status") or {}).get("Stalled") or {}).get("status") != "True":
        detail = "it is not stalled, so there is nothing to try again; `refresh` reads its source anew"
        raise Problem(409, "not_stalled", detail)
    at = time_text(call.moment)
    patch = {"metadata": {"uid": found["metadata"]["uid"], "annotations": {names.REQUESTED_AT: at}}}
    await call.intend()
    with translated(DATASETS):
        await call.services.cluster.change(DATASETS, *_place(call), patch, names.WEB)
    return Answer({"requestedAt": at}, 202)


def slug(text: str) -> str:
    """What of a text can stand in the name of an object; may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "-", plain)[:_STEM].strip("-")


def _manifest(call: Call) -> dict[str, Any]:
    """Of a body that is {name, spec} or a whole manifest."""
    body, namespace = call.body, call.values["namespace"]
    meta = body["metadata"] or {}
    given = {name for name in (body["name"], meta.get("name")) if name}
    if len(given) > 1:
        raise invalid([FieldError("body.name", "is not the one in metadata")])
    if meta.get("namespace") not in (None, namespace):
        raise invalid([FieldError("body.metadata.namespace", "is not the one in the path")])
    key = call.request.headers.get(HEADER)
    mark = hashlib.sha256(f"{call.person.person_id} {key} {call.moment.isoformat()}".encode()).hexdigest()
    tail = mark[:8] if key else secrets.token_hex(4)
    stem = slug(str(body["spec"].get("displayName") or "")) or "dataset"
    annotations = {**(meta.get("annotations") or {}), **({names.REQUEST_KEY: mark} if key else {})}
    return {
        "apiVersion": DATASETS.api_version,
        "kind": DATASETS.kind,
        "metadata": {
            "namespace": namespace,
            "name": given.pop() if given else f"{stem}-{tail}",
            "labels": meta.get("labels") or {},
            "annotations": annotations,
        },
        "spec": body["spec"],
    }


async def _found(call: Call) -> dict[str, Any]:
    with translated(DATASETS):
        found = await call.services.cluster.get(DATASETS, *_place(call))
    if found is None:
        raise gone(DATASETS)
    return found


def _place(call: Call) -> tuple[str, str]:
    return call.values["namespace"], call.values["name"]


_META = Object(
    {
        "name": Field(NAME, None),
        "namespace": Field(NAMESPACE, None),
        "labels": Field(AnyObject(), None),
        "annotations": Field(AnyObject(), None),
    }
)
_NEW = Object(
    {
        "apiVersion": Field(OneOf((DATASETS.api_version,)), None),
        "kind": Field(OneOf((DATASETS.kind,)), None),
        "metadata": Field(_META, None),
        "name": Field(NAME, None),
        "spec": Field(AnyObject()),
    }
)
_DIGEST = Text(max=64, min=64, pattern="[0-9a-f]{64}", hint="must be the digest of a version: 64 hexadecimal digits")
_CHANGE = Object(
    {
        "suspend": Field(YesNo(), LEFT_OUT),
        "currentVersion": Field(Optional(_DIGEST), LEFT_OUT),
        "displayName": Field(Optional(Text(max=255)), LEFT_OUT),
        "description": Field(Optional(Text(max=4096)), LEFT_OUT),
    }
)
_ALL, _ONE = "/api/v1/datasets/{namespace}", "/api/v1/datasets/{namespace}/{name}"
ROUTES = (
    Route(
        *("POST", _ALL, Permission.CREATE, create, "Make a data set", (Reply(201, "Dataset"),)),
        kinds={"namespace": NAMESPACE},
        query=(Param("dryRun", YesNo(), False, "check everything and make nothing"),),
        body=_NEW,
        audit="create",
        keyed=True,
    ),
    Route(
        *("PATCH", _ONE, Permission.CHANGE, change, "Change a data set", (Reply(200, "Dataset"),)),
        kinds=OBJECT,
        body=_CHANGE,
        audit="change",
    ),
    Route(
        *("DELETE", _ONE, Permission.DELETE, delete, "Delete a data set", (Reply(202, "Deleting"),)),
        kinds=OBJECT,
        audit="delete",
    ),
    Route(
        *("POST", f"{_ONE}/requests", Permission.CHANGE, request, "Seal, retry or refresh", (Reply(202, "Requested"),)),
        kinds=OBJECT,
        body=Object({"kind": Field(OneOf(REQUESTS))}),
        audit="request",
        keyed=True,
    ),
)
