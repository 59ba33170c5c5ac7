"""A working set in PostgreSQL beside the model of it. Used by test_working*.py."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from blueno.db.connect import Connection
from blueno.db.working import (
    WorkingFilter,
    WorkingSet,
    select_working_facets,
    select_working_page,
    select_working_set,
)
from blueno.db.working_lines import fold
from blueno.db.working_write import Whose, apply_part
from tests.db.working_model import Model, etag_of, label_of

UID = "00000000-0000-4000-8000-000000000001"
OF = Whose(UID, "lab")


def the_set(connection: Connection) -> WorkingSet:
    with connection.cursor() as cursor:
        found = select_working_set(cursor, UID)
    connection.rollback()
    return found


def everything(connection: Connection, limit: int = 97, **wanted: Any) -> list[Any]:
    """All rows that match, page by page."""
    rows: list[Any] = []
    with connection.cursor() as cursor:
        found = select_working_set(cursor, UID)
        place: Any = 0
        while True:
            page, total = select_working_page(cursor, found, WorkingFilter(**wanted), place, limit)
            rows += page
            if len(page) < limit:
                break
            place = page[-1].place
    connection.rollback()
    assert total == len(rows), wanted
    return rows


def assert_like(model: Model, connection: Connection) -> None:
    """Rows, counts and facets are those of the model."""
    rows = everything(connection)
    assert [row.key for row in rows] == model.matching()
    for row in rows:
        body = model.samples[row.key]
        assert (row.seq, row.bytes, row.sha256, row.by) == (body["seq"], body["bytes"], body["sha256"], body["by"])
        assert (row.split, row.group) == (body.get("split"), body.get("group"))
        assert (row.label or "null") == label_of(body)
        assert (json.loads(row.metadata) if row.metadata else None) == body.get("metadata")
        assert row.etag == etag_of(body)
    found = the_set(connection)
    assert (found.samples, found.bytes) == (len(rows), sum(row.bytes for row in rows))
    assert found.revision == model.seq
    with connection.cursor() as cursor:
        facets = select_working_facets(cursor, found, WorkingFilter())
    connection.rollback()
    assert dict(facets.splits) == Counter(row.split or "" for row in rows)
    assert dict(facets.labels) == Counter(row.label for row in rows)
    assert facets.total == len(rows)


def catch_up(connection: Connection, model: Model, after: int, size: int = 1000) -> None:
    """By pages of the feed, as the recorder does."""
    feed = model.feed(after)
    while feed:
        part, feed = fold(feed[:size]), feed[size:]
        upto = part.last if feed else model.seq
        apply_part(connection, OF, after, part, upto)
        after = upto
