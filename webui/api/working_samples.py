"""The samples of a working set: pages and facets, as the recorder brings them into the database.

That is a moment after they were put. One sample, as its data server has it, is in working.py; pixels are in
working_pixels.py.
"""

from __future__ import annotations

from typing import Any

from blueno.db.connect import Cursor
from blueno.db.working import (
    WorkingFacets,
    WorkingFilter,
    WorkingRow,
    WorkingSet,
    select_working_facets,
    select_working_page,
    select_working_row,
    select_working_set,
)
from webui.api.datasets import the_dataset
from webui.api.parameters import CURSOR, LIMIT, OBJECT
from webui.call import Call
from webui.kinds import Text, Whole
from webui.problems import FieldError, invalid, not_found
from webui.routes import Answer, Param, Permission, Reply, Route
from webui.views import label_text
from webui.working_views import working_row

_LARGEST = 2**53 - 1  # what JavaScript can count


async def page(call: Call) -> Answer:
    """In the order of keys, by cursor or by position."""
    values, cursors = call.values, call.services.cursors
    if values["cursor"] and values["position"] is not None:
        raise invalid([FieldError("query.position", "does not go together with a cursor")])
    row = await the_dataset(call)
    scope = ("working", call.person.person_id, row.uid, *(values[name] for name in _FILTERS))
    place: tuple[str, int] | int = values["position"] or 0
    position = values["position"] or 0
    if values["cursor"]:
        position, *after = cursors.read(scope, values["cursor"])
        place = (after[0], after[1])

    def read(cursor: Cursor) -> tuple[WorkingSet, list[WorkingRow], int]:
        found = select_working_set(cursor, row.uid)
        return found, *select_working_page(cursor, found, _filter(call), place, values["limit"] + 1)

    found, rows, total = await call.read(read)
    shown = rows[: values["limit"]]
    if shown:
        call.services.looked.note(row.uid)  # pictures will be wanted in a moment
    more = len(rows) > len(shown)
    return Answer(
        {
            "samples": [working_row(one) for one in shown],
            "total": total,
            "position": position,
            "next": cursors.write(scope, [position + len(shown), *shown[-1].place]) if more else None,
            "revision": found.revision,
        }
    )


async def facets(call: Call) -> Answer:
    """Splits and labels with their counts under the other filters. Samples without a split are counted under ""."""
    row = await the_dataset(call)

    def read(cursor: Cursor) -> WorkingFacets:
        found = select_working_set(cursor, row.uid)
        return select_working_facets(cursor, found, _filter(call), call.values["labelText"])

    found = await call.read(read)
    return Answer(
        {
            "total": found.total,
            "splits": [{"name": name, "samples": count} for name, count in found.splits],
            "labels": [{"label": label, "text": label_text(label), "samples": count} for label, count in found.labels],
            "moreLabels": found.more_labels,
        }
    )


async def by_line(call: Call) -> Answer:
    """One sample, by the number of the journal's line that wrote it: 404 once it was written again or removed."""
    row = await the_dataset(call)

    def read(cursor: Cursor) -> WorkingRow | None:
        return select_working_row(cursor, select_working_set(cursor, row.uid), call.values["seq"])

    found = await call.read(read)
    if found is None:
        raise not_found("this sample was written again or removed since, or was never there")
    return Answer(working_row(found))


def _filter(call: Call) -> WorkingFilter:
    values: dict[str, Any] = {name: call.values[name] for name in _FILTERS}
    return WorkingFilter(**values)


_FILTERS = ("split", "label", "prefix", "after")
_FILTER = (
    Param("split", Text(max=128, min=1), None, "only this split"),
    Param("label", Text(max=4096, min=1), None, "only this label, as JSON; null for samples without one"),
    Param("prefix", Text(max=1024), "", "only keys that begin with this"),
    Param("after", Whole(0, _LARGEST), 0, "only what was written after this revision, such as that of a version"),
)
_ALL = "/api/v1/datasets/{namespace}/{name}/working"
ROUTES = (
    Route(
        *("GET", _ALL, Permission.READ, page, "Samples of the working set", (Reply(200, "WorkingRows"),)),
        kinds=OBJECT,
        query=(*_FILTER, LIMIT, CURSOR, Param("position", Whole(0, _LARGEST), None, "of the page's first sample")),
    ),
    Route(
        *("GET", f"{_ALL}/facets", Permission.READ, facets, "Its splits and labels, counted", (Reply(200, "Facets"),)),
        kinds=OBJECT,
        query=(*_FILTER, Param("labelText", Text(max=256), "", "only labels that hold this text")),
    ),
    Route(
        *("GET", f"{_ALL}/samples/{{seq}}", Permission.READ, by_line, "A sample by its number"),
        (Reply(200, "WorkingRow"),),
        kinds={**OBJECT, "seq": Whole(0, _LARGEST)},
    ),
)
