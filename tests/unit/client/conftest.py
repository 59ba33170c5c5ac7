"""A stand-in server and a client of it, with a home of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blueno.client import Client
from blueno.client.http import Http, Limits
from tests.fakes.runs_api import TOKEN, RunsApi, running

# Short, so that what is tested about time takes none.
LIMITS = Limits(connect=2.0, wait=1.0, whole=2.0, pause=0.01)


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
