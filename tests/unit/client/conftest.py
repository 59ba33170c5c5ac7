"""A stand-in server and a client of it, with a home of their own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from blueno.client import Client, Samples, bundles, contents, large
from blueno.client.http import Http, Limits
from tests.fakes import samples_api
from tests.fakes.runs_api import TOKEN, RunsApi, running
from tests.fakes.samples_api import SamplesApi

# A short pause: what is tried again takes no time. Patient otherwise: who gives up sooner has requests counted twice.
LIMITS = Limits(connect=30.0, wait=30.0, whole=60.0, pause=0.01)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No setting of the person who runs the tests."""
    for name in ("BLUENO_SERVER", "BLUENO_TOKEN", "BLUENO_NAMESPACE", "BLUENO_ALLOW_HTTP", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def api() -> Iterator[RunsApi]:
    with running() as api:
        yield api


@pytest.fixture
def client(api: RunsApi) -> Iterator[Client]:
    with Client(api.url, TOKEN) as client:
        client._http = Http(api.url, TOKEN, LIMITS)
        yield client


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SamplesApi]:
    with samples_api.running(tmp_path / "server") as server:
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
