"""Working sets in PostgreSQL: step by step, anew, and against a plain dict; filters, counts, hostile texts, faults."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from blueno.db.connect import Connection, as_blueno_error
from blueno.db.working import (
    WorkingFilter,
    WorkingSet,
    count_not_sealed,
    select_working_facets,
    select_working_page,
    select_working_row,
    select_working_set,
)
from blueno.db.working_lines import Part, fold
from blueno.db.working_write import Whose, apply_part, drop_sets, drop_tables, rebuild
from blueno.errors import Conflict, Unavailable
from tests.db.conftest import Connect
from tests.db.working_model import LABELS, SPLITS, Model, etag_of, label_of

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


@pytest.mark.parametrize("seed", [1, 2])
def test_step_by_step_and_anew_are_the_same(connection: Connection, seed: int) -> None:
    print("seed", seed)
    model, after = Model(seed), 0
    for _ in range(12):
        for _ in range(model.rng.randrange(1, 120)):
            model.step()
        catch_up(connection, model, after, model.rng.choice((7, 1000)))
        after = model.seq
    assert_like(model, connection)
    grown = everything(connection)
    for folded in (True, False):  # a server may tell every line, or the last of each key
        feed = model.feed(0, folded=folded)
        parts = [fold(feed[start : start + 50]) for start in range(0, len(feed), 50)]
        assert rebuild(connection, OF, parts, model.seq) == len(grown)
        assert_like(model, connection)
        assert everything(connection) == grown


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


def test_a_page_given_twice_changes_nothing(connection: Connection) -> None:
    model = Model(6)
    for _ in range(50):
        model.step()
    part = fold(model.feed(0))
    apply_part(connection, OF, 0, part, model.seq)
    with pytest.raises(Conflict):
        apply_part(connection, OF, 0, part, model.seq)
    assert_like(model, connection)


def test_what_no_data_server_writes_is_passed_over(connection: Connection) -> None:
    model = Model(7)
    good = model.put("good", label="x")
    strange: list[Any] = [
        *({**good, "seq": 2, "key": key} for key in ("", "x" * 1025, "nul\0", "half \ud800", 5, None, ["a"])),
        *({**good, "seq": 3, "key": "a", "sha256": text} for text in ("", "g" * 64, None, 5)),
        *({**good, "seq": 4, "key": "b", "bytes": number} for number in (-1, 2**63, "1", 1.5, True, None)),
        *({**good, "seq": 5, "key": "c", "time": text} for text in ("", "yesterday", "2026-02-30T00:00:00Z", 1)),
        *({**good, "seq": 6, "key": "d", "split": text} for text in ("s" * 129, 7, "nul\0", ["x"])),
        *({**good, "seq": 7, "key": "e", **more} for more in ({"group": 1}, {"label": "\ud800"}, {"op": "chmod"})),
        *({**good, "seq": seq, "key": "f"} for seq in (-1, 2**63, None, "9")),
        *([], None, 5, "text", {}),
    ]
    lines = [json.dumps(body).encode() for body in strange]
    lines += [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"op":"put","seq":8,"label":NaN,"key":"n"}']
    part = fold([*model.lines, *lines])
    assert (list(part.puts), part.strange, part.lines) == ([("good", 0)], len(lines), len(lines) + 1)
    assert part.last == 8
    apply_part(connection, OF, 0, part, 1)
    assert_like(model, connection)


def test_the_longest_of_everything_fits_the_index(connection: Connection) -> None:
    model = Model(8)
    rng = random.Random(8)
    for _ in range(20):
        key = "".join(chr(rng.randrange(0x10000, 0x10FFFF)) for _ in range(1024))
        split = "".join(chr(rng.randrange(0x10000, 0x10FFFF)) for _ in range(128))
        model.put(key, split=split, label=split * 50)
    catch_up(connection, model, 0)
    assert_like(model, connection)
    rebuild(connection, OF, [fold(model.feed(0))], model.seq)
    assert_like(model, connection)


def test_an_empty_set_has_no_table(connection: Connection) -> None:
    model = Model(9)
    assert (the_set(connection).samples, everything(connection)) == (0, [])
    model.put("a")
    model.remove("a")
    assert rebuild(connection, OF, [fold(model.feed(0))], model.seq) == 0
    assert (the_set(connection).number, the_set(connection).revision) == (None, 2)
    model.put("b")
    catch_up(connection, model, 2)
    model.remove("b")
    catch_up(connection, model, 3)
    assert_like(model, connection)
    assert everything(connection) == []


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


def test_a_rebuild_that_breaks_leaves_what_was_there(connected: Connect) -> None:
    connection, model = connected(), Model(12)
    for _ in range(40):
        model.step()
    catch_up(connection, model, 0)
    before = everything(connection)

    def breaks() -> Iterator[Part]:
        yield fold(model.feed(0))
        raise Unavailable("the data server broke off")

    with pytest.raises(Unavailable, match="broke off"):
        rebuild(connection, OF, breaks(), model.seq)
    assert everything(connection) == before

    def hangs_up() -> Iterator[Part]:
        yield fold(model.feed(0))
        with connected() as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        yield fold(model.feed(0))

    with pytest.raises(Unavailable):
        rebuild(connection, OF, hangs_up(), model.seq)
    other = connected()
    assert everything(other) == before
    with other.cursor() as cursor:
        cursor.execute(r"SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ 'working_\d+$'")
        assert cursor.fetchone() == (1,)


def test_a_change_is_in_the_log_after_the_rows_are(connected: Connect) -> None:
    connection, listener, model = connected(), connected(), Model(13)
    listener.autocommit = True
    with listener.cursor() as cursor:
        cursor.execute("LISTEN blueno_changes")
        model.put("a")
        catch_up(connection, model, 0)
        model.remove("no such key")
        catch_up(connection, model, 1)
        cursor.execute("SELECT seq, kind, uid::text, namespace, op FROM projection.change_log")
        rows = cursor.fetchall()
        assert [row[1:] for row in rows] == [("Dataset", UID, "lab", "upsert")], (
            "a page that changed nothing is no news"
        )
        listener.poll()
        assert [note.payload for note in listener.notifies] == [str(rows[0][0])]


def test_what_is_dropped_is_gone(connection: Connection) -> None:
    model = Model(14)
    model.put("a")
    catch_up(connection, model, 0)
    drop_sets(connection, [UID, "00000000-0000-4000-8000-000000000099"])
    tables = ("working_set", "working_count", "working_notice")
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM projection.{table}")
            assert cursor.fetchone() == (0,), table
        cursor.execute("SELECT to_regclass('projection.working_1')")
        assert cursor.fetchone() == (None,)
    connection.rollback()
    catch_up(connection, model, 0)
    assert_like(model, connection)
    drop_tables(connection)
    assert the_set(connection).number is None


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
