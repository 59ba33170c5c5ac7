"""The working set over HTTP: what is taken, refused, removed, told and shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from blueno.data.bundle import Entry
from tests.fakes.data_server import bearer
from tests.fakes.full_volume import until
from tests.fakes.sources import png
from tests.fakes.working import Working, entry, new_place, sha256, working_server


@pytest_asyncio.fixture
async def working(tmp_path: Path) -> AsyncIterator[Working]:
    async with working_server(new_place(tmp_path)) as found:
        yield found


async def test_samples_come_and_are_there_for_every_reader(working: Working) -> None:
    assert await working.about() == {"samples": 0, "bytes": 0, "revision": 0}
    first = entry("a/Ä.png", b"one", split="train", label="cat", group="g", metadata={"b": [1, None], "a": "é"})
    found = await working.bundle(first, entry("b", b"second", label={"box": [1, 2]}), entry("c", b"third"))
    assert found == {"revision": 3, "created": 3, "same": 0, "replaced": 0, "refused": []}
    assert await working.about() == {"samples": 3, "bytes": 14, "revision": 3}

    sample = working.read().samples["a/Ä.png"]
    assert (sample.split, sample.label, sample.group) == ("train", '"cat"', "g")
    assert (sample.metadata, sample.seq, sample.by) == ('{"a":"é","b":[1,null]}', 1, "eve@example.org")
    assert working.contents() == {"a/Ä.png": b"one", "b": b"second", "c": b"third"}

    told = (await working.served.get("/v1/working/samples?key=a/%C3%84.png")).json()
    assert told.pop("etag") == sample.etag
    assert told == {
        "key": "a/Ä.png", "sha256": sha256(b"one"), "bytes": 3, "seq": 1, "time": sample.time, "by": sample.by,
        "split": "train", "label": "cat", "group": "g", "metadata": {"a": "é", "b": [1, None]},
    }  # fmt: skip
    (await working.served.get("/v1/working/samples?key=z")).problem(404, "sample_not_found")


async def test_the_same_again_changes_nothing_and_other_bytes_need_leave(working: Working) -> None:
    await working.put({"a": b"one", "b": b"two"})
    again = await working.put({"a": b"one", "b": b"two"})
    assert again == {"revision": 2, "created": 0, "same": 2, "replaced": 0, "refused": []}
    found = await working.bundle(entry("a", b"other"), entry("b", b"two", label=1), entry("c", b"3"))
    tags = {key: sample.etag for key, sample in working.read().samples.items()}
    assert (found["created"], found["revision"]) == (1, 3)
    assert [(r["key"], r["code"], r["etag"]) for r in found["refused"]] == [
        ("a", "conflict", tags["a"]),
        ("b", "conflict", tags["b"]),
    ]
    assert "content" in found["refused"][0]["detail"]
    assert "label" in found["refused"][1]["detail"]
    assert working.contents() == {"a": b"one", "b": b"two", "c": b"3"}

    wrong = "0" * 32
    found = await working.bundle(
        entry("a", b"other", if_match=wrong),
        entry("b", b"two", label=2, if_match=tags["b"]),
        entry("d", b"4", if_match=wrong),
    )
    assert [(r["key"], r["code"]) for r in found["refused"]] == [
        ("a", "precondition_failed"),
        ("d", "precondition_failed"),
    ]
    assert found["replaced"] == 1
    found = await working.bundle(entry("a", b"other", replace=True), entry("a", b"other"), entry("a", b"third"))
    assert (found["replaced"], found["same"], [r["code"] for r in found["refused"]]) == (1, 1, ["conflict"])
    assert working.contents()["a"] == b"other"


async def test_removed_samples_are_gone_and_told(working: Working) -> None:
    await working.put({str(n): b"%d" % n for n in range(5)})
    assert await working.remove(["1", "3", "x", "1"]) == {"revision": 7, "removed": 2, "missing": 2}
    assert sorted(working.contents()) == ["0", "2", "4"]
    revision, lines = await working.changes(after=4)
    assert revision == 7
    assert [(line["op"], line["key"], line["seq"]) for line in lines] == [
        ("put", "4", 5), ("remove", "1", 6), ("remove", "3", 7),
    ]  # fmt: skip
    assert lines[1]["by"] == "adam"
    assert await working.changes(after=7) == (7, [])
    assert [line["seq"] for line in (await working.changes(after=1, limit=2))[1]] == [2, 3]


async def test_purged_bytes_go_and_neighbours_stay(working: Working) -> None:
    secret = b"a secret that must go"
    await working.put({"a": b"one", "b": secret, "c": b"three"}, split="train")
    await working.put({"own": secret})
    before = working.read()
    assert (await working.remove(["b", "own"], purge=True))["removed"] == 2
    assert working.contents() == {"a": b"one", "c": b"three"}
    objects = working.place.root / "objects"  # what a request still holds goes when that has ended
    await asyncio.to_thread(until, lambda: len([path for path in objects.rglob("*") if path.is_file()]) == 1)
    assert all(secret not in path.read_bytes() for path in objects.rglob("*") if path.is_file())
    after = working.read()
    assert after.samples["a"].seq == before.samples["a"].seq
    assert after.samples["a"].etag == before.samples["a"].etag


async def test_a_picture_is_drawn_as_that_of_a_version(working: Working) -> None:
    await working.put({"a.png": png(1, (30, 20)), "b": b"no picture", "c.png": png(2, (10, 10))})
    samples = working.read().samples
    whose = f"key=a.png&sha256={samples['a.png'].sha256[:16]}"
    answer = await working.served.get(f"/v1/working/image?{whose}")
    assert answer.image().size == (30, 20)
    held = await working.served.held(f"/v1/working/image?{whose}", **{"If-None-Match": answer.headers["ETag"]})
    assert held.status == 304
    assert (await working.served.get(f"/v1/working/montage?{whose}")).image().size == (30, 20)
    assert (await working.served.get(f"/v1/working/about?{whose}")).json()["shape"][:2] == [20, 30]
    raw = await working.served.get(f"/v1/working/raw?{whose}")
    assert raw.body == png(1, (30, 20))
    assert raw.headers["Content-Disposition"] == 'attachment; filename="a.png"'
    sheet = await working.served.get("/v1/working/sheet?seqs=1,2,3,4&cell=32&columns=2")
    assert "unreadable=2" in sheet.headers["Blueno-Sheet"]
    assert sheet.image().size == (60, 60)

    other = f"key=b&sha256={samples['b'].sha256}"
    assert "UnknownFormat" in (await working.served.get(f"/v1/working/image?{other}")).problem(422, "not_shown")
    (await working.served.get(f"/v1/working/image?key=a.png&sha256={'0' * 16}")).problem(404, "sample_not_found")
    (await working.served.get("/v1/working/image?key=a.png")).problem(422, "bad_parameter", "sha256")
    (await working.served.get("/v1/working/sheet?seqs=")).problem(422, "bad_parameter", "seqs")


async def test_who_may_only_read_changes_nothing(working: Working) -> None:
    for method, path in (("POST", "bundles"), ("POST", "removals"), ("POST", "uploads"), ("PATCH", "uploads/x")):
        url = f"{working.served.url}/v1/working/{path}"
        async with working.served.session.request(method, url, data=b"x", headers=bearer()) as answer:
            assert answer.status == 403
            assert json.loads(await answer.read())["code"] == "grant_refused"
    (await working.served.get("/v1/working", headers=bearer(actions=("write",)))).problem(403, "grant_refused")


async def test_a_large_file_comes_in_chunks(working: Working) -> None:
    data = bytes(range(256)) * 1000
    begun = await working.send("POST", "/uploads", json.dumps({"bytes": len(data), "sha256": sha256(data)}).encode())
    assert (begun.status, begun.json()["offset"]) == (201, 0)
    path = f"/uploads/{begun.json()['id']}"
    first = await working.send("PATCH", path, data[:100_000], Upload_Offset="0")
    assert (first.status, first.headers["Upload-Offset"]) == (204, "100000")
    again = await working.send("PATCH", path, data[:100_000], Upload_Offset="0")
    again.problem(409, "offset_mismatch")
    assert again.headers["Upload-Offset"] == "100000"
    early = await working.bundle((Entry("big", len(data), upload=begun.json()["id"]), b""))
    assert (early["refused"][0]["code"], "100000 of 256000" in early["refused"][0]["detail"]) == ("invalid", True)
    await working.send("PATCH", path, data[100_000:], Upload_Offset="100000")
    head = await working.send("HEAD", path)
    assert (head.status, head.headers["Upload-Offset"]) == (200, "256000")
    line = (Entry("big", len(data), label="x", upload=begun.json()["id"]), b"")
    assert (await working.bundle(line, entry("small", b"1")))["created"] == 2
    assert (await working.bundle(line))["same"] == 1
    assert working.contents() == {"big": data, "small": b"1"}
    assert [p.suffix for p in (working.place.root / "uploads").iterdir()] == [".json"]


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    for number in range(4):
        async with working_server(place) as working:
            assert (await working.about())["samples"] == 2 * number
            await working.put({f"{number}-{n}": b"%d" % (10 * number + n) for n in range(3)})
            await working.remove([f"{number}-1"])
            assert [line["seq"] for line in (await working.changes())[1]] == list(range(1, 4 * number + 5))
    assert len(working.contents()) == 8
    assert len(list((place.root / "working").iterdir())) == 4
