"""Everything hostile in a directory that a training run writes to, or that happens to it while it is read."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from blueno import filenames
from blueno.dataserver import archive
from blueno.dataserver.listen import Limits
from tests.fakes.data_server import Served
from tests.fakes.outputs_server import RUN, SECRET, at, serving_outputs, unpack


def put(run: Path, name: bytes, data: bytes) -> None:
    """A file of this name in the run's directory."""
    path = Path(os.fsdecode(os.fsencode(run) + b"/" + name))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


async def names(outputs: Served, path: str = "") -> list[str]:
    return [entry["name"] for entry in (await outputs.get(at("list", path))).json()["items"]]


BAD_PATHS = ("..", "../other-11111111/secret", "checkpoints/../../other-11111111/secret", r"\x2e\x2e/x", "a//b", "\\")


@pytest.mark.parametrize("path", BAD_PATHS)
async def test_paths_that_lead_out(outputs: Served, path: str) -> None:
    for what in ("list", "file", "tar"):
        answer = await outputs.get(at(what, path))
        answer.problem(422, "bad_parameter", "path")
        assert SECRET not in answer.body


async def test_links_are_shown_and_never_followed(outputs: Served, run: Path) -> None:
    (run / "passwd").symlink_to("/etc/passwd")
    (run / "up").symlink_to("../other-11111111")
    (run / "inside").symlink_to("model.npz")
    (run / "loop").symlink_to("loop")
    (run / "nowhere").symlink_to("not/there")
    found = {e["name"]: e for e in (await outputs.get(at("list"))).json()["items"]}
    for name in ("passwd", "up", "inside", "loop", "nowhere"):
        assert (found[name]["kind"], found[name]["bytes"]) == ("link", None)
        (await outputs.get(at("file", name))).problem(409, "output_is_a_link")
        (await outputs.get(at("list", name))).problem(409, "not_a_directory")
        (await outputs.get(at("tar", name))).problem(409, "not_a_directory")
    for path in ("up/secret", "passwd/x"):
        assert SECRET not in (await outputs.get(at("file", path))).problem(409, "not_a_directory").encode()
    packed = unpack((await outputs.get(at("tar"))).body)
    assert "passwd" in packed["LEFT-OUT.txt"].decode()
    assert not any(b"root:" in data or SECRET in data for data in packed.values())


async def test_a_link_in_place_of_the_runs_directory(outputs: Served, run: Path) -> None:
    await asyncio.to_thread(run.rename, f"{run}-moved")
    await asyncio.to_thread(run.symlink_to, "other-11111111")
    (await outputs.get(at("list"))).problem(404, "no_outputs")
    (await outputs.get(at("file", "secret"))).problem(404, "no_outputs")


async def test_pipes_and_sockets(outputs: Served, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(run / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(run)  # a socket's path has at most 107 bytes
        listener.bind("socket")
        found = {e["name"]: e["kind"] for e in (await outputs.get(at("list"))).json()["items"]}
        assert (found["pipe"], found["socket"]) == ("other", "other")
        for name in ("pipe", "socket"):
            async with asyncio.timeout(30):
                (await outputs.get(at("file", name))).problem(409, "not_a_file")
        assert set(unpack((await outputs.get(at("tar"))).body)) >= {f"{RUN}/model.npz", "LEFT-OUT.txt"}
    (await outputs.get(at("file", "checkpoints"))).problem(409, "not_a_file")


HOSTILE = (
    b"two\nlines",
    b"\xff\xfe\x80",
    b"x" * 255,
    b"\x1b]0;title\x07",
    b'quote".txt',
    b"per%cent",
    b"a\\b",
    b"-rf",
    b" ",
)


async def test_hostile_names(outputs: Served, run: Path) -> None:
    for name in HOSTILE:
        put(run, name, b"of " + name)
    listed = (await outputs.get(at("list"))).json()["items"]
    assert {filenames.meant(entry["name"]) for entry in listed} >= set(HOSTILE)
    assert all(entry["name"].isprintable() for entry in listed)
    for name in HOSTILE:
        answer = await outputs.get(at("file", filenames.shown(name)))
        assert (answer.status, answer.body) == (200, b"of " + name)
        said = answer.headers["Content-Disposition"]
        assert said.startswith('attachment; filename="')
        assert said.count('"') == 2
        assert said.isascii()
        assert said.isprintable()
    packed = unpack((await outputs.get(at("tar"))).body)
    for name in HOSTILE:
        assert packed[f"{RUN}/{os.fsdecode(name)}"] == b"of " + name
    put(run, b"\xfe/\n", b"deep")
    assert (await outputs.get(at("file", r"\xfe/\x0a"))).body == b"deep"


async def test_what_we_may_not_read(outputs: Served, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of another user; played here, since tests may run as root, who may read everything."""
    (run / "private").write_bytes(b"mine")
    real = os.open

    def refuse(path: Any, *args: Any, **more: Any) -> int:
        if path in (b"private", b"checkpoints"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", refuse)
    assert "private" in await names(outputs)
    assert "umask" in (await outputs.get(at("file", "private"))).problem(409, "output_unreadable")
    (await outputs.get(at("list", "checkpoints"))).problem(409, "output_unreadable")
    packed = unpack((await outputs.get(at("tar"))).body)
    assert f"{RUN}/private" not in packed
    assert "private: may be read by the run's own user only" in packed["LEFT-OUT.txt"].decode()


async def test_a_file_that_grows_while_it_is_read(outputs: Served, run: Path) -> None:
    path = run / "live"
    size = 24 << 20  # more than the kernel keeps for a connection
    path.write_bytes(b"a" * size)
    async with outputs.session.get(outputs.url + at("file", "live"), headers=outputs.headers) as answer:
        first = await answer.content.readexactly(1 << 20)
        with path.open("ab") as file:
            file.write(b"b" * size)
        rest = await answer.read()
    assert len(first + rest) == size == int(answer.headers["Content-Length"])
    assert b"b" not in rest
    again = await outputs.held(at("file", "live"), Range=f"bytes={size}-")
    assert again.headers["Content-Range"] == f"bytes {size}-{2 * size - 1}/{2 * size}"


async def test_a_file_that_shrinks_or_is_replaced_while_it_is_read(outputs: Served, run: Path) -> None:
    size = 24 << 20
    (run / "live").write_bytes(b"a" * size)
    async with outputs.session.get(outputs.url + at("file", "live"), headers=outputs.headers) as answer:
        await answer.content.readexactly(1 << 20)
        (run / "new").write_bytes(b"n")
        (run / "new").replace(run / "live")
        assert await answer.read() == b"a" * (size - (1 << 20)), "the file that was opened"
    (run / "live").write_bytes(b"a" * size)
    async with outputs.session.get(outputs.url + at("file", "live"), headers=outputs.headers) as answer:
        await answer.content.readexactly(1 << 20)
        os.truncate(run / "live", 10)
        with pytest.raises(Exception, match=r"[Cc]ontent|payload|closed|reset"):
            await answer.read()
    assert (await outputs.get(at("file", "live"))).body == b"a" * 10


async def test_an_archive_of_a_directory_that_changes(
    outputs: Served, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = archive.check

    def check_then_remove(top: Any, job: Any) -> None:
        real(top, job)
        (run / "empty").unlink()
        (run / "checkpoints" / "step-10").unlink()
        (run / "checkpoints").rmdir()
        (run / "late").write_bytes(b"late")

    monkeypatch.setattr(archive, "check", check_then_remove)
    packed = unpack((await outputs.get(at("tar"))).body)
    assert packed[f"{RUN}/late"] == b"late"
    assert f"{RUN}/checkpoints" not in packed


async def test_deep_directories_end(outputs: Served, run: Path) -> None:
    folder = run
    for _ in range(80):
        folder = folder / "d"
        folder.mkdir()
    assert "too many directories" in unpack((await outputs.get(at("tar"))).body)["LEFT-OUT.txt"].decode()
    assert await names(outputs, "/".join("d" * 60)) == ["d"]
    (await outputs.get(at("list", "/".join("d" * 65)))).problem(422, "bad_parameter", "path")


async def test_odd_times(outputs: Served, run: Path) -> None:
    os.utime(run / "empty", ns=(0, -(10**9)))
    found = {e["name"]: e for e in (await outputs.get(at("list"))).json()["items"]}
    assert found["empty"]["modified"] is None
    assert unpack((await outputs.get(at("tar"))).body)[f"{RUN}/empty"] == b""


async def test_a_volume_that_hangs(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving_outputs(run.parent, Limits(seconds=0.3, probe_seconds=0.3, threads=1)) as outputs:
        real = os.scandir

        def slow(*args: Any) -> Any:
            time.sleep(2)
            return real(*args)

        monkeypatch.setattr(os, "scandir", slow)
        (await outputs.get(at("list"))).problem(503, "too_slow")
        assert (await outputs.get("/healthz")).status == 200
