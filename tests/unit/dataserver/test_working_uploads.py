"""Large files in chunks that nobody said the size of, that come at the same time as something else, or too often."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from blueno.data.bundle import Entry
from blueno.dataserver.files import Folder
from blueno.dataserver.problems import Problem
from blueno.dataserver.working_packs import Packs
from blueno.dataserver.working_uploads import OffsetMismatch, Uploads
from tests.fakes.data_server import Answer
from tests.fakes.working import Working, new_place, sha256, working_server


async def begin(working: Working, size: int) -> str:
    """The path of a new upload."""
    answer = await working.send("POST", "/uploads", json.dumps({"bytes": size}).encode())
    return f"/uploads/{answer.json()['id']}"


async def chunk(working: Working, path: str, offset: int, data: bytes) -> Answer:
    """Sends one without saying how long it is."""

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 50_000):
            yield data[at : at + 50_000]

    return await working.send("PATCH", path, pieces(), Upload_Offset=str(offset))  # type: ignore[arg-type]


async def test_a_chunk_of_unknown_length_does_not_go_beyond_what_was_announced(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    data = b"0123456789"
    async with working_server(place) as working:
        path = await begin(working, len(data))
        assert (await chunk(working, path, 0, data[:4])).headers["Upload-Offset"] == "4"
        (await chunk(working, path, 4, b"x" * 1_000_000)).problem(413, "too_large")
        assert (await working.send("HEAD", path)).headers["Upload-Offset"] == "4", "nothing of it counts"
        assert [p.stat().st_size for p in (place.root / "uploads").glob("*.part")] == [4]
    async with working_server(place) as working:
        assert (await chunk(working, path, 4, data[4:])).headers["Upload-Offset"] == "10"
        line = (Entry("a", len(data), upload=path.rpartition("/")[2]), b"")
        assert (await working.bundle(line))["created"] == 1
        assert working.contents() == {"a": data}
        assert working.read().samples["a"].sha256 == sha256(data)


async def test_what_makes_no_sense_of_an_upload_goes(tmp_path: Path) -> None:
    """Such as one with more bytes than were announced, which servers of earlier days have left."""
    place = new_place(tmp_path)
    uploads = place.root / "uploads"
    uploads.mkdir()
    for number, age in (("a" * 32, 7200), ("b" * 32, 60)):
        (uploads / f"{number}.part").write_bytes(b"x" * 20)
        (uploads / f"{number}.json").write_text('{"bytes":10,"finished":"","offset":20,"sha256":""}')
        for file in uploads.glob(f"{number}.*"):
            os.utime(file, (time.time() - age,) * 2)
    async with working_server(place) as working:
        assert (await working.send("HEAD", f"/uploads/{'a' * 32}")).status == 404
        assert {path.stem for path in uploads.iterdir()} == {"b" * 32}


class Late:
    """A lock before whose turn of that number somebody else acts."""

    def __init__(self, uploads: Uploads, turn: int, act: Callable[[], object]) -> None:
        self._uploads, self._lock, self._turn, self._act = uploads, uploads._lock, turn, act
        uploads._lock = self  # type: ignore[assignment]

    def __enter__(self) -> None:
        self._turn -= 1
        if not self._turn:
            self._uploads._lock = self._lock
            self._act()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def write(uploads: Uploads, number: str, offset: int, data: bytes) -> None:
    chunk = uploads.chunk(number, offset, 0)
    chunk.write(data)
    chunk.finish()
    chunk.close()


@pytest.mark.parametrize("turn", [1, 2])
def test_an_upload_that_is_given_up_when_a_chunk_begins(tmp_path: Path, turn: int) -> None:
    root = Folder(str(tmp_path))
    uploads = Uploads(root, Packs(root))
    number = uploads.begin(10, "").id
    Late(uploads, turn, lambda: uploads.delete(number))
    with suppress(Problem):  # 404: it has gone
        uploads.chunk(number, 0, 10).close()


@pytest.mark.parametrize("turn", [1, 2])
def test_a_chunk_that_begins_when_another_has_ended(tmp_path: Path, turn: int) -> None:
    root = Folder(str(tmp_path))
    uploads = Uploads(root, Packs(root))
    number = uploads.begin(10, "").id
    Late(uploads, turn, lambda: write(uploads, number, 0, b"01234"))
    with suppress(OffsetMismatch):
        write(uploads, number, 5, b"56789")
        assert uploads.get(number).offset == 10
        assert (tmp_path / "uploads" / f"{number}.part").read_bytes() == b"0123456789"
