"""Training runs in the mirror: beside data sets, with lineage, through deletions and full copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from blueno import names
from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection
from blueno.db.datasets import select_history, select_namespaces
from blueno.db.mirror import MirrorSession
from blueno.db.tables import TABLES, TOMBSTONE_DAYS
from blueno.db.tombstones import select_names
from blueno.db.training_runs import RunQuery, RunRow, select_run, select_runs, select_runs_by_uid
from blueno.resources.history import TOLD
from controllers import mirror as module
from tests.db.mirroring import Mirrored, uid_of, until
from tests.runs import DIGEST, a_run, run_uid

DATASET = uid_of(1)
RUN = run_uid("train")


class Runs(Mirrored):
    """A mirror, with runs."""

    def put_run(self, name: str = "train", **fields: Any) -> dict[str, Any]:
        body = a_run(name, **fields)
        self.cache.upsert(names.TRAINING_RUN_KIND, body)
        return body

    def remove_run(self, name: str = "train") -> None:
        self.cache.remove(names.TRAINING_RUN_KIND, run_uid(name))

    def states(self) -> dict[str, str]:
        """name → reason, of the live ones."""
        return dict(self.read("SELECT name, reason FROM projection.training_run WHERE deleted_at IS NULL"))

    def lineage(self) -> list[tuple[str, str, str | None]]:
        """(run, data set, digest)."""
        return self.read(
            "SELECT name, dataset, digest FROM projection.run_dataset JOIN projection.training_run ON uid = run_uid "
            "ORDER BY 1, 2"
        )

    def kinds(self) -> list[tuple[str, str]]:
        """(kind, op) of change_log."""
        return [(kind, op) for kind, op in self.read("SELECT kind, op FROM projection.change_log ORDER BY seq")]


Make = Callable[[], Runs]


@pytest.fixture
def make(database: DatabaseConfig) -> Iterator[Make]:
    """Operators that mirror into `database`, one after the other."""
    made: list[Runs] = []

    def one() -> Runs:
        made.append(Runs(database))
        return made[-1]

    yield one
    for mirrored in made:
        mirrored.stop()


def test_every_kind_has_its_table_its_projection_and_its_condition() -> None:
    assert set(TABLES) == set(module.PROJECTIONS) == set(TOLD) == set(names.KINDS)
    with pytest.raises(KeyError):
        module.Mirror(None, lambda: 1).observer("Pod")  # type: ignore[arg-type]


def test_a_run_from_its_first_moment_to_its_last(make: Make, connection: Connection) -> None:
    m = make().start()
    for state in ("pending", "running", "succeeded"):
        m.put_run(state=state)
        until(lambda: m.read("SELECT state FROM projection.training_run") == [(state,)])  # noqa: B023
    m.remove_run()
    until(lambda: m.states() == {})
    assert m.kinds() == [("TrainingRun", "upsert")] * 3 + [("TrainingRun", "delete")]
    assert m.history(RUN) == ["Pending", "Running", "Completed", "Deleted"]
    with connection.cursor() as cursor:
        turns = select_history(cursor, RUN, None, 10)
        assert [turn.condition for turn in turns] == ["Deleted", *["Succeeded"] * 3]
        assert [turn.status for turn in turns] == ["True", "True", "Unknown", "Unknown"]
        assert select_names(cursor, [RUN]) == {RUN: "train"}
    assert m.read("SELECT DISTINCT kind FROM record.history") == [("TrainingRun",)]


def test_two_kinds_in_one_batch(make: Make) -> None:
    """One transaction for both: one notification, and a run's uid may be nobody else's."""
    m = make()
    m.put(DATASET, "Available")
    m.put_run()
    m.start()
    until(lambda: m.states() and m.reasons())
    assert m.states() == {"train": "Running"}
    assert m.reasons() == {DATASET: "Available"}
    assert sorted(m.kinds()) == [("Dataset", "upsert"), ("TrainingRun", "upsert")]
    assert m.read("SELECT count(DISTINCT at) FROM projection.change_log") == [(1,)]
    m.remove(DATASET)
    m.remove_run()
    until(lambda: not m.states() and not m.reasons())
    assert sorted(m.kinds()[2:]) == [("Dataset", "delete"), ("TrainingRun", "delete")]


def test_what_nobody_would_see_is_no_change(make: Make) -> None:
    m = make().start()
    m.put_run()
    until(lambda: m.states())
    ((before,),) = m.read("SELECT changed_at FROM projection.training_run")
    body = m.put_run(meta={"labels": {"team": "x"}})
    version = int(body["metadata"]["resourceVersion"])
    until(lambda: m.read("SELECT rv FROM projection.training_run") == [(version,)])
    assert m.kinds() == [("TrainingRun", "upsert")]
    assert m.read("SELECT changed_at FROM projection.training_run") == [(before,)]
    m.put_run(status={"trainerStatus": {"progressPercentage": 7, "metrics": [{"name": "loss", "value": "1"}]}})
    until(lambda: len(m.kinds()) == 2)


def test_lineage_follows_the_run(make: Make) -> None:
    m = make().start()
    m.put_run(spec={"datasets": [{"name": "digits"}, {"name": "mnist"}]})
    until(lambda: m.lineage() == [("train", "digits", None), ("train", "mnist", None)])
    first = m.read("SELECT xmin FROM projection.run_dataset ORDER BY dataset")
    m.put_run(spec={"datasets": [{"name": "digits"}, {"name": "mnist"}]}, reason="Restarting")
    until(lambda: m.states() == {"train": "Restarting"})
    assert m.read("SELECT xmin FROM projection.run_dataset ORDER BY dataset") == first, "written again for nothing"
    m.put_run(status={"datasets": [{"name": "digits", "digest": DIGEST}]})  # and mnist is no more
    until(lambda: m.lineage() == [("train", "digits", DIGEST)])
    assert m.read("SELECT count(*) FROM projection.run_dataset WHERE digest = %s", DIGEST) == [(1,)]


def test_what_was_deleted_while_nobody_watched_is_buried(make: Make) -> None:
    first = make().start()
    first.put(DATASET, "Available")
    first.put_run("gone")
    first.put_run("stays")
    until(lambda: len(first.states()) == 2)
    first.stop()
    second = make()
    second.put(DATASET, "Available")
    second.put_run("stays")
    second.start()
    until(lambda: second.states() == {"stays": "Running"})
    assert second.kinds()[-1] == ("TrainingRun", "delete")
    assert second.history(run_uid("gone")) == ["Running", "Deleted"]
    assert second.reasons() == {DATASET: "Available"}


def test_a_rebuild_from_nothing_is_what_was_written(make: Make) -> None:
    m = make().start()
    for number in range(30):
        m.put_run(f"r-{number}", state=("pending", "running", "failed")[number % 3], spec={"parameters": {"n": "x"}})
    m.put(DATASET, "Available")
    columns = ", ".join(TABLES[names.TRAINING_RUN_KIND].columns)
    everything = f"SELECT {columns} FROM projection.training_run ORDER BY uid"
    until(lambda: len(m.states()) == 30 and m.reasons())
    before, lineage = m.read(everything), m.lineage()
    ((life,),) = m.read("SELECT id FROM projection.stream")
    m.read("DROP SCHEMA projection CASCADE")
    until(lambda: m.read("SELECT 1 FROM projection.stream WHERE id <> %s AND resynced_at IS NOT NULL", life))
    assert m.read(everything) == before
    assert m.lineage() == lineage
    assert m.history(run_uid("r-0")) == ["Pending"]


def test_a_deleted_run_is_readable_for_a_while_and_its_record_stays(
    make: Make, database: DatabaseConfig, connection: Connection
) -> None:
    m = make()
    m.put_run("old")
    m.put_run("new")
    m.start()
    until(lambda: len(m.states()) == 2)
    m.remove_run("old")
    m.remove_run("new")
    until(lambda: not m.states())
    m.stop()
    age = timedelta(days=TOMBSTONE_DAYS, hours=1)
    m.read("UPDATE projection.training_run SET deleted_at = now() - %s WHERE name = 'old'", age)
    session = MirrorSession(database, lambda: 1)
    session.prune()
    session.close()
    with connection.cursor() as cursor:
        assert select_runs(cursor, RunQuery()) == []
        assert select_run(cursor, "lab", "old") is None
        found = select_run(cursor, "lab", "new")
    assert found is not None
    assert found[0].deleted_at is not None
    assert m.lineage() == [("new", "digits", None)], "lineage goes with its run"
    assert m.history(run_uid("old")) == ["Running", "Deleted"]


def test_hostile_texts_are_stored(make: Make) -> None:
    evil = ["\0", "\ud800", "'; DROP TABLE projection.training_run; --", "%s %(x)s"]
    m = make().start()
    m.put_run(
        reason="Run\0ning",
        spec={"parameters": {f"k{n}": text for n, text in enumerate(evil)}, "datasets": [{"name": t} for t in evil]},
        status={"trainerStatus": {"metrics": [{"name": text or "x", "value": text} for text in evil]}},
    )
    until(lambda: m.states() == {"train": "Run\ufffdning"})
    ((parameters,),) = m.read("SELECT parameters FROM projection.training_run")
    assert list(parameters.values()) == ["\ufffd", "\ufffd", *evil[2:]]
    assert {dataset for _, dataset, _ in m.lineage()} == {"\ufffd", *evil[2:]}


def test_a_run_that_cannot_be_stored_is_left_out(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    m = make()
    m.put_run("bad", status={"note": float("nan")})
    m.put_run("good")
    m.put(DATASET, "Available")
    m.start()
    until(lambda: m.states() == {"good": "Running"} and m.reasons() == {DATASET: "Available"})
    assert "TrainingRun lab/bad is left out" in caplog.text


@pytest.fixture
def many(make: Make) -> Runs:
    """Nine runs of two namespaces, some of one second."""
    m = make()
    for number in range(9):
        m.put_run(
            f"r-{number}",
            namespace="lab" if number % 3 else "other",
            state="running" if number % 2 else "failed",
            spec={"datasets": [{"name": "digits" if number < 5 else "mnist"}]},
            meta={"creationTimestamp": f"2026-03-01T12:00:0{number // 2}Z"},
        )
    m.start()
    until(lambda: len(m.states()) == 9)
    return m


def test_pages_newest_first(many: Runs, connection: Connection) -> None:
    found: list[RunRow] = []
    with connection.cursor() as cursor:
        after = None
        while page := select_runs(cursor, RunQuery(after=after, limit=2)):
            found += page
            after = (page[-1].created_at.isoformat(), page[-1].uid)
        assert select_namespaces(cursor) == ["lab", "other"]
    assert len(found) == len({row.uid for row in found}) == 9
    assert [(row.created_at, row.uid) for row in found] == sorted(
        ((row.created_at, row.uid) for row in found), reverse=True
    )


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"namespaces": ("other",)}, {0, 3, 6}),
        ({"namespaces": ("lab", "none")}, {1, 2, 4, 5, 7, 8}),
        ({"namespaces": ()}, set()),
        ({"dataset": "mnist"}, {5, 6, 7, 8}),
        ({"dataset": "mnist", "namespaces": ("other",)}, {6}),
        ({"state": "failed"}, {0, 2, 4, 6, 8}),
        ({"state": "failed", "dataset": "digits", "namespaces": ("lab",)}, {2, 4}),
        ({"text": "R-7"}, {7}),
        ({"text": "%"}, set()),
        ({"text": "\0"}, set()),
        ({"dataset": "\ud800"}, set()),
    ],
)
def test_filters(many: Runs, connection: Connection, query: dict[str, Any], numbers: set[int]) -> None:
    with connection.cursor() as cursor:
        assert {row.name for row in select_runs(cursor, RunQuery(**query))} == {f"r-{n}" for n in numbers}


def test_of_two_of_one_name_the_younger_speaks(make: Make, connection: Connection) -> None:
    """A run deleted and made again while the deletion was not seen yet."""
    m = make()
    m.put_run()
    young = uid_of(77)
    m.put_run(meta={"uid": young, "creationTimestamp": "2026-03-01T13:00:00Z"}, state="pending")
    m.start()
    until(lambda: m.read("SELECT count(*) FROM projection.training_run") == [(2,)])
    with connection.cursor() as cursor:
        assert [row.uid for row in select_runs(cursor, RunQuery())] == [young]
        found = select_run(cursor, "lab", "train")
        assert {row.uid for row in select_runs_by_uid(cursor, [RUN, young])} == {RUN, young}
    assert found is not None
    assert found[0].uid == young
    assert found[1]["spec"]["image"] == "registry.example.org/train:1"
