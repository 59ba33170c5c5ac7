"""Training runs: create, stop, go on, cancel, delete. All through the Kubernetes API, as far as the person may.

The pipeline has asked whether the person may do that to training runs there; what a new one names is asked here.
"""

from __future__ import annotations

from datetime import UTC, datetime

from blueno import names
from blueno.resources.api import PODS, TRAINING_RUNS
from webui.api.parameters import NAMESPACE, RUN, RUN_NAME
from webui.api.reviewed import require_named
from webui.call import Call
from webui.kinds import Field, Object
from webui.problems import FieldError, Problem, gone, invalid
from webui.refusals import translated
from webui.routes import Answer, Permission, Reply, Route
from webui.run_kinds import AnyObject, YesNo
from webui.run_views import run_of_body


async def create(call: Call) -> Answer:
    """A new run; with `dryRun` everything is checked and nothing made."""
    body = call.body
    await require_named(call, body["namespace"], body["spec"])
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
