"""The operator and PostgreSQL, on real kopf: it works without one, and tells it everything when it comes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest

from blueno import names
from tests import pg
from tests.db.mirroring import Mirrored
from tests.loop.conftest import Operator, World, a_dataset_manifest


@pytest.fixture(scope="module")
def server() -> Iterator[pg.Server]:
    """A PostgreSQL for this module."""
    with pg.running() as started:
        yield started


@pytest.fixture
def reader(server: pg.Server) -> Iterator[Mirrored]:
    """Somebody who reads a fresh database."""
    with server.database() as database:
        yield Mirrored(database)


async def metric(operator: Operator, name: str) -> float:
    async with aiohttp.ClientSession() as client, client.get(f"http://localhost:{operator.http}/metrics") as answer:
        lines = [line for line in (await answer.text()).splitlines() if line.startswith(f"{name} ")]
        return float(lines[0].rpartition(" ")[2])


async def until_up(operator: Operator) -> None:
    """A row is committed a moment before the mirror says of itself that it is up."""
    async with asyncio.timeout(30):
        while True:
            if await metric(operator, "blueno_mirror_up") == 1:
                return
            await asyncio.sleep(0.05)


def shown(reader: Mirrored) -> dict[str, tuple[bool, str]]:
    rows = reader.read("SELECT name, ready, reason FROM projection.dataset WHERE deleted_at IS NULL")
    return {name: (ready, reason) for name, ready, reason in rows}


async def test_ready_without_a_database_and_a_row_when_it_comes(world: World, reader: Mirrored, tmp_path: Path) -> None:
    url_file = tmp_path / "url"
    operator = await world.at_work(BLUENO_DATABASE_URL_FILE=str(url_file))
    await world.ready()
    assert await metric(operator, "blueno_mirror_up") == 0
    url_file.write_text(reader.database.url_file.read_text())
    await world.until(lambda: shown(reader) == {"mnist": (True, "Available")}, "the row")
    await until_up(operator)
    assert await metric(operator, "blueno_mirror_lag_seconds") < 5


async def test_every_change_and_the_end(world: World, reader: Mirrored) -> None:
    await world.at_work(BLUENO_DATABASE_URL_FILE=str(reader.database.url_file))
    await world.ready()
    await world.until(lambda: shown(reader) == {"mnist": (True, "Available")}, "the row")
    uid = world.api.read("Dataset", "mnist")["metadata"]["uid"]
    reasons = reader.history(uid)
    assert reasons[-1] == "Available"
    assert len(reasons) > 1
    assert all(one != other for one, other in pairwise(reasons))
    world.api.update("Dataset", "mnist", {"spec": {"displayName": "Digits"}})
    name = "SELECT display_name FROM projection.dataset"
    await world.until(lambda: reader.read(name) == [("Digits",)], "the new name")
    world.api.remove("Dataset", "mnist")
    await world.until(lambda: shown(reader) == {}, "the end")
    assert reader.history(uid) == [*reasons, "Deleted"]
    assert reader.log()[-1] == (uid, "delete")


async def test_another_operator_takes_over_the_mirror_too(world: World, reader: Mirrored) -> None:
    """One is killed while a Dataset goes away and another comes; nothing is told twice, nothing is missing."""
    settings = {"BLUENO_DATABASE_URL_FILE": str(reader.database.url_file)}
    first = await world.at_work("operator-a", **settings)
    await world.ready()
    await world.until(lambda: shown(reader) == {"mnist": (True, "Available")}, "the row")
    await world.settled()
    ((fence,),) = reader.read("SELECT fence FROM projection.stream")
    uid = world.api.read("Dataset", "mnist")["metadata"]["uid"]
    told = reader.history(uid)
    await first.stop(signal.SIGKILL)
    world.api.update("Lease", names.LEASE, {"spec": {"holderIdentity": ""}}, names.SYSTEM_NAMESPACE)
    world.api.put(a_dataset_manifest("cifar"))
    world.api.remove("Dataset", "mnist")
    await world.at_work("operator-b", **settings)
    await world.until(lambda: set(shown(reader)) == {"cifar"}, "the other's row only")
    assert reader.history(uid) == [*told, "Deleted"]
    assert reader.read("SELECT fence - %s FROM projection.stream", fence) == [(1,)]


async def test_a_silent_database_stops_nobody(world: World, server: pg.Server, reader: Mirrored) -> None:
    operator = await world.at_work(BLUENO_DATABASE_URL_FILE=str(reader.database.url_file))
    server.pause()
    try:
        await world.ready()
        await world.say(operator, names.WEB, "looked", {"datasets": []})
    finally:
        server.resume()
    await world.until(lambda: shown(reader) == {"mnist": (True, "Available")}, "the row", 40)
    await operator.stop()
    assert operator.process.returncode == 0
