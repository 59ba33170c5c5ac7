"""`put` and `put_many` against a server with real files behind it."""

from __future__ import annotations

import io
import os
import random
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import web

from blueno.client import (
    NewSample,
    Refused,
    SampleConflict,
    Samples,
    UploadProgress,
    WorkingSample,
    by_folders,
    present,
)
from blueno.errors import InvalidSpec, NotFound, Rejected, Unavailable
from tests.fakes.samples_api import SamplesApi, etag
from tests.unit.client.uploading import check


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
        NewSample("i", None),  # type: ignore[arg-type]
        NewSample("half \ud800", b"x"),
        NewSample("g", b"x", label=float("nan")),
        NewSample("h", b"x", label=object()),
        NewSample("z" * 2000, b"x"),
    ]
    done = samples.put_many(source)
    assert (done.created, done.refused) == (1, 10)
    codes = {one.key[:6]: one.code for one in done.first_refused}
    assert codes == dict.fromkeys("bcdefi", "unreadable") | dict.fromkeys(
        ("half \ud800", "g", "h", "zzzzzz"), "invalid"
    )


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
