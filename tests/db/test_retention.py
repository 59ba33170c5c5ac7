"""Records of training runs that were deleted long ago go, in small steps; everything else stays."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import pytest_asyncio

from blueno.db import retention as module
from blueno.db.audit import AuditRow, insert_audit
from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection
from blueno.db.retention import forget_some, select_outlived
from blueno.db.run_logs_write import Budget, Place, append_log, open_log
from blueno.db.run_metrics_write import append_points
from tests.db.mirroring import uid_of
from tests.db.recording import until
from tests.db.recording_runs import World, a_world
from tests.db.test_run_metrics import a_point

OLD, YOUNG, ALIVE, BACK, UNTOLD = (uid_of(n) for n in range(1, 6))
TABLES = ("log", "log_chunk", "metric", "metric_series", "metric_sender", "history", "audit")


def told(cursor: Any, uid: str, name: str, days: float, *conditions: str, kind: str = "TrainingRun") -> None:
    """Turns of an object, the last one `days` ago and the others an hour before each other."""
    for nth, condition in enumerate(conditions):
        cursor.execute(
            "INSERT INTO record.history (kind, uid, namespace, name, at, condition, status, reason, message) VALUES"
            " (%s, %s, 'lab', %s, now() - %s * interval '1 day' - %s * interval '1 hour', %s, 'True', 'r', '')",
            (kind, uid, name, days, len(conditions) - 1 - nth, condition),
        )


def recorded(cursor: Any, uid: str, name: str, days: float = 200) -> None:
    """Logs of three chunks, two series, and audit rows, all so old."""
    log = open_log(cursor, uid, 1, "lab", f"{name}-pod", f"pod-{uid}")
    for nth in range(3):
        text = f"{nth} ".encode() * 90_000
        place = Place(taken=(nth + 1) * len(text), head_bytes=0, head_sum=b"", tail_lines=0, tail_sum=b"")
        assert append_log(cursor, log.id, nth * len(text), text, place, Budget())
    cursor.execute("UPDATE record.log SET begun_at = now() - %s * interval '1 day' WHERE id = %s", (days, log.id))
    points = [a_point(n, {"loss": 1.0, "accuracy": 0.5}, uid) for n in range(50)]
    append_points(cursor, [replace(point, sender="aa") for point in points])
    if name:
        audited(cursor, name, days)


def audited(cursor: Any, name: str, days: float, resource: str = "trainingruns") -> None:
    number = insert_audit(cursor, AuditRow("ada@example.org", "create", resource, "ok", "lab", name))
    cursor.execute("ALTER TABLE record.audit DISABLE TRIGGER audit_is_append_only")
    cursor.execute("UPDATE record.audit SET at = now() - %s * interval '1 day' WHERE id = %s", (days, number))
    cursor.execute("ALTER TABLE record.audit ENABLE TRIGGER audit_is_append_only")


def live(cursor: Any, uid: str, name: str) -> None:
    """As the mirror has it."""
    cursor.execute(
        "INSERT INTO projection.training_run (uid, namespace, name, rv, generation, created_at, state, reason, message,"
        " stalled, suspended, metrics, datasets, parameters, gpus, nodes, num_nodes, gpu_seconds, attempt, restarts,"
        " document) VALUES (%s, 'lab', %s, 1, 1, now(), 'running', 'Running', '', false, false, '[]', '[]', '{}', 0,"
        " '[]', 1, 0, 1, 0, '{}')",
        (uid, name),
    )


@pytest.fixture
def filled(connection: Connection) -> Connection:
    """A run of each sort, all with records that are 200 days old."""
    with connection.cursor() as cursor:
        for uid, name in ((OLD, "old"), (YOUNG, "young"), (ALIVE, "alive"), (BACK, "back"), (UNTOLD, "")):
            recorded(cursor, uid, name)
        told(cursor, OLD, "old", 91, "Succeeded", "Succeeded", "Deleted")
        told(cursor, YOUNG, "young", 89, "Succeeded", "Deleted")
        told(cursor, ALIVE, "alive", 200, "Succeeded")
        told(cursor, BACK, "back", 150, "Succeeded", "Deleted", "Succeeded")  # was missed once, and is there
        told(cursor, uid_of(9), "digits", 300, "Ready", "Deleted", kind="Dataset")
        live(cursor, ALIVE, "alive")
        live(cursor, BACK, "back")
        audited(cursor, "old", 1)  # of another run that has the name by now
        audited(cursor, "old", 200, "datasets")
    connection.commit()
    return connection


def outlived(connection: Connection, days: int = 90) -> list[str]:
    with connection.cursor() as cursor:
        found = [run.uid for run in select_outlived(cursor, days, 10)]
    connection.rollback()
    return found


def forget(connection: Connection, days: int = 90) -> list[int]:
    """Rows of each transaction."""
    steps = []
    with connection.cursor() as cursor:
        for run in select_outlived(cursor, days, 10):
            while gone := forget_some(cursor, run):
                connection.commit()
                steps.append(gone)
    connection.commit()
    return steps


def rows(connection: Connection) -> dict[str, int]:
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM record.{table}")
            (found[table],) = cursor.fetchone()  # type: ignore[misc]
    connection.rollback()
    return found


def test_only_what_was_deleted_long_ago_goes(filled: Connection) -> None:
    assert outlived(filled) == [OLD]
    before = rows(filled)
    forget(filled)
    after = rows(filled)
    gone = {table: before[table] - after[table] for table in TABLES}
    assert gone == {
        "log": 1,
        "log_chunk": 3,
        "metric": 100,
        "metric_series": 2,
        "metric_sender": 1,
        "history": 3,
        "audit": 1,
    }
    assert outlived(filled) == []
    assert outlived(filled, 80) == [YOUNG]
    with filled.cursor() as cursor:
        cursor.execute(
            "SELECT resource, now() - at < interval '2 days' FROM record.audit WHERE name = 'old' ORDER BY 1"
        )
        assert cursor.fetchall() == [("datasets", False), ("trainingruns", True)]
        cursor.execute("SELECT count(*) FROM record.history WHERE kind = 'Dataset'")
        assert cursor.fetchone() == (2,)


def test_it_goes_in_small_steps(filled: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"_CHUNKS": ("LIMIT 100", "LIMIT 2"), "_POINTS": ("LIMIT 10000", "LIMIT 30")}
    changed = {name: getattr(module, name).replace(*change) for name, change in small.items()}
    parts = tuple(changed["_CHUNKS"] if part == module._CHUNKS else part for part in module._PARTS)
    parts = tuple(changed["_POINTS"] if part == module._POINTS else part for part in parts)
    monkeypatch.setattr(module, "_PARTS", parts)
    assert forget(filled) == [2, 1, 1, 30, 30, 30, 10, 2, 1, 2, 1, 1]


def test_half_forgotten_is_found_again(filled: Connection) -> None:
    with filled.cursor() as cursor:
        (run,) = select_outlived(cursor, 90, 10)
        for _ in range(3):
            assert forget_some(cursor, run)
        filled.commit()
    assert outlived(filled) == [OLD]
    forget(filled)
    assert outlived(filled) == []


def test_an_empty_projection_deletes_nothing(filled: Connection) -> None:
    """It was dropped a moment ago: that a run is not in it says nothing."""
    with filled.cursor() as cursor:
        cursor.execute("DELETE FROM projection.training_run")
    assert outlived(filled) == [OLD]


def test_a_run_that_nobody_told_of(filled: Connection) -> None:
    with filled.cursor() as cursor:
        cursor.execute("UPDATE projection.stream SET resynced_at = now()")  # a full copy was made, without it
    filled.commit()
    assert outlived(filled) == [OLD, UNTOLD]
    before = rows(filled)
    forget(filled)
    assert before["log"] - rows(filled)["log"] == 2
    assert outlived(filled) == []
    assert outlived(filled, 250) == []


def test_nobody_else_removes_audit_rows(filled: Connection) -> None:
    for statement in ("DELETE FROM record.audit", "UPDATE record.audit SET actor = ''"):
        with filled.cursor() as cursor, pytest.raises(psycopg2.errors.RaiseException, match="append-only"):
            cursor.execute(statement)
        filled.rollback()
    forget(filled)
    with filled.cursor() as cursor, pytest.raises(psycopg2.errors.RaiseException):
        cursor.execute("DELETE FROM record.audit")  # the leave ended with its transaction
    filled.rollback()


@pytest_asyncio.fixture
async def world(database: DatabaseConfig, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(database, tmp_path) as made:
        yield made


@pytest.mark.timeout(120)
async def test_the_recorder_does_it(world: World, filled: Connection, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "blueno.recorder"):
        async with world.recorder(keep_days=0, tidy_seconds=0.1):
            await asyncio.sleep(1)
        assert outlived(filled) == [OLD], "0 is for ever"
        async with world.recorder(keep_days=90, tidy_seconds=0.1) as recorder:
            await until(lambda: outlived(filled) == [])
            await until(lambda: recorder.metrics.forgotten._value.get() == 1)
            with filled.cursor() as cursor:
                told(cursor, ALIVE, "alive", 95, "Deleted")
                cursor.execute("UPDATE projection.training_run SET deleted_at = now() WHERE uid = %s", (ALIVE,))
            filled.commit()
            await until(lambda: recorder.metrics.forgotten._value.get() == 2)
    assert "removing the records of runs that were deleted more than 90 days ago" in caplog.text
    # The second may be old enough before the first round of a busy machine has ended: then both go together.
    assert any(
        f"the records of {words} rows" in caplog.text
        for words in ("1 runs are removed: 111", "2 runs are removed: 221")
    )
