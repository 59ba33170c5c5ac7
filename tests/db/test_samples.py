"""Pages and counts against a model that looks at every sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blueno.db import facets as facets_module
from blueno.db import order
from blueno.db.connect import Connection, connect
from blueno.db.ingest import Sizes, drop_versions, load_version
from blueno.db.ranges import after_all
from blueno.db.samples import (
    NO_LABEL,
    Filter,
    PageQuery,
    VersionRow,
    select_facets,
    select_page,
    select_sample,
    select_version,
)
from tests import pg
from tests.db.sample_model import Model, Sample, a_meta, a_table

SMALL = Sizes(min_step=2, marks=4, key_step=3)
SIGNS = "ab%_\\\u00e9\u0301\u4e2d\U0001f41f\U0010ffff\ud7ff\ue000A/"
KEYS = st.text(st.sampled_from(SIGNS), max_size=4)
LABELS = st.sampled_from([None, None, '"a"', '"a"', '"b"', "7", "10", '"%"', '"caf\u00e9"', '"B"', "[1,2]"])
SPLITS = ("train", "validation", "test", "\u00e9%")


@st.composite
def versions(draw: st.DrawFn) -> tuple[list[Sample], list[str]]:
    """Samples grouped by split, their keys in any order (twins too), and the splits as a manifest lists them."""
    splits = list(SPLITS[: draw(st.integers(1, 4))])
    samples: list[Sample] = []
    for split in splits:
        keys = draw(st.lists(KEYS, max_size=25))
        if draw(st.booleans()):
            keys.sort()
        samples += [Sample(split, key, draw(LABELS)) for key in keys]
    return samples or [Sample("train", "only")], splits


@pytest.fixture(scope="module")
def loader(shared_server: pg.Server) -> Iterator[Connection]:
    """One database for all examples of this module."""
    with shared_server.database() as config:
        connection = connect(config, application="test")
        yield connection
        connection.close()


def load(connection: Connection, samples: Sequence[Sample], splits: Sequence[str]) -> VersionRow:
    meta = a_meta(samples, splits)
    load_version(connection, meta, a_table(samples), SMALL)
    with connection.cursor() as cursor:
        version = select_version(cursor, meta.dataset_uid, meta.digest)
    assert version is not None
    return version


@pytest.mark.timeout(300)
@settings(max_examples=80)
@given(version=versions(), wanted=st.data(), limit=st.integers(1, 5), scan=st.booleans(), bucket=st.integers(1, 30))
def test_every_page_and_count_is_as_the_model_says(
    loader: Connection, version: tuple[list[Sample], list[str]], wanted: st.DataObject, limit: int, scan: bool,
    bucket: int,
) -> None:  # fmt: skip
    samples, splits = version
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "BUCKET_ROWS", bucket)
        patch.setattr(order, "_LOOK", 7)
        patch.setattr(facets_module, "READ_ROWS", 1000 if scan else 0)
        row = load(loader, samples, splits)
        try:
            for _ in range(6):
                query = Filter(
                    wanted.draw(st.sampled_from([None, None, *splits, "no such split"])),
                    wanted.draw(st.sampled_from([None, None, NO_LABEL, '"a"', '"b"', "7", '"no such label"'])),
                    wanted.draw(st.one_of(st.just(""), KEYS, st.sampled_from(samples).map(lambda s: s.key[:2]))),
                )
                agree(loader, row, Model(samples, splits), query, limit)
        finally:
            loader.rollback()
            drop_versions(loader, [row.id])


def agree(connection: Connection, version: VersionRow, model: Model, wanted: Filter, limit: int) -> None:
    places = model.places(wanted)
    with connection.cursor() as cursor:
        for position in range(len(places) + 2):
            page = select_page(cursor, version, wanted, PageQuery(position=position, limit=limit))
            assert (page.total, page.position) == (len(places), position)
            assert [row.idx for row in page.rows] == places[position : position + limit]
            for found in page.rows:
                number, sample = model.ordered[found.idx]
                assert (found.row, found.key, found.split, found.label) == (
                    number, sample.key, sample.split, sample.label,
                )  # fmt: skip
        for idx in range(-1, len(model.ordered) + 2):
            following = [place for place in places if place > idx]
            after = select_page(cursor, version, wanted, PageQuery(after=idx, limit=limit))
            assert [row.idx for row in after.rows] == following[:limit]
            assert (after.total, after.position) == (len(places), len(places) - len(following))
            preceding = [place for place in places if place < idx]
            before = select_page(cursor, version, wanted, PageQuery(before=idx, limit=limit))
            assert [row.idx for row in before.rows] == preceding[-limit:]
            assert (before.total, before.position) == (len(places), max(0, len(preceding) - limit))
        facets = select_facets(cursor, version, wanted)
        assert facets.total == len(places)
        assert facets.splits == model.split_counts(wanted)
        counts = model.label_counts(wanted)
        assert dict(facets.labels) == counts
        assert [count for _, count in facets.labels] == sorted(counts.values(), reverse=True)
        assert facets.more_labels is False


@given(version=versions())
def test_every_sample_is_found_by_its_row(loader: Connection, version: tuple[list[Sample], list[str]]) -> None:
    samples, splits = version
    row = load(loader, samples, splits)
    with loader.cursor() as cursor:
        for number, sample in enumerate(samples):
            found = select_sample(cursor, row, number)
            assert found is not None
            assert (found.row, found.key, found.split, found.label) == (number, sample.key, sample.split, sample.label)
            assert found.bytes == 784 + number
            assert (found.width, found.height, found.depth, found.channels) == (number % 7 + 28, 28, 1, 3)
            assert (found.dtype, found.format) == ("|u1", "png" if number % 2 else "jpeg")
            assert found.sha256 == number.to_bytes(32, "big").hex()
        for number in (-1, len(samples), 2**70):
            assert select_sample(cursor, row, number) is None
    loader.rollback()
    drop_versions(loader, [row.id])


@given(prefix=st.text(st.sampled_from(SIGNS), max_size=3), texts=st.lists(KEYS, max_size=20))
def test_the_end_of_a_prefix(prefix: str, texts: list[str]) -> None:
    end = after_all(prefix)
    for text in [*texts, prefix, *(prefix + text for text in texts)]:
        begins = text.startswith(prefix)
        assert begins == (text.encode() >= prefix.encode() and (end == "" or text.encode() < end.encode()))


@pytest.fixture
def small(loader: Connection) -> Iterator[VersionRow]:
    labels = ['"cat"', '"dog"', None]
    samples = [Sample("train", f"k{n:03}", labels[n % 3], "g" if n % 2 else None, '{"n":1}') for n in range(60)]
    version = load(loader, samples, ["train"])
    yield version
    loader.rollback()
    drop_versions(loader, [version.id])


@pytest.mark.parametrize("number", [-(2**70), -1, 2**31, 2**70])
def test_numbers_beyond_all_bounds_are_no_error(loader: Connection, small: VersionRow, number: int) -> None:
    with loader.cursor() as cursor:
        for wanted in (Filter(), Filter(label='"cat"')):
            for query in (PageQuery(position=number), PageQuery(after=number), PageQuery(before=number)):
                page = select_page(cursor, small, wanted, query)
                assert page.total == (60 if wanted.label is None else 20)
            assert len(select_page(cursor, small, wanted, PageQuery(limit=max(number, 0))).rows) in (0, page.total)


@pytest.mark.parametrize("bad", ["a\0", "\ud800", "\udfff"])
def test_filters_that_no_database_can_hold_match_nothing(loader: Connection, small: VersionRow, bad: str) -> None:
    with loader.cursor() as cursor:
        for wanted in (Filter(split=bad), Filter(label=bad), Filter(prefix=bad)):
            assert select_page(cursor, small, wanted, PageQuery()).total == 0
            assert select_facets(cursor, small, wanted).total == 0
        assert select_facets(cursor, small, Filter(), bad).labels == []
        assert select_version(cursor, small.dataset_uid, bad) is None


def test_group_and_metadata_come_back(loader: Connection, small: VersionRow) -> None:
    with loader.cursor() as cursor:
        rows = select_page(cursor, small, Filter(), PageQuery(limit=2)).rows
    assert [(row.group, row.metadata) for row in rows] == [(None, '{"n":1}'), ("g", '{"n":1}')]


def test_labels_are_found_by_their_text(loader: Connection) -> None:
    labels = ['"Cat"', '"cat fish"', '"100%"', '"a_b"', '"say \\"x\\""', '"CAF\u00c9"', "7", "[7,70]", None]
    samples = [Sample("train", f"k{n:03}", labels[n % len(labels)]) for n in range(90)]
    version = load(loader, samples, ["train"])
    with loader.cursor() as cursor:
        for text, found in {
            "cat": {'"Cat"', '"cat fish"'}, "%": {'"100%"'}, "_": {'"a_b"'}, '"': {'"say \\"x\\""'},
            "\u00e9": {'"CAF\u00c9"'},
            "7": {"7", "[7,70]"}, "zzz": set(), "\\": set(),
        }.items():  # fmt: skip
            for prefix, reading in (("", 0), ("k", 1000), ("k", 0)):
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(facets_module, "READ_ROWS", reading)
                    facets = select_facets(cursor, version, Filter(prefix=prefix), text)
                assert {label for label, _ in facets.labels} == found, text
                assert {count for _, count in facets.labels} <= {10}
                assert facets.total == 90
        filtered = select_facets(cursor, version, Filter(label="7"), "cat")
        assert filtered.labels[-1] == ("7", 10), "the label filtered by is told in any case"
        assert len(filtered.labels) == 3
    loader.rollback()
    drop_versions(loader, [version.id])


@pytest.mark.parametrize("prefix", ["", "k"])
def test_of_many_labels_the_most_frequent_are_told(loader: Connection, prefix: str) -> None:
    samples = [Sample("train", f"k{n:04}", f'"{n % 300:03}"' if n < 600 else '"000"') for n in range(650)]
    version = load(loader, samples, ["train"])
    with loader.cursor() as cursor:
        for reading in (0, 1000):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(facets_module, "READ_ROWS", reading)
                facets = select_facets(cursor, version, Filter(prefix=prefix, label='"299"'))
            assert facets.more_labels is True
            assert facets.labels[0] == ('"000"', 52)
            assert len(facets.labels) == 201
            assert facets.labels[-1] == ('"299"', 2)
    loader.rollback()
    drop_versions(loader, [version.id])
