"""schemathesis reads the OpenAPI document and asks everything it allows, and much that it does not.

No answer is a 5xx, every answer has a status, a media type and a shape that the document promises, bad input is
refused, and a login is never ignored. The site runs in a thread: schemathesis is not asynchronous.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from blueno.db import people
from blueno.names import BUNDLE_TYPE
from tests import pg
from tests.fakes.access import AccessServer, Rule
from tests.fakes.data_server import PRIVATE, serving
from tests.fakes.working_set_server import WorkingServer
from tests.runs import a_run, run_uid
from tests.web import prepared as preparation
from tests.web.judged import judge
from tests.web.mirrored import Mirrored
from tests.web.site import Site, start
from tests.web.test_routes import write_log
from webui.api import ROUTES
from webui.auth import new_token
from webui.config import WebConfig
from webui.keys import token_sum
from webui.limits import Buckets
from webui.openapi import document
from webui.routes import Registry

load_all_checks()


@schemathesis.serializer(BUNDLE_TYPE)
def bundle(_: Any, value: Any) -> Any:
    """Whatever was drawn, as bytes: good bundles are uploads/test_uploads.py's."""
    return value if isinstance(value, bytes) else str(value).encode()


EXAMPLES = 15  # of each operation
API = schemathesis.openapi.from_dict(document(Registry(ROUTES), "0"))
API.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
# A parameter may be refused for what the document cannot say (low without high, a cursor of nobody's); that no login is
# ignored is told by test_routes.py: this check sends its bad login next to our good one.
EXCLUDED = CHECKS.get_by_names(["positive_data_acceptance", "ignored_auth"])
WRITES = ("list", "create", "patch", "update", "delete")
STREAM = "/api/v1/events"  # never ends for who is let in


@dataclass
class Thread:
    """A site on an event loop of its own."""

    top: Any
    server: pg.Server
    url: str = ""
    token: str = field(default_factory=new_token)
    failed: BaseException | None = None
    _ready: threading.Event = field(default_factory=threading.Event)
    _stop: asyncio.Event | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self.failed = error
        finally:
            self._ready.set()

    def wait(self) -> None:
        assert self._ready.wait(60)
        if self.failed is not None:
            raise self.failed

    def stop(self) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        folder = self.top / "keys"
        folder.mkdir()
        for name, value in {"web.key": PRIVATE["web"], "session.key": b"s" * 32, "cursor.key": b"c" * 32}.items():
            (folder / name).write_bytes(value)
        sealed = preparation.prepare(self.top)
        async with AsyncExitStack() as stack:
            database = stack.enter_context(self.server.database())
            mirrored = Mirrored(database)
            stack.callback(mirrored.close)
            preparation.load(sealed, database, mirrored, turns=["One", "Two"])
            mirrored.put_run("digits", message="m")
            admin = ("datasets", "datasets/content", "samples", "trainingruns")
            access = AccessServer(rules=[Rule("blueno:admin"), Rule("blueno:admin", "", WRITES, admin)])
            access.api.judge = judge
            config = WebConfig(database=database, keys=folder, static=self.top, http_port=0, metrics_port=0)
            site = await stack.enter_async_context(start(config, access))
            served = await stack.enter_async_context(serving(sealed.place, dataset=sealed.uid))
            working = await stack.enter_async_context(WorkingServer(sealed.uid, behind=served.url).serving())
            site.data_server_url = working.url
            self._give_token(site)
            access.api.put(a_run("digits"))
            a_set = {"kind": "Dataset", "metadata": {"namespace": "lab", "name": "digits"}, "spec": {"source": {}}}
            access.api.put(a_set)
            access.api.objects["Dataset", "lab", "digits"]["metadata"]["uid"] = sealed.uid
            access.api._delete = lambda *_: None  # type: ignore[method-assign]  # or nothing were left to ask about
            site.sql(write_log, run_uid("digits"), "text")
            self.url = site.url
            self._ready.set()
            await self._stop.wait()

    def _give_token(self, site: Site) -> None:
        """Of an administrator."""
        site.add_person("root@example.org", "admin")
        person = site.sql(people.select_person, "root@example.org")
        site.sql(people.insert_token, token_sum(self.token), person.id, "schemathesis", None)


@pytest.fixture(scope="module")
def thread(tmp_path_factory: pytest.TempPathFactory, shared_server: pg.Server) -> Iterator[Thread]:
    """One site for the whole module."""
    patch = pytest.MonkeyPatch()
    patch.setattr(Buckets, "take", lambda *_: 0.0)
    running = Thread(tmp_path_factory.mktemp("site"), shared_server)
    worker = threading.Thread(target=running.run)
    worker.start()
    try:
        running.wait()
        yield running
    finally:
        patch.undo()
        if running.failed is None:
            running.stop()
        worker.join(30)
    assert running.failed is None


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        yield opened


@API.exclude(path=STREAM).parametrize()
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_everything_the_document_allows(case: schemathesis.Case, thread: Thread, session: requests.Session) -> None:
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE and case.path_parameters:
        known = {"namespace": "lab", "name": "digits", "dataset": "digits"}
        case.path_parameters |= {key: value for key, value in known.items() if key in case.path_parameters}
        if "row" in case.path_parameters:
            case.path_parameters["row"] = str(int(case.path_parameters["row"]) % 50)
    case.call_and_validate(
        base_url=thread.url,
        session=session,
        headers={"Authorization": f"Bearer {thread.token}"},
        timeout=20,
        excluded_checks=EXCLUDED,
    )
