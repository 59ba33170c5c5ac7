"""Who may, a data server for the first data set, and an editor's client of 2019."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.access import AccessServer, Rule
from tests.fakes.working_set_server import WorkingServer
from tests.web.conftest import VIEWERS
from tests.web.platform.client import EDITORS, WRITE, Client2019
from tests.web.site import Site


@pytest.fixture
async def access() -> AccessServer:
    """Editors may write data sets and samples."""
    return AccessServer(rules=[Rule(VIEWERS), Rule(EDITORS, verbs=WRITE), Rule(EDITORS, "", WRITE, ("samples",))])


@pytest.fixture
async def data(site: Site) -> Any:
    """A data server for the data set that a test makes first."""
    async with WorkingServer().serving() as stand_in:
        site.data_server_url = stand_in.url
        yield stand_in


@pytest.fixture
async def old(site: Site) -> Client2019:
    site.add_person("ed@example.org", "editor", ("lab",))
    client = Client2019(site.browser())
    assert (await client.log_in("ed@example.org")).status == 200
    return client
