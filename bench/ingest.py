"""index.arrow → searchable version: rows a second beside a bare binary COPY of the same rows, and memory at 10 M rows.

Usage: bench/ingest.py [--rows 1000000] [--repetitions 5] [--large 10000000]. Bare COPY: the finished stream, in memory,
into a table without an index, committed: what PostgreSQL needs at the least. Ours: everything from the memory-mapped
file to the commit that makes the version visible. Both by one connection, interleaved, fsync on. Memory: RssAnon of a
process of its own that loads `--large` rows, once with keys in order, once with keys to be sorted.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

import common  # noqa: E402

from blueno.data import index  # noqa: E402
from blueno.db import ingest  # noqa: E402
from blueno.db.binary import COLUMNS  # noqa: E402
from blueno.db.config import DatabaseConfig  # noqa: E402
from blueno.db.connect import Connection, connect  # noqa: E402
from tests import pg  # noqa: E402
from tests.db.index_file import a_version, write_index  # noqa: E402

MB = 1 << 20
LIMIT_MB = 120


def main() -> int:
    """Runs, writes the result, prints one line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--large", type=int, default=10_000_000)
    parser.add_argument("--measure", nargs=3, metavar=("URL_FILE", "INDEX", "NUMBER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        return measure_memory(*arguments.measure)
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("BLUENO_BENCH_DIR")) as folder,
        pg.running({"fsync": "on"}) as server,
    ):
        with server.database() as config:
            ours, bare = speed(config, Path(folder), arguments.rows, arguments.repetitions)
        with server.database() as config:
            memory = [load_large(config, Path(folder), arguments.large, shuffled) for shuffled in (False, True)]
    note = (
        f"{arguments.rows} MNIST-shaped rows: encode, COPY, indexes, ANALYZE, ATTACH, labels, facets, commit, in one "
        "process of two cores. Bare: the finished stream into a table without an index."
    )
    rate = common.row(
        "ingest_rows_per_second", "rows/s", ours, {"copy_binary_bare": common.summary(bare)}, ">= 0.5", note
    )
    held = (
        f"{arguments.large} rows, keys in order and keys to be sorted, one load each; psycopg2, numpy, pyarrow included"
    )
    rss = common.row("ingest_rss_anon_mb_10m", "MB", memory, {"limit": common.limit(LIMIT_MB)}, "<= 1", held)
    common.write("ingest", [rate, rss])
    return 0


def speed(config: DatabaseConfig, folder: Path, count: int, repetitions: int) -> tuple[list[float], list[float]]:
    """Rows a second: ours, bare."""
    rows = write_index(folder / "index.arrow", count)
    connection = connect(config, application="bench", statement_timeout_ms=ingest.STATEMENT_TIMEOUT_MS)
    ours, bare = [], []
    try:
        with connection.cursor() as cursor:
            stream = list(ingest._Load(cursor, a_version(count), rows, ingest.Sizes())._stream(1, io.BytesIO()))
        for number in range(repetitions + 1):
            seconds = [
                timed(lambda n=number: load(connection, rows, count, n)),
                timed(lambda: copy(connection, stream)),
            ]
            if number:  # the first round makes the files that PostgreSQL's log is written to afterwards
                ours.append(count / seconds[0])
                bare.append(count / seconds[1])
                print(f"ours {ours[-1]:.0f} rows/s, bare COPY {bare[-1]:.0f} rows/s", flush=True)
    finally:
        connection.close()
    return ours, bare


def load(connection: Connection, rows: Any, count: int, number: int) -> None:
    ingest.load_version(connection, a_version(count, number), rows)


def copy(connection: Connection, stream: list[bytes]) -> None:
    pieces: Any = ingest._Stream(iter(stream))
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bare (LIKE projection.sample)")
        cursor.copy_expert(f"COPY bare ({columns}) FROM STDIN (FORMAT binary)", pieces)
        connection.commit()
        cursor.execute("DROP TABLE bare")
        connection.commit()


def timed(work: Any) -> float:
    os.sync()  # what the one before left to be written is not paid for by this one
    started = time.monotonic()
    work()
    return time.monotonic() - started


def load_large(config: DatabaseConfig, folder: Path, count: int, shuffled: bool) -> float:
    """Peak RssAnon, in MB, of a process that loads `count` rows."""
    path = folder / "large.arrow"
    maker = "import sys, pathlib\nfrom tests.db.index_file import write_index\n"
    maker += "write_index(pathlib.Path(sys.argv[1]), int(sys.argv[2]), shuffled=sys.argv[3] == 'True')"
    subprocess.run([sys.executable, "-c", maker, path, str(count), str(shuffled)], check=True, cwd=TOP)
    number = str(100 + shuffled)
    command = [sys.executable, __file__, "--large", str(count), "--measure", config.url_file, path, number]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=TOP)
    found = json.loads(done.stdout)
    print(f"{count} rows, shuffled {shuffled}: {found['mb']:.1f} MB, {found['seconds']:.1f} s", flush=True)
    return float(found["mb"])


def measure_memory(url_file: str, path: str, number: str) -> int:
    """The process that is measured: looks at itself every 20 ms."""
    rows = index.read(Path(path))
    connection = connect(
        DatabaseConfig(Path(url_file)), application="bench", statement_timeout_ms=ingest.STATEMENT_TIMEOUT_MS
    )
    done, peak = threading.Event(), [0]

    def look() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], rss_anon())

    looker = threading.Thread(target=look)
    looker.start()
    started = time.monotonic()
    load(connection, rows, rows.num_rows, int(number))
    seconds = time.monotonic() - started
    done.set()
    looker.join()
    connection.close()
    print(json.dumps({"mb": peak[0] / MB, "seconds": seconds}))
    return 0


def rss_anon() -> int:
    """Bytes of memory of this process that no file stands behind."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


if __name__ == "__main__":
    sys.exit(main())
