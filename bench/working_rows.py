"""Lines of a working set's journal → rows in PostgreSQL: rows a second, as the recorder does it, beside a bare COPY.

Usage: bench/working_rows.py [--rows 1000000] [--repetitions 5] [--live 100000]. Ours: from the answers of a data server
(a process of its own, whose lines were made beforehand) over HTTP to the commit that makes a million samples visible,
by the recorder's own code: parse, check, COPY, index, counts. Bare: the same rows as finished text into a table without
an index, committed: what PostgreSQL needs at the least. Interleaved, fsync on. Live: a working set of a million samples
gets more in bundles of 10,000, each stored as it is told of.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

import aiohttp  # noqa: E402
import common  # noqa: E402

from blueno.data.digest import canonical_json  # noqa: E402
from blueno.db.config import DatabaseConfig  # noqa: E402
from blueno.db.connect import Connection, connect  # noqa: E402
from blueno.db.working_lines import COLUMNS, fold  # noqa: E402
from blueno.db.working_write import STATEMENT_TIMEOUT_MS  # noqa: E402
from blueno.recorder.config import RecorderConfig  # noqa: E402
from blueno.recorder.dataserver import LINES, DataServer  # noqa: E402
from blueno.recorder.leases import Leases  # noqa: E402
from blueno.recorder.metrics import Metrics  # noqa: E402
from blueno.recorder.operator import Operator  # noqa: E402
from blueno.recorder.working import WorkingSets  # noqa: E402
from tests import pg  # noqa: E402
from tests.fakes.data_server import PRIVATE  # noqa: E402

UID = "00000000-0000-4000-8000-000000000001"
BUNDLE = 10_000
TARGET = 100_000  # rows a second
SERVER = """
import sys
from pathlib import Path
from aiohttp import web
lines = Path(sys.argv[1]).read_bytes().splitlines(keepends=True)
bodies = {}
async def changes(request):
    after, limit = int(request.query["after"]), int(request.query["limit"])
    top = int(request.headers.get("Top") or Path(sys.argv[2]).read_text())
    body = bodies.get((after, top))
    if body is None:
        body = bodies[after, top] = b"".join(lines[after : min(top, after + limit)])
    return web.Response(body=body, headers={"Blueno-Revision": str(top)})
app = web.Application()
app.add_routes([web.get("/v1/working/changes", changes)])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[3]), print=None, access_log=None)
"""


class One:
    """The data set."""

    uid, namespace, name = UID, "lab", "digits"


def main() -> int:
    """Runs, writes the result, prints one line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--live", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, pg.running({"fsync": "on"}) as server:
        folder = Path(name)
        make_lines(folder / "lines", arguments.rows + arguments.live)
        with server.database() as config:
            ours, bare, live = asyncio.run(measured(config, folder, arguments))
    note = (
        f"{arguments.rows} lines of journal with label, split and metadata, from HTTP answers of {LINES} lines to the "
        "commit that makes them visible: the recorder's own code, beside PostgreSQL and the server on two cores"
    )
    beside = {"limit": common.limit(TARGET), "copy_text_bare": common.summary(bare)}
    first = common.row("working_rows_per_second", "rows/s", ours, beside, ">= 1", note)
    more = f"into a working set of {arguments.rows} samples, in bundles of {BUNDLE}, each committed as it is told of"
    second = common.row("working_live_rows_per_second", "rows/s", live, {"limit": common.limit(20_000)}, ">= 1", more)
    common.write("working_rows", [first, second])
    return 0


def make_lines(path: Path, count: int) -> None:
    """As a data server's journal has them, in an order of keys that is not the index's."""
    with path.open("wb") as file:
        for number in range(count):
            content = hashlib.sha256(str(number).encode()).hexdigest()
            key = f"train/c{number % 10}/{number * 7919 % count:09}.png"
            body = {"op": "put", "seq": number + 1, "key": key, "sha256": content, "object": content, "offset": 0}
            body |= {"time": "2026-01-01T00:00:00.123Z", "by": "ada@example.org", "bytes": 784}
            body |= {"split": "train" if number % 7 else "test", "label": f"c{number % 10}"}
            body |= {"metadata": {"camera": number % 5}}
            file.write(canonical_json(body).encode() + b"\n")


async def measured(config: DatabaseConfig, folder: Path, arguments: Any) -> tuple[list[float], ...]:
    """Rows a second: ours, bare, live."""
    top, port = folder / "top", 18_000 + int(time.time()) % 10_000
    top.write_text(str(arguments.rows))
    command = [sys.executable, "-c", SERVER, folder / "lines", top, str(port)]
    server = await asyncio.to_thread(subprocess.Popen, command, cwd=TOP)
    (folder / "key").write_bytes(PRIVATE["recorder"])
    settings = RecorderConfig(config, "http://127.0.0.1:9", folder / "key")
    ours, bare, live = [], [], []
    try:
        async with aiohttp.ClientSession() as session:
            metrics = Metrics()
            reader = WorkingSets(session, settings, Leases(Operator(session, settings), 20), metrics)
            source = DataServer(session, f"http://127.0.0.1:{port}", UID, folder / "key")
            await answers(session, port, arguments.rows)
            with connect(config, application="bench", statement_timeout_ms=STATEMENT_TIMEOUT_MS) as connection:
                for number in range(arguments.repetitions + 1):
                    forget(connection)
                    seconds = await timed(reader, source)
                    plain = await asyncio.to_thread(copied, connection, folder / "lines", arguments.rows)
                    if number:  # the first round makes the files that PostgreSQL's log is written to afterwards
                        ours.append(arguments.rows / seconds)
                        bare.append(arguments.rows / plain)
                        print(f"ours {ours[-1]:.0f} rows/s, bare COPY {bare[-1]:.0f} rows/s", flush=True)
            for upto in range(arguments.rows + BUNDLE, arguments.rows + arguments.live + 1, BUNDLE):
                top.write_text(str(upto))
                live.append(BUNDLE / await timed(reader, source))
    finally:
        server.terminate()
        server.wait(10)
    return ours, bare, live


async def answers(session: aiohttp.ClientSession, port: int, rows: int) -> None:
    """Waits for the server, and lets it make every answer once, so that only sending them is its part."""
    url = f"http://127.0.0.1:{port}/v1/working/changes"
    while True:
        try:
            for after in range(0, rows, LINES):
                async with session.get(url, params={"after": after, "limit": LINES}) as answer:
                    await answer.read()
            return
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.1)


async def timed(reader: WorkingSets, source: DataServer) -> float:
    """Seconds until everything is stored."""
    started = time.monotonic()
    await reader._catch_up(One(), source)
    return time.monotonic() - started


def forget(connection: Connection) -> None:
    """The working set is new again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM projection.working_set")
        for (number,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE projection.working_{number}")
        cursor.execute("DELETE FROM projection.working_set")
        cursor.execute("DELETE FROM projection.working_count")
    connection.commit()


def copied(connection: Connection, lines: Path, rows: int) -> float:
    """Seconds of a bare COPY of the finished text."""
    with lines.open("rb") as file:
        text = fold(line for line, _ in zip(file, range(rows), strict=False)).text()
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bare (LIKE projection.working_sample)")
        started = time.monotonic()
        cursor.copy_expert(f"COPY bare ({columns}) FROM STDIN", io.StringIO(text))
        connection.commit()
        seconds = time.monotonic() - started
        cursor.execute("DROP TABLE bare")
    connection.commit()
    return seconds


if __name__ == "__main__":
    sys.exit(main())
