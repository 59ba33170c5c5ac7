"""Logs in PostgreSQL against a model that keeps every byte."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from blueno.db.connect import Connection
from blueno.db.run_logs import LogPart, read_log, select_log_parts
from blueno.db.run_logs_write import Budget, Place, StoredLog, append_log, complete_log, open_log
from tests.db.mirroring import uid_of

RUN, OTHER = uid_of(1), uid_of(2)
SMALL = Budget(head=4_000, kept=20_000, chunk=1_000)


class Writer:
    """One pod's log, and everything that was ever written to it."""

    def __init__(self, connection: Connection, pod: str, run: str = RUN, budget: Budget = SMALL) -> None:
        self.connection, self.pod, self.run, self.budget = connection, pod, run, budget
        self.all = b""

    def log(self) -> StoredLog:
        with self.connection.cursor() as cursor:
            return open_log(cursor, self.run, 1, "lab", self.pod, f"uid-{self.pod}")

    def write(self, text: bytes) -> None:
        log = self.log()
        place = replace(log.place, taken=log.place.taken + len(text))
        with self.connection.cursor() as cursor:
            assert append_log(cursor, log.id, log.place.taken, text, place, self.budget)
        self.connection.commit()
        self.all += text

    def whole(self, limit: int = 700) -> tuple[bytes, list[tuple[int, int]]]:
        """(everything that can be read, the holes)."""
        text, holes, position = b"", [], 0
        with self.connection.cursor() as cursor:
            while True:
                piece = read_log(cursor, self.run, 1, self.pod, position, limit)
                if piece.first != position:
                    holes.append((position, piece.first))
                text += piece.text.encode()
                if piece.next == piece.first:
                    return text, holes
                position = piece.next

    def part(self) -> LogPart:
        with self.connection.cursor() as cursor:
            return next(part for part in select_log_parts(cursor, self.run) if part.pod == self.pod)


def test_what_was_written_is_read_in_pieces_of_any_size(connection: Connection) -> None:
    one = Writer(connection, "p")
    dice = random.Random(1)
    for _ in range(60):
        one.write("".join(dice.choice("ab\u00e9\u4e2d\U0001f41f\n") for _ in range(dice.randrange(200))).encode())
    for limit in (-1, 1, 4, 5, 999, 1_000, 1_001, 1 << 30):
        assert one.whole(limit) == (one.all, []), limit
    with connection.cursor() as cursor:
        for begin in range(0, len(one.all), 97):
            piece = read_log(cursor, RUN, 1, "p", begin, 40)
            assert piece.text == one.all[piece.first : piece.next].decode(errors="replace")
            assert piece.first == begin
            assert 37 <= piece.next - begin <= 40 or piece.next == len(one.all)
        newest = read_log(cursor, RUN, 1, "p", -100, 1 << 20)
        assert newest.next == len(one.all)
        assert newest.text == one.all[-100:].decode(errors="replace")
        assert not newest.complete
        complete_log(cursor, one.log().id)
        assert read_log(cursor, RUN, 1, "p", -10, 100).complete
        assert not read_log(cursor, RUN, 1, "p", 0, 10).complete, "there is more to be read"
        cursor.execute("SELECT count(*), max(bytes) FROM record.log_chunk")
        chunks = cursor.fetchone()
        assert chunks is not None
        assert chunks == (-(-len(one.all) // 1_000), 1_000), "small writes fill chunks"


def test_bytes_that_are_no_text_are_kept_and_shown_as_such(connection: Connection) -> None:
    one = Writer(connection, "p")
    one.write(bytes(range(256)) * 10)
    with connection.cursor() as cursor:
        piece = read_log(cursor, RUN, 1, "p", 0, 1 << 20)
    assert piece.text == one.all.decode(errors="replace")
    assert piece.next == 2560


def test_the_middle_of_a_long_log_is_dropped_and_marked(connection: Connection) -> None:
    one = Writer(connection, "p")
    for n in range(1000):
        one.write(f"line {n:05}\n".encode() * 7)
    part = one.part()
    assert part.bytes == len(one.all) == 77_000
    assert part.gap is not None
    text, holes = one.whole()
    assert holes == [part.gap]
    assert text == one.all[: part.gap[0]] + one.all[part.gap[1] :]
    assert part.gap[0] == SMALL.head
    assert SMALL.kept - SMALL.chunk <= len(text) <= SMALL.kept
    with connection.cursor() as cursor:
        inside = read_log(cursor, RUN, 1, "p", part.gap[0] + 5, 10)
        assert (inside.first, inside.text) == (part.gap[1], one.all[part.gap[1] :][:10].decode())
        cursor.execute("SELECT count(*) FROM record.log_chunk")
        assert cursor.fetchone() == (20,)


def test_pods_of_a_run_share_what_it_may_keep(connection: Connection) -> None:
    """In the order in which text came: the slow pod's first lines stay, its later ones go when others flood."""
    slow, fast, other = Writer(connection, "slow"), Writer(connection, "fast"), Writer(connection, "x", OTHER)
    dice = random.Random(2)
    other.write(b"o" * 15_000)
    for n in range(400):
        if n % 20 == 0:
            slow.write(f"slow {n}\n".encode() * 10)
        fast.write(bytes(dice.choices(b"abc\n", k=dice.randrange(1, 400))))
    total = 0
    for pod in (slow, fast):
        text, holes = pod.whole()
        total += len(text)
        gap = pod.part().gap
        assert gap is not None
        assert holes in ([gap], [])  # a gap that reaches the end shows as nothing
        assert text == pod.all[: gap[0]] + pod.all[gap[1] :]
        assert gap[0] > 0, "the beginning stays"
    assert total <= SMALL.kept
    assert other.whole() == (other.all, [])


def test_text_that_is_stored_already_is_not_stored_twice(connection: Connection) -> None:
    one = Writer(connection, "p")
    one.write(b"first\n")
    log = one.log()
    with connection.cursor() as cursor:
        assert not append_log(cursor, log.id, 0, b"first\n", Place(taken=6), SMALL)
        assert not append_log(cursor, log.id, 99, b"later\n", Place(taken=105), SMALL)
        assert not append_log(cursor, 12345, 0, b"nowhere\n", Place(taken=8), SMALL)
    assert one.whole() == (b"first\n", [])


def test_the_place_comes_back(connection: Connection) -> None:
    one = Writer(connection, "p")
    log = one.log()
    assert (log.bytes, log.place, log.complete) == (0, Place(), False)
    place = Place(taken=700, head_bytes=5, head_sum=b"\0\1", tail_lines=3, tail_sum=b"\xff")
    with connection.cursor() as cursor:
        assert append_log(cursor, log.id, 0, b"scrubbed", place, SMALL)
    assert one.log() == StoredLog(log.id, 8, place, complete=False)


@pytest.mark.parametrize(("attempt", "pod"), [(1, "q"), (2, "p"), (-1, "p"), (2**40, "p"), (1, "a\0"), (1, "\ud800")])
def test_what_nobody_knows_is_empty(connection: Connection, attempt: int, pod: str) -> None:
    Writer(connection, "p").write(b"x")
    with connection.cursor() as cursor:
        assert read_log(cursor, RUN, attempt, pod, 0, 10).next == 0
        assert read_log(cursor, RUN, 1, "p", 2**70, 2**70).text == ""
        assert read_log(cursor, RUN, 1, "p", -(2**70), -(2**70)).text == "x"
        assert select_log_parts(cursor, OTHER) == []
