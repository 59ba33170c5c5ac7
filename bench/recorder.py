"""The recorder in a process of its own: from a sealed version to its rows, and the memory that takes.

Usage: bench/recorder.py [--rows 2000000] [--repetitions 5]. Real parts: PostgreSQL, the operator's mirror, two data
servers, a recorder; the report endpoint is a small fake. Both data sets are loaded at a time, each with an index of
MNIST-shaped rows laid on its volume (nobody reads pixels here). Beside: the same rows by `load_version` alone.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

import common  # noqa: E402

from blueno.data import index as index_file  # noqa: E402
from blueno.data.files import file_sha256  # noqa: E402
from blueno.data.manifest import DataFile, Manifest, Shard  # noqa: E402
from blueno.data.volume import Pointer, Volume  # noqa: E402
from blueno.db import ingest  # noqa: E402
from blueno.db.connect import connect  # noqa: E402
from tests import pg  # noqa: E402
from tests.db.index_file import CLASSES, SPLITS, a_version, write_index  # noqa: E402
from tests.db.mirroring import uid_of  # noqa: E402
from tests.db.recording import World, a_world, until  # noqa: E402

LIMIT_MB = 120.0
SECONDS = 600.0  # for a repetition
UIDS = (uid_of(1), uid_of(2))
SEALED_AT = "2026-03-01T11:00:00Z"


def main() -> int:
    """Runs, writes the result, prints one line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    rates, memory, alone = asyncio.run(measure(arguments.rows, arguments.repetitions))
    note = (
        f"two data sets of {arguments.rows} rows at a time: lease, list, manifest, index over HTTP to a file with its "
        "sum checked, COPY, indexes, attach; until the operator is told of both, start of the process included. "
        "load_version alone: one of them, from the file, in one process"
    )
    held = f"the highest RssAnon seen of the recorder's process while it loads two indexes of {arguments.rows} rows"
    beside = {"load_version_alone": common.summary(alone)}
    rows = [
        common.row("recorder_rows_per_second", "rows/s", rates, beside, ">= 0.5", note),
        common.row("recorder_rss_anon_mb", "MB", memory, {"limit": common.limit(LIMIT_MB)}, "<= 1", held),
    ]
    common.write("recorder", rows)
    return 0


async def measure(rows: int, repetitions: int) -> tuple[list[float], list[float], list[float]]:
    """(rows a second, highest MB, rows a second of load_version alone)."""
    rates, memory, alone = [], [], []
    with tempfile.TemporaryDirectory(dir=os.environ.get("BLUENO_BENCH_DIR")) as folder:
        index = Path(folder, "index.arrow")
        write_index(index, rows)
        for number in range(repetitions):
            with pg.running({"fsync": "on"}) as server, server.database() as database:
                async with a_world(database, Path(tempfile.mkdtemp(prefix=f"{number}-", dir=folder))) as world:
                    for uid in UIDS:
                        lay_version(world, uid, index, rows)
                    seconds, highest = await load(world)
                    alone.append(rows / await asyncio.to_thread(load_alone, world, index, rows))
            rates.append(len(UIDS) * rows / seconds)
            memory.append(highest)
            print(f"{rates[-1]:.0f} rows/s, {highest:.1f} MB, alone {alone[-1]:.0f} rows/s", flush=True)
    return rates, memory, alone


def lay_version(world: World, uid: str, index: Path, rows: int) -> None:
    """A sealed version with this index and no pixels."""
    volume = Volume(world.dataset(uid).root)
    digest = hashlib.sha256(uid.encode()).hexdigest()
    folder = volume.version(digest)
    folder.mkdir(parents=True)
    volume.works.mkdir()
    volume.owner_file.write_text(json.dumps({"clusterUid": "", "datasetUid": uid}))
    os.link(index, volume.index(digest))
    counts = [(name, round(rows * share)) for name, share in SPLITS]
    shards, first = [], 0
    for name, samples in counts:
        shards.append(Shard(name, first, samples, "", dense=DataFile("data-00000.npy", 0, "")))
        first += samples
    manifest = Manifest(
        digest=digest,
        layout_digest="",
        work="",
        sealed_at=SEALED_AT,
        source={},
        revision={},
        samples=rows,
        splits=tuple(counts),
        classes=tuple(str(number) for number in range(CLASSES)),
        dense={"shape": [28, 28, 1], "dtype": "|u1"},
        shapes=(),
        shards=tuple(shards),
        index=DataFile(index.name, index.stat().st_size, file_sha256(index)),
    )
    volume.manifest(digest).write_text(manifest.to_json())
    volume.pointer_file("00").write_text(Pointer("00", digest, 1, SEALED_AT).to_json())
    world.put(uid, version={"digest": digest, "sequence": 1})


async def load(world: World) -> tuple[float, float]:
    """(seconds until both are reported, highest RssAnon in MB)."""
    for uid in UIDS:
        await until(world.servers[uid].answers)
    await until(lambda: len(world.read("SELECT 1 FROM projection.dataset")) == len(UIDS))
    started, highest = time.monotonic(), 0.0
    process = world.recorder_process()
    try:
        while sum(report.state == "Indexed" for report in world.operator.reports) < len(UIDS):
            if time.monotonic() - started > SECONDS or process.poll() is not None:
                raise SystemExit("the recorder does not finish")
            highest = max(highest, rss_anon_mb(process.pid))
            await asyncio.sleep(0.02)
        return time.monotonic() - started, highest
    finally:
        process.kill()
        process.wait(10)


def load_alone(world: World, index: Path, rows: int) -> float:
    """Seconds of load_version."""
    connection = connect(world.database, application="bench", statement_timeout_ms=ingest.STATEMENT_TIMEOUT_MS)
    try:
        started = time.monotonic()
        ingest.load_version(connection, a_version(rows, 7), index_file.read(index))
        return time.monotonic() - started
    finally:
        connection.close()


def rss_anon_mb(pid: int) -> float:
    """In MB of 10^6 bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(main())
