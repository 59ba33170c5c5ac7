"""PostgreSQL stopped, killed, silent: 503 with Retry-After, streams that stay, and everything heals without a
restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from blueno.db.config import DatabaseConfig
from tests import pg
from tests.fakes.access import AccessServer
from tests.web.conftest import StartSite
from tests.web.events import listening
from tests.web.mirrored import Mirrored
from tests.web.site import Browser, Reply, Site, eventually
from webui import database as database_module
from webui.config import WebConfig

LIST = "/api/v1/datasets"


@pytest.fixture
def fragile(server: pg.Server, settings: WebConfig) -> Iterator[WebConfig]:
    """Settings for a database on a server of one's own, with a short patience for statements."""
    with server.database() as config:
        yield replace(settings, database=replace(config, statement_timeout_ms=2000))


async def healed(browser: Browser) -> Reply:
    async def ask() -> Reply | None:
        reply = await browser.get(LIST)
        return reply if reply.status == 200 else None

    found: Reply = await eventually(ask, 40.0)
    return found


def mirror(config: DatabaseConfig) -> Mirrored:
    return Mirrored(config)


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_postgresql_goes_and_comes_back(
    server: pg.Server, fragile: WebConfig, start_site: StartSite, how: str
) -> None:
    site = await start_site(database=fragile.database)
    before = mirror(fragile.database)
    before.put(reason="Before")
    before.close()
    browser = await site.logged_in()
    async with listening(browser) as events:
        await eventually(lambda: site.process.services.hub.database_up)
        await asyncio.to_thread(getattr(server, how))
        while (await events.next("health")).data["database"]:
            continue
        replies = [await browser.get(LIST) for _ in range(3)]
        for reply in replies:
            assert (reply.status, reply.code) == (503, "database_unavailable")
            assert int(reply.headers["Retry-After"]) >= 1
            assert "postgres" not in str(reply.json).lower(), "nothing of the inside"
        for path in ("/healthz", "/readyz", "/"):
            assert (await site.browser().get(path)).status == 200
        login = await site.browser().log_in("ada@example.org")
        assert login.status == 503
        await asyncio.to_thread(server.start)
        assert [item["reason"] for item in (await healed(browser)).json["items"]] == ["Before"]
        while not (await events.next("health")).data["database"]:
            continue
        after = mirror(fragile.database)
        after.put(reason="After")
        assert (await events.until("digits", "After"))[-1].data["op"] == "upsert"
        assert all(event.kind != "reset" for event in events.seen)
        after.close()


async def test_a_silent_postgresql(server: pg.Server, fragile: WebConfig, start_site: StartSite) -> None:
    """Its processes stopped, its connections open: every request still ends, and the streams live on."""
    site = await start_site(database=fragile.database)
    first = mirror(fragile.database)
    first.put(reason="Before")
    first.close()
    browser = await site.logged_in()
    async with listening(browser) as events:
        await eventually(lambda: site.process.services.hub.database_up)
        server.pause()
        try:
            asked = [asyncio.create_task(patient(site, browser)) for _ in range(30)]
            for reply in await asyncio.gather(*asked):
                assert reply.status == 503
                assert reply.code in ("database_unavailable", "overloaded")
            assert (await site.browser().get("/healthz")).status == 200
            while (await events.next("health")).data["database"]:
                continue
        finally:
            server.resume()
        await healed(browser)
        while not (await events.next("health")).data["database"]:
            continue


async def patient(site: Site, browser: Browser) -> Reply:
    """A request that may take as long as the limits add up to."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with browser.session.get(site.url + LIST, timeout=timeout) as answer:
        return Reply(answer.status, answer.headers, await answer.read(), await answer.json(content_type=None))


async def test_started_before_postgresql(
    server: pg.Server, fragile: WebConfig, start_site: StartSite, caplog: Any
) -> None:
    """The code for the first user comes as soon as there is a database to keep it in."""
    await asyncio.to_thread(server.stop)
    site = await start_site(database=fragile.database)
    assert (await site.browser().get("/readyz")).status == 200
    assert (await site.browser().get("/api/v1/setup")).status == 503
    await asyncio.to_thread(server.start)
    await eventually(lambda: "enter the code" in caplog.text, 30.0)
    assert (await site.browser().get("/api/v1/setup")).json == {"needed": True}


@pytest.fixture
async def narrow(
    monkeypatch: pytest.MonkeyPatch, start_site: StartSite, database: DatabaseConfig
) -> AsyncIterator[Site]:
    """A site with one connection and little patience."""
    monkeypatch.setattr(database_module, "QUEUE", 3)
    monkeypatch.setattr(database_module, "QUEUE_SECONDS", 0.5)
    yield await start_site(database=replace(database, pool_size=1))


async def test_a_busy_database_sheds_load(narrow: Site) -> None:
    browser = await narrow.logged_in()
    held = narrow.connection()
    with held, held.cursor() as cursor:
        cursor.execute("LOCK TABLE projection.dataset IN ACCESS EXCLUSIVE MODE")
        replies = await asyncio.gather(*(browser.get(LIST) for _ in range(12)))
    held.close()
    codes = {reply.code for reply in replies}
    assert {reply.status for reply in replies} == {503}
    assert codes <= {"overloaded", "database_unavailable"}
    assert "overloaded" in codes
    assert (await browser.get(LIST)).status == 200


async def test_a_costly_query_is_the_callers(
    start_site: StartSite, database: DatabaseConfig, access: AccessServer, mirrored: Mirrored
) -> None:
    site = await start_site(database=replace(database, statement_timeout_ms=1500))
    browser = await site.logged_in()
    held = site.connection()
    with held, held.cursor() as cursor:
        cursor.execute("LOCK TABLE projection.dataset IN ACCESS EXCLUSIVE MODE")
        reply = await browser.get(LIST)
    held.close()
    assert (reply.status, reply.code) == (422, "query_too_costly")
