"""Loading versions that hold something strange, and schemas that go away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pytest

from blueno.db.connect import Connection
from blueno.db.errors import SchemaMissing
from blueno.db.ingest import IndexRefused, VersionMeta, drop_versions, load_version
from blueno.db.migrate import ensure_projection
from blueno.db.samples import Filter, PageQuery, select_facets, select_page
from blueno.db.versions import drop_projection
from tests.db.loading import SAMPLES, nothing_is_there, total, version_of
from tests.db.sample_model import Sample, a_meta, a_table

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
