"""Pages of the gallery at 1 M and 10 M samples: any filter, any page; p99 beside the schema and query of 2019.

Usage: bench/gallery_pages.py [--rows 1000000 10000000] [--repetitions 5] [--queries 400] [--old-queries 10]. A
repetition is so many random pages (split or none, label or none, key prefix of any length or none; by position, after
or before any sample), each timed as the caller of blueno/db/samples.py sees it: statements, round trips, rows and exact
total. The 2019 way answers pages drawn in the same manner, fewer of them the more rows there are (one takes seconds).
Interleaved, warm, one connection, fsync on.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

import common  # noqa: E402
import numpy as np  # noqa: E402

from blueno.db.connect import Connection, Cursor, connect  # noqa: E402
from blueno.db.ingest import STATEMENT_TIMEOUT_MS, load_version  # noqa: E402
from blueno.db.ranges import NO_LABEL  # noqa: E402
from blueno.db.samples import (  # noqa: E402
    Filter,
    PageQuery,
    VersionRow,
    select_facets,
    select_page,
    select_version,
)
from tests import pg  # noqa: E402
from tests.db.index_file import CLASSES, RARE, SPLITS, a_version, write_index  # noqa: E402

LIMIT_MS = 5
PAGE = 100
# As the 2019 server had it: one table of all data sets, labels and splits inside a JSON document.
OLD_SCHEMA = """
CREATE TABLE sample (id serial PRIMARY KEY, name text NOT NULL, dataset text NOT NULL, info jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (dataset, name))
"""
OLD_WHERE = "dataset = 'mnist' AND name ILIKE %(prefix)s"
OLD_PAGE = "SELECT id, name, info, created_at FROM sample WHERE {} ORDER BY id LIMIT %(limit)s OFFSET %(offset)s"
OLD_COUNT = "SELECT count(*) FROM sample WHERE {}"


@dataclass(frozen=True)
class Ask:
    """A filter, and a page of what it matches as a number from 0 to 1."""

    wanted: Filter
    part: float
    way: str  # position, after, before


def main() -> int:
    """Runs, writes the result, prints one line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--old-queries", type=int, default=10, help="at 1 M rows; at 10 M, 4")
    arguments = parser.parse_args()
    made = []
    for count in arguments.rows:
        with pg.running({"fsync": "on"}) as server, server.database() as config:
            connection = connect(config, application="bench", statement_timeout_ms=STATEMENT_TIMEOUT_MS)
            try:
                made += measure(connection, count, arguments)
            finally:
                connection.close()
    common.write("gallery_pages", made)
    return 0


def measure(connection: Connection, count: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of the result for one number of samples."""
    version = fill(connection, count)
    found: dict[str, list[float]] = {"ours": [], "facets": [], "2019": []}
    few = arguments.old_queries if count <= 1_000_000 else max(4, arguments.old_queries * 1_000_000 // count)
    worst = 0.0
    for number in range(arguments.repetitions + 1):
        chance = random.Random(number)
        asks = [draw(chance, count) for _ in range(arguments.queries)]
        times = [timed(connection, lambda c, a=ask: page(c, version, count, a)) for ask in asks]
        counted = [timed(connection, lambda c, a=ask: select_facets(c, version, a.wanted)) for ask in asks[:100]]
        old = [timed(connection, lambda c, a=ask: old_page(c, count, a)) for ask in asks[:few]]
        if number:  # the first round fills the caches
            worst = max(worst, *times)
            for name, values in (("ours", times), ("facets", counted), ("2019", old)):
                found[name].append(float(np.quantile(values, 0.99)))
            print(f"{count} samples: " + ", ".join(f"{k} p99 {v[-1]:.2f} ms" for k, v in found.items()), flush=True)
    size = f"{count // 1_000_000}m"
    beside = {"schema_2019": common.summary(found["2019"]), "limit": common.limit(LIMIT_MS)}
    note = (
        f"{count} samples; each repetition: p99 of {arguments.queries} random pages of {PAGE} with their exact total, "
        f"beside {few} of 2019 (its slowest, then); the slowest page of all took {worst:.2f} ms."
    )
    facets = (
        "p99 of 100 answers with the counts of all splits and labels, under random filters; no such answer in 2019."
    )
    return [
        common.row(f"gallery_page_ms_p99_{size}", "ms", found["ours"], beside, "<= 1 of limit", note),
        common.row(f"gallery_facets_ms_p99_{size}", "ms", found["facets"], {"limit": common.limit(50)}, "<= 1", facets),
    ]


def fill(connection: Connection, count: int) -> VersionRow:
    """The same samples in both schemas."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BLUENO_BENCH_DIR")) as folder:
        rows = write_index(Path(folder, "index.arrow"), count)
        meta = a_version(count)
        load_version(connection, meta, rows)
        with connection.cursor() as cursor:
            cursor.execute(OLD_SCHEMA)
            for start in range(0, count, 200_000):
                part = rows.slice(start, 200_000).select(["key", "label", "split"]).to_pydict()
                lines = (
                    f'{key}\tmnist\t{{"label":{label or "null"},"split":"{split}","data":{{"url":"file://{key}.npy"}}}}\n'
                    for key, label, split in zip(part["key"], part["label"], part["split"], strict=True)
                )
                cursor.copy_expert("COPY sample (name, dataset, info) FROM STDIN", io.StringIO("".join(lines)))
            connection.commit()
            connection.autocommit = True
            cursor.execute("VACUUM ANALYZE sample")
            connection.autocommit = False
            version = select_version(cursor, meta.dataset_uid, None)
        connection.rollback()
    assert version is not None
    print(f"{count} samples are in both schemas", flush=True)
    return version


def draw(chance: random.Random, count: int) -> Ask:
    """Every combination of filters, prefixes from the split's name to one key."""
    split, share = chance.choice(SPLITS)
    key = f"{split}/{chance.randrange(round(count * share)):08}"
    label = chance.choice(
        [None, None, f'"{chance.randrange(CLASSES)}"', f'"{chance.randrange(CLASSES)}"', RARE, NO_LABEL]
    )
    prefix = chance.choice(["", key[: chance.randrange(1, len(key) + 1)]])
    way = chance.choice(["position", "position", "after", "before"])
    return Ask(Filter(chance.choice([None, split]), label, prefix), chance.random(), way)


def page(cursor: Cursor, version: VersionRow, count: int, ask: Ask) -> None:
    idx = int(ask.part * count)
    if ask.way == "position":  # of those that match, as the last answer told how many they are
        idx = int(ask.part * TOTALS.get(ask.wanted, count))
    found = select_page(cursor, version, ask.wanted, PageQuery(**{ask.way: idx}, limit=PAGE))
    TOTALS[ask.wanted] = found.total


def old_page(cursor: Cursor, count: int, ask: Ask) -> None:
    """Page and count, as 2019's gallery asked for both."""
    where = OLD_WHERE
    if ask.wanted.label is not None:
        where += " AND info->>'label' IS NULL" if ask.wanted.label == NO_LABEL else " AND info->>'label' = %(label)s"
    if ask.wanted.split is not None:
        where += " AND info->>'split' = %(split)s"
    offset = int(ask.part * TOTALS.get(ask.wanted, count))
    values = {"prefix": ask.wanted.prefix + "%", "split": ask.wanted.split, "limit": PAGE, "offset": offset}
    values["label"] = (ask.wanted.label or "").strip('"')
    cursor.execute(OLD_PAGE.format(where), values)
    cursor.fetchall()
    cursor.execute(OLD_COUNT.format(where), values)
    cursor.fetchall()


def timed(connection: Connection, work: Callable[[Cursor], object]) -> float:
    """Milliseconds; the transaction begins before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        started = time.perf_counter()
        work(cursor)
        milliseconds = (time.perf_counter() - started) * 1000
    connection.rollback()
    return milliseconds


TOTALS: dict[Filter, int] = {}

if __name__ == "__main__":
    sys.exit(main())
