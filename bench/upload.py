"""Bulk upload of small files into a working set: bundles, beside one request for each file, beside the bare disk.

Usage: bench/upload.py [--files 100000] [--bytes 1024] [--single 2000] [--repetitions 5]. All three take the same bytes
on the same file system: BLUENO_BENCH_DIR, or the temporary directory. The disk's share is what nobody can do without:
a sum of each file, the bytes in files of a bundle's size, and an fsync of each.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

import common  # noqa: E402
from data_server import SERVER  # noqa: E402

from blueno import names  # noqa: E402
from blueno.data.bundle import BundleWriter, Entry, write_bundle  # noqa: E402
from tests.fakes.data_server import PUBLIC, bearer  # noqa: E402
from tests.fakes.preparation import Place, environment  # noqa: E402
from tests.fakes.working import new_place  # noqa: E402

CONNECTIONS = 2
FULL = 60 << 20  # bytes of a bundle, or of a file of the bare disk
Files = Sequence[tuple[str, bytes]]


class Process:
    """A data server in a process of its own, on an empty working set."""

    def __init__(self, place: Place) -> None:
        import json

        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        arguments = [str(place.volume), str(place.root), json.dumps(PUBLIC), str(self.port)]
        self._process = subprocess.Popen([sys.executable, "-c", SERVER, *arguments], cwd=TOP, env=environment())
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def samples(self) -> int:
        """How many the working set has."""
        import json

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/v1/working", headers=bearer())
        found: int = json.loads(connection.getresponse().read())["samples"]
        return found

    def stop(self) -> None:
        """Until it is gone."""
        self._process.kill()
        self._process.wait(10)


def files(count: int, size: int) -> Files:
    """Of different content and length."""
    source = random.Random(8)
    return [
        (f"train/{n % 10}/{n:07}.png", source.randbytes(source.randint(size // 2, size * 3 // 2))) for n in range(count)
    ]


def bundles(samples: Files) -> Iterator[list[bytes]]:
    """Bodies, in pieces."""
    writer = BundleWriter()
    for key, data in samples:
        entry = Entry(key, len(data), label=key[6:7], split="train")
        if writer.size > FULL or not writer.add(entry, data):
            yield writer.parts()
            writer = BundleWriter()
            writer.add(entry, data)
    yield writer.parts()


def send(port: int, bodies: Iterator[list[bytes]], lock: threading.Lock) -> None:
    """Over one connection, until there are no more."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {**bearer(actions=("write",)), "Content-Type": names.BUNDLE_TYPE}
    while True:
        with lock:
            parts = next(bodies, None)
        if parts is None:
            return
        connection.request("POST", "/v1/working/bundles", b"".join(parts), headers)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != 200 or b'"refused": []' not in told:
            raise RuntimeError(told[:500])


def per_second(port: int, bodies: Iterator[list[bytes]], count: int) -> float:
    """Files, over some connections at a time."""
    lock = threading.Lock()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            send(port, bodies, lock)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(CONNECTIONS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return count / (time.perf_counter() - started)


def bare(folder: Path, samples: Files) -> float:
    """Files a second: summed one by one, written in large files, each fsynced."""
    started = time.perf_counter()
    held: list[bytes] = []
    size = number = 0
    for at, (_, data) in enumerate(samples, 1):
        hashlib.sha256(data).digest()
        held.append(data)
        size += len(data)
        if size > FULL or at % 10_000 == 0 or at == len(samples):
            with (folder / str(number)).open("wb") as file:
                file.write(b"".join(held))
                file.flush()
                os.fsync(file.fileno())
            held, size, number = [], 0, number + 1
    return len(samples) / (time.perf_counter() - started)


def once(samples: Files, single: int) -> tuple[float, float, float]:
    """(bundles, one request per file, bare disk), on a fresh volume."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BLUENO_BENCH_DIR")) as top:
        place = new_place(Path(top))
        process = Process(place)
        try:
            ours = per_second(process.port, bundles(samples), len(samples))
            one_by_one = iter(
                [[write_bundle([(Entry(f"single/{key}", len(data)), data)])] for key, data in samples[:single]]
            )
            each = per_second(process.port, one_by_one, single)
            if process.samples() != len(samples) + single:
                raise RuntimeError("samples are missing")
        finally:
            process.stop()
        folder = Path(top, "bare")
        folder.mkdir()
        return ours, each, bare(folder, samples)


def main() -> int:
    """Runs, writes the result, prints one line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option, default in (("--files", 100_000), ("--bytes", 1024), ("--single", 2000), ("--repetitions", 5)):
        parser.add_argument(option, type=int, default=default)
    arguments = parser.parse_args()
    samples = files(arguments.files, arguments.bytes)
    found = [once(samples, min(arguments.single, arguments.files)) for _ in range(arguments.repetitions)]
    ours, each, disk = (list(column) for column in zip(*found, strict=True))
    beside: dict[str, Any] = {"one_request_per_file": common.summary(each), "raw_disk": common.summary(disk)}
    note = (
        f"{arguments.files} files of about {arguments.bytes} bytes, bundles over {CONNECTIONS} connections, loopback, "
        f"acknowledged when durable; one request per file: {arguments.single} of them, same connections and server; "
        "raw_disk: each file summed, then written in files of a bundle's size, each fsynced"
    )
    row = common.row(
        "upload_files_per_second", "files/s", ours, beside, ">= 50 one_request_per_file, >= 0.5 raw_disk", note
    )
    common.write("upload", [row])
    return 0


if __name__ == "__main__":
    sys.exit(main())
