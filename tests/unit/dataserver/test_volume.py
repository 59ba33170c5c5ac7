"""A volume that vanishes, hangs, fails half way, or is somebody else's: a clear answer, and the server lives on."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from blueno.dataserver import files
from blueno.dataserver.listen import Limits
from blueno.dataserver.workers import Workers
from tests.fakes.data_server import serving
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, tar
from tests.unit.dataserver.conftest import folder, path_of


async def test_a_version_that_vanishes(own: Place) -> None:
    path = path_of(own)
    async with serving(own) as served:
        assert (await served.get(path + "/sheet?rows=0-9")).status == 200
        kept = folder(own).rename(own.volume / "aside")
        assert (await served.get(path + "/manifest")).status == 200, "what is open is whole as long as its files are"
        shutil.rmtree(kept)
        (await served.get(path + "/sheet?rows=0-9")).problem(410, "version_gone")
        (await served.get(path + "/sheet?rows=0-9")).problem(404, "version_not_found")
        assert (await served.get("/v1/versions")).json() == {"versions": []}
        again = own.sealed(archive_work(own.put("again.tar", tar(class_folders(60, ("0", "1")), ""))))
        assert again.digest[:16] in path
        assert (await served.get(path + "/sheet?rows=0-9")).status == 200


async def test_a_data_set_without_versions(own: Place) -> None:
    for name in ("versions", "works"):
        shutil.rmtree(own.root / name)
        async with serving(own) as served:
            assert (await served.get("/v1/versions")).json() == {"versions": []}
            assert (await served.get("/readyz")).status == 200


async def test_a_directory_that_is_not_there_or_not_ours(own: Place) -> None:
    async with serving(own, dataset="uid-2") as served:
        assert "another Dataset" in (await served.get("/readyz")).problem(503, "volume_unavailable")
        (await served.get("/v1/versions")).problem(503, "volume_unavailable")
    owner = own.root / "owner.json"
    for text in ("", "[]", "{}", '{"datasetUid": 7}'):
        owner.write_text(text)
        async with serving(own) as served:
            (await served.get("/readyz")).problem(503, "volume_unavailable")
    shutil.rmtree(own.root)
    async with serving(own) as served:
        answer = await served.get("/v1/versions")
        assert "mounted" in answer.problem(503, "volume_unavailable")
        assert answer.headers["Retry-After"] == "5"
        assert (await served.get("/healthz")).status == 200


async def test_a_volume_that_cannot_be_read_is_not_one_without_versions(
    own: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder drops what is not listed: an error must not look like an empty list."""
    original = os.open

    def failing(path: Any, *arguments: Any, **more: Any) -> int:
        if str(path).endswith("manifest.json"):
            raise OSError(5, "Input/output error")
        return original(path, *arguments, **more)

    async with serving(own) as served:
        monkeypatch.setattr(files.os, "open", failing)
        (await served.get("/v1/versions")).problem(503, "volume_unavailable")


class Hang:
    """Reads wait until they are let go, as on a network file system whose server is away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.reads = threading.Event(), 0
        pread, preadv = os.pread, os.preadv
        monkeypatch.setattr(files.os, "pread", lambda *a: self._wait() or pread(*a))
        monkeypatch.setattr(files.os, "preadv", lambda *a: self._wait() or preadv(*a))

    def _wait(self) -> None:
        self.reads += 1
        self.go.wait(30)


class Waiting:
    """How many requests wait for what a worker does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number, run = 0, Workers.run

        async def counted(workers: Workers, function: Any, seconds: float) -> Any:
            self.number += 1
            try:
                return await run(workers, function, seconds)
            finally:
                self.number -= 1

        monkeypatch.setattr(Workers, "run", counted)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)


async def test_a_volume_that_hangs_hangs_nothing_else(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(seconds=5.0, probe_seconds=0.3, threads=2, waiting=3)
    path = path_of(own)
    async with serving(own, limits) as served:
        hang = Hang(monkeypatch)
        try:
            asked = [asyncio.create_task(served.get(path + "/samples/1/image")) for _ in range(2)]
            await until(lambda: hang.reads == 2)
            asked += [asyncio.create_task(served.get(path + "/samples/1/image")) for _ in range(10)]
            assert (await served.get("/healthz")).body == b"ok"
            assert "not answer" in (await served.get("/readyz")).problem(503, "volume_unavailable")
            (await served.get("/readyz")).problem(503, "volume_unavailable")
            (await served.get("/v1/versions", headers={})).problem(401, "grant_missing")
            answers = await asyncio.gather(*asked)
            codes = [answer.json()["code"] for answer in answers]
            assert {answer.status for answer in answers} == {503}
            assert all("Retry-After" in answer.headers for answer in answers)
            assert set(codes) == {"busy", "too_slow"}
            assert codes.count("too_slow") == 5, "two at work, three behind them"
        finally:
            hang.go.set()
        for again in ("/readyz", path + "/samples/1/image"):
            async with asyncio.timeout(30):
                while (await served.get(again)).status != 200:  # noqa: ASYNC110  # it tells nobody
                    await asyncio.sleep(0.05)


async def test_nobody_works_for_a_caller_who_has_gone(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(threads=1, waiting=8)
    async with serving(own, limits) as served:
        path = path_of(own)
        await served.get(path + "/samples/0/image")
        hang, waiting = Hang(monkeypatch), Waiting(monkeypatch)
        try:
            asked = [asyncio.create_task(served.get(f"{path}/samples/{n}/image")) for n in range(6)]
            await until(lambda: (waiting.number, hang.reads) == (6, 1))
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            await until(lambda: waiting.number == 0)
            assert hang.reads == 1
        finally:
            hang.go.set()
        assert (await served.get(path + "/samples/0/image")).status == 200
        assert hang.reads == 2


async def test_a_file_that_fails_half_way_ends_the_connection(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr("blueno.dataserver.stream.PIECE", 4096)
    path = path_of(own) + "/index"
    async with serving(own) as served:
        monkeypatch.setattr(files.File, "read", failing_after(3, files.File.read))
        with pytest.raises(aiohttp.ClientPayloadError):
            await served.get(path)
        assert (await served.get("/healthz")).status == 200


def failing_after(good: int, read: Any) -> Any:
    left = good

    def fail(file: Any, offset: int, length: int) -> bytes:
        nonlocal left
        if file.name == "index.arrow":
            left -= 1
            if left < 0:
                raise files.Unreadable("index.arrow cannot be read now")
        found: bytes = read(file, offset, length)
        return found

    return fail
