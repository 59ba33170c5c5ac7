"""A volume that is damaged, hostile, gone, slow or somebody else's: a clear answer, and the server lives on."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blueno.dataserver import files
from blueno.dataserver.listen import Limits
from tests.fakes.data_server import serving
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, jpeg, npy, tar

PER_VERSION = [
    "/manifest",
    "/index",
    "/sheet?rows=0-99",
    "/samples/0/image",
    "/samples/0/montage",
    "/samples/0/about",
    "/samples/0/raw",
]


def folder(place: Place) -> Path:
    (found,) = (place.root / "versions").iterdir()
    return found


def path_of(place: Place) -> str:
    return f"/v1/versions/{folder(place).name}"


def edit(place: Place, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the manifest."""
    file = folder(place) / "manifest.json"
    body = json.loads(file.read_text())
    change(body)
    file.write_text(json.dumps(body))


def set_in(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        for step in path[:-1]:
            body = body[step]
        body[path[-1]] = value

    return change


DAMAGED_MANIFESTS = {
    "another digest": set_in("digest", value="0" * 64),
    "no digest": set_in("digest", value=None),
    "newer format": set_in("formatVersion", value=99),
    "infinite": set_in("samples", value=float("inf")),
    "a text": set_in("shards", value="x"),
    "a gap": set_in("shards", 0, "first", value=1),
    "too few samples": set_in("samples", value=7),
    "negative": set_in("shards", 0, "samples", value=-120),
    "outside": set_in("shards", 0, "dense", "name", value="../../../../etc/passwd"),
    "absolute": set_in("shards", 0, "dense", "name", value="/etc/passwd"),
    "no data file": set_in("shards", 0, "dense", "name", value="manifest.json"),
    "index outside": set_in("index", "name", value="../../../owner.json"),
    "objects": set_in("dense", "dtype", value="|O"),
    "shape of texts": set_in("dense", "shape", value=["28", 28, 1]),
    "no shape": set_in("dense", value={"dtype": "|u1"}),
    "five dimensions": set_in("dense", "shape", value=[1, 1, 1, 28, 28]),
    "no files": set_in("shards", 0, "dense", value=None),
}


@pytest.mark.parametrize("change", DAMAGED_MANIFESTS.values(), ids=DAMAGED_MANIFESTS)
async def test_damaged_manifests(own: Place, change: Callable[[dict[str, Any]], None]) -> None:
    edit(own, change)
    async with serving(own) as served:
        assert (await served.get("/v1/versions")).json() == {"versions": []}
        for route in PER_VERSION:
            (await served.get(path_of(own) + route)).problem(409, "version_damaged")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "{}", "\0", '{"formatVersion": "1"}'])
async def test_a_manifest_that_is_none(own: Place, text: str) -> None:
    (folder(own) / "manifest.json").write_text(text)
    async with serving(own) as served:
        assert (await served.get("/v1/versions")).json() == {"versions": []}
        (await served.get(path_of(own) + "/manifest")).problem(409, "version_damaged")


async def test_statistics_that_make_no_sense_are_not_used(own: Place) -> None:
    for value in (None, {"pixels": {"mean": ["x"], "std": [1]}}, {"pixels": {"mean": [1, 2], "std": [1]}}, [1]):
        edit(own, set_in("statistics", value=value))
        async with serving(own) as served:
            assert (await served.get(path_of(own) + "/samples/0/image")).status == 200


async def test_files_cut_short_or_changed_in_size(own: Place) -> None:
    (dense,) = folder(own).glob("*.npy")
    (raw,) = folder(own).glob("data-*.arrow")
    for file in (dense, raw, folder(own) / "index.arrow"):
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        async with serving(own) as served:
            route = {dense: "/samples/0/image", raw: "/samples/0/raw"}.get(file, "/index")
            assert file.name in (await served.get(path_of(own) + route)).problem(409, "version_damaged")
            assert (await served.get(path_of(own) + "/manifest")).status == 200
        file.write_bytes(whole)


async def test_a_shard_cut_while_it_is_open_kills_nobody(own: Place) -> None:
    """With a memory map this would be SIGBUS."""
    (dense,) = folder(own).glob("*.npy")
    async with serving(own) as served:
        assert (await served.get(path_of(own) + "/sheet?rows=0-119")).status == 200
        os.truncate(dense, 4096)
        (await served.get(path_of(own) + "/samples/100/image")).problem(409, "version_damaged")
        sheet = await served.get(path_of(own) + "/sheet?rows=0,119")
        assert sheet.headers["Blueno-Sheet"] == "cell=28, columns=2, unreadable=1"
        assert (await served.get("/healthz")).status == 200


async def test_a_shard_that_lies_about_itself(own: Place) -> None:
    (dense,) = folder(own).glob("*.npy")
    whole = dense.read_bytes()
    for spoilt in (
        b"\x93NUMPX" + whole[6:],
        b"\0" * len(whole),
        whole.replace(b"(120, 28, 28, 1)", b"(120, 28, 28, 2)"),
        whole.replace(b"|u1", b"|i1"),
        whole.replace(b"'fortran_order': False", b"'fortran_order': True "),
    ):
        assert len(spoilt) == len(whole)
        dense.write_bytes(spoilt)
        async with serving(own) as served:
            (await served.get(path_of(own) + "/samples/0/image")).problem(409, "version_damaged")


@pytest.fixture
def encoded(tmp_path: Path) -> Place:
    """Three JPEGs, two arrays: only an Arrow file."""
    place = Place(tmp_path)
    data = {f"x/{n}.jpg": jpeg(n, (300, 400)) for n in range(3)}
    data |= {f"x/{n}.npy": npy(np.full((5, 6, 7), n, "<f4")) for n in (3, 4)}
    place.sealed(archive_work(place.put("in.tar", tar(data, ""))))
    for path in folder(place).iterdir():
        path.chmod(0o644)
    return place


async def test_an_arrow_file_that_lies_about_itself(encoded: Place) -> None:
    (raw,) = folder(encoded).glob("data-*.arrow")
    whole = raw.read_bytes()
    random = np.random.default_rng(0)
    spoilt = [b"\0" * len(whole), whole[:8] + b"\xff" * 400 + whole[408:], whole[:-200] + b"\xff" * 200]
    for _ in range(40):  # single bytes of the metadata at both ends
        at = int(random.integers(8, 700)) * (1 if random.random() < 0.5 else -1)
        spoilt.append(bytes(bytearray(whole[:at]) + bytes([whole[at] ^ int(random.integers(1, 256))]) + whole[at:][1:]))
    for data in spoilt:
        assert len(data) == len(whole)
        raw.write_bytes(data)
        async with serving(encoded) as served:
            for route in PER_VERSION[2:]:
                answer = await served.get(path_of(encoded) + route.replace("0-99", "0-4"))
                assert answer.status in (200, 409), (answer, route)
            assert (await served.get("/healthz")).status == 200


async def test_offsets_that_lead_elsewhere(encoded: Place) -> None:
    (raw,) = folder(encoded).glob("data-*.arrow")
    whole = raw.read_bytes()
    ends = np.cumsum([0, *(len(jpeg(n, (300, 400))) for n in range(3))]).astype("<i8").tobytes()
    at = whole.index(ends)
    for number, value in ((1, -1), (1, 2**62), (2, 0)):
        spoilt = bytearray(whole)
        spoilt[at + 8 * number : at + 8 * number + 8] = int(value).to_bytes(8, "little", signed=True)
        raw.write_bytes(bytes(spoilt))
        async with serving(encoded) as served:
            (await served.get(f"{path_of(encoded)}/samples/1/raw")).problem(409, "version_damaged")
            (await served.get(f"{path_of(encoded)}/samples/1/image")).problem(409, "version_damaged")


async def test_a_damaged_sample_is_a_mark_on_the_sheet_and_is_not_kept(encoded: Place) -> None:
    (raw,) = folder(encoded).glob("data-*.arrow")
    whole = raw.read_bytes()
    at = whole.index(jpeg(1, (300, 400)))
    raw.write_bytes(whole[: at + 200] + b"\0" * 20_000 + whole[at + 20_200 :])
    async with serving(encoded) as served:
        path = path_of(encoded)
        sheet = await served.get(f"{path}/sheet?rows=0-4&cell=100")
        assert sheet.headers["Blueno-Sheet"] == "cell=100, columns=5, unreadable=1"
        assert sheet.headers["Cache-Control"] == "no-store"
        assert "ETag" not in sheet.headers
        pixels = sheet.pixels()
        assert pixels[10, 100 + 50].tolist() == [64, 64, 64, 255], "grey"
        assert pixels[10, 100 + 10].tolist() == [200, 200, 200, 255], "with a line across"
        assert "sealed" in (await served.get(f"{path}/samples/1/image")).problem(409, "sample_damaged")
        (await served.get(f"{path}/samples/1/about")).problem(409, "sample_damaged")
        assert (await served.get(f"{path}/samples/1/raw")).status == 200
        alone = await served.get(f"{path}/sheet?rows=1&cell=50")
        assert alone.image().size == (50, 50)


async def test_links_are_refused_wherever_they_are(own: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    version = folder(own)
    (dense,) = version.glob("*.npy")
    for file, route in (
        (dense, "/samples/0/image"),
        (version / "index.arrow", "/index"),
        (version / "manifest.json", "/manifest"),
    ):
        file.rename(secret)
        file.symlink_to(secret)
        async with serving(own) as served:
            (await served.get(path_of(own) + route)).problem(409, "version_damaged")
        file.unlink()
        secret.rename(file)
    for folder_ in (version, own.root / "versions"):
        folder_.rename(secret)
        folder_.symlink_to(secret)
        async with serving(own) as served:
            (await served.get(f"/v1/versions/{version.name}/manifest")).problem(409, "version_damaged")
        folder_.unlink()
        secret.rename(folder_)
    (own.root / "works").rename(secret)
    (own.root / "works").symlink_to(secret)
    async with serving(own) as served:
        (await served.get("/v1/versions")).problem(409, "version_damaged")


async def test_a_link_to_the_directory_itself_is_refused(own: Place) -> None:
    own.root.rename(own.volume / "elsewhere")
    own.root.symlink_to(own.volume / "elsewhere")
    async with serving(own) as served:
        (await served.get("/readyz")).problem(503, "volume_unavailable")


async def test_pipes_and_devices_do_not_hang_it(own: Place) -> None:
    (dense,) = folder(own).glob("*.npy")
    dense.unlink()
    os.mkfifo(dense)
    os.mkfifo(own.root / "works" / "00ff.json")
    async with asyncio.timeout(10), serving(own) as served:
        assert len((await served.get("/v1/versions")).json()["versions"]) == 1
        (await served.get(path_of(own) + "/samples/0/image")).problem(409, "version_damaged")


async def test_pointers_that_are_none_are_passed_over(own: Place) -> None:
    works = own.root / "works"
    digest = json.loads(next(works.iterdir()).read_text())["digest"]
    bad = [
        b"", b"{}", b"[]", b"null", b"\xff", b'{"digest": "x", "sequence": 1, "sealedAt": ""}', b"x" * 10_000,
        json.dumps({"digest": digest, "sequence": 1e400, "sealedAt": "x"}).encode(),
        json.dumps({"digest": digest, "sequence": 2**40, "sealedAt": "x"}).encode(),
        json.dumps({"digest": "f" * 64, "sequence": 3, "sealedAt": "x"}).encode(),
        json.dumps({"digest": digest[:16] + "0" * 48, "sequence": 4, "sealedAt": "x"}).encode(),
    ]  # fmt: skip
    for number, data in enumerate(bad):
        (works / f"{number:02x}.json").write_bytes(data)
    (works / "README").write_text("x")
    (works / "00dd.json").mkdir()
    async with serving(own) as served:
        assert [v["digest"] for v in (await served.get("/v1/versions")).json()["versions"]] == [digest]


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


async def test_a_volume_that_hangs_hangs_nothing_else(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(seconds=0.5, probe_seconds=0.3, threads=2, waiting=3)
    path = path_of(own)
    async with serving(own, limits) as served:
        hang = Hang(monkeypatch)
        try:
            asked = [asyncio.create_task(served.get(path + "/samples/1/image")) for _ in range(12)]
            await asyncio.sleep(0.1)
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
        await asyncio.sleep(0.2)
        assert (await served.get("/readyz")).status == 200
        assert (await served.get(path + "/samples/1/image")).status == 200


async def test_nobody_works_for_a_caller_who_has_gone(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(threads=1, waiting=8)
    async with serving(own, limits) as served:
        path = path_of(own)
        await served.get(path + "/samples/0/image")
        hang = Hang(monkeypatch)
        try:
            asked = [asyncio.create_task(served.get(f"{path}/samples/{n}/image")) for n in range(6)]
            await asyncio.sleep(0.2)
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            await asyncio.sleep(0.2)
            assert hang.reads == 1
        finally:
            hang.go.set()
        assert (await served.get(path + "/samples/0/image")).status == 200
        assert hang.reads == 2


async def test_a_file_that_fails_half_way_ends_the_connection(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    import aiohttp

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
