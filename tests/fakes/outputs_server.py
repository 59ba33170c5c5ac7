"""A server of runs' outputs of the real code in this process, on a directory of the test's. Used by tests."""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from blueno.dataserver.config import OutputsConfig
from blueno.dataserver.listen import Limits, listen
from blueno.dataserver.outputs_app import make_outputs_app
from blueno.grants import MAX_TTL, outputs_of
from tests.fakes.data_server import PUBLIC, Served, bearer

NAMESPACE, CLAIM, RUN = "lab", "blueno-outputs", "train-0c5b3c8e"
URL = f"/v1/outputs/{RUN}"
SECRET = b"somebody else's"


@asynccontextmanager
async def serving_outputs(mount: Path, limits: Limits | None = None) -> AsyncIterator[Served]:
    """On any free port; talks with a grant for RUN."""
    config = OutputsConfig(mount, NAMESPACE, CLAIM, PUBLIC, limits or Limits())
    listener = await listen(make_outputs_app(config), "127.0.0.1", 0, config.limits)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as session:
            yield Served(session, listener.port, bearer(outputs_of(NAMESPACE, CLAIM, RUN), seconds=MAX_TTL - 60))
    finally:
        await listener.close()


def at(what: str, path: str = "", **more: Any) -> str:
    """The address of what is asked about a path in the run's directory."""
    query = {"path": path, **more}
    return f"{URL}/{what}?" + "&".join(f"{key}={quote(str(value), safe='')}" for key, value in query.items())


def unpack(body: bytes) -> dict[str, bytes]:
    """Of a tar that is whole: name → bytes, of directories nothing."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            assert member.isfile() or member.isdir()
            file = tar.extractfile(member) if member.isfile() else None
            found[member.name] = file.read() if file is not None else b""
    assert body.endswith(bytes(1024))
    return found
