"""A PostgreSQL that swallows everything (row 19): the operator works, answers, and tells it all when it is back."""

from __future__ import annotations

from collections.abc import Iterator

import aiohttp
import pytest

from blueno import names
from tests import pg
from tests.db.mirroring import Mirrored
from tests.loop.conftest import a_dataset_manifest
from tests.loop.fire.conftest import UnderFire
from tests.loop.fire.prep_controller import PrepController
from tests.loop.sound import sound
from tests.proxies.postgres import BlackHole, PostgresProxy


@pytest.fixture
def server() -> Iterator[pg.Server]:
    with pg.running() as started:
        yield started


async def test_a_black_hole_for_a_database_stops_nobody(
    world: UnderFire, prep: PrepController, server: pg.Server
) -> None:
    with server.database() as database, PostgresProxy(server.port) as proxy:
        reader = Mirrored(database)
        with proxy.fault(BlackHole()) as hole:
            operator = await world.at_work(BLUENO_DATABASE_URL_FILE=str(proxy.before(database).url_file))
            world.api.put(a_dataset_manifest(reclaimPolicy="Delete"))
            await world.until(lambda: world.condition("Ready") == ("True", "Available"), "Ready without a row")
            assert await world.say(operator, names.WEB, "looked", {"datasets": []}) is None
            async with aiohttp.ClientSession() as client:
                for path in ("livez", "metrics"):
                    async with client.get(f"http://localhost:{operator.http}/{path}") as answer:
                        assert answer.status == 200
            await world.until(lambda: hole.fired >= 2, "calls have ended, and new ones were made")
            assert reader.reasons() == {}
        await world.until(lambda: list(reader.reasons().values()) == ["Available"], "the row")
        await sound(world)
        await operator.stop()
        assert operator.process.returncode == 0
