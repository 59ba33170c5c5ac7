"""Queries of data sets, their history, and the stream of changes, on rows as the mirror writes them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from psycopg2.extras import Json

from blueno.db.changes import Change, select_changes, select_stream
from blueno.db.connect import Connection, Cursor
from blueno.db.datasets import (
    DatasetQuery,
    select_dataset,
    select_datasets,
    select_datasets_by_uid,
    select_history,
    select_namespaces,
)
from blueno.db.errors import SchemaMissing

INSERT = """
INSERT INTO projection.dataset (uid, namespace, name, rv, generation, created_at, deleted_at, display_name, ready,
    reconciling, stalled, reason, message, document)
VALUES (%(uid)s, %(namespace)s, %(name)s, 1, 1, %(created)s, %(deleted)s, %(display)s, true, false, false, 'Ready', '',
    %(document)s)
"""


@pytest.fixture
def cursor(connection: Connection) -> Cursor:
    return connection.cursor()


def add(cursor: Cursor, namespace: str, name: str, **more: Any) -> str:
    row = {
        "uid": str(uuid.uuid4()), "namespace": namespace, "name": name, "created": "2026-03-01T12:00:00Z",
        "deleted": None, "display": None, "document": Json({"spec": {}, "status": {}}), **more,
    }  # fmt: skip
    cursor.execute(INSERT, row)
    return str(row["uid"])


def listed(cursor: Cursor, **query: Any) -> list[tuple[str, str]]:
    return [(row.namespace, row.name) for row in select_datasets(cursor, DatasetQuery(**query))]


def test_live_ones_in_order_of_namespace_and_name(cursor: Cursor) -> None:
    for namespace, name in (("b", "a"), ("a", "z"), ("a", "B"), ("a", "a-b"), ("a", "ab")):
        add(cursor, namespace, name)
    add(cursor, "a", "gone", deleted="2026-03-02T12:00:00Z")
    everything = [("a", "B"), ("a", "a-b"), ("a", "ab"), ("a", "z"), ("b", "a")]
    assert listed(cursor) == everything
    assert listed(cursor, limit=2) == everything[:2]
    for at, after in enumerate(everything):
        assert listed(cursor, after=after) == everything[at + 1 :]
    assert listed(cursor, namespaces=("b", "c")) == [("b", "a")]
    assert listed(cursor, namespaces=()) == []
    assert select_namespaces(cursor) == ["a", "b"]


@pytest.mark.parametrize("text", ["%", "_", "\\", "'", "100%", "É", "straSSe", "MNIST", "ни", "🐟"])
def test_search_is_literal_in_any_case(cursor: Cursor, text: str) -> None:
    add(cursor, "a", "one", display=f"so {text} so")
    add(cursor, "a", "two", display="something else")
    add(cursor, "a", "three")
    for form in (text, text.lower(), text.upper() if text.upper().lower() == text.lower() else text):
        assert listed(cursor, text=form) == [("a", "one")], form
    assert listed(cursor, text="TWO") == [("a", "two")]


@pytest.mark.parametrize("bad", ["\0", "a\0b", "\ud800"])
def test_text_that_no_database_can_hold_matches_nothing(cursor: Cursor, bad: str) -> None:
    add(cursor, "a", "one")
    assert listed(cursor, text=bad) == []
    assert listed(cursor, namespaces=(bad,)) == []
    assert listed(cursor, after=(bad, "a")) == []
    assert select_dataset(cursor, "a", bad) is None


def test_one_with_its_document(cursor: Cursor) -> None:
    document = {"spec": {"source": {"tfds": {"name": "mnist"}}}, "status": {"samples": 70000}}
    uid = add(cursor, "lab", "mnist", document=Json(document), display="Digits")
    found = select_dataset(cursor, "lab", "mnist")
    assert found is not None
    row, told = found
    assert (row.uid, row.display_name, row.created_at.isoformat()) == (uid, "Digits", "2026-03-01T12:00:00+00:00")
    assert told == document
    assert select_dataset(cursor, "lab", "other") is None


def test_of_two_with_one_name_the_younger_speaks(cursor: Cursor) -> None:
    old = add(cursor, "lab", "mnist")
    new = add(cursor, "lab", "mnist", created="2026-03-01T12:00:01Z")
    assert [row.uid for row in select_datasets(cursor, DatasetQuery())] == [new]
    found = select_dataset(cursor, "lab", "mnist")
    assert found is not None
    assert found[0].uid == new
    assert {row.uid for row in select_datasets_by_uid(cursor, [old, new, str(uuid.uuid4())])} == {old, new}
    assert select_datasets_by_uid(cursor, []) == []


def test_history_newest_first_page_by_page(cursor: Cursor) -> None:
    uid, other = str(uuid.uuid4()), str(uuid.uuid4())
    for number in range(5):
        cursor.execute(
            "INSERT INTO record.history (kind, uid, namespace, name, at, condition, status, reason, message) "
            "VALUES ('Dataset', %s, 'lab', 'mnist', now(), 'Ready', 'False', %s, 'because')",
            (other if number == 2 else uid, f"Reason{number}"),
        )
    first = select_history(cursor, uid, None, 3)
    assert [row.reason for row in first] == ["Reason4", "Reason3", "Reason1"]
    assert [row.reason for row in select_history(cursor, uid, first[-1].id, 3)] == ["Reason0"]


def test_the_stream_of_changes(cursor: Cursor) -> None:
    empty = select_stream(cursor)
    assert (empty.first_seq, empty.last_seq, empty.heartbeat_age) == (0, 0, None)
    assert len(empty.id) == 32
    uid = str(uuid.uuid4())
    for op in ("upsert", "upsert", "delete"):
        cursor.execute(
            "INSERT INTO projection.change_log (kind, uid, namespace, op) VALUES ('Dataset', %s, 'lab', %s)", (uid, op)
        )
    cursor.execute("UPDATE projection.stream SET heartbeat_at = clock_timestamp() - interval '20 s'")
    stream = select_stream(cursor)
    assert (stream.id, stream.first_seq, stream.last_seq) == (empty.id, 1, 3)
    assert stream.heartbeat_age is not None
    assert 20 <= stream.heartbeat_age < 60
    assert select_changes(cursor, 1, 10) == [
        Change(2, "Dataset", uid, "lab", "upsert"), Change(3, "Dataset", uid, "lab", "delete"),
    ]  # fmt: skip
    assert [change.seq for change in select_changes(cursor, 0, 2)] == [1, 2]
    assert select_changes(cursor, 3, 10) == []


def test_a_stream_without_its_row_is_said_to_be_broken(cursor: Cursor) -> None:
    cursor.execute("DELETE FROM projection.stream")
    with pytest.raises(SchemaMissing, match=r"projection\.stream is empty"):
        select_stream(cursor)
