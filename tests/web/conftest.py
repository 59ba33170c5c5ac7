"""The web process as it is, on a real socket, with a real PostgreSQL; only the API server and the data server are
ours.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from blueno.db.config import DatabaseConfig
from tests import pg
from tests.fakes.access import AccessServer, Rule
from tests.fakes.data_server import PRIVATE
from tests.fakes.working_set_server import WorkingServer
from tests.web import prepared as preparation
from tests.web.mirrored import Mirrored
from tests.web.site import Site, start
from tests.web.stand_in import DataServerStandIn
from webui import passwords
from webui.config import WebConfig

VIEWERS, ADMINS = "blueno:viewer", "blueno:admin"

StartSite = Callable[..., Awaitable[Site]]


@pytest.fixture(scope="session")
def shared_server() -> Iterator[pg.Server]:
    """One PostgreSQL for the whole session: to be left running and whole."""
    with pg.running() as started:
        yield started


@pytest.fixture
def server() -> Iterator[pg.Server]:
    """A PostgreSQL of one's own, to be stopped, killed and paused."""
    with pg.running() as started:
        yield started


@pytest.fixture
def database(shared_server: pg.Server) -> Iterator[DatabaseConfig]:
    """A fresh database with both schemas."""
    with shared_server.database() as config:
        yield config


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """scrypt with small numbers: 80 ms a login would be most of these tests. test_passwords.py takes the real ones."""
    monkeypatch.setattr(passwords, "LOG_N", 4)


@pytest.fixture
def key_folder(tmp_path: Path) -> Path:
    """Keys as the operator makes them."""
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "web.key").write_bytes(PRIVATE["web"])
    (folder / "session.key").write_bytes(b"s" * 32)
    (folder / "cursor.key").write_bytes(b"c" * 32)
    return folder


@pytest.fixture
def static_folder(tmp_path: Path) -> Path:
    """A front end as Vite leaves it."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>pages</title>")
    (folder / "assets" / "index-abc123.js").write_text("console.log('" + "x" * 2000 + "')")
    (folder / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "secret.txt").write_text("not for the web")
    return folder


@pytest.fixture
def settings(database: DatabaseConfig, key_folder: Path, static_folder: Path) -> WebConfig:
    """Of a site on free ports."""
    return WebConfig(database=database, keys=key_folder, static=static_folder, http_port=0, metrics_port=0)


@pytest.fixture
def mirrored(database: DatabaseConfig) -> Iterator[Mirrored]:
    """What the operator's mirror would write."""
    session = Mirrored(database)
    yield session
    session.close()


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> preparation.Prepared:
    """A data set that was really prepared: lab/digits, 42 samples."""
    return preparation.prepare(tmp_path_factory.mktemp("sealed"))


@pytest.fixture
def prepared(sealed: preparation.Prepared, database: DatabaseConfig, mirrored: Mirrored) -> preparation.Prepared:
    """The same, loaded into this test's database."""
    preparation.load(sealed, database, mirrored)
    return sealed


@pytest.fixture
async def access() -> AccessServer:
    """Administrators and viewers may see everything: the usual ClusterRoleBindings."""
    return AccessServer(rules=[Rule(VIEWERS), Rule(ADMINS)])


@pytest.fixture
async def start_site(
    settings: WebConfig,
    access: AccessServer,
    log_lines: Callable[[], list[str]],
) -> AsyncIterator[StartSite]:
    """Starts sites, with other settings where a test wants them, and ends them."""
    async with AsyncExitStack() as stack:

        async def start_one(**changes: object) -> Site:
            return await stack.enter_async_context(start(replace(settings, **changes), access))

        yield start_one


@pytest.fixture
async def site(start_site: StartSite) -> Site:
    """One site."""
    return await start_site()


@pytest.fixture
async def data_server(site: Site) -> AsyncIterator[DataServerStandIn]:
    """Stands for every data set's server; `site` knows it."""
    async with DataServerStandIn().serving() as stand_in:
        site.data_server_url = stand_in.url
        yield stand_in


@pytest.fixture
async def working(site: Site, mirrored: Mirrored) -> AsyncIterator[WorkingServer]:
    """The data server of lab/digits, with an empty working set; `site` knows it."""
    uid = mirrored.put("lab", "digits", spec={"source": {"upload": {}}})
    async with WorkingServer(uid).serving() as stand_in:
        site.data_server_url = stand_in.url
        yield stand_in


@pytest.fixture
def log_lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Everything that was logged, as it would be printed."""
    from webui.logs import JsonLines

    caplog.set_level(logging.DEBUG)
    formatter = JsonLines()

    def lines() -> list[str]:
        # A site that a fixture started has logged in the phase before the test's own.
        records = [record for phase in ("setup", "call") for record in caplog.get_records(phase)]
        printed = [formatter.format(record) for record in records]
        assert all(json.loads(line) for line in printed)
        return printed

    return lines
