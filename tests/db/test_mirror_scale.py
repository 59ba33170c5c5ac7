"""The mirror with many objects and many changes: bounded work, and no backlog."""

from __future__ import annotations

import time
from typing import Any

import pytest

from blueno.db.config import DatabaseConfig
from blueno.db.mirror import MirrorSession
from controllers.pending import BATCH
from tests.db.mirroring import Mirrored, uid_of, until

OBJECTS = 10_000
RATE = 100  # changes a second
SECONDS = 5


def test_ten_thousand_objects_are_copied_in_batches_and_again_for_nothing(
    database: DatabaseConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    write = MirrorSession.write

    def counted(session: MirrorSession, entries: Any, copying: bool = False) -> int:
        sizes.append(len(entries))
        return write(session, entries, copying)

    monkeypatch.setattr(MirrorSession, "write", counted)
    m = Mirrored(database)
    for number in range(OBJECTS):
        m.put(uid_of(number), "Available", shapes=["28x28x1 uint8"], version={"digest": f"{number:064}"})
    m.start()
    until(lambda: m.read("SELECT 1 FROM projection.stream WHERE resynced_at IS NOT NULL"))
    m.stop()
    assert [size for size in sizes if size] == [BATCH] * (OBJECTS // BATCH)
    assert m.read("SELECT count(*) FROM projection.change_log") == [(OBJECTS,)]
    assert m.waiting() == 0

    again = Mirrored(database)
    for body in m.cache.all("Dataset"):
        again.cache.upsert("Dataset", body)
    again.put(uid_of(7), "Preparing")
    sizes.clear()
    again.start()
    until(lambda: len([size for size in sizes if size]) == OBJECTS // BATCH)
    again.stop()
    assert again.reasons()[uid_of(7)] == "Preparing"
    assert [size for size in sizes if size] == [BATCH] * (OBJECTS // BATCH)
    assert again.read("SELECT count(*) FROM projection.change_log") == [(OBJECTS + 1,)]
    assert again.read("SELECT count(*) FROM record.history") == [(OBJECTS + 1,)]


def test_a_hundred_changes_a_second_leave_no_backlog(database: DatabaseConfig) -> None:
    m = Mirrored(database).start()
    for number in range(RATE):
        m.put(uid_of(number), "Pending")
    m.current()
    backlogs: list[int] = []
    for step in range(RATE * SECONDS):
        # While a disk stalls: else a change would take the place of the last one of its object.
        until(lambda: m.waiting() < RATE - 10)
        m.put(uid_of(step % RATE), f"R{step // RATE}")
        backlogs.append(m.waiting())
        time.sleep(1 / RATE)
    m.current()
    m.stop()
    assert sorted(backlogs)[len(backlogs) // 2] < RATE // 2, "changes pile up, and not only while a disk stalls"
    for number in (0, RATE - 1):
        assert m.history(uid_of(number)) == ["Pending", *(f"R{n}" for n in range(SECONDS))]
    assert len(m.log()) == RATE * (SECONDS + 1)


def test_the_end_of_an_operator_does_not_wait_for_a_long_copy(
    database: DatabaseConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = Mirrored(database)
    for number in range(4 * BATCH):
        m.put(uid_of(number), "Available")
    write = MirrorSession.write

    def stops_after_the_first(session: MirrorSession, entries: Any, copying: bool = False) -> int:
        done = write(session, entries, copying)
        m.mirror._changes.stop()
        return done

    monkeypatch.setattr(MirrorSession, "write", stops_after_the_first)
    m.start()
    m.stop()
    assert m.read("SELECT count(*) FROM projection.dataset") == [(BATCH,)]
    monkeypatch.undo()
    again = Mirrored(database)
    for body in m.cache.all("Dataset"):
        again.cache.upsert("Dataset", body)
    again.start().current()
    again.stop()
