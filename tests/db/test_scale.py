"""Thousands of versions, and plans: what makes a page fast is which index it reads, not how long it took here."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from blueno.db import facets as facets_module
from blueno.db.connect import Connection, connect
from blueno.db.ingest import STATEMENT_TIMEOUT_MS, drop_versions, load_version
from blueno.db.ranges import NO_LABEL
from blueno.db.samples import (
    Filter,
    PageQuery,
    VersionRow,
    select_facets,
    select_page,
    select_sample,
    select_version,
)
from blueno.db.versions import select_loaded
from tests import pg
from tests.db.sample_model import Sample, a_meta, a_table

VERSIONS = 2000
ROWS = 60_000


@pytest.fixture(scope="module")
def loader(shared_server: pg.Server) -> Iterator[Connection]:
    with shared_server.database() as config:
        connection = connect(config, application="test", statement_timeout_ms=STATEMENT_TIMEOUT_MS)
        yield connection
        connection.close()


def locks(server: pg.Server) -> int:
    """How many locks the whole server can hold, with the settings of the demo."""
    ((per_transaction,),) = server.admin("SELECT current_setting('max_locks_per_transaction')::integer")
    ((connections,),) = server.admin("SELECT current_setting('max_connections')::integer")
    assert isinstance(per_transaction, int)
    assert isinstance(connections, int)
    return per_transaction * connections


@pytest.mark.timeout(600)
def test_two_thousand_versions(shared_server: pg.Server, loader: Connection) -> None:
    samples = [Sample("train", "a", '"x"'), Sample("train", "b", '"y"'), Sample("test", "c")]
    rows, meta, uid = a_table(samples), a_meta(samples), str(uuid.uuid4())
    for number in range(VERSIONS):
        load_version(loader, replace(meta, dataset_uid=uid, digest=f"{number:064x}", sequence=number), rows)
    assert locks(shared_server) < VERSIONS * 7, "all at once would not fit: tables, indexes, toast"
    with loader.cursor() as cursor:
        version = select_version(cursor, uid, f"{1234:064x}")
        assert version is not None
        page = select_page(cursor, version, Filter(label='"y"'), PageQuery())
        assert [row.key for row in page.rows] == ["b"]
        cursor.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()")
        held = cursor.fetchone()
        assert held is not None
        assert held[0] < 40, "a page touches its own partition only"
        cursor.execute("EXPLAIN SELECT * FROM projection.sample WHERE version_id = %s AND idx >= 1", (version.id,))
        plan = "\n".join(line for (line,) in cursor.fetchall())
        assert re.findall(r"sample_(\d+)", plan), plan
        assert set(re.findall(r"sample_(\d+)", plan)) == {str(version.id)}
        ids = [loaded.id for loaded in select_loaded(cursor)]
    loader.rollback()
    assert len(ids) == VERSIONS
    drop_versions(loader, ids[:-1])
    with loader.cursor() as cursor:
        assert [loaded.id for loaded in select_loaded(cursor)] == ids[-1:]
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'projection.sample'::regclass")
        assert cursor.fetchone() == (1,)
    loader.rollback()
    drop_versions(loader, ids)


@pytest.fixture(scope="module")
def large(loader: Connection) -> Iterator[VersionRow]:
    """Large enough that reading it whole is never cheaper. Its labels lie in runs, the hardest for a planner."""
    half = ROWS // 2
    samples = [Sample("train", f"k{n:06}", f'"{n * 20 // half}"') for n in range(half)]
    samples += [Sample("test", f"k{n:06}", None if n % 50 == 0 else '"7"') for n in range(half)]
    meta = a_meta(samples)
    load_version(loader, meta, a_table(samples))
    with loader.cursor() as cursor:
        version = select_version(cursor, meta.dataset_uid, None)
    assert version is not None
    loader.rollback()
    yield version
    loader.rollback()
    drop_versions(loader, [version.id])


class Explained:
    """A cursor that notes the plan of each of its statements, with the rows and pages that it touched."""

    def __init__(self, connection: Connection) -> None:
        self._cursor = connection.cursor()
        self.plans: list[str] = []

    def execute(self, statement: str, values: object = None) -> None:
        self._cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {statement}", values)
        self.plans.append("\n".join(line for (line,) in self._cursor.fetchall()))
        self._cursor.execute(statement, values)

    def fetchall(self) -> list[tuple[object, ...]]:
        return self._cursor.fetchall()

    def fetchone(self) -> tuple[object, ...] | None:
        return self._cursor.fetchone()

    def touched(self) -> int:
        """Rows and index entries of the partition, filtered ones included."""
        count = 0
        for plan in self.plans:
            assert not re.search(r"(Seq|Bitmap Heap) Scan on sample_", plan), plan
            for node in re.split(r"(?m)^ *->|SubPlan", plan):
                if found := re.search(r"using sample_\d+_\w+.*rows=([\d.]+) loops=(\d+)", node):
                    count += int(float(found[1]) * int(found[2]))
                    # Those of other, small tables are the planner's affair: it may read them whole.
                    count += sum(int(rows) for rows in re.findall(r"Rows Removed by Filter: (\d+)", node))
        return count

    def pages(self) -> list[int]:
        """Of each statement. Its topmost node counts for all below."""
        found = []
        for plan in self.plans:
            (line,) = re.findall("Buffers: (.*)", plan)[:1]
            found.append(sum(int(count) for count in re.findall(r"(?:hit|read)=(\d+)", line)))
        return found


FILTERS = [
    Filter(split, label, prefix)
    for split in (None, "train", "test")
    for label in (None, '"0"', '"7"', '"19"', NO_LABEL)
    for prefix in ("", "k", "k00", "k029", "k0123", "k012345", "z")
]


@pytest.mark.parametrize("wanted", FILTERS, ids=lambda f: f"{f.split}-{f.label}-{f.prefix}")
def test_any_page_touches_few_rows(loader: Connection, large: VersionRow, wanted: Filter) -> None:
    with loader.cursor() as cursor:
        total = select_page(cursor, large, wanted, PageQuery()).total
    for query in (
        PageQuery(position=0), PageQuery(position=total // 2), PageQuery(position=max(0, total - 100)),
        PageQuery(after=ROWS // 3), PageQuery(before=ROWS // 3), PageQuery(before=ROWS),
    ):  # fmt: skip
        explained = Explained(loader)
        page = select_page(explained, large, wanted, query)  # type: ignore[arg-type]
        assert page.total == total
        # Up to six ends of ranges by at most 128 entries each, four prefixes of at most 64 keys, and the page.
        assert explained.touched() < 1500, "\n\n".join(explained.plans)
        # The whole index has 170 pages, the table 1,100. Each row of a page looks up its split and its label.
        ranges, *page_of_rows = explained.pages()
        assert ranges < 100, explained.plans[0]
        assert sum(page_of_rows) < 700, explained.plans[-1]
    loader.rollback()


def test_counts_of_a_wide_prefix_touch_few_rows(
    loader: Connection, large: VersionRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets_module, "READ_ROWS", 1000)
    explained = Explained(loader)
    facets = select_facets(explained, large, Filter(prefix="k01"))  # type: ignore[arg-type]
    assert facets.total == 20_000
    assert explained.touched() < 21 * 4 * 128, "\n\n".join(explained.plans)
    loader.rollback()


def test_a_sample_is_found_by_an_index_in_any_order(loader: Connection, large: VersionRow) -> None:
    backwards = [Sample("train", f"k{ROWS - n:06}") for n in range(ROWS // 6)]
    meta = a_meta(backwards)
    load_version(loader, meta, a_table(backwards))
    with loader.cursor() as cursor:
        mixed = select_version(cursor, meta.dataset_uid, None)
    assert mixed is not None
    assert (large.in_order, mixed.in_order) == (True, False)
    for version in (large, mixed):
        explained = Explained(loader)
        found = select_sample(explained, version, 5000)  # type: ignore[arg-type]
        assert found is not None
        assert found.row == 5000
        assert explained.touched() == 1, explained.plans
    loader.rollback()
    drop_versions(loader, [mixed.id])
