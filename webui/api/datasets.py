"""Data sets: the list, one of them, its history."""

from __future__ import annotations

from blueno.db.datasets import (
    DatasetQuery,
    DatasetRow,
    select_dataset,
    select_datasets,
    select_history,
)
from blueno.resources.api import DATASETS
from webui import views
from webui.api.parameters import CURSOR, LIMIT, NAMESPACE, OBJECT
from webui.call import Call
from webui.kinds import Text
from webui.problems import gone
from webui.routes import Answer, Param, Permission, Reply, Route


async def datasets(call: Call) -> Answer:
    """Those the person may list, by namespace and name."""
    person, values = call.person, call.values
    wanted, text = values["namespace"], values["q"]
    scope = ("datasets", person.person_id, wanted, text)
    after = call.services.cursors.read(scope, values["cursor"]) if values["cursor"] else None
    allowed = await call.services.access.namespaces(person, DATASETS)
    if wanted is not None:
        allowed = (wanted,) if allowed is None or wanted in allowed else ()
    if allowed == ():
        return Answer({"items": [], "next": None})
    limit = values["limit"]
    query = DatasetQuery(allowed, text, None if after is None else (after[0], after[1]), limit + 1)
    rows = await call.read(select_datasets, query)
    page = rows[:limit]
    more = call.services.cursors.write(scope, [page[-1].namespace, page[-1].name]) if len(rows) > limit else None
    return Answer({"items": [views.summary(row) for row in page], "next": more})


async def dataset(call: Call) -> Answer:
    """Everything its page shows."""
    found = await call.read(select_dataset, call.values["namespace"], call.values["name"])
    if found is None:
        raise gone(DATASETS)
    return Answer(views.detail(*found))


async def history(call: Call) -> Answer:
    """What its conditions said, newest first."""
    return await history_page(call, (await the_dataset(call)).uid)


async def history_page(call: Call, uid: str) -> Answer:
    """One page of what was said about an object that the person may see."""
    limit, scope = call.values["limit"], ("history", call.person.person_id, uid)
    before = call.services.cursors.read(scope, call.values["cursor"]) if call.values["cursor"] else None
    rows = await call.read(select_history, uid, before, limit + 1)
    page = rows[:limit]
    more = call.services.cursors.write(scope, page[-1].id) if len(rows) > limit else None
    return Answer({"items": [views.history(entry) for entry in page], "next": more})


async def the_dataset(call: Call) -> DatasetRow:
    """The data set that the path names; the pipeline has asked whether it may be seen. Raises Problem 404."""
    found = await call.read(select_dataset, call.values["namespace"], call.values["name"])
    if found is None:
        raise gone(DATASETS)
    return found[0]


_ALL, _ONE = "/api/v1/datasets", "/api/v1/datasets/{namespace}/{name}"
_FILTERS = (
    Param("namespace", NAMESPACE, None, "only this namespace"),
    Param("q", Text(max=256), "", "part of the name or display name, taken literally"),
)
ROUTES = (
    Route(
        *("GET", _ALL, Permission.LIST, datasets, "Data sets", (Reply(200, "Datasets"),)),
        query=(*_FILTERS, LIMIT, CURSOR),
    ),
    Route("GET", _ONE, Permission.READ, dataset, "A data set", (Reply(200, "Dataset"),), kinds=OBJECT),
    Route(
        *("GET", f"{_ONE}/history", Permission.READ, history, "What became of it", (Reply(200, "History"),)),
        kinds=OBJECT,
        query=(LIMIT, CURSOR),
    ),
)
