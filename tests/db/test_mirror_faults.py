"""The mirror when PostgreSQL is away, killed, silent, dropped, of another number, or somebody else's."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from blueno.db.config import DatabaseConfig
from controllers import mirror as module
from controllers import pending
from controllers.metrics import MIRROR_STATE
from tests import pg
from tests.db.mirroring import Mirrored, uid_of, until

A, B, C = uid_of(1), uid_of(2), uid_of(3)


@contextmanager
def mirroring(database: DatabaseConfig, **more: Any) -> Iterator[Mirrored]:
    """An operator at work."""
    m = Mirrored(database, **more).start()
    try:
        yield m
    finally:
        m.stop()


def state() -> str:
    """What /metrics says the mirror does."""
    (metric,) = MIRROR_STATE.collect()
    (shown,) = [sample.labels["blueno_mirror_state"] for sample in metric.samples if sample.value]
    return shown


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_PAUSE", 0.2)
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.2)


def test_no_url_yet(database: DatabaseConfig, tmp_path: Path) -> None:
    url_file = tmp_path / "url"
    with mirroring(DatabaseConfig(url_file)) as m:
        m.put(A, "Pending")
        until(lambda: state() == "unavailable")
        m.put(A, "Available")
        url_file.write_text(database.url_file.read_text())
        m.current()
        assert m.history(A) == ["Pending", "Available"]
        until(lambda: state() == "working")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_postgres_away_in_the_middle(server: pg.Server, end: str) -> None:
    with server.database() as database, mirroring(database) as m:
        m.put(A, "Pending")
        m.put(B, "Available")
        m.current()
        getattr(server, end)()
        m.put(A, "Preparing")
        until(lambda: state() == "unavailable")
        assert REGISTRY.get_sample_value("blueno_mirror_up") == 0
        m.remove(B)
        for number in range(200):
            m.put(C, f"R{number}")
        m.put(A, "Available")
        assert m.waiting() <= 3
        assert REGISTRY.get_sample_value("blueno_mirror_lag_seconds", {}) > 0
        server.start()
        m.current()
        assert m.history(A) == ["Pending", "Preparing", "Available"]
        assert m.history(B) == ["Available", "Deleted"]
        assert [op for uid, op in m.log() if uid == B] == ["upsert", "delete"]
        until(lambda: state() == "working")
        assert REGISTRY.get_sample_value("blueno_mirror_up") == 1
        until(lambda: REGISTRY.get_sample_value("blueno_mirror_lag_seconds", {}) == 0)


def test_killed_again_and_again_while_everything_changes(server: pg.Server) -> None:
    with server.database() as database, mirroring(database) as m:
        for round_ in range(3):
            for number in range(300):
                m.put(uid_of(number), f"Round{round_}")
                if number == 150:
                    server.kill()
            server.start()
        m.current()
        for number in (0, 299):
            assert m.history(uid_of(number)) == ["Round0", "Round1", "Round2"]


def test_a_silent_postgres_holds_up_nobody(server: pg.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process of it stopped, the sockets open: no answer, and no error either."""
    monkeypatch.setattr(module, "STATEMENT_TIMEOUT_MS", 200)
    monkeypatch.setattr("blueno.db.connect.GRACE_SECONDS", 0.3)
    with server.database() as database, mirroring(database) as m:
        m.put(A, "Pending")
        m.current()
        server.pause()
        longest = 0.0
        for number in range(2 * pending.DELETIONS_KEPT):
            started = time.perf_counter()
            m.put(uid_of(number + 10), "Pending")
            m.remove(uid_of(number + 10))
            longest = max(longest, time.perf_counter() - started)
        assert m.waiting() <= pending.DELETIONS_KEPT + 1
        until(lambda: state() == "unavailable")
        m.put(A, "Available")
        server.resume()
        m.current()
        until(lambda: state() == "working")
        logging.getLogger(__name__).info("the longest change took %.1f ms", longest * 1000)


def test_dropped_and_back(database: DatabaseConfig) -> None:
    with mirroring(database) as m:
        for uid in (A, B):
            m.put(uid, "Available")
        m.current()
        m.read("DROP SCHEMA projection CASCADE")
        m.put(B, "Preparing")
        until(lambda: m.reasons() == {A: "Available", B: "Preparing"})
        assert m.history(A) == ["Available"]
        until(lambda: state() == "working")


def test_dropped_and_made_again_by_somebody_else(database: DatabaseConfig) -> None:
    """The recorder makes a missing schema, too: what was there before has to be copied once more."""
    from blueno.db.connect import connect
    from blueno.db.migrate import ensure_projection

    with mirroring(database) as m:
        m.put(A, "Available")
        m.current()
        connection = connect(database, application="recorder")
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA projection CASCADE")
        connection.commit()
        made = ensure_projection(connection)
        connection.close()
        m.put(B, "Pending")
        m.current()
        assert made in (True, False)  # whoever came first


@pytest.mark.parametrize("schema", ["projection", "record"])
def test_another_number_is_waited_out(database: DatabaseConfig, schema: str, caplog: pytest.LogCaptureFixture) -> None:
    m = Mirrored(database)
    m.read(f"INSERT INTO {schema}.migration (number, name) VALUES (99, 'from_the_future')")
    with mirroring(database) as m:
        m.put(A, "Available")
        until(lambda: state() == "schema")
        assert m.live() == {}
        until(lambda: any("from_the_future" in r.getMessage() for r in caplog.records))
        m.read(f"DELETE FROM {schema}.migration WHERE number = 99")
        m.current()
        until(lambda: state() == "working")


def test_a_database_that_nobody_has_migrated_yet(empty_database: DatabaseConfig) -> None:
    from blueno.db.connect import connect
    from blueno.db.migrate import migrate

    with mirroring(empty_database) as m:
        m.put(A, "Available")
        until(lambda: state() == "schema")
        connection = connect(empty_database, application="init", statement_timeout_ms=60_000)
        until(lambda: migrate(connection))
        connection.close()
        m.current()


def test_who_lost_the_lease_writes_no_more(database: DatabaseConfig, caplog: pytest.LogCaptureFixture) -> None:
    with mirroring(database, epoch=5) as old:
        old.put(A, "Preparing")
        old.current()
        with mirroring(database, epoch=6) as new:
            new.put(A, "Available")
            new.current()
            old.put(A, "Stale")
            old.put(B, "Stale")
            old.remove(A)
            until(lambda: any("of epoch 6 has written" in r.getMessage() for r in caplog.records))
            new.put(C, "Pending")
            new.current()
            assert new.reasons() == {A: "Available", C: "Pending"}
            assert "Stale" not in new.history(A)
            assert new.history(B) == []
            new.stop()
        until(lambda: state() == "stale")
        old.epoch = 7  # it took the Lease back
        old.current()
        assert old.reasons() == {B: "Stale"}


def test_a_lower_epoch_never_begins(database: DatabaseConfig) -> None:
    with mirroring(database, epoch=6) as new:
        new.put(A, "Available")
        new.current()
        with mirroring(database, epoch=5) as old:
            old.put(B, "Pending")
            until(lambda: state() == "stale")
            until(lambda: old.waiting() == 1)  # each try takes it out for a moment
        assert new.reasons() == {A: "Available"}


def test_a_restart_under_the_same_identity_has_the_same_epoch(database: DatabaseConfig) -> None:
    for reason in ("Pending", "Available"):
        with mirroring(database, epoch=5) as m:
            m.put(A, reason)
            m.current()


def test_somebody_who_holds_the_row_does_not_hold_us_for_ever(database: DatabaseConfig) -> None:
    from blueno.db.connect import connect

    with mirroring(database) as m:
        m.put(A, "Pending")
        m.current()
        holder = connect(database, application="holder")
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM projection.stream FOR UPDATE")
        m.put(A, "Available")
        until(lambda: state() == "unavailable")
        holder.close()
        m.current()


def test_the_end_writes_what_waits(database: DatabaseConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 60.0)  # quick enough, also on a machine that is busy
    with mirroring(database) as m:
        m.put(A, "Pending")
        m.current()
        m.put(A, "Available")
        m.put(B, "Pending")
    assert m.reasons() == {A: "Available", B: "Pending"}


def test_the_end_does_not_wait_for_a_database_that_is_away(tmp_path: Path) -> None:
    with mirroring(DatabaseConfig(tmp_path / "missing")) as m:
        m.put(A, "Pending")
        until(lambda: state() == "unavailable")
