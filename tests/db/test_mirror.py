"""The mirror on a real PostgreSQL: rows, the log of changes, the history, and full copies."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from blueno import names
from blueno.db import mirror as sql
from blueno.db.changes import CHANNEL
from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection
from blueno.db.datasets import select_dataset, select_history
from blueno.db.mirror import Entry, MirrorSession
from blueno.db.tables import TOMBSTONE_DAYS
from blueno.resources.conditions import parse_time
from blueno.resources.history import Turn
from controllers import mirror as module
from tests.db.mirroring import Mirrored, uid_of, until
from tests.make import NOW

A, B, C = uid_of(1), uid_of(2), uid_of(3)
Make = Callable[..., Mirrored]


@pytest.fixture
def make(database: DatabaseConfig) -> Iterator[Make]:
    """Operators that mirror into `database`, one after the other or side by side."""
    made: list[Mirrored] = []

    def one(**more: Any) -> Mirrored:
        made.append(Mirrored(database, **more))
        return made[-1]

    yield one
    for mirrored in made:
        mirrored.stop()


def test_a_change_is_a_row_a_line_in_the_log_and_a_turn(make: Make) -> None:
    m = make().start()
    m.put(A, "Pending")
    m.current()
    m.put(A, "Preparing")
    m.current()
    m.remove(A)
    m.current()
    assert m.log() == [(A, "upsert"), (A, "upsert"), (A, "delete")]
    assert m.history(A) == ["Pending", "Preparing", "Deleted"]
    ((kept,),) = m.read("SELECT count(*) FROM projection.dataset WHERE deleted_at IS NOT NULL")
    assert kept == 1


def test_what_readers_get(make: Make, connection: Connection) -> None:
    m = make()
    m.put(A, "Available", name="mnist", samples=7, labels={"app.kubernetes.io/managed-by": "Helm"})
    m.start().current()
    with connection.cursor() as cursor:
        found = select_dataset(cursor, "lab", "mnist")
        (turn,) = select_history(cursor, A, None, 10)
    assert found is not None
    row, document = found
    assert (row.uid, row.ready, row.reason, row.samples, row.managed_by) == (A, True, "Available", 7, "Helm")
    assert document["status"]["samples"] == 7
    assert (turn.condition, turn.status, turn.reason, turn.message) == ("Ready", "True", "Available", "m")
    assert turn.at == parse_time("2026-03-01T11:00:00Z")  # from the condition: nobody saw it happen


def test_what_nobody_would_see_is_no_change(make: Make) -> None:
    m = make().start()
    m.put(A, "Available")
    m.current()
    ((first,),) = m.read("SELECT changed_at FROM projection.dataset")
    version = int(m.put(A, "Available", labels={"team": "x"})["metadata"]["resourceVersion"])
    until(lambda: m.read("SELECT rv FROM projection.dataset") == [(version,)])
    assert m.log() == [(A, "upsert")]
    assert m.read("SELECT changed_at FROM projection.dataset") == [(first,)]
    assert m.history(A) == ["Available"]


def test_a_restart_changes_nothing(make: Make) -> None:
    first = make().start()
    for uid in (A, B):
        first.put(uid, "Preparing")
        first.put(uid, "Available")
    first.current()
    first.stop()
    before = first.live(), first.log(), first.history(A), first.read("SELECT changed_at FROM projection.dataset")
    ((copies,),) = first.read("SELECT resync FROM projection.stream")

    second = make()
    for body in first.cache.all("Dataset"):
        second.cache.upsert("Dataset", body)
    second.start()
    done = "SELECT resync FROM projection.stream WHERE resynced_at IS NOT NULL AND resync > %s"
    until(lambda: second.read(done, copies))
    until(lambda: second.read("SELECT 1 FROM projection.dataset WHERE resync > %s", copies))
    second.stop()
    after = second.live(), second.log(), second.history(A), second.read("SELECT changed_at FROM projection.dataset")
    assert after == before


def test_what_was_deleted_while_nobody_watched_is_buried(make: Make) -> None:
    first = make().start()
    for uid in (A, B):
        first.put(uid, "Available")
    first.current()
    first.stop()
    second = make()
    second.put(B, "Available")
    second.start().current()
    assert second.log()[-1] == (A, "delete")
    assert second.history(A) == ["Available", "Deleted"]
    third = make()
    third.put(B, "Available")
    third.start().current()
    third.put(C, "Pending")
    third.current()
    assert third.history(A) == ["Available", "Deleted"]
    assert [op for uid, op in third.log() if uid == A] == ["upsert", "delete"]


def test_what_was_buried_and_lives_is_alive(make: Make) -> None:
    m = make()
    body = m.put(A, "Available")
    m.start().current()
    m.read("UPDATE projection.dataset SET deleted_at = now()")
    m.stop()
    again = make()
    again.cache.upsert("Dataset", body)
    again.start().current()
    assert again.log() == [(A, "upsert"), (A, "upsert")]


def test_a_cluster_restored_from_a_backup_counts_from_lower_numbers(make: Make) -> None:
    m = make()
    old = m.put(A, "Pending")
    m.put(A, "Available")
    m.start().current()
    m.stop()
    restored = make()
    restored.cache.upsert("Dataset", old)
    restored.start().current()
    assert restored.reasons() == {A: "Pending"}


def test_reasons_between_two_writes_are_not_lost(make: Make) -> None:
    m = make()
    for reason in ("Pending", "Provisioning", "Preparing", "Provisioning", "Available"):
        m.put(A, reason)
    m.start().current()
    assert m.history(A) == ["Pending", "Provisioning", "Preparing", "Provisioning", "Available"]
    times = [at for (at,) in m.read("SELECT at FROM record.history ORDER BY id")]
    assert times == sorted(times)
    assert len(m.log()) == 1


def test_a_batch_that_was_written_without_our_knowing_is_not_told_twice(database: DatabaseConfig, make: Make) -> None:
    """The connection breaks after COMMIT was sent: nobody knows, and everything is written again."""
    m = make()
    turns = tuple(Turn(NOW + timedelta(seconds=n), "Ready", "False", r, "") for n, r in enumerate("ABA"))
    entry = Entry(names.DATASET_KIND, A, "lab", "mnist", None, turns)
    for _ in range(3):
        session = MirrorSession(database, lambda: 1)
        session.write([entry])
        session.close()
    assert m.history(A) == ["A", "B", "A"]


def test_a_derived_time_that_cannot_be_true_becomes_now(database: DatabaseConfig, make: Make) -> None:
    """A reason changes without its condition's clock: the turn is younger than the one before it."""
    session = MirrorSession(database, lambda: 1)
    for reason in ("Pending", "Preparing"):
        session.write(
            [
                Entry(
                    names.DATASET_KIND,
                    A,
                    "lab",
                    "mnist",
                    None,
                    (Turn(NOW, "Ready", "False", reason, "", derived=True),),
                )
            ]
        )
    session.close()
    rows = make().read("SELECT reason, at > %s FROM record.history ORDER BY id", NOW)
    assert rows == [("Pending", False), ("Preparing", True)]


def test_one_notification_for_a_transaction(make: Make, connection: Connection) -> None:
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
        m = make()
        for number in range(20):
            m.put(uid_of(number), "Pending")
        m.start().current()
        until(lambda: connection.poll() or connection.notifies)
    assert [note.payload for note in connection.notifies] == ["20"]


def test_a_heartbeat_says_that_somebody_is_there_and_nothing_else(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.05)
    m = make()
    m.put(A, "Available")
    m.start().current()
    ((first,),) = m.read("SELECT heartbeat_at FROM projection.stream")
    later = "SELECT heartbeat_at FROM projection.stream WHERE heartbeat_at > %s"
    for _ in range(3):
        ((first,),) = until(lambda since=first: m.read(later, since))  # type: ignore[misc]
    assert len(m.log()) == 1
    assert m.history(A) == ["Available"]


def test_hostile_texts_are_stored(make: Make) -> None:
    m = make().start()
    m.put(A, "Pen\0ding", note=["\0", "\ud800", "'; DROP TABLE projection.dataset; --", "%s %(x)s"])
    until(lambda: m.reasons() == {A: "Pen\ufffdding"})
    ((document,),) = m.read("SELECT document FROM projection.dataset")
    assert document["status"]["note"] == ["\ufffd", "\ufffd", "'; DROP TABLE projection.dataset; --", "%s %(x)s"]


def test_an_object_that_cannot_be_stored_is_left_out_and_the_others_are_not(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    m = make()
    for number in range(20):
        m.put(uid_of(number), "Pending", note=float("nan") if number == 7 else 1)
    m.start()
    until(lambda: len(m.reasons()) == 19)
    m.put(uid_of(7), "Available")
    m.put(uid_of(8), "Available", note=float("inf"))
    until(lambda: m.reasons().get(uid_of(7)) == "Available")
    assert m.reasons()[uid_of(8)] == "Pending"
    assert [r.getMessage() for r in caplog.records if "is left out" in r.getMessage()]


def test_a_rebuild_from_nothing_is_what_was_written_bit_by_bit(make: Make) -> None:
    m = make().start()
    dice = random.Random(7)
    reasons = ("Pending", "Preparing", "Available", "VolumeLost")
    for step in range(400):
        uid = uid_of(dice.randrange(40))
        if dice.random() < 0.1:
            m.remove(uid)
        elif uid not in m.cache._gone:
            m.put(uid, dice.choice(reasons), samples=dice.randrange(10))
        if step % 50 == 0:
            m.current()
    m.current()
    before, seen = m.live(), {uid: m.history(uid) for uid in m.live()}
    ((life,),) = m.read("SELECT id FROM projection.stream")
    m.read("DROP SCHEMA projection CASCADE")
    until(lambda: m.read("SELECT 1 FROM projection.stream WHERE id <> %s AND resynced_at IS NOT NULL", life))
    assert m.live() == before
    assert {uid: m.history(uid) for uid in before} == seen


def test_old_changes_and_long_gone_objects_are_forgotten(
    database: DatabaseConfig, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = make()
    session = MirrorSession(database, lambda: 1)
    rows = "SELECT 'Dataset', gen_random_uuid(), 'lab', 'upsert', now() - %s FROM generate_series(1, %s)"
    insert = f"INSERT INTO projection.change_log (kind, uid, namespace, op, at) {rows}"
    m.read(insert, timedelta(hours=25), 25)
    m.read(insert, timedelta(hours=1), 5)
    monkeypatch.setattr("blueno.db.mirror._PRUNE_LOG", smaller("LIMIT 10000", "LIMIT 10"))
    monkeypatch.setattr("blueno.db.mirror.PRUNED_AT_ONCE", 10)
    assert [session.prune() for _ in range(4)] == [True, True, False, False]
    assert m.read("SELECT count(*), min(seq) FROM projection.change_log") == [(5, 26)]
    monkeypatch.setattr("blueno.db.mirror._PRUNE_LOG", smaller("- 1000000", "- 3"))
    assert session.prune() is False
    assert m.read("SELECT min(seq) FROM projection.change_log") == [(28,)]

    for uid in (A, B, C):
        m.put(uid, "Available")
    m.start().current()
    m.stop()
    m.read("UPDATE projection.dataset SET deleted_at = now() - %s", timedelta(days=TOMBSTONE_DAYS + 1))
    m.read("UPDATE projection.dataset SET deleted_at = now() WHERE uid = %s", C)
    columns = "dataset_uid, digest, sequence, sealed_at, samples, bytes, in_order, manifest"
    values = "%s, 'd', 1, now(), 1, 1, true, '{}'"
    m.read(f"INSERT INTO projection.version ({columns}) VALUES ({values})", B)
    session.close()
    session = MirrorSession(database, lambda: 1)
    session.prune()
    session.close()
    assert m.read("SELECT uid::text FROM projection.dataset ORDER BY uid") == [(B,), (C,)]


def smaller(what: str, by: str) -> str:
    """The statement that forgets changes, with a smaller number in it."""
    assert what in sql._PRUNE_LOG
    return sql._PRUNE_LOG.replace(what, by)
