"""Namespaces' NFS servers on a fake API server, and a kubectl that reaches it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blueno.cli import storage
from tests.fakes import kubectl as stand_in
from tests.fakes.api_server import ApiServer
from tests.unit.cli.storage.objects import REAL, put_server

CONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: fake, cluster: {server: "%s"}}]
users: [{name: nobody, user: {}}]
contexts: [{name: fake, context: {cluster: fake, user: nobody}}]
current-context: fake
"""


@contextmanager
def running() -> Iterator[ApiServer]:
    """A fake API server in a thread."""
    api, loop, ready, end = ApiServer(), asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with api.serving():
            ready.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield api
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(60)
        loop.close()


@pytest.fixture
def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ApiServer]:
    """A cluster with the servers of team-a and team-b, and kubectl as `environment` and this process find it.

    That is the machine's own where there is one, else tests/fakes/kubectl.py; tests marked BOTH run with each.
    """
    tools = tmp_path / "bin"
    tools.mkdir()
    if real := getattr(request, "param", REAL):
        (tools / "kubectl").symlink_to(real)
    else:
        (tools / "kubectl").write_text(f'#!/bin/sh\nexec {sys.executable} -IS {stand_in.__file__} "$@"\n')
        (tools / "kubectl").chmod(0o755)
    with running() as api:
        config = tmp_path / "kubeconfig"
        config.write_text(CONFIG % api.url)
        environment |= {"PATH": f"{tools}:{os.environ['PATH']}", "KUBECONFIG": str(config), "FAKE_API": api.url}
        for key in ("PATH", "KUBECONFIG", "FAKE_API"):
            monkeypatch.setenv(key, environment[key])
        monkeypatch.setattr(storage, "LOOK", 0.01)
        for number, tenant in enumerate(("team-a", "team-b"), 7):
            put_server(api, tenant, f"10.96.0.{number}")
        yield api
