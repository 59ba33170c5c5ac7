"""A data server in a process of its own: whole requests for contact sheets, and its memory under load.

Usage: bench/data_server.py [--repetitions 7] [--sheets 200]. The sets are those of bench/contact_sheet.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

import aiohttp  # noqa: E402
import common  # noqa: E402
from contact_sheet import COUNT, JPEG_SIDE, JPEGS, LIMIT_MS, Rows, jpegs, mnist, percentile, runs  # noqa: E402

from tests.fakes.data_server import PUBLIC, bearer  # noqa: E402
from tests.fakes.preparation import Place, environment  # noqa: E402

LIMIT_MB = 120.0
LOAD_SECONDS, CLIENTS = 6.0, 16

SERVER = """
import asyncio, json, sys
from pathlib import Path
from blueno.dataserver.__main__ import serve
from blueno.dataserver.config import ServerConfig
from blueno.memory import give_back_early
mount, root, keys, port = sys.argv[1:]
give_back_early()
asyncio.run(serve(ServerConfig(Path(mount), Path(root), "uid-1", json.loads(keys)), int(port)))
"""


class Process:
    """A data server in a process of its own."""

    def __init__(self, place: Place) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        arguments = [str(place.volume), str(place.root), json.dumps(PUBLIC), str(self.port)]
        self._process = subprocess.Popen([sys.executable, "-c", SERVER, *arguments], cwd=TOP, env=environment())
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        digest = next(iter((place.root / "versions").iterdir())).name
        self.version = f"http://127.0.0.1:{self.port}/v1/versions/{digest}"

    def rss_anon_mb(self) -> float:
        """In MB of 10^6 bytes."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024 / 1e6

    def stop(self) -> None:
        """Until it is gone."""
        self._process.kill()
        self._process.wait(10)


def of_a_process(digits: Place, photos: Place, repetitions: int, sheets: int) -> list[dict[str, Any]]:
    """Whole requests one after another; memory while many ask at once."""
    times, memory = [], []
    process = Process(digits)
    try:
        for number in range(repetitions + 1):
            values = asyncio.run(ask(process, runs(70_000, sheets)(number)))
            if number:
                times.append(values)
    finally:
        process.stop()
    for _ in range(max(5, repetitions - 2)):
        process = Process(photos)
        try:
            memory.append(asyncio.run(press(process)))
        finally:
            process.stop()
    limit = common.limit(LIMIT_MS)
    note = "a request over loopback with its grant checked, keep-alive, one at a time, client included"
    pressed = (
        f"the highest RssAnon seen in {LOAD_SECONDS:g} s while {CLIENTS} clients ask for sheets of 100 JPEGs of "
        f"{JPEG_SIDE} px, single images, numbers and the index"
    )
    return [
        common.row("contact_sheet_request_ms_p50", "ms", percentile(times, 50), {"limit": limit}, "-", note),
        common.row(
            "data_server_rss_anon_mb", "MB", memory, {"limit": common.limit(LIMIT_MB)}, "<= 1", pressed
        ),
    ]  # fmt: skip


async def ask(process: Process, batches: Sequence[Rows]) -> list[float]:
    """Milliseconds of each request."""
    found = []
    async with aiohttp.ClientSession(headers=bearer()) as session:
        for rows in batches:
            started = time.perf_counter()
            async with session.get(f"{process.version}/sheet?rows={rows[0]}-{rows[-1]}") as answer:
                await answer.read()
                assert answer.status == 200, answer.status
            found.append((time.perf_counter() - started) * 1e3)
    return found


async def press(process: Process) -> float:
    """The most memory seen."""
    until = time.monotonic() + LOAD_SECONDS
    most = 0.0
    async with aiohttp.ClientSession(headers=bearer(), connector=aiohttp.TCPConnector(limit=CLIENTS)) as session:

        async def client(seed: int) -> None:
            source = random.Random(seed)
            while time.monotonic() < until:
                row = source.randrange(JPEGS - COUNT)
                path = source.choice(
                    [f"sheet?rows={row}-{row + 99}", f"samples/{row}/image", f"samples/{row}/about", "index"]
                )
                async with session.get(f"{process.version}/{path}") as answer:
                    await answer.read()

        tasks = [asyncio.create_task(client(seed)) for seed in range(CLIENTS)]
        while time.monotonic() < until:
            most = max(most, process.rss_anon_mb())
            await asyncio.sleep(0.05)
        await asyncio.gather(*tasks)
    return most


def main() -> int:
    """Runs, writes the result, prints one line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--sheets", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BLUENO_BENCH_DIR")) as folder:
        digits, photos = mnist(Path(folder, "mnist")), jpegs(Path(folder, "jpeg"))
        rows = of_a_process(digits, photos, arguments.repetitions, arguments.sheets)
    common.write("data_server", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
