"""What training runs have written, over HTTP: lists, downloads, archives, grants."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blueno.dataserver import archive
from blueno.grants import outputs_of
from tests.fakes.data_server import Served, bearer
from tests.fakes.outputs_server import CLAIM, NAMESPACE, RUN, URL, at, serving_outputs, unpack


async def test_a_directory(outputs: Served, run: Path) -> None:
    os.utime(run / "model.npz", (1_767_323_045, 1_767_323_045))
    answer = await outputs.get(f"{URL}/list")
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert (body["path"], body["next"]) == ("", None)
    assert [(e["name"], e["kind"], e["bytes"]) for e in body["items"]] == [
        ("checkpoints", "directory", None),
        ("empty", "file", 0),
        ("model.npz", "file", 1024),
    ]
    assert body["items"][2]["modified"] == "2026-01-02T03:04:05Z"
    below = (await outputs.get(at("list", "checkpoints"))).json()
    assert (below["path"], [e["name"] for e in below["items"]]) == ("checkpoints", ["step-10"])


async def test_a_file_and_parts_of_it(outputs: Served, run: Path) -> None:
    data = (run / "model.npz").read_bytes()
    whole = await outputs.get(at("file", "model.npz"))
    assert (whole.status, whole.body) == (200, data)
    assert whole.headers["Content-Type"] == "application/octet-stream"
    assert whole.headers["Content-Disposition"].startswith('attachment; filename="model.npz"')
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in whole.headers["Content-Security-Policy"]
    etag = whole.headers["ETag"]
    part = await outputs.held(at("file", "model.npz"), **{"Range": "bytes=1000-", "If-Range": etag})
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, data[1000:], "bytes 1000-1023/1024")
    assert (await outputs.held(at("file", "model.npz"), Range="bytes=1024-")).status == 416
    same = await outputs.held(at("file", "model.npz"), **{"If-None-Match": f'"x", {etag}'})
    assert (same.status, same.body) == (304, b"")
    head = await outputs.get(at("file", "model.npz"), method="HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "1024")
    (run / "model.npz").write_bytes(b"new")
    stale = await outputs.held(at("file", "model.npz"), **{"Range": "bytes=1-", "If-Range": etag})
    assert (stale.status, stale.body) == (200, b"new"), "a part of another file is none of this one"
    assert (await outputs.held(at("file", "model.npz"), **{"If-None-Match": etag})).status == 200
    assert (await outputs.get(at("file", "empty"))).body == b""


async def test_grants_are_for_one_directory(outputs: Served, run: Path) -> None:
    (await outputs.get(f"{URL}/list", headers={})).problem(401, "grant_missing")
    mine = outputs_of(NAMESPACE, CLAIM, RUN)
    other = outputs_of(NAMESPACE, CLAIM, "other-11111111")
    wrong = [other, outputs_of("lab2", CLAIM, RUN), outputs_of(NAMESPACE, "data", RUN), "uid-1", "", f"{mine}/"]
    for about in wrong:
        answer = await outputs.get(f"{URL}/list", headers=bearer(about))
        answer.problem(403, "grant_refused")
    for stale in (bearer(mine, seconds=-1), bearer(mine, seconds=3600), bearer(mine, actions=("write",))):
        (await outputs.get(f"{URL}/list", headers=stale)).problem(403, "grant_refused")
    for path in ("/v1/outputs/other-11111111/file?path=secret", "/v1/outputs/../list", "/v1/outputs/%2e%2e/list"):
        (await outputs.get(path)).problem(403, "grant_refused")
    (await outputs.get("/v1/outputs/..%2Fother-11111111/list", headers=bearer(""))).problem(403, "grant_refused")
    assert (await outputs.get("/healthz", headers={})).status == 200
    assert (await outputs.get("/readyz", headers={})).status == 200


async def test_strict_parameters(outputs: Served) -> None:
    (await outputs.get(f"{URL}/list?limit=1001")).problem(422, "bad_parameter", "limit")
    (await outputs.get(f"{URL}/list?paht=x")).problem(422, "bad_parameter", "paht")
    (await outputs.get(at("list", after="\\"))).problem(422, "bad_parameter", "after")
    (await outputs.get(f"{URL}/file")).problem(409, "not_a_file")
    (await outputs.get(f"{URL}/list", method="DELETE")).problem(403, "grant_refused")


async def test_what_is_not_there(outputs: Served, run: Path) -> None:
    (await outputs.get(at("file", "no"))).problem(404, "output_not_found")
    (await outputs.get(at("list", "no"))).problem(404, "output_not_found")
    (await outputs.get(at("list", "model.npz"))).problem(409, "not_a_directory")
    (await outputs.get(at("file", "model.npz/x"))).problem(409, "not_a_directory")
    (await outputs.get(at("list", "x" * 255))).problem(404, "output_not_found")
    await asyncio.to_thread(shutil.rmtree, run)
    for what in ("list", "tar"):
        assert "not begun" in (await outputs.get(at(what))).problem(404, "no_outputs")


async def test_a_hundred_thousand_entries(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages in order, each in bounded time and memory; files that go away meanwhile harm nobody. To make so many files
    would take half a minute on some disks: a thousand and one are there, the rest only has names.
    """
    for number in (*range(1000), 99_999):
        (run / "checkpoints" / f"f{number:06}").touch()
    real = os.scandir
    entries = [SimpleNamespace(name=f"f{number:06}") for number in range(100_000)]

    @contextmanager
    def many(place: Any) -> Iterator[Any]:
        with real(place) as found:
            there = list(found)
            yield entries if len(there) > 1000 else there

    monkeypatch.setattr(os, "scandir", many)
    async with serving_outputs(run.parent) as outputs:
        first = (await outputs.get(at("list", "checkpoints", limit=1000))).json()
        assert [e["name"] for e in first["items"]] == [f"f{n:06}" for n in range(1000)]
        second = (await outputs.get(at("list", "checkpoints", limit=1000, after=first["next"]))).json()
        assert (second["items"], second["next"]) == ([], "f001999"), "gone, and there is more"
        last = (await outputs.get(at("list", "checkpoints", after="f099998"))).json()
        assert ([e["name"] for e in last["items"]], last["next"]) == (["f099999"], None)
        monkeypatch.setattr(archive, "MOST_ENTRIES", 1000)
        (await outputs.get(at("tar"))).problem(409, "archive_too_large")


async def test_every_page_of_a_directory(outputs: Served, run: Path) -> None:
    for number in range(25):
        (run / "checkpoints" / f"{number}").write_bytes(b"x")
    seen: list[str] = []
    after = ""
    while True:
        body = (await outputs.get(at("list", "checkpoints", limit=10, after=after))).json()
        seen += [entry["name"] for entry in body["items"]]
        if body["next"] is None:
            break
        after = body["next"]
    assert seen == sorted([*(str(n) for n in range(25)), "step-10"])


async def test_an_archive(outputs: Served, run: Path) -> None:
    big = os.urandom(3_000_001)
    (run / "checkpoints" / "big").write_bytes(big)
    answer = await outputs.get(at("tar"))
    assert answer.headers["Content-Type"] == "application/x-tar"
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{RUN}.tar"')
    packed = unpack(answer.body)
    assert packed[f"{RUN}/checkpoints/big"] == big
    assert packed[f"{RUN}/model.npz"] == (run / "model.npz").read_bytes()
    assert packed[f"{RUN}/empty"] == b""
    assert "LEFT-OUT.txt" not in packed
    below = unpack((await outputs.get(at("tar", "checkpoints"))).body)
    assert set(below) == {"checkpoints", "checkpoints/big", "checkpoints/step-10"}
    head = await outputs.get(at("tar"), method="HEAD")
    assert (head.status, head.body) == (200, b"")
    (await outputs.get(at("tar", "model.npz"))).problem(409, "not_a_directory")
