"""Contact sheets of 100 thumbnails in the data server, beside the least that any could do and beside the 2019 way.

Usage: bench/contact_sheet.py [--repetitions 7] [--sheets 200]. Two sets made by the real preparation: MNIST-shaped
digits by TFDS's builder, and JPEGs of 224 pixels. One sheet is everything between the request's parameters and the
bytes of the PNG; a row is the median (or 99th percentile) of the sheets of a repetition. All ways see the same samples
in the same order, interleaved. Whole requests and memory: bench/data_server.py.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

import common  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

import blueno  # noqa: E402
from blueno.dataserver import png, sheet  # noqa: E402
from blueno.dataserver.library import Library  # noqa: E402
from blueno.dataserver.samples import Context  # noqa: E402
from blueno.dataserver.workers import Budget, Job  # noqa: E402
from blueno.resources.work import Work  # noqa: E402
from tests.fakes.preparation import Place, archive_work  # noqa: E402
from tests.fakes.sources import tar, write_mnist  # noqa: E402

SIDE, CELL, COUNT = 28, 96, 100
JPEGS, JPEG_SIDE = 600, 224
LIMIT_MS = 2.0

Rows = tuple[int, ...]
Way = Callable[[Rows], object]


def main() -> int:
    """Runs, writes the result, prints one line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--sheets", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BLUENO_BENCH_DIR")) as folder:
        digits, photos = mnist(Path(folder, "mnist")), jpegs(Path(folder, "jpeg"))
        rows = [
            *of_digits(digits, arguments.repetitions, arguments.sheets),
            *of_photos(photos, arguments.repetitions, max(10, arguments.sheets // 20)),
        ]
    common.write("contact_sheet", rows)
    return 0


def mnist(folder: Path) -> Place:
    """70,000 MNIST-shaped samples, pixels only."""
    folder.mkdir()
    place = Place(folder)
    write_mnist(place.volume / "mirror")
    mirror = {"url": "file:///mirror", "allowUnverified": True}
    place.sealed(Work(source={"tfds": {"name": "mnist", "mirror": mirror}}, layout={"type": "auto"}))
    return place


def jpegs(folder: Path) -> Place:
    """Smooth pictures with some noise, as photos are; quality 90."""
    folder.mkdir()
    place = Place(folder)
    files = {}
    for number in range(JPEGS):
        source = np.random.default_rng(number)
        coarse = Image.fromarray(source.integers(0, 256, (14, 14, 3), np.uint8))
        smooth = np.asarray(coarse.resize((JPEG_SIDE, JPEG_SIDE), Image.Resampling.BICUBIC), np.float32)
        noisy = np.clip(smooth + source.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(noisy).save(out, "JPEG", quality=90)
        files[f"c{number % 10}/{number:05}.jpg"] = out.getvalue()
    place.sealed(archive_work(place.put("in.tar", tar(files, ""))))
    return place


def context_of(place: Place) -> Context:
    """What a worker thread of the data server has at hand."""
    library = Library(place.volume, place.root, "uid-1")
    version = library.version(library.versions()[0].pointer.digest[:16])
    return Context(version, Budget(64 << 20), Job(1e9))


def timed(ways: dict[str, Way], batches: Sequence[Rows]) -> dict[str, list[float]]:
    """Milliseconds of each way for each batch, taking turns."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for rows in batches:
        for name, way in ways.items():
            started = time.perf_counter()
            way(rows)
            found[name].append((time.perf_counter() - started) * 1e3)
    return found


def repeated(
    ways: dict[str, Way], batches: Callable[[int], Sequence[Rows]], repetitions: int
) -> dict[str, list[list[float]]]:
    """`timed`, several times with other batches; the first is not counted."""
    found: dict[str, list[list[float]]] = {name: [] for name in ways}
    for number in range(repetitions + 1):
        for name, values in timed(ways, batches(number)).items():
            if number:
                found[name].append(values)
    return found


def percentile(found: list[list[float]], share: float) -> list[float]:
    """One figure per repetition."""
    return [float(np.percentile(values, share)) for values in found]


def runs(samples: int, sheets: int) -> Callable[[int], list[Rows]]:
    """Batches of neighbours, as a page without a filter asks for."""

    def batches(seed: int) -> list[Rows]:
        source = random.Random(seed)
        starts = [source.randrange(samples - COUNT) for _ in range(sheets)]
        return [tuple(range(start, start + COUNT)) for start in starts]

    return batches


def scattered(samples: int, sheets: int) -> Callable[[int], list[Rows]]:
    """Batches with about every tenth sample, as a page of one label asks for."""

    def batches(seed: int) -> list[Rows]:
        source = random.Random(seed)
        starts = [source.randrange(samples - 10 * COUNT) for _ in range(sheets)]
        return [tuple(sorted(source.sample(range(start, start + 10 * COUNT), COUNT))) for start in starts]

    return batches


def of_digits(place: Place, repetitions: int, sheets: int) -> list[dict[str, Any]]:
    """MNIST-shaped samples."""
    context, dataset = context_of(place), blueno.open_dataset(place.root)
    memory = dataset.batch(range(len(dataset)))

    def ours(rows: Rows) -> object:
        return sheet.make(context, sheet.SheetQuery(rows, CELL, 10))

    def grid(pixels: Any) -> bytes:
        return png.encode(
            pixels.reshape(10, 10, SIDE, SIDE, 1).transpose(0, 2, 1, 3, 4).reshape(10 * SIDE, 10 * SIDE, 1)
        )

    def one_by_one(rows: Rows, kind: str) -> None:
        for row in rows:
            out = io.BytesIO()
            Image.fromarray(memory[row, :, :, 0]).save(out, kind)

    ways: dict[str, Way] = {
        "ours": ours,
        "memory_copy_and_png": lambda rows: grid(memory[list(rows)]),
        "memory_map_and_png": lambda rows: grid(dataset.batch(rows)),
        "pillow_png_per_thumbnail": lambda rows: one_by_one(rows, "PNG"),
        "pillow_jpeg_per_thumbnail_2019": lambda rows: one_by_one(rows, "JPEG"),
    }
    found = repeated(ways, runs(len(dataset), sheets), repetitions)
    label = repeated(
        {"ours": ours, "memory_copy_and_png": ways["memory_copy_and_png"]}, scattered(len(dataset), sheets), repetitions
    )
    limit = {"limit": common.limit(LIMIT_MS)}
    peers = {name: common.summary(percentile(values, 50)) for name, values in found.items() if name != "ours"}
    slow = {name: common.summary(percentile(found[name], 99)) for name in peers}
    filtered = {"memory_copy_and_png": common.summary(percentile(label["memory_copy_and_png"], 50))}
    size = len(sheet.make(context, sheet.SheetQuery(tuple(range(COUNT)), CELL, 10)).png)
    note = (
        f"100 neighbouring samples of 70,000, 28x28 grey, one PNG of {size} bytes: read (pread, page cache warm), "
        "arranged, encoded; in one thread. Beside: the same grid and encoder from memory and from a memory map (the "
        "difference is what reading costs); one PNG or JPEG per thumbnail from memory. Goal for the whole: <= 1 ms."
    )
    return [
        common.row("contact_sheet_ms_p50", "ms", percentile(found["ours"], 50), {**limit, **peers}, "<= 2 ms", note),
        common.row("contact_sheet_ms_p99", "ms", percentile(found["ours"], 99), slow, "<= 1.5", "as above"),
        common.row(
            "contact_sheet_filtered_ms_p50", "ms", percentile(label["ours"], 50), {**limit, **filtered}, "<= 2 ms",
            "100 samples out of 1,000 neighbours, as a page of one label asks for",
        ),
    ]  # fmt: skip


def of_photos(place: Place, repetitions: int, sheets: int) -> list[dict[str, Any]]:
    """JPEGs of 224 pixels."""
    context, dataset = context_of(place), blueno.open_dataset(place.root)
    encoded = [dataset.raw(row) for row in range(len(dataset))]

    def decode(rows: Rows, target: int | None) -> None:
        for row in rows:
            image = Image.open(io.BytesIO(encoded[row]))
            if target is not None:
                image.draft(None, (target, target))
            image.load()

    def one_by_one(rows: Rows) -> None:
        for row in rows:
            image = Image.open(io.BytesIO(encoded[row]))
            image.thumbnail((CELL, CELL))
            image.save(io.BytesIO(), "JPEG")

    ways: dict[str, Way] = {
        "ours": lambda rows: sheet.make(context, sheet.SheetQuery(rows, CELL, 10)),
        "decoder_alone": lambda rows: decode(rows, None),
        "decoder_alone_at_half_size": lambda rows: decode(rows, CELL),
        "pillow_jpeg_per_thumbnail_2019": one_by_one,
    }
    found = repeated(ways, runs(len(dataset), sheets), repetitions)
    peers = {name: common.summary(percentile(values, 50)) for name, values in found.items() if name != "ours"}
    size = len(sheet.make(context, sheet.SheetQuery(tuple(range(COUNT)), CELL, 10)).png)
    note = (
        f"100 JPEGs of {JPEG_SIDE} px, cells of {CELL} px, one PNG of {size} bytes in one thread: decoding "
        "(at half size, which JPEG allows) and the PNG of 960x960 RGB take nearly all of it."
    )
    return [common.row("contact_sheet_jpeg224_ms_p50", "ms", percentile(found["ours"], 50), peers, "-", note)]


if __name__ == "__main__":
    sys.exit(main())
