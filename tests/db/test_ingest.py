"""Loading versions: once, whole or not at all, whatever they hold and whatever happens meanwhile."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg2
import pyarrow as pa
import pytest

from blueno.db import connect as connect_module
from blueno.db import ingest
from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection, connect
from blueno.db.errors import SchemaMissing
from blueno.db.ingest import IndexRefused, VersionMeta, drop_versions, load_version
from blueno.db.migrate import ensure_projection
from blueno.db.samples import Filter, PageQuery, VersionRow, select_facets, select_page, select_version
from blueno.db.versions import drop_projection, select_loaded, select_versions
from blueno.errors import Unavailable
from tests import pg
from tests.db.conftest import Connect
from tests.db.sample_model import Sample, a_meta, a_table

SAMPLES = [Sample("train", f"k{n:04}", f'"{n % 3}"') for n in range(100)]
MetaOf = Callable[..., VersionMeta]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "BATCH_ROWS", 10)


def version_of(connection: Connection, meta: VersionMeta) -> VersionRow | None:
    with connection.cursor() as cursor:
        found = select_version(cursor, meta.dataset_uid, meta.digest)
    connection.rollback()
    return found


def partitions(connection: Connection) -> list[str]:
    """Tables of samples that exist, attached or not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname LIKE 'sample\\_%' AND relkind = 'r' ORDER BY oid")
        names = [name for (name,) in cursor.fetchall()]
    connection.rollback()
    return names


def nothing_is_there(connection: Connection) -> bool:
    with connection.cursor() as cursor:
        for table in ("version", "split", "key_mark", "label", "facet", "sample"):
            cursor.execute(f"SELECT count(*) FROM projection.{table}")
            if cursor.fetchone() != (0,):
                return False
    return partitions(connection) == []


def total(connection: Connection, version: VersionRow, wanted: Filter | None = None) -> int:
    with connection.cursor() as cursor:
        found = select_page(cursor, version, wanted or Filter(), PageQuery())
    connection.rollback()
    return found.total


def test_a_version_is_loaded_once(connection: Connection) -> None:
    meta = a_meta(SAMPLES)
    first = load_version(connection, meta, a_table(SAMPLES))
    assert load_version(connection, replace(meta, sequence=3), a_table(SAMPLES)) == first
    assert load_version(connection, replace(meta, sequence=2), a_table(SAMPLES)) == first
    version = version_of(connection, meta)
    assert version is not None
    assert (version.id, version.sequence, version.samples, version.in_order) == (first, 3, 100, True)
    assert len(partitions(connection)) == 1


def test_two_loaders_at_once_make_one_version(connected: Connect) -> None:
    meta = a_meta(SAMPLES)
    start = threading.Barrier(2)
    ids: list[int] = []

    def one(connection: Connection) -> None:
        start.wait()
        ids.append(load_version(connection, meta, a_table(SAMPLES)))

    threads = [threading.Thread(target=one, args=(connected(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert len(partitions(connected())) == 1


def test_versions_are_listed_and_found(connection: Connection) -> None:
    uid = str(uuid.uuid4())
    digests = ["a" * 16 + "0" * 48, "a" * 16 + "1" * 48, "b" * 64]
    ids = []
    for sequence, digest in enumerate(digests, 1):
        meta = a_meta(SAMPLES, dataset_uid=uid, digest=digest, sequence=sequence)
        ids.append(load_version(connection, meta, a_table(SAMPLES)))
    load_version(connection, a_meta(SAMPLES), a_table(SAMPLES))
    with connection.cursor() as cursor:
        assert [version.id for version in select_versions(cursor, uid)] == ids[::-1]
        assert [loaded.digest for loaded in select_loaded(cursor) if loaded.dataset_uid == uid] == digests
        for digest, found in (
            (None, ids[2]), ("b" * 16, ids[2]), ("b" * 64, ids[2]), ("a" * 16 + "0", ids[0]), ("a" * 16, ids[1]),
        ):  # fmt: skip
            version = select_version(cursor, uid, digest)
            assert version is not None
            assert version.id == found
        for unknown in ("", "a", "b" * 15, "b" * 65, "c" * 64, "B" * 64, "%" * 16, "b" * 63 + "%", "b\n" * 16):
            assert select_version(cursor, uid, unknown) is None
        assert select_version(cursor, str(uuid.uuid4()), None) is None


@pytest.fixture
def strike(monkeypatch: pytest.MonkeyPatch, small_batches: None) -> Callable[[Callable[[], object]], list[bool]]:
    """Do something in the middle of the next COPY; the list tells that it was done."""

    def arm(do: Callable[[], object]) -> list[bool]:
        done: list[bool] = []
        usual = ingest.pieces

        def pieces(part: Any) -> Iterator[bytes]:
            if int(part.given["idx"][0]) == 50 and not done:
                done.append(True)
                do()
            yield from usual(part)

        monkeypatch.setattr(ingest, "pieces", pieces)
        return done

    return arm


@pytest.mark.parametrize("statement", ["terminate", "cancel"])
def test_a_backend_that_ends_in_the_middle_leaves_nothing(
    database: DatabaseConfig, shared_server: pg.Server, connected: Connect, strike: Any, statement: str
) -> None:
    end = f"SELECT pg_{statement}_backend(pid) FROM pg_stat_activity WHERE application_name = 'loader'"
    done = strike(lambda: shared_server.admin(end))
    meta = a_meta(SAMPLES)
    connection = connect(database, application="loader")
    try:
        with pytest.raises(Exception, match=r"PostgreSQL|took too long") as raised:
            load_version(connection, meta, a_table(SAMPLES))
    finally:
        connection.close()
    assert done == [True]
    assert not isinstance(raised.value, psycopg2.Error)
    whole = connected()
    assert nothing_is_there(whole)
    load_version(whole, meta, a_table(SAMPLES))
    assert version_of(whole, meta) is not None


def test_a_server_killed_in_the_middle_leaves_nothing(server: pg.Server, strike: Any) -> None:
    with server.database() as config:
        meta = a_meta(SAMPLES)
        done = strike(server.kill)
        connection = connect(config, application="loader")
        with pytest.raises(Unavailable):
            load_version(connection, meta, a_table(SAMPLES))
        assert done == [True]
        connection.close()
        server.start()
        connection = connect(config, application="loader")
        assert nothing_is_there(connection)
        load_version(connection, meta, a_table(SAMPLES))
        server.kill()
        connection.close()
        server.start()
        connection = connect(config, application="loader")
        version = version_of(connection, meta)
        assert version is not None, "what was committed is there after a kill"
        assert total(connection, version, Filter(label='"1"')) == 33
        connection.close()


def test_a_silent_server_does_not_hold_a_loader(
    server: pg.Server, strike: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect_module, "GRACE_SECONDS", 0.2)
    with server.database() as config:
        strike(server.pause)
        connection = connect(config, application="loader", statement_timeout_ms=800)
        with pytest.raises(Unavailable):
            load_version(connection, a_meta(SAMPLES), a_table(SAMPLES))
        server.resume()
        connection.close()


def test_a_copy_may_take_longer_than_a_statement(database: DatabaseConfig, strike: Any) -> None:
    """Its limit is for each piece."""
    connection = connect(database, application="loader", statement_timeout_ms=300)
    try:
        strike(lambda: threading.Event().wait(0.6))
        load_version(connection, a_meta(SAMPLES), a_table(SAMPLES))
    finally:
        connection.close()


def test_an_error_of_ours_in_the_middle_is_told_as_it_is(connection: Connection, strike: Any) -> None:
    def fail() -> None:
        raise IndexRefused("because")

    strike(fail)
    with pytest.raises(IndexRefused, match="because"):
        load_version(connection, a_meta(SAMPLES), a_table(SAMPLES))
    assert nothing_is_there(connection)


BAD: Sequence[tuple[str, Sequence[Sample]]] = [
    ("key b'k\\\\x00' holds a NUL", [Sample("train", "k\0")]),
    ("metadata .* holds a NUL", [Sample("train", "a"), Sample("train", "k", metadata='"\0"')]),
    ("label .* holds a NUL", [Sample("train", "k", '"\0"')]),
    ("group .* holds a NUL", [Sample("train", "k", group="\0")]),
    ("not grouped by split", [Sample("train", "a"), Sample("test", "b"), Sample("train", "c")]),
]


@pytest.mark.parametrize(("said", "samples"), BAD)
def test_an_index_that_cannot_be_stored_is_refused_with_a_sentence(
    connection: Connection, said: str, samples: Sequence[Sample]
) -> None:
    with pytest.raises(IndexRefused, match=said):
        load_version(connection, a_meta(samples), a_table(samples))
    assert nothing_is_there(connection)


def column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def test_an_index_of_another_shape_is_refused_with_a_sentence(connection: Connection) -> None:
    table, meta = a_table(SAMPLES), a_meta(SAMPLES)
    nulls = pa.array([None] * 100, pa.int32())
    no_split = pa.DictionaryArray.from_arrays(nulls, pa.array([], pa.string()))
    cases: list[tuple[pa.Table, VersionMeta, str]] = [
        (table.drop_columns(["sha256"]), meta, "column sha256 is missing"),
        (column(table, "width", pa.array(range(100), pa.int64())), meta, "column width is of type int64"),
        (column(table, "width", nulls), meta, "column width lacks values"),
        (column(table, "channels", pa.array([40_000] * 100, pa.int32())), meta, "a sample of 40000 channels"),
        (column(table, "key", pa.array([None, *["k"] * 99], pa.string())), meta, "samples without a key"),
        (column(table, "split", no_split), meta, "samples without a split"),
        (table, replace(meta, samples=99), "has 100 rows, the manifest says 99"),
        (table, replace(meta, manifest={"splits": ["train"]}), "manifest.json does not list splits"),
        (table, replace(meta, manifest={"splits": 7}), "manifest.json does not list splits"),
    ]
    for rows, about, said in cases:
        with pytest.raises(IndexRefused, match=said):
            load_version(connection, about, rows)
    both = [Sample("train", "a"), Sample("test", "b")]
    with pytest.raises(IndexRefused, match="different orders"):
        load_version(connection, a_meta(both, ["test", "train"]), a_table(both))
    assert nothing_is_there(connection)


def test_a_manifest_that_jsonb_cannot_hold_is_stored_all_the_same(connection: Connection) -> None:
    strange = {"splits": [], "source": {"a\0": ["\0", "\ud800", "\u00e9"]}, "statistics": {"mean": float("nan")}}
    meta = a_meta(SAMPLES, manifest=strange)
    load_version(connection, meta, a_table(SAMPLES))
    version = version_of(connection, meta)
    assert version is not None
    assert version.manifest["source"] == {"a\ufffd": ["\ufffd", "\ufffd", "\u00e9"]}
    assert version.manifest["statistics"] == {"mean": None}


def test_keys_and_labels_longer_than_an_index_entry(connection: Connection) -> None:
    """A btree entry has at most 2,704 bytes; 4-byte characters make the most of what is cut to a length."""
    long, text = "\U0001f41f" * 3000, '"' + "\U0001f9ea" * 5000 + '"'
    note = json.dumps("m" * 9000)
    samples = [Sample("train", f"{long}{n:03}", text if n % 2 else "7", metadata=note) for n in range(300)]
    meta = a_meta(samples)
    load_version(connection, meta, a_table(samples))
    version = version_of(connection, meta)
    assert version is not None
    for prefix, count in (
        (long, 300),
        (long + "1", 100),
        (long + "299", 1),
        (long + "3", 0),
        ("\U0001f41f" * 600, 300),
    ):
        assert total(connection, version, Filter(prefix=prefix)) == count
        assert total(connection, version, Filter(label=text, prefix=prefix)) == (count + (count == 1)) // 2
    with connection.cursor() as cursor:
        assert select_page(cursor, version, Filter(prefix=long + "299"), PageQuery()).rows[0].key == long + "299"


def test_rows_in_many_chunks_with_dictionaries_of_their_own(connection: Connection) -> None:
    parts = [a_table(SAMPLES[at : at + 30]) for at in range(0, 100, 30)]
    meta = a_meta(SAMPLES)
    load_version(connection, meta, pa.concat_tables(parts))
    version = version_of(connection, meta)
    assert version is not None
    assert [total(connection, version, Filter(label=f'"{n}"')) for n in range(3)] == [34, 33, 33]


def test_labels_come_in_the_order_of_people(connection: Connection) -> None:
    labels = ['"zebra"', '"ape"', "10", "9", "-1.5", "true", '"other"']
    samples = [Sample("train", f"{n:03}", labels[n % 7]) for n in range(70)]
    meta = a_meta(samples, manifest={"classes": ["zebra", "ape"]})
    load_version(connection, meta, a_table(samples))
    version = version_of(connection, meta)
    assert version is not None
    with connection.cursor() as cursor:
        found = [label for label, _ in select_facets(cursor, version, Filter()).labels]
    assert found == ['"zebra"', '"ape"', "-1.5", "9", "10", '"other"', "true"]


def test_a_dropped_schema_is_said_and_made_again(connection: Connection) -> None:
    meta = a_meta(SAMPLES)
    load_version(connection, meta, a_table(SAMPLES))
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA projection CASCADE")
    connection.commit()
    with pytest.raises(SchemaMissing):
        load_version(connection, meta, a_table(SAMPLES))
    assert ensure_projection(connection)
    load_version(connection, meta, a_table(SAMPLES))
    assert version_of(connection, meta) is not None


def test_a_page_of_a_version_dropped_in_this_moment(connection: Connection) -> None:
    meta = a_meta(SAMPLES)
    load_version(connection, meta, a_table(SAMPLES))
    version = version_of(connection, meta)
    assert version is not None
    drop_versions(connection, [version.id, 10**6])
    assert nothing_is_there(connection)
    assert total(connection, version) == 0


def test_drop_projection_takes_everything(connection: Connection) -> None:
    for _ in range(3):
        load_version(connection, a_meta(SAMPLES), a_table(SAMPLES))
    assert drop_projection(connection) == 3
    assert drop_projection(connection) == 0
    assert ensure_projection(connection)
    assert nothing_is_there(connection)
