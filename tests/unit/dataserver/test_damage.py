"""A volume that is damaged, hostile, gone, slow or somebody else's: a clear answer, and the server lives on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.data_server import serving
from tests.fakes.preparation import Place
from tests.unit.dataserver.conftest import PER_VERSION, folder, path_of


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
