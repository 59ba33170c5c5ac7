"""`put` and `put_many` against a server with real files behind it, which refuses, lies, stalls and forgets."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from blueno.client import (
    Samples,
    asking,
    upload,
)
from blueno.client.driving import Blocking
from blueno.errors import BluenoError, Conflict, InvalidSpec, NotFound, Rejected, Unavailable
from tests.fakes.runs_api import TOKEN, problem
from tests.fakes.samples_api import SamplesApi
from tests.unit.client.uploading import bundle_requests, check


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


def chunk_requests(server: SamplesApi) -> int:
    return sum(method == "PATCH" for method, _, _ in server.asked)


@pytest.mark.parametrize(
    ("status", "code", "kind", "most"),
    [(409, "volume_read_only", Conflict, 1), (503, "busy", Unavailable, 9), (409, "offset_mismatch", Unavailable, 9)],
)
def test_a_chunk_that_is_never_taken_is_not_sent_for_ever(
    server: SamplesApi, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    status: int, code: str, kind: type[BluenoError], most: int,
) -> None:  # fmt: skip
    """Though the server answers all that is asked meanwhile."""

    async def refuse(request: web.Request) -> web.StreamResponse | None:
        return problem(status, code, "not this one") if request.method == "PATCH" else None

    monkeypatch.setattr(asking, "AWAY", 0.5)
    (tmp_path / "large").write_bytes(bytes(150_000))
    server.always = refuse
    with pytest.raises(kind, match="not this one"):
        samples.put("x", tmp_path / "large")
    assert 1 <= chunk_requests(server) <= most


def test_a_chunk_is_sent_again_after_the_pause_that_is_asked_for(
    server: SamplesApi, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[float] = []

    async def pause(_: Blocking, seconds: float) -> None:
        paused.append(seconds)

    async def refuse(request: web.Request) -> web.StreamResponse | None:
        if request.method != "PATCH" or next(refusals, None) is None:
            return None
        refused = problem(503, "busy", "too much to do")
        refused.headers["Retry-After"] = "3"
        return refused

    refusals = iter(range(2))
    monkeypatch.setattr(Blocking, "pause", pause)
    content = os.urandom(150_000)
    (tmp_path / "large").write_bytes(content)
    server.always = refuse
    assert samples.put("x", tmp_path / "large") == "created"
    assert paused == [3.0, 3.0]
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


def test_a_listing_that_never_ends(server: SamplesApi, samples: Samples) -> None:
    row = {"key": "a", "bytes": 1, "sha256": "0" * 64, "etag": "1" * 32}

    async def endless(_: web.Request) -> web.StreamResponse:
        return web.json_response({"samples": [row], "total": 5, "next": "same"})

    server.always = endless
    with pytest.raises(BluenoError, match="repeats"):
        list(samples.working())


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
