"""70,000 MNIST-shaped samples, source files local → usable: ours beside TFDS's own `download_and_prepare`.

Usage: bench/prepare_mnist.py [--repetitions 5] [--tfds-python PYTHON]. PYTHON is an interpreter that has PEER's
packages (TFDS writes nothing without TensorFlow; ours runs without it); without it a virtual environment is made once
in build/tfds-venv, some 2 GB. Each run is a process of its own from start to exit, interleaved, with the same four
files on the same disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

import common  # noqa: E402

from blueno.resources.work import Work  # noqa: E402
from tests.fakes.preparation import Place  # noqa: E402
from tests.fakes.sources import write_mnist  # noqa: E402

PEER = ("tensorflow-cpu==2.21.0", "tensorflow-datasets==4.9.10", "importlib_resources==7.1.0")
MEASURED_2019 = 70_000 / 50.6  # seconds: one request per image, measured once on such a machine, not in this run

# What the peer runs. TFDS finds its files in its cache (so it does not hash them), and writes its default format.
TFDS = """
import json, os, pathlib, shutil, sys, time
os.environ["NO_GCE_CHECK"] = "true"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
started = time.monotonic()
import tensorflow, tensorflow_datasets as tfds
from tensorflow_datasets.core.download import resource
imported = time.monotonic()
mirror, work = map(pathlib.Path, sys.argv[1:])
builder = tfds.builder("mnist", data_dir=work / "data", try_gcs=False)
for url, info in builder.url_infos.items():
    name = url.rpartition("/")[2]
    path = work / "cache" / "mnist" / resource.get_dl_fname(url, info.checksum)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.link(mirror / name, path)
    about = {"original_fname": name, "urls": [url], "dataset_names": ["mnist"]}
    pathlib.Path(f"{path}.INFO").write_text(json.dumps(about))
begun = time.monotonic()
builder.download_and_prepare(
    download_dir=work / "cache", download_config=tfds.download.DownloadConfig(try_download_gcs=False)
)
ended = time.monotonic()
assert sum(s.num_examples for s in builder.info.splits.values()) == 70_000
print(json.dumps({"import": imported - started, "prepare": ended - begun, "tensorflow": tensorflow.__version__,
                  "tfds": tfds.__version__, "format": str(builder.info.file_format)}))
"""


def main() -> int:
    """Runs, writes the result, prints one line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--tfds-python", default=os.environ.get("BLUENO_BENCH_TFDS_PYTHON", ""))
    arguments = parser.parse_args()
    python = arguments.tfds_python or peer_python()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BLUENO_BENCH_DIR")) as folder:
        top = Path(folder)
        place = Place(top)
        write_mnist(place.volume / "mirror")
        ours: list[float] = []
        theirs: list[dict[str, Any]] = []
        for number in range(arguments.repetitions + 1):
            seconds = run_ours(place)
            peer = run_tfds(python, place.volume / "mirror", top / "tfds")
            if number:  # the first round fills the page cache and is not counted
                ours.append(seconds)
                theirs.append(peer)
                print(f"ours {seconds:.2f} s, TFDS {peer['prepare']:.2f} s", flush=True)
    common.write("prepare_mnist", rows(ours, theirs))
    return 0


def peer_python() -> str:
    """The interpreter of a virtual environment with TensorFlow, made when it is not there."""
    folder = TOP / "build" / "tfds-venv"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", *PEER], check=True)
        (folder / "complete").touch()
    return os.fspath(folder / "bin" / "python")


def run_ours(place: Place) -> float:
    """Seconds of one whole process: Python's start, imports, TFDS's builder, packing, fsyncs, seal, exit."""
    shutil.rmtree(place.root, ignore_errors=True)
    os.sync()
    mirror = {"url": "file:///mirror", "allowUnverified": True}
    work = Work(source={"tfds": {"name": "mnist", "mirror": mirror}}, layout={"type": "auto"})
    started = time.monotonic()
    done = place.run(work)
    seconds = time.monotonic() - started
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return seconds


def run_tfds(python: str, mirror: Path, work: Path) -> dict[str, Any]:
    """What one process of the peer measured about itself; its imports are not part of `prepare`."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    os.sync()
    done = subprocess.run([python, "-c", TFDS, mirror, work], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def rows(ours: list[float], theirs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the format of all benchmarks."""
    one = theirs[0]
    beside = {
        "tfds_download_and_prepare": common.summary([t["prepare"] for t in theirs]),
        "tfds_with_imports": common.summary([t["prepare"] + t["import"] for t in theirs]),
        "one_request_per_image_2019": common.limit(MEASURED_2019),
    }
    note = (
        f"ours: whole process to the sealed, fsynced version, start and imports included, no previews and no database "
        f"rows. TFDS {one['tfds']} with TensorFlow {one['tensorflow']}, {one['format']}: download_and_prepare alone, "
        "files in its cache, so neither hashed nor fetched. The 2019 figure (50.6 images/s) was measured earlier, not "
        "in this run."
    )
    return [common.row("prepare_mnist_seconds", "s", ours, beside, "<= 0.25", note)]


if __name__ == "__main__":
    sys.exit(main())
