"""A recorder between real parts: mirror, PostgreSQL, data servers on prepared volumes. Used by test_recorder*.py.

Only the operator's report endpoint is a small fake: it grants leases, and what it is told goes into the status of the
Dataset as the operator would put it there, from where the real mirror takes it to the database.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web

from blueno.db.config import DatabaseConfig
from blueno.db.connect import connect
from blueno.errors import Unavailable
from blueno.recorder.config import RecorderConfig
from blueno.recorder.recorder import Recorder
from blueno.resources.indexing import IndexReport
from blueno.resources.work import Work
from tests.db.mirroring import Mirrored
from tests.db.processes import Served, start_recorder
from tests.fakes.data_server import PRIVATE
from tests.fakes.preparation import Place, archive_work
from tests.fakes.sources import class_folders, tar, write_mnist

PATIENCE = 45.0  # seconds for anything to happen


class FakeOperator:
    """The recorder's side of the report endpoint. `down` makes it answer 503, `granting` False makes it say no."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.reports: list[IndexReport] = []
        self.leases: list[str] = []
        self.returned: list[str] = []
        self.granting, self.down = True, False

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.post("/v1/index", self.index),
                web.post("/v1/index/done", self.done),
                web.post("/v1/indexed", self.indexed),
            ]
        )
        return app

    def states(self, uid: str) -> list[str]:
        return [report.state for report in self.reports if report.dataset == uid]

    async def index(self, request: web.Request) -> web.Response:
        uid = (await self._body(request))["dataset"]
        if uid not in self._world.bodies:
            raise web.HTTPNotFound
        self.leases.append(uid)
        return web.json_response({"granted": self.granting, "retryAfterSeconds": 0 if self.granting else 1})

    async def done(self, request: web.Request) -> web.Response:
        self.returned.append((await self._body(request))["dataset"])
        return web.Response(status=204)

    async def indexed(self, request: web.Request) -> web.Response:
        report = IndexReport.from_dict(await self._body(request))
        if report.dataset not in self._world.bodies:
            raise web.HTTPNotFound
        self.reports.append(report)
        index = {"digest": report.digest, "rows": report.rows} if report.state == "Indexed" else None
        self._world.put(report.dataset, index=index)
        return web.Response(status=204)

    async def _body(self, request: web.Request) -> dict[str, Any]:
        if self.down:
            raise web.HTTPServiceUnavailable
        assert request.headers["Authorization"] == "Bearer token-of-the-recorder"
        body: dict[str, Any] = await request.json()
        return body


class World:
    """A cluster's worth of Datasets, their volumes and data servers, one database, one recorder at a time."""

    def __init__(self, database: DatabaseConfig, folder: Path) -> None:
        self.database, self._folder = database, folder
        self.mirrored = Mirrored(database)
        self.operator = FakeOperator(self)
        self.bodies: dict[str, dict[str, Any]] = {}  # uid: status
        self.places: dict[str, Place] = {}
        self.servers: dict[str, Served] = {}
        self.report_url = ""

    def dataset(self, uid: str, *, serve: bool = True) -> Place:
        """A volume for a new data set, its data server running."""
        folder = self._folder / uid
        folder.mkdir()
        place = Place(folder)
        place.config = replace(place.config, dataset_uid=uid)
        self.places[uid], self.servers[uid] = place, Served(place, uid)
        if serve:
            self.servers[uid].start()
        return place

    def seal(self, uid: str, samples: int, *, classes: tuple[str, ...] = ("cat", "dog")) -> str:
        """One more version, which becomes the current one; its digest."""
        place = self.places[uid]
        outcome = place.sealed(archive_work(place.put(f"{samples}.tar", tar(class_folders(samples, classes), ""))))
        version = {"digest": outcome.digest, "sequence": outcome.sequence}
        self.put(uid, version=version)
        return outcome.digest

    def seal_mnist(self, uid: str) -> str:
        """70,000 rows, some 7 MB of index: long enough to be interrupted."""
        place = self.places[uid]
        write_mnist(place.volume / "mirror", distinct=100)
        mirror = {"url": "file:///mirror", "allowUnverified": True}
        outcome = place.sealed(Work(source={"tfds": {"name": "mnist", "mirror": mirror}}, layout={"type": "auto"}))
        self.put(uid, version={"digest": outcome.digest, "sequence": outcome.sequence})
        return outcome.digest

    def put(self, uid: str, **status: Any) -> None:
        """Changes the Dataset's status; the mirror does the rest."""
        found = {**self.bodies.get(uid, {}), **status}
        self.bodies[uid] = found
        self.mirrored.put(uid, "Available", **{key: value for key, value in found.items() if value is not None})

    def delete(self, uid: str) -> None:
        """The Dataset and its data server are gone."""
        del self.bodies[uid]
        self.mirrored.remove(uid)
        self.servers[uid].kill()

    def read(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.mirrored.read(statement, *values)

    def loaded(self, uid: str) -> list[tuple[str, int, int]]:
        """(digest, sequence, samples) of what is loaded, oldest first, by the samples really there."""
        return self.read(
            "SELECT v.digest, v.sequence, (SELECT count(*) FROM projection.sample s WHERE s.version_id = v.id)::int "
            "FROM projection.version v WHERE v.dataset_uid = %s::uuid ORDER BY v.sequence",
            uid,
        )

    def indexed(self, uid: str) -> str | None:
        """The digest that the mirror's row shows as indexed."""
        found = self.read("SELECT indexed_digest FROM projection.dataset WHERE uid = %s::uuid", uid)
        return found[0][0] if found else None

    def config(self, **changes: Any) -> RecorderConfig:
        """For a recorder that is quick to look again."""
        key, token = self._folder / "recorder.key", self._folder / "token"
        key.write_bytes(PRIVATE["recorder"])
        token.write_text("token-of-the-recorder\n")
        plain = RecorderConfig(
            database=self.database,
            report_url=self.report_url,
            grant_key_file=key,
            token_file=token,
            http_port=0,
            data_server_url=lambda namespace, name, uid: f"http://127.0.0.1:{self.servers[uid].port}",
            poll_seconds=0.5,
            pause_seconds=0.05,
            ready_seconds=120.0,
        )
        return replace(plain, **changes)

    def recorder(self, **changes: Any) -> AbstractAsyncContextManager[Recorder]:
        """A recorder at work in this process."""
        return at_work(self.config(**changes))

    def recorder_process(self) -> subprocess.Popen[bytes]:
        """A recorder in a process of its own, to be killed."""
        return start_recorder(self.config(), {uid: server.port for uid, server in self.servers.items()})

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything about versions that a rebuild has to bring back; ids are replaced by what they stand for."""
        tables = ("split", "label", "facet", "key_mark", "sample")
        connection = connect(self.database, application="reader", statement_timeout_ms=60_000)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT dataset_uid::text, digest FROM projection.listing ORDER BY 1")
                found = {"listing": cursor.fetchall()}
                cursor.execute(
                    "SELECT dataset_uid::text, digest, sequence, sealed_at, samples, bytes, in_order, manifest::text "
                    "FROM projection.version ORDER BY 1, 2"
                )
                found["version"] = cursor.fetchall()
                for table in tables:
                    cursor.execute(_SUMS.format(table=table, columns=_columns(cursor, table)))
                    found[table] = cursor.fetchall()
        finally:
            connection.close()
        return found


_SUMS = """
SELECT v.dataset_uid::text, v.digest, count(*), md5(string_agg(line, ';' ORDER BY line))
FROM (SELECT version_id, ROW({columns})::text AS line FROM projection.{table}) t
JOIN projection.version v ON v.id = t.version_id GROUP BY 1, 2 ORDER BY 1, 2
"""


def _columns(cursor: Any, table: str) -> str:
    cursor.execute(
        "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns "
        "WHERE table_schema = 'projection' AND table_name = %s AND column_name <> 'version_id'",
        (table,),
    )
    return str(cursor.fetchone()[0])


@asynccontextmanager
async def at_work(config: RecorderConfig) -> AsyncIterator[Recorder]:
    """A recorder in this process, which must not end by itself."""
    recorder = Recorder(config)
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
        assert not task.done(), "the recorder has ended"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def a_world(database: DatabaseConfig, folder: Path) -> AsyncIterator[World]:
    """A world whose operator and mirror are at work."""
    world = World(database, folder)
    runner = web.AppRunner(world.operator.app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    world.report_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    world.mirrored.start()
    try:
        yield world
    finally:
        for server in world.servers.values():
            server.kill()
        await asyncio.to_thread(world.mirrored.stop)
        await runner.cleanup()


async def until(true: Callable[[], Any], what: str = "it", *, patience: float = PATIENCE) -> Any:
    """Waits for something that is looked up in a thread; its value."""
    try:
        async with asyncio.timeout(patience):
            while True:
                with suppress(Unavailable):
                    if value := await asyncio.to_thread(true):
                        return value
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {patience:g} s: {what}") from None


async def done(world: World, uid: str, digest: str) -> None:
    await until(lambda: world.indexed(uid) == digest)
    await until(
        lambda: world.read("SELECT 1 FROM projection.listing WHERE dataset_uid = %s::uuid AND digest = %s", uid, digest)
    )
