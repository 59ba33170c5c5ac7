"""Server and client are killed (SIGKILL, real processes) while they are at it: nothing is lost, nothing doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from blueno.client import Client
from blueno.client.http import Http
from tests.fakes.runs_api import TOKEN
from tests.fakes.samples_api import Misbehave, SamplesApi, running
from tests.unit.client.conftest import LIMITS

TOP = Path(__file__).resolve().parents[3]
SMALL = """
from blueno.client import bundles, contents, large
bundles.FULL_SAMPLES, contents.LARGE, large.CHUNK = 20, 100_000, 30_000
"""
CLIENT = f"""
import sys, blueno
{SMALL}
with blueno.Client(sys.argv[1], {TOKEN!r}) as client:
    done = client.samples("digits", "team").put_many(sys.argv[2])
print(done.created, done.same, done.skipped, done.refused)
"""
# How much memory a client has at its highest, with so many files to send.
MEMORY = f"""
import resource, sys, blueno
from blueno.client import NewSample
many = int(sys.argv[2])
samples = (NewSample(f"{{n:07}}.png", b"x" * 500 + str(n).encode(), label=n % 10) for n in range(many))
with blueno.Client(sys.argv[1], {TOKEN!r}) as client:
    done = client.samples("digits", "team").put_many(samples)
assert done.samples == many, done
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    source, dice = tmp_path / "files", random.Random(11)
    source.mkdir()
    for number in range(300):
        (source / f"{number:03}.png").write_bytes(dice.randbytes(dice.randrange(1000)))
    (source / "100-large.npy").write_bytes(dice.randbytes(250_000))
    return source


@contextmanager
def kept_port() -> Iterator[int]:
    """A port that is this test's while no server listens, too."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", 0))
        yield one.getsockname()[1]


@contextmanager
def server_that_dies(root: Path, deaths: list[str]) -> Iterator[tuple[str, list[int]]]:
    """Started again each time it dies, with the next of `deaths`; the exit codes so far."""
    with kept_port() as port:
        yield from _dying(root, deaths, port)


def _dying(root: Path, deaths: list[str], port: int) -> Iterator[tuple[str, list[int]]]:
    ends: list[int] = []
    over = threading.Event()
    now: list[subprocess.Popen[str]] = []
    ready = threading.Event()

    def keep() -> None:
        for death in [*deaths, ""]:
            if over.is_set():
                return
            command = [sys.executable, "-m", "tests.fakes.samples_api", str(root), str(port), death]
            one = subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True)
            now[:] = [one]
            with one:
                assert one.stdout is not None
                one.stdout.readline()
                ready.set()
                ends.append(one.wait())

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        assert ready.wait(60)
        yield f"http://127.0.0.1:{port}", ends
    finally:
        over.set()
        now[0].terminate()
        thread.join(60)


def killing(client: subprocess.Popen[str], answers: int) -> Misbehave:
    left = [answers]

    async def kill(_: web.Request) -> None:
        left[0] -= 1
        if left[0] == 0:
            client.send_signal(signal.SIGKILL)

    return kill


def check(root: Path, files: Path) -> None:
    there = SamplesApi(root)
    assert {key: there.content(key) for key in there.samples} == {
        path.name: path.read_bytes() for path in files.iterdir()
    }
    lines = [json.loads(line)["key"] for line in (root / "journal").read_text().splitlines()]
    assert len(lines) == len(set(lines)) == 301


@pytest.mark.parametrize("deaths", [["before:2", "after:2", "after:1", "before:1"], ["chunk:1"] * 4])
def test_the_server_is_killed(tmp_path: Path, files: Path, deaths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from blueno.client import bundles, contents, large

    monkeypatch.setattr(bundles, "FULL_SAMPLES", 20)
    monkeypatch.setattr(contents, "LARGE", 100_000)
    monkeypatch.setattr(large, "CHUNK", 30_000)
    with server_that_dies(tmp_path / "server", deaths) as (url, ends), Client(url, TOKEN) as client:
        client._http = Http(url, TOKEN, LIMITS)
        done = client.samples("digits", "team").put_many(files)
        assert ends == [-signal.SIGKILL] * len(deaths)
    assert (done.samples, done.refused) == (301, 0)
    check(tmp_path / "server", files)


def test_the_client_is_killed_and_run_again(tmp_path: Path, files: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(TOP), "HOME": str(tmp_path)}
    root = tmp_path / "server"
    with running(root) as server:
        command = [sys.executable, "-c", CLIENT, server.url, str(files)]
        for answers in (9, 8, 8):  # requests that are answered before the client is killed
            client = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
            server.always = killing(client, answers)
            with client:
                assert client.wait(120) == -signal.SIGKILL
        server.always = None
        there = len(server.samples)
        assert 0 < there < 301
        before = server.sent
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        created, same, skipped, refused = map(int, done.stdout.split())
        assert (created + same, refused) == (301, 0)
        assert skipped >= there - 100  # what was on its way when the client died was not seen
        missing = sum(path.stat().st_size for path in files.iterdir()) - sum(
            one["bytes"] for one in server.samples.values()
        )
        assert missing == 0
        print(f"{there} of 301 were there; {server.sent - before} bytes were sent for the others")
    check(root, files)


def test_memory_does_not_grow_with_the_number_of_samples(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(TOP), "HOME": str(tmp_path)}
    with running(tmp_path / "server") as server:

        async def swallow(request: web.Request) -> web.StreamResponse | None:
            body = await request.read()
            if not request.path.endswith("/bundles"):
                return None
            count = body[8 : 8 + int.from_bytes(body[:8], "little")].count(b"\n")
            return web.json_response({"revision": 1, "created": count, "same": 0, "replaced": 0, "refused": []})

        server.always = swallow
        kilobytes = []
        for many in (20_000, 120_000):
            command = [sys.executable, "-c", MEMORY, server.url, str(many)]
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
            kilobytes.append(int(done.stdout))
    few, more = kilobytes
    assert more - few < 16 << 10, kilobytes
