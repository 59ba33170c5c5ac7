"""`put` and `put_many` against a server with real files behind it, which refuses, lies, stalls and forgets."""

from __future__ import annotations

import asyncio
import io
import os
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from blueno.client import (
    Client,
    NewSample,
    Refused,
    SampleConflict,
    Samples,
    UploadProgress,
    WorkingSample,
    asking,
    bundles,
    by_folders,
    contents,
    large,
    present,
    upload,
)
from blueno.client.http import Http
from blueno.errors import BluenoError, Conflict, InvalidSpec, NotFound, Rejected, Unavailable
from tests.fakes.runs_api import TOKEN, problem
from tests.fakes.samples_api import SamplesApi, etag, running
from tests.unit.client.conftest import LIMITS


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SamplesApi]:
    with running(tmp_path / "server") as server:
        yield server


@pytest.fixture
def samples(server: SamplesApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Samples]:
    """With small bundles and chunks, so that a few kilobytes are many of them."""
    monkeypatch.setattr(bundles, "FULL_SAMPLES", 20)
    monkeypatch.setattr(bundles, "FULL_BYTES", 64 << 10)
    monkeypatch.setattr(contents, "LARGE", 100_000)
    monkeypatch.setattr(large, "CHUNK", 30_000)
    monkeypatch.setattr(large, "SMALLEST", 1000)
    with Client(server.url, TOKEN) as client:
        client._http = Http(server.url, TOKEN, LIMITS)
        yield client.samples("digits", "team")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """250 small files in two classes, and one large."""
    source, dice = tmp_path / "files", random.Random(7)
    for number in range(250):
        path = source / "ab"[number % 2] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dice.randbytes(dice.randrange(2000)))
    (source / "a" / "large.npy").write_bytes(dice.randbytes(200_000))
    return source


def check(server: SamplesApi, files: Path) -> None:
    """Every file is there once, with its bytes."""
    wanted = {path.relative_to(files).as_posix(): path.read_bytes() for path in files.rglob("*") if path.is_file()}
    assert {key: server.content(key) for key in server.samples} == wanted


def bundle_requests(server: SamplesApi) -> int:
    return sum(path.endswith("/bundles") for _, path, _ in server.asked)


def test_a_directory(server: SamplesApi, samples: Samples, files: Path) -> None:
    seen: list[UploadProgress] = []
    done = samples.put_many(files, describe=by_folders("classFolders"), progress=seen.append)
    assert (done.created, done.same, done.refused, done.samples) == (251, 0, 0, 251)
    check(server, files)
    assert {line["label"] for line in server.samples.values()} == {"a", "b"}
    total = sum(path.stat().st_size for path in files.rglob("*.*"))
    assert (seen[0].samples, seen[0].of_samples, seen[0].bytes, seen[0].of_bytes) == (0, 251, 0, total)
    assert (seen[-1].samples, seen[-1].bytes) == (251, total)
    assert [one.bytes for one in seen] == sorted(one.bytes for one in seen)
    assert done.revision == server.seq


def test_again_sends_only_what_is_missing(server: SamplesApi, samples: Samples, files: Path) -> None:
    samples.put_many(files)
    (files / "c").mkdir()
    (files / "c" / "new.png").write_bytes(b"new")
    server.asked.clear()
    done = samples.put_many(files)
    assert (done.created, done.same, done.skipped) == (1, 251, 251)
    assert server.sent < 500
    check(server, files)


def test_again_without_the_database(server: SamplesApi, samples: Samples, files: Path) -> None:
    samples.put_many(files)
    server.lists = False
    done = samples.put_many(files)
    assert (done.created, done.same, done.skipped) == (0, 251, 1)  # large files are asked for one by one
    check(server, files)


def test_changed_files_are_conflicts_until_replaced(server: SamplesApi, samples: Samples, files: Path) -> None:
    samples.put_many(files)
    before = etag(server.samples["a/000.png"])
    (files / "a" / "000.png").write_bytes(b"other")
    told: list[Refused] = []
    done = samples.put_many(files, refused=told.append)
    assert (done.same, done.refused) == (250, 1)
    assert told == list(done.first_refused)
    assert (told[0].key, told[0].code, told[0].etag) == ("a/000.png", "conflict", before)
    assert samples.put_many(files, replace=True).replaced == 1
    check(server, files)


def test_one_sample(server: SamplesApi, samples: Samples, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"one")
    assert (
        samples.put("x", tmp_path / "x.png", split="train", label={"b": 1, "a": None}, metadata={"k": [1]}) == "created"
    )
    assert samples.put("x", b"one", split="train", label={"a": None, "b": 1}, metadata={"k": [1]}) == "same"
    found = samples.get("x")
    assert isinstance(found, WorkingSample)
    assert (found.label, found.split, found.bytes) == ({"b": 1, "a": None}, "train", 3)
    with pytest.raises(SampleConflict) as caught:
        samples.put("x", io.BytesIO(b"two"))
    assert caught.value.etag == found.etag
    assert caught.value.code == "conflict"
    with pytest.raises(SampleConflict):
        samples.put("x", b"two", if_match="0" * 32)
    assert samples.put("x", b"two", if_match=found.etag) == "replaced"
    assert server.content("x") == b"two"
    with pytest.raises(Rejected, match="printable"):
        samples.put("\n", b"")
    with pytest.raises(InvalidSpec, match="content"):
        samples.put("y", tmp_path / "nothing")
    with pytest.raises(NotFound):
        samples.get("y")
    assert [one.label for one in samples.working()] == [None]


@pytest.mark.parametrize("size", [0, 1, 99_999, 100_000, 100_001, 250_000])
def test_any_size_any_kind(server: SamplesApi, samples: Samples, tmp_path: Path, size: int) -> None:
    content = random.Random(size).randbytes(size)
    (tmp_path / "file").write_bytes(content)
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as pipe, os.fdopen(writer, "wb") as end:
        if size < 60_000:
            end.write(content)
            end.close()
            assert samples.put("pipe", pipe) == "created"
            assert server.content("pipe") == content
    for key, given in (("bytes", content), ("path", tmp_path / "file"), ("stream", io.BytesIO(content))):
        assert samples.put(key, given) == "created"
        assert server.content(key) == content
        assert samples.put(key, given if key != "stream" else io.BytesIO(content)) == "same"
    assert not any((server.root / "uploads").iterdir())


def test_what_cannot_be_read_fails_alone(server: SamplesApi, samples: Samples, tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(b"good")
    (tmp_path / "shut").mkdir()
    os.mkfifo(tmp_path / "pipe")
    source = [
        NewSample("a", tmp_path / "good"),
        NewSample("b", tmp_path / "missing"),
        NewSample("c", tmp_path / "shut"),
        NewSample("d", tmp_path / "pipe"),
        NewSample("e", "zero\0byte"),
        NewSample("f", io.StringIO("text")),  # type: ignore[arg-type]
        NewSample("half \ud800", b"x"),
        NewSample("g", b"x", label=float("nan")),
        NewSample("h", b"x", label=object()),
        NewSample("z" * 2000, b"x"),
    ]
    done = samples.put_many(source)
    assert (done.created, done.refused) == (1, 9)
    codes = {one.key[:6]: one.code for one in done.first_refused}
    assert codes == dict.fromkeys("bcdef", "unreadable") | dict.fromkeys(("half \ud800", "g", "h", "zzzzzz"), "invalid")


def test_sources(server: SamplesApi, samples: Samples, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    (files / ".hidden").write_bytes(b"")
    (files / "loop").symlink_to(files)
    (files / "link.png").symlink_to(files / "a" / "000.png")
    samples.put_many([Path("a/000.png"), "./b/001.png", files / "a" / "002.png"])
    assert list(server.samples) == ["a/000.png", "b/001.png", f"{files}/a/002.png".lstrip("/")]
    samples.put_many({"one": b"1"})
    samples.put_many("a/004.png")
    assert {"one", "004.png"} < set(server.samples)
    before = len(server.samples)
    assert samples.put_many(files).samples == 252  # with the link to a file, without the hidden one and the loop
    assert len(server.samples) == before + 250  # two were there
    assert samples.put_many([]).samples == 0
    for bad in ([7], [None]):
        with pytest.raises(InvalidSpec, match="paths or NewSamples"):
            samples.put_many(bad)  # type: ignore[arg-type]
    with pytest.raises(InvalidSpec, match="neither"):
        by_folders("other")


def after(count: int, misbehave: Any) -> list[Any]:
    """Misbehaves after so many good answers."""

    async def good(_: web.Request) -> None:
        return None

    return [good] * count + [misbehave]


async def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def busy(status: int, **headers: str) -> Any:
    async def answer(_: web.Request) -> web.StreamResponse:
        refused = problem(status, "busy", "too much to do")
        refused.headers.update(headers)
        return refused

    return answer


@pytest.mark.parametrize("misbehave", [cut, busy(503, **{"Retry-After": "0"}), busy(429), busy(502)])
def test_an_outage_costs_nothing(server: SamplesApi, samples: Samples, files: Path, misbehave: Any) -> None:
    server.misbehave = [step for count in (1, 3, 4, 2, 5) for step in after(count, misbehave)]
    done = samples.put_many(files)
    assert done.samples == 251
    assert not server.misbehave
    check(server, files)


def test_an_outage_without_end(
    server: SamplesApi, samples: Samples, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "AWAY", 0.3)
    monkeypatch.setattr(asking.patiently, "__defaults__", (0.3,))
    server.always = busy(503)
    with pytest.raises(Unavailable, match="too much to do"):
        samples.put_many(files)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Rejected), (403, Rejected), (404, NotFound), (409, Conflict), (507, Rejected)]
)
def test_what_ends_it_is_raised(
    server: SamplesApi, samples: Samples, files: Path, status: int, kind: type[BluenoError]
) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse | None:
        return problem(status, "no_space", "2 GiB are needed, 1 GiB is free") if "bundles" in request.path else None

    server.always = refuse
    with pytest.raises(kind, match="blueno login" if status == 401 else "1 GiB is free") as caught:
        samples.put_many(files)
    assert status == 401 or caught.value.code == "no_space"
    assert bundle_requests(server) <= upload.PARALLEL


def test_what_arrives_damaged_is_sent_again(server: SamplesApi, samples: Samples, files: Path) -> None:
    async def damage(request: web.Request) -> web.StreamResponse | None:
        if not request.path.endswith("/bundles"):
            return None
        body = await request.read()
        if body in seen:
            return None
        seen.add(body)
        return server._post_bundles(request, body[:-1] + bytes([body[-1] ^ 1]), [])

    seen: set[bytes] = set()
    server.always = damage
    done = samples.put_many([path for path in sorted(files.rglob("*.png")) if path.stat().st_size])
    assert done.refused == 0
    assert done.samples == done.created == len(server.samples)


def test_what_always_arrives_damaged_is_told(server: SamplesApi, samples: Samples) -> None:
    async def damage(request: web.Request) -> web.StreamResponse:
        body = bytearray(await request.read())
        body[-1] ^= 1
        return server._post_bundles(request, bytes(body), [])

    server.always = damage
    with pytest.raises(Unavailable, match="did not arrive"):
        samples.put("x", b"abc")
    assert bundle_requests(server) == upload.RESENDS


@pytest.mark.parametrize(
    "changes",
    [{"created": 3}, {"created": -20}, {"created": "1"}, {"refused": [{"key": 1}]}, {"refused": 7}, {"same": 10**30}],
)
def test_answers_that_do_not_add_up(server: SamplesApi, samples: Samples, changes: dict[str, Any]) -> None:
    async def lie(_: web.Request) -> web.StreamResponse:
        return web.json_response({"revision": 1, "created": 1, "same": 0, "replaced": 0, "refused": [], **changes})

    server.always = lie
    with pytest.raises(BluenoError, match=r"does not add up|not understood"):
        samples.put("x", b"abc")


def test_a_proxy_that_takes_little(server: SamplesApi, samples: Samples, files: Path) -> None:
    server.largest = 10_000
    assert samples.put_many(files).created == 251
    check(server, files)


def test_a_large_file_goes_on_where_it_stopped(server: SamplesApi, samples: Samples, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(280_000)
    (tmp_path / "large").write_bytes(content)

    async def refuse(request: web.Request) -> web.StreamResponse | None:
        return problem(403, "forbidden", "not now") if request.headers.get("Upload-Offset") == "210000" else None

    server.always = refuse
    with pytest.raises(Rejected):
        samples.put("x", tmp_path / "large")
    server.always = None
    server.asked.clear()
    assert samples.put("x", tmp_path / "large") == "created"
    assert server.content("x") == content
    assert server.sent < 71_000


@pytest.mark.parametrize("seed", range(3))
def test_large_files_through_a_bad_connection(server: SamplesApi, samples: Samples, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    content = dice.randbytes(290_000)
    (tmp_path / "large").write_bytes(content)

    async def bad(request: web.Request) -> web.StreamResponse | None:
        chance = dice.random()
        if chance < 0.2:
            return await cut(request)
        if chance < 0.4 and request.method == "PATCH":  # it is there, and the answer is lost
            server._patch_uploads(request, await request.read(), [request.path.rpartition("/")[2]])
            return await cut(request)
        if chance < 0.5 and request.method == "PATCH":  # half of it is there
            body = await request.read()
            server._patch_uploads(request, body[: len(body) // 2], [request.path.rpartition("/")[2]])
            return await cut(request)
        return None

    server.always = bad
    assert samples.put("x", tmp_path / "large") in ("created", "same")
    assert server.content("x") == content


def test_a_large_file_that_changes_while_it_is_sent(server: SamplesApi, samples: Samples, tmp_path: Path) -> None:
    file = tmp_path / "large"
    for change, size in (
        (lambda: os.truncate(file, 40_000), 200_000),
        (lambda: file.write_bytes(b"x" * 300_000), 200_000),
    ):
        file.write_bytes(os.urandom(size))

        async def during(request: web.Request, change: Any = change) -> None:
            if request.headers.get("Upload-Offset") == "30000":
                change()

        server.always = during
        with pytest.raises(InvalidSpec, match="while it was sent"):
            samples.put("x", file)
        assert not any((server.root / "uploads").iterdir())


def test_removing(server: SamplesApi, samples: Samples, files: Path) -> None:
    samples.put_many(files)
    gone = samples.remove(["a/000.png", "b/001.png", "nothing"])
    assert (gone.removed, gone.missing) == (2, 1)
    assert samples.remove("a/002.png", purge=True).removed == 1
    assert samples.remove(f"{number}" for number in range(10_001)).missing == 10_001
    assert len(server.samples) == 248


def test_downloads_are_verified(server: SamplesApi, samples: Samples, tmp_path: Path) -> None:
    samples.put("deep/x.png", b"abc")
    told: list[tuple[int, int | None]] = []
    saved = samples.download("deep/x.png", tmp_path, progress=lambda *now: told.append(now))
    assert (saved.name, saved.read_bytes(), told[-1]) == ("deep_x.png", b"abc", (3, 3))

    async def other(request: web.Request) -> web.StreamResponse | None:
        return web.Response(body=b"abd") if request.path.endswith("/raw") else None

    server.always = other
    with pytest.raises(Unavailable, match="sha256 differs"):
        samples.download("deep/x.png", tmp_path / "y.png")
    assert not (tmp_path / "y.png").exists()


def test_a_listing_that_never_ends(server: SamplesApi, samples: Samples) -> None:
    row = {"key": "a", "bytes": 1, "sha256": "0" * 64, "etag": "1" * 32}

    async def endless(_: web.Request) -> web.StreamResponse:
        return web.json_response({"samples": [row], "total": 5, "next": "same"})

    server.always = endless
    with pytest.raises(BluenoError, match="repeats"):
        list(samples.working())


def test_presence_is_of_key_and_state() -> None:
    dice = random.Random(3)
    there = [(dice.randbytes(4).hex(), dice.randbytes(16).hex()) for _ in range(1000)]
    known = present.Present(b"".join(present._sum(*pair) for pair in there))
    assert all(known.has(*pair) for pair in there)
    assert not any(known.has(key, other) for (key, _), (_, other) in pairwise(there))
    assert not present.Present().has(*there[0])
    assert present._common(["abc", "abd", "ab"]) == "ab"
    assert present._common(["x"]) == "x"
    assert present._common([]) == ""


async def test_progress_and_cancelling_of_the_other_client(server: SamplesApi, files: Path) -> None:
    from blueno.client import AsyncClient

    async with AsyncClient(server.url, TOKEN) as client:
        samples = client.samples("digits", "team")
        seen: list[int] = []
        done = await samples.put_many(files, progress=lambda now: seen.append(now.samples))
        assert done.created == 251
        await asyncio.sleep(0)
        assert seen[-1] == 251
        stalled = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def stall(_: web.Request) -> web.StreamResponse:
            loop.call_soon_threadsafe(stalled.set)
            return problem(
                503,
                "busy",
                "later",
            )

        server.always = stall
        task = asyncio.ensure_future(samples.put_many({"late": b"late"}))
        await stalled.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.always = None
        assert "late" not in server.samples
        assert [one.key async for one in samples.working(limit=3)] == ["a/000.png", "a/002.png", "a/004.png"]
