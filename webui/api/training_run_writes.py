"""Training runs: create, stop, go on, cancel, delete. All through the Kubernetes API, as far as the person may.

The pipeline has asked whether the person may do that to training runs there; what a new one names is asked here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from blueno import names
from blueno.resources.api import PODS, TRAINING_RUNS
from webui.api.parameters import NAMESPACE, RUN, RUN_NAME
from webui.call import Call
from webui.kinds import Field, Object
from webui.named import named_in
from webui.problems import FieldError, Problem, gone, invalid
from webui.refusals import translated
from webui.routes import Answer, Permission, Reply, Route
from webui.run_kinds import AnyObject, YesNo
from webui.run_views import run_of_body

NAMED = 100  # objects that a spec may name: each is a question to the API server


async def create(call: Call) -> Answer:
    """A new run; with `dryRun` everything is checked and nothing made."""
    body = call.body
    await _require_named(call, body["namespace"], body["spec"])
    call.detail = {"dryRun": True} if body["dryRun"] else {}
    manifest = {
        "apiVersion": TRAINING_RUNS.api_version,
        "kind": TRAINING_RUNS.kind,
        "metadata": {"namespace": body["namespace"], "name": body["name"]},
        "spec": body["spec"],
    }
    if not body["dryRun"]:
        await call.intend()
    with translated(TRAINING_RUNS, creating=True):
        made = await call.services.cluster.create(TRAINING_RUNS, manifest, manager=names.WEB, dry_run=body["dryRun"])
    return Answer(run_of_body(made, datetime.now(UTC)), 201)


async def change(call: Call) -> Answer:
    """Suspend, resume or cancel."""
    spec = {key: value for key, value in call.body.items() if value is not None}
    if not spec:
        raise invalid([FieldError("body", "must hold suspend or cancel")])
    call.detail = spec
    namespace, name = call.values["namespace"], call.values["name"]
    if spec.get("suspend") is False:
        await _require_account(call, namespace, name)
    await call.intend()
    with translated(TRAINING_RUNS):
        after = await call.services.cluster.change(TRAINING_RUNS, namespace, name, {"spec": spec}, names.WEB)
    return Answer(run_of_body(after, datetime.now(UTC)))


async def delete(call: Call) -> Answer:
    """It stops and is gone; its outputs stay on their claim."""
    namespace, name = call.values["namespace"], call.values["name"]
    with translated(TRAINING_RUNS):
        found = await call.services.cluster.get(TRAINING_RUNS, namespace, name)
        if found is None:
            raise gone(TRAINING_RUNS)
    await call.intend()
    with translated(TRAINING_RUNS):
        await call.services.cluster.delete(TRAINING_RUNS, namespace, name, found["metadata"]["uid"])
    return Answer(None, 204)


async def _require_account(call: Call, namespace: str, name: str) -> None:
    """Who lets a run start again answers for the ServiceAccount that it names, as in deploy/base/admission.yaml."""
    with translated(TRAINING_RUNS):
        found = await call.services.cluster.get(TRAINING_RUNS, namespace, name)
    account = (found or {}).get("spec", {}).get("serviceAccountName")
    if account and not await call.services.access.may(call.person, "create", PODS, namespace):
        detail = f"the run acts as ServiceAccount {account}: to start it again you must be allowed to create pods there"
        raise Problem(403, "forbidden", detail)


async def _require_named(call: Call, namespace: str, spec: Mapping[str, Any]) -> None:
    """Raises Problem 403 with every object that the spec names and the person may not use."""
    named = named_in(spec)
    if len(named) > NAMED:
        raise invalid([FieldError("body.spec", f"names {len(named)} other objects, at most {NAMED}")])
    access, person = call.services.access, call.person
    allowed = await asyncio.gather(
        *(access.may(person, one.verb, one.resource, namespace, one.name, one.sub) for one in named)
    )
    errors = [FieldError(f"body.{one.field}", one.sentence) for one, yes in zip(named, allowed, strict=True) if not yes]
    if errors:
        detail = f"{errors[0].message}, which this run would do for you: ask for that right, or leave it out"
        raise Problem(403, "forbidden", detail, errors)


_NEW = Object(
    {
        "namespace": Field(NAMESPACE),
        "name": Field(RUN_NAME),
        "spec": Field(AnyObject()),
        "dryRun": Field(YesNo(), False),
    }
)
_CHANGE = Object({"suspend": Field(YesNo(), None), "cancel": Field(YesNo(), None)})
_ALL, _ONE = "/api/v1/trainingruns", "/api/v1/trainingruns/{namespace}/{name}"
ROUTES = (
    Route(
        *("POST", _ALL, Permission.CREATE, create, "Make a training run", (Reply(201, "Run"),)),
        body=_NEW,
        audit="create",
        about=TRAINING_RUNS,
    ),
    Route(
        *("PATCH", _ONE, Permission.CHANGE, change, "Suspend, resume or cancel it", (Reply(200, "Run"),)),
        kinds=RUN,
        body=_CHANGE,
        audit="change",
        about=TRAINING_RUNS,
    ),
    Route(
        *("DELETE", _ONE, Permission.DELETE, delete, "Delete a training run", (Reply(204),)),
        kinds=RUN,
        audit="delete",
        about=TRAINING_RUNS,
    ),
)
