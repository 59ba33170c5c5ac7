"""Requests to change a working set that are wrong, too large, too slow, or on a volume that has no room."""

from __future__ import annotations

import asyncio
import json
import os
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from blueno.data.bundle import write_bundle
from blueno.data.removal import REMOVALS_BYTES
from blueno.dataserver.listen import Limits
from tests.fakes.data_server import Answer, bearer
from tests.fakes.full_volume import hog, until
from tests.fakes.preparation import Place
from tests.fakes.working import WRITER, Working, bundle_headers, entry, new_place, working_server


@pytest_asyncio.fixture
async def working(tmp_path: Path) -> AsyncIterator[Working]:
    async with working_server(new_place(tmp_path)) as found:
        yield found


def body_of(*lines: bytes, contents: bytes = b"") -> bytes:
    head = b"".join(line + b"\n" for line in lines)
    return struct.pack("<Q", len(head)) + head + contents


GOOD = b'{"key":"a","bytes":1}'
BAD_BUNDLES = {
    "nothing": b"",
    "half a length": b"\x05\0\0",
    "a head of nothing": struct.pack("<Q", 0),
    "a head of 2^63": struct.pack("<Q", 1 << 63) + b"{}",
    "a head that does not come": struct.pack("<Q", 100) + b"{}",
    "no line feed": struct.pack("<Q", len(GOOD)) + GOOD + b"x",
    "no json": body_of(b"hello", contents=b"x"),
    "a list": body_of(b"[1]"),
    "two on one line": body_of(GOOD + b"," + GOOD, contents=b"xy"),
    "split over two lines": body_of(b'{"key":"a",', b'"bytes":1}', contents=b"x"),
    "no key": body_of(b'{"bytes":1}', contents=b"x"),
    "key is a number": body_of(b'{"key":1,"bytes":1}', contents=b"x"),
    "negative": body_of(b'{"key":"a","bytes":-1}'),
    "a fraction": body_of(b'{"key":"a","bytes":1.0}', contents=b"x"),
    "true bytes": body_of(b'{"key":"a","bytes":true}', contents=b"x"),
    "too few bytes": body_of(b'{"key":"a","bytes":5}', contents=b"x"),
    "too many bytes": body_of(GOOD, contents=b"xyz"),
    "not utf-8": body_of(b'{"key":"\xff","bytes":1}', contents=b"x"),
    "deep": body_of(b'{"key":"a","bytes":1,"label":' + b"[" * 100_000 + b"]" * 100_000 + b"}", contents=b"x"),
    "a long number": body_of(b'{"key":"a","bytes":' + b"1" * 5000 + b"}", contents=b"x"),
    "too many samples": body_of(*[GOOD] * 10_001, contents=b"x" * 10_001),
}


@pytest.mark.parametrize("body", BAD_BUNDLES.values(), ids=BAD_BUNDLES)
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_bundle_that_makes_no_sense_changes_nothing(working: Working, body: bytes, chunked: bool) -> None:
    assert (await send(working, body, chunked)).problem(400, "bad_bundle")
    assert (await working.about())["revision"] == 0
    await gone(working)


async def gone(working: Working) -> None:
    """Returns when what was begun in vain was taken away."""
    objects = working.place.root / "objects"
    await asyncio.to_thread(until, lambda: not [path for path in objects.rglob("*") if path.is_file()])


async def send(working: Working, body: bytes, chunked: bool = False) -> Answer:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 50_000):
            yield body[at : at + 50_000]

    data: Any = pieces() if chunked else body
    return await working.send("POST", "/bundles", data, **bundle_headers())


WRONG_LINES: dict[str, dict[str, Any]] = {
    "an empty key": {"key": ""},
    "a long key": {"key": "x" * 1025},
    "a control character": {"key": "a\nb"},
    "nul": {"key": "a\0"},
    "half a character": {"key": "\ud800"},
    "no bytes": {"bytes": 0},
    "split": {"split": ""},
    "a long split": {"split": "x" * 129},
    "split is a list": {"split": ["a"]},
    "group": {"group": "\x7f"},
    "metadata is a list": {"metadata": [1]},
    "large metadata": {"metadata": {"a": "x" * 300_000}},
    "nul in a label": {"label": {"a": ["\0"]}},
    "half a character in metadata": {"metadata": {"\udfff": 1}},
    "a large label": {"label": "x" * 70_000},
    "infinity": {"label": float("inf")},
    "nan": {"label": [float("nan")]},
    "unknown": {"colour": "red"},
    "sha256": {"sha256": "ABC"},
    "replace": {"replace": "yes"},
    "ifMatch": {"ifMatch": "*"},
    "upload": {"upload": "../../etc/passwd"},
}


async def test_a_wrong_sample_is_refused_alone(working: Working) -> None:
    bodies = [{"key": name, "bytes": 3, **more} for name, more in WRONG_LINES.items()]
    lines = [json.dumps(body).encode() for body in [*bodies, {"key": "good", "bytes": 3}]]
    sent = [body for body in [*bodies, {}] if body.get("bytes", 3) and "upload" not in body]
    contents = b"".join(b"%03d" % number for number in range(len(sent)))
    answer = await working.send("POST", "/bundles", body_of(*lines, contents=contents), **bundle_headers())
    assert answer.status == 200, answer
    found = answer.json()
    assert [r["key"] for r in found["refused"]] == [body["key"] for body in bodies]
    assert {r["code"] for r in found["refused"]} == {"invalid"}
    assert all(r["detail"] for r in found["refused"])
    assert found["created"] == 1
    assert list(working.contents()) == ["good"]
    assert (await working.about())["samples"] == 1


async def test_a_content_must_have_the_sum_that_was_announced(working: Working) -> None:
    found = await working.bundle(entry("a", b"one", sha256="0" * 64), entry("b", b"two"))
    assert [(r["key"], r["code"]) for r in found["refused"]] == [("a", "digest_mismatch")]
    assert working.contents() == {"b": b"two"}


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"[]", b"{}", b'{"keys":1}', b'{"keys":[1]}', b'{"keys":[""]}', b'{"keys":["\\u0000"]}',
     b'{"keys":[],"purge":1}', b'{"keys":[],"all":true}', b'{"keys":' + b"[" * 50_000,
     json.dumps({"keys": ["a"] * 10_001}).encode()],
)  # fmt: skip
async def test_a_removal_that_makes_no_sense(working: Working, body: bytes) -> None:
    (await working.send("POST", "/removals", body)).problem(422, "bad_removal")


async def test_a_removal_has_a_limit_of_bytes(working: Working) -> None:
    """Four million `{}` take a hundred times as many bytes when they are decoded."""
    body = b'{"keys":[' + b"{}," * (REMOVALS_BYTES // 3)
    (await working.send("POST", "/removals", body)).problem(413, "too_large")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "bad_upload"),
        (b'{"bytes":0}', 422, "bad_upload"),
        (b'{"bytes":-5}', 422, "bad_upload"),
        (b'{"bytes":1e3}', 422, "bad_upload"),
        (b'{"bytes":5,"name":"../x"}', 422, "bad_upload"),
        (b'{"bytes":5,"sha256":"../x"}', 422, "bad_upload"),
        (b'{"bytes":1099511627776}', 413, "too_large"),
        (b" " * 5000, 413, "too_large"),
    ],
)
async def test_an_upload_that_makes_no_sense(working: Working, body: bytes, status: int, code: str) -> None:
    (await working.send("POST", "/uploads", body)).problem(status, code)


async def test_chunks_that_make_no_sense(working: Working) -> None:
    number = (await working.send("POST", "/uploads", b'{"bytes":10}')).json()["id"]
    path = f"/uploads/{number}"
    for text in ("", "x", "-1", "1.0", "9" * 30):
        (await working.send("PATCH", path, b"x", Upload_Offset=text)).problem(422, "bad_parameter", "Upload-Offset")
    (await working.send("PATCH", path, b"x" * 11, Upload_Offset="0")).problem(413, "too_large")
    (await working.send("PATCH", path, b"x", Upload_Offset="5")).problem(409, "offset_mismatch")
    for wrong in ("0" * 32, "..", "%2e%2e%2fx", "a" * 500):
        answer = await working.send("PATCH", f"/uploads/{wrong}", b"x", Upload_Offset="0")
        assert answer.status == 404, answer
    assert (await working.send("PATCH", path, b"x" * 10, Upload_Offset="0")).status == 204
    assert (await working.send("DELETE", path)).status == 204
    (await working.send("DELETE", path)).problem(404, "upload_not_found")
    assert list((working.place.root / "uploads").iterdir()) == []


async def expecting(working: Working, length: int) -> bytes:
    """What a client is told that asks whether to send a bundle of that size."""
    grant = bearer(**WRITER)["Authorization"]
    head = (
        f"POST /v1/working/bundles HTTP/1.1\r\nHost: x\r\nAuthorization: {grant}\r\nExpect: 100-continue\r\n"
        f"Content-Type: application/vnd.blueno.bundle\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", working.served.port)
    try:
        async with asyncio.timeout(60):
            writer.write(head.encode())
            return await reader.readuntil(b"\r\n")
    finally:
        writer.close()


async def test_the_body_is_asked_for_only_when_it_can_be_taken(working: Working) -> None:
    assert b"100 Continue" in await expecting(working, 1000)
    assert b"413" in await expecting(working, (64 << 20) + 1)


async def test_a_slow_body_is_cut_and_disturbs_nobody(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    async with working_server(place, Limits(body_seconds=0.5, bodies=2)) as working:
        body = write_bundle([entry("a", b"x" * 1000)])

        async def drip() -> AsyncIterator[bytes]:
            for at in range(len(body)):
                yield body[at : at + 1]
                await asyncio.sleep(0.05)

        async def stop() -> AsyncIterator[bytes]:
            yield body[:500]
            await asyncio.sleep(30)
            yield b""

        slow = [asyncio.create_task(cut(working, pieces())) for pieces in (drip, stop)]
        assert await asyncio.gather(*slow) == [408, 408]
    async with working_server(place) as working:
        assert (await working.put({"b": b"1"}))["created"] == 1
        assert list(working.contents()) == ["b"]


async def cut(working: Working, pieces: AsyncIterator[bytes]) -> int:
    async with asyncio.timeout(60):
        return (await working.send("POST", "/bundles", pieces, **bundle_headers())).status  # type: ignore[arg-type]


async def test_a_sender_that_goes_away_leaves_nothing(working: Working) -> None:
    body = write_bundle([entry("a", b"x" * (2 << 20))])  # more than is held in memory
    head = (
        f"POST /v1/working/bundles HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer(**WRITER)['Authorization']}\r\n"
        f"Content-Type: application/vnd.blueno.bundle\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", working.served.port)
    writer.write(head.encode() + body[:-10])
    await writer.drain()
    objects = working.place.root / "objects"
    await asyncio.to_thread(until, lambda: [path for path in objects.rglob("*") if path.is_file()])
    writer.close()
    await gone(working)
    assert (await working.about())["samples"] == 0
    assert (await working.bundle(entry("a", b"x" * (2 << 20))))["created"] == 1


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Place]:
    """A place on a volume of four MiB."""
    place = new_place(tmp_path)
    owner = (place.root / "owner.json").read_bytes()
    if os.getuid() != 0:
        pytest.skip("needs root, to mount a small tmpfs")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place.volume], check=False).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    place.root.mkdir(parents=True)
    (place.root / "owner.json").write_bytes(owner)
    yield place
    subprocess.run(["umount", "-l", place.volume], check=True)


async def test_what_does_not_fit_is_refused_before_it_is_sent(small: Place) -> None:
    async with working_server(small) as working:
        assert b"507" in await expecting(working, 5 << 20)
        answer = await send(working, write_bundle([entry("a", b"x" * (5 << 20))]))
        assert answer.problem(507, "no_space")
        assert answer.json()["needed"] > answer.json()["free"] > 0
        (await working.send("POST", "/uploads", b'{"bytes":10000000}')).problem(507, "no_space")
        number = (await working.send("POST", "/uploads", b'{"bytes":2000000}')).json()["id"]
        assert (await send(working, write_bundle([entry("a", b"x" * (2 << 20))]))).problem(507, "no_space")
        await working.send("DELETE", f"/uploads/{number}")
        assert (await working.bundle(entry("a", b"x" * (2 << 20))))["created"] == 1


async def test_a_volume_that_is_full_takes_removals_and_goes_on_when_there_is_room(small: Place) -> None:
    async with working_server(small) as working:
        assert (await working.bundle(entry("a", b"x" * (2 << 20))))["created"] == 1
        hog(small, keep=64 << 10)
        answer = await send(working, write_bundle([entry("b", b"y" * 300_000)]), chunked=True)
        assert answer.problem(507, "no_space")
        assert working.contents() == {"a": b"x" * (2 << 20)}
        assert (await working.remove(["a"], purge=True))["removed"] == 1
        assert (await working.bundle(entry("b", b"y" * 300_000), entry("c", b"z")))["created"] == 2
        assert sorted(working.contents()) == ["b", "c"]
