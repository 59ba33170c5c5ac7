"""Samples as rows in PostgreSQL: like Datasets, whatever their key or message holds."""

from __future__ import annotations

from typing import Any

from blueno import names
from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection
from tests.db.mirroring import Mirrored, a_state, uid_of, until

SAMPLE = uid_of(77)


def a_sample(reason: str, version: int = 1, **status: Any) -> dict[str, Any]:
    meta = {"name": "one", "namespace": "lab", "uid": SAMPLE, "generation": 1, "resourceVersion": str(version)}
    spec = {"datasetRef": {"name": "mnist"}, "uri": "file:///a.png", "label": {"a": [1, "\0"]}}
    meta |= {"creationTimestamp": "2026-03-01T10:00:00Z"}
    return {"metadata": meta, "spec": spec, "status": a_state(reason, **status)}


def test_a_sample_from_its_first_moment_to_its_last(database: DatabaseConfig, connection: Connection) -> None:
    m = Mirrored(database).start()
    try:
        columns = "name, dataset, reason, ready, key, samples, rejected, deleted_at"
        everything = f"SELECT {columns} FROM projection.sample_object"
        m.cache.upsert(names.SAMPLE_KIND, a_sample("Pending"))
        until(lambda: m.read(everything) == [("one", "mnist", "Pending", False, None, None, 0, None)])
        done = a_sample("Available", 2, key="a\0b", samples=119, rejected={"count": 3}, datasetUID="uid")
        m.cache.upsert(names.SAMPLE_KIND, done)
        until(lambda: m.read(everything) == [("one", "mnist", "Available", True, "a\ufffdb", 119, 3, None)])
        m.cache.remove(names.SAMPLE_KIND, SAMPLE)
        until(lambda: m.read(everything)[0][-1] is not None)
        assert m.history(SAMPLE) == ["Pending", "Available", "Deleted"]
        assert [op for uid, op in m.log() if uid == SAMPLE][-1] == "delete"
    finally:
        m.stop()


def test_a_sample_tells_of_the_working_set_that_it_wrote_to(database: DatabaseConfig, connection: Connection) -> None:
    """When a Job has answered and when the object is gone: nobody else tells the recorder. Not what it wants before."""
    m = Mirrored(database).start()
    notices = "SELECT dataset_uid::text, number, open FROM projection.working_notice"
    reasons = "SELECT reason, deleted_at IS NULL FROM projection.sample_object"
    try:
        with connection.cursor() as cursor:
            cursor.execute("LISTEN blueno_working")
        connection.commit()
        for version, (reason, into, expected) in enumerate(
            [
                ("Pending", None, []),
                ("Odd", "-" * 36, []),
                ("Available", uid_of(5), [(uid_of(5), 1, 0)]),
                ("PartlyAvailable", uid_of(5), [(uid_of(5), 2, 0)]),
            ]
        ):
            m.cache.upsert(names.SAMPLE_KIND, a_sample(reason, version + 1, datasetUID=into))
            until(lambda reason=reason: m.read(reasons) == [(reason, True)])  # type: ignore[misc]
            assert m.read(notices) == expected
        m.cache.remove(names.SAMPLE_KIND, SAMPLE)
        until(lambda: m.read(reasons) == [("PartlyAvailable", False)])
        assert m.read(notices) == [(uid_of(5), 3, 0)]
        until(lambda: connection.poll() or len(connection.notifies) >= 3)  # told of a moment after they can be read
        assert len(connection.notifies) == 3
    finally:
        m.stop()


def test_samples_that_went_while_nobody_watched_are_told_of(database: DatabaseConfig, connection: Connection) -> None:
    first = Mirrored(database).start()
    first.cache.upsert(names.SAMPLE_KIND, a_sample("Available", datasetUID=uid_of(5)))
    until(lambda: first.read("SELECT 1 FROM projection.sample_object"))
    first.stop()
    second = Mirrored(database, epoch=2).start()
    try:
        until(lambda: second.read("SELECT 1 FROM projection.sample_object WHERE deleted_at IS NOT NULL"))
        assert second.read("SELECT number FROM projection.working_notice") == [(2,)]
    finally:
        second.stop()
