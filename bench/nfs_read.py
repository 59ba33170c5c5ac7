"""Sequential reading through blueno's loader on an NFS mount, beside `dd` of the same files on the same mount.

Usage: bench/nfs_read.py [--samples 6000] [--repetitions 7]; as root. The server is ganesha of image `nfs`, on this
machine (tests/e2e/nfs_server.py), the client the kernel's, else hack/mount-nfs, in a mount namespace of its own.
Every reading gets a new mount, so that nothing of the client's cache is read; the server's cache is warm for both.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP), str(TOP / "hack")]

import common  # noqa: E402
import numpy as np  # noqa: E402
from clusterlib import gobuild, nfsclient  # noqa: E402
from clusterlib.layout import cache_dir  # noqa: E402
from clusterlib.runner import RealRunner  # noqa: E402
from PIL import Image  # noqa: E402

from blueno.data.dataset import open_dataset  # noqa: E402
from tests.e2e.nfs_server import LARGE, NfsServer  # noqa: E402
from tests.e2e.sources import tar  # noqa: E402
from tests.fakes.preparation import Place, archive_work  # noqa: E402

ADDRESS = "127.0.49.1"  # of this machine alone, and nobody else's port 2049
SIDE = 128  # pixels: 48 KB a sample, near the most that is kept as pixels
BATCH = 256
MB = 1e6


def main() -> int:
    """Runs, writes the result, prints one line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=6000)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--measure", nargs=2, metavar=("CLIENT", "PATH"), help=argparse.SUPPRESS)
    parser.add_argument("--read", nargs=2, metavar=("WAY", "PATH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        return read(*arguments.read)
    if arguments.measure:
        return measure(*arguments.measure, arguments.repetitions)
    if os.geteuid() != 0:
        raise SystemExit("bench/nfs_read.py mounts: run it as root")
    client = nfsclient.find(RealRunner())
    server = NfsServer(ADDRESS, cache_dir() / "nfs-tests" / "bench")
    try:
        path = prepared(server.large, arguments.samples)
        server.start()
        found = measured(client, path, arguments.repetitions)
    finally:
        server.close()
    note = (
        f"{arguments.samples} samples of {SIDE}x{SIDE}x3, {found['mb']:.0f} MB, batches of {BATCH} in order; dd in "
        f"blocks of 1 MiB over the same files; a new mount each time; client: {client}; server on the same machine"
    )
    beside = {"dd": common.summary(found["dd"])}
    common.write("nfs_read", [common.row("nfs_read_mb_per_second", "MB/s", found["loader"], beside, ">= 0.8", note)])
    return 0


def prepared(export: Path, count: int) -> str:
    """A sealed version on the export; its path below it."""
    dice = np.random.default_rng(1)
    top = export / "bench"
    top.mkdir()
    place = Place(top)
    pictures = {}
    for number in range(count):
        path = top / "picture.png"
        Image.fromarray(dice.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(path, compress_level=0)
        pictures[f"{number % 10}/{number:06d}.png"] = path.read_bytes()
    url = place.put("pictures.tar", tar(pictures))
    outcome = place.prepare(archive_work(url))
    if not outcome.sealed:
        raise SystemExit(f"the data set could not be prepared: {outcome}")
    return str(place.root.relative_to(export))


def measured(client: str, path: str, repetitions: int) -> dict[str, list[float]]:
    """MB/s of `loader` and `dd`, and `mb`, from a process with mounts of its own."""
    command = ["unshare", "--mount", sys.executable, __file__, "--repetitions", str(repetitions)]
    done = subprocess.run([*command, "--measure", client, path], check=True, stdout=subprocess.PIPE, text=True, cwd=TOP)
    return dict(json.loads(done.stdout))


def measure(client: str, path: str, repetitions: int) -> int:
    """The process that measures: each way in turn, each on a mount of its own."""
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    size = 0
    for number in range(repetitions + 1):
        for name in WAYS:
            with mounted(client) as mount:
                # A process of its own: the loader keeps its files mapped, and the mount has to go.
                command = [sys.executable, __file__, "--read", name, str(mount / path)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
            size, seconds = json.loads(done.stdout)
            if number:  # the first round warms the server
                rates[name].append(size / MB / seconds)
        if number:
            print(f"loader {rates['loader'][-1]:.0f} MB/s, dd {rates['dd'][-1]:.0f} MB/s", file=sys.stderr, flush=True)
    print(json.dumps({**rates, "mb": size / MB}))
    return 0


def read(way: str, path: str) -> int:
    """The process that reads once: bytes, and seconds without the start of Python."""
    started = time.monotonic()
    size = WAYS[way](Path(path))
    print(json.dumps([size, time.monotonic() - started]))
    return 0


@contextmanager
def mounted(client: str) -> Iterator[Path]:
    """The export, mounted by that client."""
    target = cache_dir() / "nfs-tests" / "bench-mount"
    target.mkdir(parents=True, exist_ok=True)
    what = f"{ADDRESS}:{LARGE}"
    options = "nfsvers=3,port=2049,mountport=20048,nolock,noresvport"
    if (
        client == nfsclient.KERNEL
    ):  # -i: without mount.nfs, which this machine may lack; the kernel wants the address then
        command = ["mount", "-i", "-t", "nfs", "-o", f"{options},addr={ADDRESS},mountaddr={ADDRESS}", what, str(target)]
    elif client == nfsclient.STAND_IN:
        program = str(gobuild.ensure(nfsclient.PROGRAM, cache_dir()))
        command = [program, what, str(target), "-o", f"{options},logfile={target.with_suffix('.log')}"]
    else:
        raise SystemExit(f"this machine has no NFS client ({client})")
    subprocess.run(command, check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", target], check=True)
        shutil.rmtree(target)


def dense_files(root: Path) -> list[Path]:
    """What both read: the pixels of every shard."""
    return sorted(root.glob("versions/*/*.npy"))


def through_the_loader(root: Path) -> int:
    """Bytes of pixels, read in batches in order, as a training program does."""
    dataset = open_dataset(root)
    shape = dataset.shape
    assert shape is not None
    out = np.empty((BATCH, *shape), np.uint8)
    for start in range(0, len(dataset), BATCH):
        stop = min(start + BATCH, len(dataset))
        dataset.batch(np.arange(start, stop), out=out[: stop - start])
    return len(dataset) * int(np.prod(shape))


def through_dd(root: Path) -> int:
    """Bytes of the files, read by dd."""
    total = 0
    for path in dense_files(root):
        subprocess.run(["dd", f"if={path}", "of=/dev/null", "bs=1M", "status=none"], check=True)
        total += path.stat().st_size
    return total


WAYS: dict[str, Callable[[Path], int]] = {"loader": through_the_loader, "dd": through_dd}

if __name__ == "__main__":
    sys.exit(main())
