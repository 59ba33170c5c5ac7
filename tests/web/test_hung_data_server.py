"""A data server whose process is stopped, as one is whose volume hangs: whoever wants its pictures is told so in time,
and everything else is as fast as ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from blueno.db.config import DatabaseConfig
from tests.faults.servers import Server, servers
from tests.web import prepared as preparation
from tests.web.mirrored import Mirrored, uid_of
from tests.web.prepared import Prepared
from tests.web.site import Browser, Reply, Site, eventually
from tests.web.stand_in import DataServerStandIn
from webui import dataservers

HUNG, OTHER = "/api/v1/datasets/lab/digits", "/api/v1/datasets/lab/letters"
FAST = 0.9 * dataservers.WAIT_SECONDS  # on a machine that does other things, too: still less than waiting for it
SILENCE = dataservers.SILENCE_SECONDS


@pytest.fixture
def stopping(site: Site, prepared: Prepared) -> Iterator[Server]:
    """The data server of lab/digits, a process of its own."""
    with servers() as forks, forks.served(prepared.place, prepared.uid) as server:
        site.data_server_url = f"http://127.0.0.1:{server.connection.port}"
        yield server


@pytest.fixture
def letters(
    site: Site, prepared: Prepared, database: DatabaseConfig, mirrored: Mirrored, data_server: DataServerStandIn
) -> None:
    """Another data set, whose server is well."""
    preparation.load(replace(prepared, uid=uid_of("lab", "letters")), database, mirrored, name="letters")
    site.other_urls["letters"] = data_server.url


async def timed(browser: Browser, path: str) -> tuple[float, Reply]:
    began = time.monotonic()
    reply = await browser.get(path)
    return time.monotonic() - began, reply


async def test_a_data_server_that_is_stopped_holds_up_nobody_else(site: Site, letters: None, stopping: Server) -> None:
    browser, visitor = await site.logged_in(), await site.logged_in("bob@example.org")
    assert (await browser.get(f"{HUNG}/sheet?rows=0-9")).status == 200
    os.kill(stopping.pid, signal.SIGSTOP)
    try:
        kinds = ("sheet?rows=0-9", "samples/0/raw")  # more than there are places for
        wanted = [f"{HUNG}/{kind}" for kind in kinds for _ in range(dataservers.AT_ONCE + 4)]
        asked = [asyncio.create_task(timed(browser, path)) for path in wanted]
        await asyncio.sleep(0.5)
        for path in ("/", "/healthz", "/api/v1/datasets", HUNG, f"{HUNG}/samples", f"{OTHER}/sheet?rows=0-9",
                     f"{OTHER}/samples/0/raw"):  # fmt: skip
            took, reply = await timed(visitor, path)
            assert (reply.status, took < FAST) == (200, True), (path, took, reply)
        for took, reply in await asyncio.gather(*asked):
            assert (reply.status, took < SILENCE * 1.5 + FAST) == (503, True), (took, reply)
            assert reply.code in ("data_server_starting", "overloaded")
            assert int(reply.headers["Retry-After"]) >= 1
    finally:
        os.kill(stopping.pid, signal.SIGCONT)

    async def well() -> bool:
        return (await browser.get(f"{HUNG}/sheet?rows=0-9")).status == 200

    await eventually(well)
