"""Working sets in PostgreSQL: step by step, anew, and against a plain dict; hostile texts, faults."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from blueno.db.connect import Connection
from blueno.db.working_lines import Part, fold
from blueno.db.working_write import apply_part, drop_sets, drop_tables, rebuild
from blueno.errors import Conflict, Unavailable
from tests.db.conftest import Connect
from tests.db.working_model import Model
from tests.db.working_stored import OF, UID, assert_like, catch_up, everything, the_set


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
    for model.folded in (True, False):  # a server may tell every line, or the last of each key
        feed = model.feed(0)
        parts = [fold(feed[start : start + 50]) for start in range(0, len(feed), 50)]
        assert rebuild(connection, OF, parts, model.seq) == len(grown)
        assert_like(model, connection)
        assert everything(connection) == grown


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


@pytest.mark.parametrize("seed", [17, 18])
def test_both_ways_to_read_a_line_are_the_same(seed: int) -> None:
    """Plain lines are matched, others are parsed as JSON: whichever way, the rows are the same, byte for byte."""
    print("seed", seed)
    model, rng = Model(seed), random.Random(seed)
    for number in range(300):
        model.step()
        model.put(
            f"plain/{number % 200}", label=rng.choice(("é", 5, True, None)), split="train", metadata={"n": number}
        )
    lines = list(model.lines)
    for line in model.lines:  # and lines that are almost as they should be
        at = rng.randrange(len(line))
        lines.append(
            line[:at] + rng.choice((b"", b"\\", b'"', b"0", b"-", b"\t", b"}", b"\xff", b'","a":"')) + line[at + 1 :]
        )
    lines = [line for line in lines if b"\n" not in line]
    matched, parsed, plain = Part(), fold(lines), 0
    for line in lines:
        before = matched.strange
        plain += matched._take_plain(line) or matched.take(line) is not None
        assert matched.strange in (before, before + 1)
    assert 100 < plain < len(lines), "both ways are tried"
    assert (matched.puts, matched.removed, matched.last) == (parsed.puts, parsed.removed, parsed.last)
    assert (matched.lines, matched.strange) == (parsed.lines, parsed.strange)


def test_a_line_that_is_too_long_stops_nothing() -> None:
    model = Model(16)
    model.put("a")
    model.put("b", metadata={"t": 'x"seq":99,' * 300_000})
    model.put("c", metadata={"t": "y" * 100_000})
    raw = b"".join(line + b"\n" for line in model.lines)
    for size in (100_000, 1 << 22):
        part, rest = Part(), b""
        for start in range(0, len(raw), size):
            rest = part.take_all(rest + raw[start : start + size])
            assert len(rest) <= (1 << 20)
        assert (rest, part.in_long_line) == (b"", False)
        assert ([key for key, _ in part.puts], part.last, part.lines, part.strange) == (["a", "c"], 3, 3, 1)
    last = Part()
    assert last.take_all(model.lines[1] + b"\n") == b""
    assert (last.last, last.strange) == (2, 1)


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
