"""A client of 2019, as somebody kept it: what the tests of its paths share."""

from __future__ import annotations

import io
from typing import Any

import aiohttp

from tests.fakes.working_set_server import WorkingServer
from tests.web.site import PASSWORD, Browser, Reply

EDITORS = "blueno:editor"


WRITE = ("get", "list", "create", "update", "patch", "delete")


class Client2019:
    """As the old client: a token by POST /login, and never a cookie."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    async def log_in(self, email: str, password: str = PASSWORD) -> Reply:
        reply = await self.browser.post("/login", {"email": email, "password": password})
        if reply.status == 200:
            self.browser.session.cookie_jar.clear()
            self.browser.headers |= {"Authorization": f"Bearer {reply.json['access_token']}"}
        return reply

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        return await self.browser.ask(method, path, body, **more)

    async def upload(self, url: str, content: bytes, name: str = "file") -> Reply:
        form = aiohttp.FormData()
        form.add_field(name, io.BytesIO(content), filename="x.png")
        return await self.ask("POST", f"/data/upload?url={url}", data=form)

    async def register(self, dataset: str, name: str, url: str, validate: bool = False, **info: Any) -> Reply:
        body = {"validate": validate, "info": info | {"data": {"url": url}}}
        return await self.ask("PUT", f"/datasets/{dataset}/samples/{name}", body)


async def made(old: Client2019, data: WorkingServer, name: str = "digits") -> str:
    reply = await old.ask("PUT", f"/datasets/{name}", {"info": {"description": "d", "x": [1]}})
    assert reply.status == 200, reply
    uid: str = reply.json["id"]
    data.uid = uid
    return uid
