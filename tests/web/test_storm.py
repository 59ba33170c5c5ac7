"""A storm of connections (row 18): 200 clients and a PostgreSQL that takes 20. They queue with an end, get 503 with
Retry-After and never 500; mirror and recorder keep what they have.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio

from blueno.db.connect import Connection, connect
from blueno.errors import Unavailable
from tests import pg
from tests.db.mirroring import uid_of
from tests.db.recording import World, a_world, done, until
from tests.web.conftest import StartSite
from tests.web.site import Browser, Reply, Site, eventually

FEW = {"max_connections": "20", "superuser_reserved_connections": "3", "max_wal_senders": "0"}
CLIENTS = 200
LIST, TOKENS = "/api/v1/datasets", "/api/v1/tokens"
A = uid_of(1)

pytestmark = pytest.mark.timeout(120)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Mirror, data servers and a database of few connections."""
    with pg.running(FEW) as server, server.database() as database:
        async with a_world(database, tmp_path) as made:
            made.server = server  # type: ignore[attr-defined]
            yield made


async def two_hundred(site: Site) -> list[Browser]:
    """Clients of one person, each with a connection of its own."""
    browser = await site.logged_in()
    made = (await browser.post(TOKENS, {"name": "storm"})).json["token"]
    return [site.browser(Authorization=f"Bearer {made}") for _ in range(CLIENTS)]


@asynccontextmanager
async def stormy(world: World, start_site: StartSite) -> AsyncIterator[tuple[Site, list[Browser]]]:
    """A recorder that has loaded a version, a web process, and its clients."""
    world.dataset(A)
    first = world.seal(A, 3)
    site = await start_site(database=world.database)
    async with world.recorder():
        await done(world, A, first)
        yield site, await two_hundred(site)


async def storm(clients: list[Browser]) -> list[Reply]:
    """Every fifth wants to write (a person has 50 tokens at most). All are answered, within a client's time."""

    async def ask(number: int, client: Browser) -> Reply:
        return await client.get(LIST) if number % 5 else await client.post(TOKENS, {"name": f"t{number}"})

    replies = await asyncio.gather(*(ask(number, client) for number, client in enumerate(clients)))
    for reply in replies:
        assert reply.status in (200, 201, 503), reply
        if reply.status == 503:
            assert reply.headers["Content-Type"].startswith("application/problem+json")
            assert reply.code in ("overloaded", "database_unavailable")
            assert int(reply.headers["Retry-After"]) >= 1
    return replies


async def test_two_hundred_clients_leave_mirror_and_recorder_their_connections(
    world: World, start_site: StartSite
) -> None:
    async with stormy(world, start_site) as (_, clients):
        storming = asyncio.create_task(storm(clients))
        digest = world.seal(A, 4)
        await done(world, A, digest)
        assert {reply.status for reply in await storming} & {200, 201}, "some are served"
    said = (world.server.folder / "log").read_text()  # type: ignore[attr-defined]
    assert "too many clients" not in said, "they queue here, not at PostgreSQL's door"
    assert "remaining connection slots" not in said


async def test_no_connection_is_left(world: World, start_site: StartSite) -> None:
    """Somebody else holds them all, the web process's too. The mirror has its own and goes on."""
    async with stormy(world, start_site) as (site, clients):
        hogs = await asyncio.to_thread(take_all, world)
        try:
            replies = await storm(clients)
            assert {reply.status for reply in replies} == {503}
            for _ in range(60):
                again = await clients[0].get(LIST)
                assert again.code == "database_unavailable", "that nobody can look up who it is makes it no stranger"
            for _ in range(25):
                assert (await site.browser().log_in("ada@example.org")).code == "database_unavailable"
            assert (await site.browser().get("/readyz")).status == 200
            digest = world.seal(A, 4)  # the recorder cannot load it now
            await until(lambda: not world.mirrored.waiting())
        finally:
            for hog in hogs:
                hog.close()

        async def answers() -> bool:
            return (await clients[1].get(LIST)).status == 200

        await eventually(answers, 20.0)
        await done(world, A, digest)


def take_all(world: World) -> list[Connection]:
    """Every slot that is free, and those of the web process."""
    server: pg.Server = world.server  # type: ignore[attr-defined]
    hogs: list[Connection] = []
    ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'blueno-web%'"
    while server.admin(ends) or len(hogs) < 5:
        with suppress(Unavailable):
            while True:
                hogs.append(connect(world.database, application="hog"))
    return hogs
