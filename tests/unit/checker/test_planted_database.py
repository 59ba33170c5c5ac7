"""Bugs in the mirror and the recorder's store, on a real PostgreSQL, in a world of real parts: each is caught."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from blueno import names
from blueno.db import ingest, listings, mirror, tables
from blueno.db.config import DatabaseConfig
from blueno.resources import row
from tests import pg
from tests.checker import Invariant, Snapshot, assert_sound, judge
from tests.checker.finding import report
from tests.checker.gather.rows import read_rows
from tests.unit.checker import stories
from tests.unit.checker.bugs import Bug, named
from tests.unit.checker.stand import Stand, a_stand


async def a_stale_operator(stand: Stand) -> Snapshot:
    """One that was stopped for a while tells the mirror what it knew; another one has taken over since."""
    (stale,) = stand.operators
    stand.dataset()
    await stand.rest()
    old = stand.api.read(names.DATASET_KIND, "mnist")
    stand.operators[:] = []
    await stand.start(epoch=2)
    stories.change(stand)
    await stand.rest()
    assert stale.mirror is not None
    stale.mirror.observer(names.DATASET_KIND)(old, False)
    await asyncio.to_thread(stale.mirror.stop)
    print("fired: the stale operator has told what it knew")
    await stand.rest()
    return stand.snapshot()


pytestmark = pytest.mark.timeout(240)  # a server is started, and the machine may be busy

BUGS = (
    Bug("rows of what is gone", stories.deleted_and_made_again, mirror.MirrorSession._write_some,
        "gone = [entry.uid for entry in entries if entry.row is None]", "gone = []",
        Invariant.DELETION, "is shown, and uid"),
    Bug("versions of what is gone", stories.deleted_and_made_again, listings.select_orphans,
        "[number for (number,) in cursor.fetchall()]", "[]", Invariant.DELETION, "which is gone"),
    Bug("told before the commit", stories.settled, ingest.load_version, "connection.commit()", "connection.rollback()",
        Invariant.EARLY_TRUTH, "rows of"),
    Bug("a label that is lost on its way", stories.settled, ingest._Load._stream,
        '"label_id": label_ids}', '"label_id": label_ids * 0}', Invariant.CONSERVATION, "counts in table label"),
    Bug("rows in another order", stories.settled, ingest._Load._batches, "yield self._rows.slice(start, count)",
        "yield self._rows.slice(start, count).take(list(range(count))[::-1])",
        Invariant.CONSERVATION, "differ from the volume"),
    Bug("rows in another namespace", stories.settled, row.identity, '"namespace": meta["namespace"]',
        '"namespace": "everybody"', Invariant.TENANCY, "is shown to namespace everybody"),
    Bug("a row without its last status", stories.settled, mirror._upsert, "if not rows:",
        "rows = [row for row in rows if len(str(row)) < 1500]\n    if not rows:",
        Invariant.FENCING, "its status is not the object's"),
)  # fmt: skip
DAMAGES = {
    "a sample lost": (
        "DELETE FROM projection.sample WHERE key = 'cat/001.png'",
        Invariant.CONSERVATION, "rows for 8 samples",
    ),
    "a sample that is another": (
        "UPDATE projection.sample SET sha256 = decode(repeat('00', 32), 'hex') WHERE idx = 3",
        Invariant.CONSERVATION, "differ from the volume",
    ),
    "lineage of another namespace": (
        "UPDATE projection.run_dataset SET namespace = 'clinic'", Invariant.TENANCY, "its run is not",
    ),
    "a point of an attempt that never was": (
        "WITH s AS (INSERT INTO record.metric_series (run_uid, name, seen) SELECT uid, 'loss', 1"
        " FROM projection.training_run RETURNING id)"
        " INSERT INTO record.metric SELECT id, 0, 1, now(), 0.5, 9 FROM s",
        Invariant.FENCING, "is of attempt 9",
    ),
    "a reason of no list": (
        "UPDATE record.history SET reason = 'Oops' WHERE reason = 'Available'",
        Invariant.HONESTY, "'Oops' is on no list",
    ),
    "a deed without an end": (
        "INSERT INTO record.audit (at, actor, verb, resource, outcome)"
        " VALUES (now() - interval '1 hour', 'a@b.c', 'delete', 'datasets', 'intended')",
        Invariant.AUDIT, "does not say how it ended",
    ),
    "a table of no version": (
        "CREATE TABLE projection.sample_99 (LIKE projection.sample); SELECT 1",
        Invariant.CONSERVATION, "belongs to no version",
    ),
}  # fmt: skip
# One alone is not enough: each of the two keeps what the other would let pass.
WITHOUT_FENCES = (
    Bug("a mirror without a fence", a_stale_operator, mirror.MirrorSession._transaction,
        "if row is None:", "row = row or (None,)\n        if False:",
        Invariant.FENCING, "its status is not the object's"),
    Bug("a mirror that takes older rows", a_stale_operator, tables.Table.upsert,
        "WHERE stored.rv < excluded.rv", "WHERE true", Invariant.FENCING, "its status is not the object's"),
)  # fmt: skip
STORIES = (
    stories.settled,
    stories.deleted_and_made_again,
    a_stale_operator,
)  # those without rows: test_planted_operator.py
Story = Callable[[Stand], Awaitable[Snapshot]]


@pytest.fixture(scope="module")
def server() -> Iterator[pg.Server]:
    """A PostgreSQL for this module."""
    with pg.running() as started:
        yield started


@pytest.fixture
def database(server: pg.Server) -> Iterator[DatabaseConfig]:
    """A fresh database with both schemas."""
    with server.database() as config:
        yield config


@pytest.mark.parametrize("story", STORIES)
async def test_nothing_is_found_without_a_bug(tmp_path: Path, database: DatabaseConfig, story: Story) -> None:
    async with a_stand(tmp_path, database) as stand:
        assert_sound(await story(stand))


@named(BUGS)
async def test_a_planted_bug_is_caught(
    tmp_path: Path, database: DatabaseConfig, monkeypatch: pytest.MonkeyPatch, bug: Bug
) -> None:
    bug.plant(monkeypatch)
    async with a_stand(tmp_path, database) as stand:
        bug.assert_caught(await bug.story(stand))


async def test_a_mirror_without_fences_is_caught(
    tmp_path: Path, database: DatabaseConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bug in WITHOUT_FENCES:
        bug.plant(monkeypatch)
    async with a_stand(tmp_path, database) as stand:
        bug.assert_caught(await bug.story(stand))


async def test_damaged_rows_are_found(tmp_path: Path, database: DatabaseConfig) -> None:
    """What a bug of yesterday, or a person, has left: each damage in a transaction that is rolled back."""
    async with a_stand(tmp_path, database) as stand:
        sound = assert_sound(await stories.settled(stand))
        connection = psycopg2.connect(database.url_file.read_text().strip())
        for name, (statement, invariant, says) in DAMAGES.items():
            with connection.cursor() as cursor:
                cursor.execute(statement)
                assert cursor.rowcount, f"{name} has not fired"
            rows, _ = read_rows(connection)
            connection.rollback()
            found = judge(replace(sound, rows=rows))
            assert any(f.invariant == invariant and says in str(f) for f in found), (
                f"{name}: {report(found) or 'nothing'}"
            )
        connection.close()
