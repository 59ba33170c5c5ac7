"""PostgreSQL without room, and read-only (row 21): a write gets 503 with Retry-After, what is there is shown.

What mirror and recorder do then is in tests/db/test_full_disk.py.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests import pg
from tests.faults.small_disk import database_on_a_small_disk, read_only
from tests.web.conftest import StartSite
from tests.web.site import Browser, Reply, eventually
from webui.config import WebConfig

TOKENS = "/api/v1/tokens"
LIST = "/api/v1/datasets"


async def token(browser: Browser, name: str) -> Reply:
    reply = await browser.post(TOKENS, {"name": name})
    assert reply.status in (201, 503), reply
    return reply


def says_later(reply: Reply) -> bool:
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    assert (reply.code, int(reply.headers["Retry-After"]) >= 1) == ("database_unavailable", True)
    return True


async def test_a_full_disk(server: pg.Server, settings: WebConfig, start_site: StartSite) -> None:
    with database_on_a_small_disk(server) as (database, disk):
        site = await start_site(database=database)
        browser = await site.logged_in()
        await asyncio.to_thread(disk.fill)
        told, replies = [], []
        while not replies or replies[-1].status == 201:  # until the tables' last pages are full
            replies.append(await token(browser, f"t{len(replies)}"))
            told += [f"t{len(replies) - 1}"] if replies[-1].status == 201 else []
        assert says_later(replies[-1])
        read = await browser.get(LIST)
        assert read.status == 200, "what is there is shown"
        assert (await site.browser().get("/readyz")).status == 200
        disk.free()

        async def taken() -> bool:
            return (await token(browser, "at last")).status == 201

        await eventually(taken, 30.0)
        kept = {item["name"] for item in (await browser.get(TOKENS)).json["items"]}
        assert kept == {*told, "at last"}, "what was answered with 201 is there, what was not is not"


async def test_read_only(server: pg.Server, settings: WebConfig, start_site: StartSite) -> None:
    with server.database() as database:
        site = await start_site(database=replace(database, pool_size=2))
        browser = await site.logged_in()
        with read_only(server):
            replies = [await token(browser, "t")]
            while replies[-1].status == 201:  # sessions hear of the setting a moment later
                replies.append(await token(browser, "t"))
            assert says_later(replies[-1])
            assert says_later(await site.browser().log_in("ada@example.org"))
            assert (await browser.get(LIST)).status == 200
        assert await eventually(lambda: taken_again(browser), 30.0)


async def taken_again(browser: Browser) -> bool:
    return (await token(browser, "again")).status == 201
