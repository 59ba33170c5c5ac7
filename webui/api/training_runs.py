"""Training runs: the list, one of them, its history, and those that used a data set.

Changes are in training_run_writes.py, metrics and logs in run_records.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blueno.db.training_runs import RunQuery, RunRow, select_run, select_runs
from blueno.resources.api import TRAINING_RUNS
from blueno.resources.run_row import STATES
from webui import views
from webui.api.datasets import history_page, the_dataset
from webui.api.parameters import CURSOR, DATASET, LIMIT, NAMESPACE, OBJECT, RUN
from webui.call import Call
from webui.kinds import OneOf, Text
from webui.problems import gone
from webui.routes import Answer, Param, Permission, Reply, Route
from webui.run_views import run_detail, run_summary

DELETED_AT = "Blueno-Deleted-At"  # header: the run is gone from the cluster since then


async def runs(call: Call) -> Answer:
    """Those the person may list, newest first."""
    wanted, values = call.values["namespace"], call.values
    allowed = await call.services.access.namespaces(call.person, TRAINING_RUNS)
    if wanted is not None:
        allowed = (wanted,) if allowed is None or wanted in allowed else ()
    query = RunQuery(allowed, values["q"], values["dataset"], values["state"])
    return await _page(call, query, ("runs", wanted, values["q"], values["dataset"], values["state"]))


async def runs_of_dataset(call: Call) -> Answer:
    """Those that used it, in any version, newest first."""
    row = await the_dataset(call)
    allowed = await call.services.access.namespaces(call.person, TRAINING_RUNS)
    there = (row.namespace,) if allowed is None or row.namespace in allowed else ()
    return await _page(call, RunQuery(there, dataset=row.name), ("runs of", row.uid))


async def run(call: Call) -> Answer:
    """Everything its page shows."""
    row, document = await the_run(call)
    return Answer(run_detail(row, document))


async def history(call: Call) -> Answer:
    """What its Succeeded condition said, newest first."""
    return await history_page(call, (await the_run(call))[0].uid)


async def the_run(call: Call) -> tuple[RunRow, Mapping[str, Any]]:
    """The run that the path names, with its document; the pipeline has asked whether it may be seen.

    One that was deleted in the cluster is there for 7 days more, with a header that says so. Raises Problem 404.
    """
    found = await call.read(select_run, call.values["namespace"], call.values["name"])
    if found is None:
        raise gone(TRAINING_RUNS)
    if found[0].deleted_at is not None:
        call.headers[DELETED_AT] = views.time_text(found[0].deleted_at)
    return found


async def _page(call: Call, query: RunQuery, about: tuple[Any, ...]) -> Answer:
    """One page; its cursor is bound to the person and to what was asked for (`about`)."""
    cursors, scope = call.services.cursors, (*about, call.person.person_id)
    after = cursors.read(scope, call.values["cursor"]) if call.values["cursor"] else None
    if query.namespaces == ():
        return Answer({"items": [], "next": None})
    limit = call.values["limit"]
    place = None if after is None else (after[0], after[1])
    asked = RunQuery(query.namespaces, query.text, query.dataset, query.state, place, limit + 1)
    rows = await call.read(select_runs, asked)
    page = rows[:limit]
    more = None
    if len(rows) > limit:
        more = cursors.write(scope, [page[-1].created_at.isoformat(), page[-1].uid])
    return Answer({"items": [run_summary(row) for row in page], "next": more})


_ALL, _ONE = "/api/v1/trainingruns", "/api/v1/trainingruns/{namespace}/{name}"
_FILTERS = (
    Param("namespace", NAMESPACE, None, "only this namespace"),
    Param("q", Text(max=256), "", "part of the name, taken literally"),
    Param("dataset", DATASET, None, "only runs that read a data set of this name"),
    Param("state", OneOf(STATES), None, "only runs that are in this state"),
)
ROUTES = (
    Route(
        *("GET", _ALL, Permission.LIST, runs, "Training runs", (Reply(200, "Runs"),)),
        query=(*_FILTERS, LIMIT, CURSOR),
        about=TRAINING_RUNS,
    ),
    Route(
        *("GET", _ONE, Permission.READ, run, "A training run", (Reply(200, "Run"),)),
        kinds=RUN,
        about=TRAINING_RUNS,
    ),
    Route(
        *("GET", f"{_ONE}/history", Permission.READ, history, "What became of it", (Reply(200, "History"),)),
        kinds=RUN,
        query=(LIMIT, CURSOR),
        about=TRAINING_RUNS,
    ),
    Route(
        *("GET", "/api/v1/datasets/{namespace}/{name}/runs", Permission.READ, runs_of_dataset),
        *("Training runs that used it", (Reply(200, "Runs"),)),
        kinds=OBJECT,
        query=(LIMIT, CURSOR),
    ),
)
