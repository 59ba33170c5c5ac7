"""Arrow files that lie, samples that rotted, links, pipes and pointers that are none."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.data_server import serving
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import jpeg, npy, tar
from tests.unit.dataserver.conftest import PER_VERSION, folder, path_of


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
    async with asyncio.timeout(60), serving(own) as served:
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
