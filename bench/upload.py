"""Bulk upload of small files by the client, beside one request for each file, beside raw bytes to disk.

Usage: bench/upload.py [--files 100000] [--bytes 1024] [--single 2000] [--repetitions 5]. All three begin with the same
files in a folder, and end when they are durable on the same file system: BLUENO_BENCH_DIR, or the temporary directory.
The client's way is the whole one: blueno.Client, the web process, a data server. The disk's share is what nobody can do
without: each file read, a sum of it, its bytes in files of a bundle's size, and an fsync of each.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import random
import resource
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
from upload_stack import DATASET, NAMESPACE, Stack, running  # noqa: E402

from blueno import Client, names  # noqa: E402
from blueno.client.upload import PARALLEL  # noqa: E402
from blueno.data.bundle import Entry, write_bundle  # noqa: E402

FULL = 8 << 20  # bytes of a file of the bare disk: as many as the client puts into a bundle
PATH = f"/api/v1/datasets/{NAMESPACE}/{DATASET}/bundles"


def make_files(folder: Path, count: int, size: int) -> list[str]:
    """Of different content and length; their names below `folder`."""
    source = random.Random(8)
    made = [f"train/{n % 10}/{n:07}.png" for n in range(count)]
    for name in made:
        path = folder / name
        if path.name.endswith("000000.png") or not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.randbytes(source.randint(size // 2, size * 3 // 2)))
    return made


def by_client(stack: Stack, folder: Path, count: int) -> float:
    """Files a second with the client's defaults."""
    with Client(stack.url, stack.token) as client:
        samples = client.samples(DATASET, NAMESPACE)
        started = time.perf_counter()
        done = samples.put_many(folder)
        took = time.perf_counter() - started
        if done.created != count or done.refused:
            raise RuntimeError(f"{done}")
        return count / took


def one_by_one(stack: Stack, folder: Path, names_: Sequence[str]) -> float:
    """Files a second: a request for each, over as many connections as the client has, each kept open."""
    lock, left = threading.Lock(), iter(names_)
    errors: list[BaseException] = []
    threads = [threading.Thread(target=_send, args=(stack, folder, left, lock, errors)) for _ in range(PARALLEL)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return len(names_) / (time.perf_counter() - started)


def _send(stack: Stack, folder: Path, left: Iterator[str], lock: threading.Lock, errors: list[BaseException]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=120)
    headers = {"Authorization": f"Bearer {stack.token}", "Content-Type": names.BUNDLE_TYPE}
    try:
        while True:
            with lock:
                name = next(left, None)
            if name is None:
                return
            content = (folder / name).read_bytes()
            line = Entry(f"single/{name}", len(content), hashlib.sha256(content).hexdigest())
            connection.request("POST", PATH, write_bundle([(line, content)]), headers)
            answer = connection.getresponse()
            told = answer.read()
            if answer.status != 200 or b'"refused": []' not in told:
                raise RuntimeError(f"{answer.status} {told[:500]!r}")
    except BaseException as error:
        errors.append(error)


def bare(source: Path, target: Path, names_: Sequence[str]) -> float:
    """Files a second: read and summed one by one, written in large files, each fsynced."""
    started = time.perf_counter()
    held: list[bytes] = []
    size = number = 0
    for at, name in enumerate(names_, 1):
        with open(f"{source}/{name}", "rb") as file:  # noqa: PTH123  # the fastest that Python has
            data = file.read()
        hashlib.sha256(data).digest()
        held.append(data)
        size += len(data)
        if size > FULL or at == len(names_):
            with (target / str(number)).open("wb") as file:
                file.write(b"".join(held))
                file.flush()
                os.fsync(file.fileno())
            held, size, number = [], 0, number + 1
    return len(names_) / (time.perf_counter() - started)


def once(folder: Path, made: Sequence[str], single: int) -> tuple[float, float, float]:
    """(client, one request per file, bare disk), on a fresh volume."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BLUENO_BENCH_DIR")) as top:
        place, raw = Path(top, "stack"), Path(top, "raw")
        place.mkdir()
        raw.mkdir()
        disk = bare(folder, raw, made)
        with running(place) as stack:
            ours = by_client(stack, folder, len(made))
            each = one_by_one(stack, folder, made[:single])
        return ours, each, disk


def main() -> int:
    """Runs, writes the result, prints one line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option, default in (("--files", 100_000), ("--bytes", 1024), ("--single", 2000), ("--repetitions", 5)):
        parser.add_argument(option, type=int, default=default)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BLUENO_BENCH_DIR")) as top:
        folder = Path(top)
        made = make_files(folder, arguments.files, arguments.bytes)
        found = [once(folder, made, min(arguments.single, arguments.files)) for _ in range(arguments.repetitions)]
    ours, each, disk = (list(column) for column in zip(*found, strict=True))
    beside: dict[str, Any] = {"one_request_per_file": common.summary(each), "raw_disk": common.summary(disk)}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    note = (
        f"{arguments.files} files of about {arguments.bytes} bytes in a folder; blueno.Client's put_many to the web "
        f"process, which passes on to the data server, loopback, acknowledged when durable; one request per file: "
        f"{arguments.single} of them, {PARALLEL} connections, same servers; raw_disk: each file read and summed, then "
        f"written in files of a bundle's size, each fsynced; largest memory of this process {memory:.0f} MB"
    )
    row = common.row(
        "upload_files_per_second", "files/s", ours, beside, ">= 50 one_request_per_file, >= 0.5 raw_disk", note
    )
    common.write("upload", [row])
    return 0


if __name__ == "__main__":
    sys.exit(main())
