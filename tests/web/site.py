"""A running web process and clients for it. Used by tests/web/conftest.py and the tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psycopg2
import pytest
from yarl import URL

from blueno.db import people
from tests.fakes.access import AccessServer
from webui.app import Running, running
from webui.config import WebConfig
from webui.dataservers import Addresses, Place
from webui.passwords import hashed

PASSWORD = "a password for tests"
SECONDS = 40.0


@dataclass
class Reply:
    """An answer, read whole."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    json: Any

    @property
    def code(self) -> str | None:
        """Of a problem."""
        return self.json.get("code") if isinstance(self.json, dict) else None


@dataclass
class Browser:
    """One client with its own cookies and connections."""

    url: str
    session: aiohttp.ClientSession
    headers: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        """One request; same-origin like our own pages unless `headers` say otherwise."""
        headers = {"Sec-Fetch-Site": "same-origin", **self.headers, **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with self.session.request(
            method, URL(self.url + path, encoded=True), headers=headers, timeout=timeout, allow_redirects=False, **more
        ) as answer:
            raw = await answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return Reply(answer.status, answer.headers, raw, await answer.json(content_type=None) if is_json else None)

    async def get(self, path: str, **more: Any) -> Reply:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: Any, **more: Any) -> Reply:
        return await self.ask("POST", path, body, **more)

    async def log_in(self, email: str, password: str = PASSWORD) -> Reply:
        return await self.post("/api/v1/login", {"email": email, "password": password})


@dataclass
class Site:
    """A running web process."""

    process: Running
    config: WebConfig
    access: AccessServer
    browsers: list[Browser] = field(default_factory=list)
    data_server_url: str = "http://127.0.0.1:9"  # nobody listens there
    other_urls: dict[str, str] = field(default_factory=dict)  # of data sets that have another one, by name

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.process.http_port}"

    @property
    def port(self) -> int:
        return self.process.http_port

    def browser(self, **headers: str) -> Browser:
        """A new client, not logged in."""
        connector = aiohttp.TCPConnector(keepalive_timeout=5)  # less than the server's, or one meets a closing door
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.browsers.append(Browser(self.url, session, headers))
        return self.browsers[-1]

    async def logged_in(self, email: str = "ada@example.org", role: str = "viewer", *namespaces: str) -> Browser:
        """A client of a (new) person; no namespaces given stands for all."""
        self.add_person(email, role, namespaces or ("*",))
        browser = self.browser()
        reply = await browser.log_in(email)
        assert reply.status == 200, reply
        return browser

    def add_person(self, email: str, role: str = "viewer", namespaces: tuple[str, ...] = ("*",)) -> None:
        """A person, unless there is one of this address."""

        def add(cursor: Any) -> None:
            if people.select_person(cursor, email) is None:
                people.insert_person(cursor, email, hashed(PASSWORD), role, namespaces)

        self.sql(add)

    def connection(self) -> Any:
        """Another connection to the same database."""
        return psycopg2.connect(self.config.database.url_file.read_text().strip())

    def sql(self, work: str | Callable[..., Any], *values: Any) -> Any:
        """A statement's rows, or what a function of blueno/db gives, in a transaction of its own."""
        connection = self.connection()
        try:
            with connection, connection.cursor() as cursor:
                if callable(work):
                    return work(cursor, *values)
                cursor.execute(work, values or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def audit(self) -> list[tuple[Any, ...]]:
        """(actor, verb, resource, name, outcome), oldest first."""
        return self.sql("SELECT actor, verb, resource, name, outcome FROM record.audit ORDER BY id")


def still(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes for its limits of logins and of strangers: else they fill up again while a slow test asks."""
    keeper, now = site.process.services.doorkeeper, time.monotonic()
    for buckets in (keeper._by_place, keeper._by_email, keeper._strangers):
        monkeypatch.setattr(buckets, "_clock", lambda: now)


@asynccontextmanager
async def start(config: WebConfig, access: AccessServer) -> AsyncIterator[Site]:
    """A site while the block runs."""
    found: list[Site] = []

    class Here(Addresses):
        def dataset(self, row: Place) -> str:
            return found[0].other_urls.get(row.name, found[0].data_server_url)

        def outputs(self, namespace: str, claim: str) -> str:
            return found[0].data_server_url

    async with access.serving() as cluster, running(config, cluster, Here()) as process:
        site = Site(process, config, access)
        found.append(site)
        try:
            yield site
        finally:
            for browser in site.browsers:
                await browser.session.close()


async def eventually(check: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """What `check` gives as soon as it is true; waits in between. Fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(0.02)
