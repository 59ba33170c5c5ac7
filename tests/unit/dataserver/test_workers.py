"""Threads, memory for large pictures, and files that are read in pieces."""

from __future__ import annotations

import asyncio
import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blueno.data.decode import opened
from blueno.dataserver.files import File, Folder, Span
from blueno.dataserver.problems import Damaged, Gone, Problem
from blueno.dataserver.samples import AT_ONCE
from blueno.dataserver.workers import Abandoned, Budget, Job, Workers
from tests.fakes.data_server import serving
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import png, tar

MB = 1 << 20


async def test_results_and_errors_come_back() -> None:
    workers = Workers(2, 4)
    assert await workers.run(lambda _: threading.current_thread().name[:6], 30) == "worker"
    with pytest.raises(ZeroDivisionError):
        await workers.run(lambda _: 1 // 0, 30)
    workers.close()


async def test_a_job_that_takes_too_long_is_told_to_stop() -> None:
    workers = Workers(1, 4)
    stopped = threading.Event()

    def endless(job: Job) -> None:
        try:
            while not stopped.wait(0.01):
                job.check()
        except Abandoned:
            stopped.set()

    with pytest.raises(Problem, match=r"more than 0\.2 seconds"):
        await workers.run(endless, 0.2)
    assert await asyncio.to_thread(stopped.wait, 30)
    assert await workers.run(lambda _: 7, 30) == 7
    workers.close()


def test_memory_is_shared_out_and_one_large_picture_is_made_alone() -> None:
    budget, job = Budget(64 * MB), Job(120)
    order: list[str] = []

    def use(name: str, size: int, entered: threading.Event, leave: threading.Event) -> threading.Thread:
        def work() -> None:
            with budget.reserve(size, job):
                order.append(name)
                entered.set()
                leave.wait(60)

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    events = {name: (threading.Event(), threading.Event()) for name in ("a", "b", "huge", "small")}
    threads = [use("a", 30 * MB, *events["a"]), use("b", 30 * MB, *events["b"])]
    assert events["a"][0].wait(30)
    assert events["b"][0].wait(30)
    threads.append(use("huge", 500 * MB, *events["huge"]))
    threads.append(use("small", MB, *events["small"]))
    assert events["small"][0].wait(30), "what is small does not wait"
    assert not events["huge"][0].wait(0.3)
    events["a"][1].set()
    assert not events["huge"][0].wait(0.3)
    events["b"][1].set()
    assert events["huge"][0].wait(30), "larger than all there is, but alone"
    for _, leave in events.values():
        leave.set()
    for thread in threads:
        thread.join(30)
    assert sorted(order) == ["a", "b", "huge", "small"]


def test_nobody_waits_for_memory_longer_than_for_an_answer() -> None:
    budget = Budget(10 * MB)
    with budget.reserve(10 * MB, Job(30)), pytest.raises(Abandoned), budget.reserve(10 * MB, Job(0.2)):
        pass


@pytest.fixture
def file(tmp_path: Path) -> File:
    (tmp_path / "x").write_bytes(b"0123456789")
    return Folder(str(tmp_path)).file("x")


def test_a_part_of_a_file_is_a_file(file: File) -> None:
    span = io.BufferedReader(Span(file, 2, 5), 2)
    assert span.read() == b"23456"
    assert (span.seek(-2, io.SEEK_END), span.read(10)) == (3, b"56")
    assert (span.seek(1), span.read(2), span.seek(1, io.SEEK_CUR), span.read(9)) == (1, b"34", 4, b"6")
    assert (span.seek(99), span.read(3)) == (99, b"")
    assert Span(file, 4, 0).read() == b""


def test_files_are_opened_by_single_names_only(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    for name in ("", ".", "..", "a/b", "/etc/passwd", "a\0b"):
        with pytest.raises(Damaged, match="no file name"):
            folder.file(name)
    with pytest.raises(Damaged):
        folder.file("x" * 300)
    with pytest.raises(Gone):
        folder.file("x")


def test_a_large_png_is_decoded_out_of_its_file_in_pieces(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    (tmp_path / "x").write_bytes(b"before" + out.getvalue() + b"after")
    file = Folder(str(tmp_path)).file("x")
    with opened(io.BufferedReader(Span(file, 6, len(out.getvalue()))), "png") as image:
        assert np.array_equal(np.asarray(image), pixels)


async def test_large_files_are_shown_like_small_ones(tmp_path: Path) -> None:
    random = png(5, (900, 700), "RGB")
    assert len(random) > AT_ONCE
    place = Place(tmp_path)
    place.sealed(archive_work(place.put("in.tar", tar({"x/a.png": random, "x/b.png": png(6, (10, 10))}, ""))))
    async with serving(place) as served:
        version = await served.version()
        shown = (await served.get(f"{version}/samples/0/image")).pixels()
        assert np.array_equal(shown, np.asarray(Image.open(io.BytesIO(random))))
        assert (await served.get(f"{version}/sheet?rows=0-1")).image().size == (192, 96)
        about = (await served.get(f"{version}/samples/0/about")).json()
        assert (about["shape"], about["min"], about["max"]) == ([700, 900, 3], 0, 255)
