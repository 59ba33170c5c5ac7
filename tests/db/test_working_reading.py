"""What is read of working sets: filters, counts, single rows, what is not sealed, against a plain dict."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from typing import Any

import psycopg2
import pytest

from blueno.db.connect import Connection, as_blueno_error
from blueno.db.working import (
    WorkingFilter,
    count_not_sealed,
    select_working_facets,
    select_working_page,
    select_working_row,
    select_working_set,
)
from blueno.db.working_lines import fold
from blueno.db.working_write import rebuild
from blueno.errors import Unavailable
from tests.db.working_model import LABELS, SPLITS, Model, label_of
from tests.db.working_stored import OF, UID, catch_up, the_set


def test_filters_are_those_of_a_dict(connection: Connection) -> None:
    model = Model(3, spread=900)
    for _ in range(1200):
        model.step()
    catch_up(connection, model, 0)
    labels = [None, "null", *(label_of({"label": label}) for label in LABELS[1::2]), '"nothing"']
    prefixes = (
        "",
        "train/",
        "train/c1/",
        "deep/" + "x" * 100,
        "deep/" + "x" * 600,
        "1",
        "\U0001f600" * 515,
        "%",
        "\uffff",
    )
    rng = random.Random(4)
    with connection.cursor() as cursor:
        found = select_working_set(cursor, UID)
        for split, label, prefix in itertools.product((*SPLITS, "no such"), labels, prefixes):
            wanted: dict[str, Any] = {
                "split": split,
                "label": label,
                "prefix": prefix,
                "after": rng.choice((0, 0, 500, 1199, 5000)),
            }
            expected = model.matching(**wanted)
            page, total = select_working_page(cursor, found, WorkingFilter(**wanted), 0, 1000)
            assert ([row.key for row in page], total) == (expected, len(expected)), wanted
            at = len(expected) // 2
            page, _ = select_working_page(cursor, found, WorkingFilter(**wanted), at, 3)
            assert [row.key for row in page] == expected[at : at + 3]
            facets = select_working_facets(cursor, found, WorkingFilter(**wanted))
            assert facets.total == len(expected), wanted
            without = model.matching(**{**wanted, "split": None})
            assert dict(facets.splits) == Counter(model.samples[key].get("split") or "" for key in without), wanted


def test_facets_find_labels_by_their_text(connection: Connection) -> None:
    model = Model(5)
    for number in range(250):
        model.put(f"k{number}", label=f"Label {number:03}", split="train")
    catch_up(connection, model, 0)
    with connection.cursor() as cursor:
        found = select_working_set(cursor, UID)
        facets = select_working_facets(cursor, found, WorkingFilter(label='"Label 249"'), "")
        assert (len(facets.labels), facets.more_labels, facets.total) == (201, True, 1)
        assert select_working_facets(cursor, found, WorkingFilter(), "bel 24").labels == [
            (f'"Label {number}"', 1) for number in range(240, 250)
        ]
        assert select_working_facets(cursor, found, WorkingFilter(), "%").labels == []
        assert select_working_facets(cursor, found, WorkingFilter(prefix="k1"), "LABEL 1").total == 111


def test_a_row_is_found_by_the_line_that_wrote_it(connection: Connection) -> None:
    model = Model(10)
    first = model.put("a")["seq"]
    second = model.put("a", label="again")["seq"]
    catch_up(connection, model, 0)
    with connection.cursor() as cursor:
        found = select_working_set(cursor, UID)
        row = select_working_row(cursor, found, second)
        assert row is not None
        assert (row.key, row.label) == ("a", '"again"')
        assert select_working_row(cursor, found, first) is None
        assert select_working_row(cursor, found, 2**70) is None


def test_what_is_not_sealed_is_counted(connection: Connection) -> None:
    model = Model(11)
    for number in range(30):
        model.put(f"k{number}")
    catch_up(connection, model, 0)
    with connection.cursor() as cursor:
        assert count_not_sealed(cursor, select_working_set(cursor, UID)) == 30
        for sequence, source in enumerate((
            {"working": {"revision": 18}}, {"working": {"revision": "x"}}, {"working": {"revision": -5}}, {},
            {"working": {"revision": 10}}, {"working": 3}, {"working": {"revision": {"a": 1}}},
        )):  # fmt: skip
            cursor.execute(
                "INSERT INTO projection.version (dataset_uid, digest, sequence, sealed_at, samples, bytes, in_order,"
                " manifest) VALUES (%s, %s, %s, now(), 0, 0, true, %s)",
                (UID, f"{sequence:064}", sequence, json.dumps({"source": source})),
            )
        found = select_working_set(cursor, UID)
        assert (found.sealed, count_not_sealed(cursor, found)) == (18, 12)
        cursor.execute(
            'UPDATE projection.version SET manifest = \'{"source": {"working": {"revision": 1e400}}}\'::jsonb'
        )
        assert count_not_sealed(cursor, select_working_set(cursor, UID)) == 0


def test_a_key_is_found_whatever_comes_between_two_statements(connection: Connection) -> None:
    """A table that is made anew meanwhile: the reader is told to ask again."""
    model = Model(15)
    model.put("a")
    catch_up(connection, model, 0)
    old = the_set(connection)
    rebuild(connection, OF, [fold(model.feed(0))], model.seq)
    with connection.cursor() as cursor, pytest.raises(psycopg2.Error, match="working_") as caught:
        select_working_page(cursor, old, WorkingFilter(), 0, 10)
    connection.rollback()
    assert isinstance(as_blueno_error(caught.value), Unavailable)
