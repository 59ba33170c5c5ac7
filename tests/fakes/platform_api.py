"""A stand-in for the paths of 2019, for tests of PlatformClient: it is NOT the web process.

It does what is written down of the server of 2019, in memory, and misbehaves on request.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.fakes.runs_api import Misbehave, problem
from tests.fakes.serving import serving

EMAIL, PASSWORD = "ada@example.org", "a long password"
TIME = "2026-01-02T03:04:05.000Z"


@dataclass
class PlatformApi:
    """`asked`: (method, path with query) of every request so far."""

    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    samples: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    misbehave: list[Misbehave | None] = field(default_factory=list)  # each answers one request, None lets it through
    tokens: set[str] = field(default_factory=set)
    number: Iterator[int] = field(default_factory=itertools.count)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.raw_path))
        if self.misbehave and (look := self.misbehave.pop(0)) is not None:
            return await look(request)
        return await self.good(request)

    async def good(self, request: web.Request) -> web.StreamResponse:
        """As it should be."""
        path = [unquote(step) for step in request.raw_path.partition("?")[0].strip("/").split("/")]
        if path == ["login"]:
            body = await request.json()
            if (body["email"], body["password"]) != (EMAIL, PASSWORD):
                return problem(401, "wrong_login", "the address or the password is not right")
            token = f"token-{next(self.number)}"
            self.tokens.add(token)
            return web.json_response({"access_token": token})
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return problem(401, "login_needed", "log in first")
        if path[0] == "data":
            return await self._data(request, path[1])
        body = await request.json() if request.can_read_body else {}
        if len(path) == 1:
            known = [{"name": name, **self.datasets[name]} for name in sorted(self.datasets)]
            return web.json_response({"datasets": known})
        if len(path) == 2:
            return self._dataset(request.method, path[1], body)
        if path[1] not in self.datasets:
            return problem(404, "not_found", "there is no such data set")
        if len(path) == 3:
            return self._list(request, self.samples[path[1]])
        return self._sample(request.method, self.samples[path[1]], path[3], body)

    async def _data(self, request: web.Request, what: str) -> web.StreamResponse:
        url = request.query["url"]
        if what == "upload":
            part = await (await request.multipart()).next()
            assert part is not None
            assert part.name == "file"  # type: ignore[union-attr]
            self.data[url] = await part.read()  # type: ignore[union-attr]
            return web.json_response({})
        if url not in self.data:
            return problem(404, "not_found", "there are no data at this address")
        return web.Response(body=self.data[url], content_type="application/octet-stream")

    def _dataset(self, method: str, name: str, body: dict[str, Any]) -> web.Response:
        if method == "PUT":
            if name in self.datasets:
                return problem(409, "already_exists", "there is a data set of that name")
            self.datasets[name], self.samples[name] = {"info": body["info"], "created_at": TIME}, {}
        elif self.datasets.pop(name, None) is None:
            return problem(404, "not_found", "there is no such data set")
        return web.json_response({"id": name})

    def _sample(self, method: str, samples: dict[str, Any], name: str, body: dict[str, Any]) -> web.Response:
        if method == "DELETE":
            gone = samples.pop(name, None)
            if gone is None:
                return problem(404, "not_found", "there is no such sample")
            if body["purge"]:
                self.data.pop(gone["info"]["data"]["url"], None)
            return web.json_response({"id": name})
        if name in samples:
            return problem(409, "already_exists", "there is a sample of that name")
        if body["validate"] and body["info"]["data"]["url"] not in self.data:
            return web.json_response({"message": "there are no data at this address"}, status=400)
        samples[name] = {"info": body["info"], "created_at": TIME, "last_updated": TIME}
        return web.json_response({"id": name})

    def _list(self, request: web.Request, samples: dict[str, Any]) -> web.Response:
        prefix = request.query.get("prefix", "").lower()
        found = [{"name": name, **one} for name, one in samples.items() if name.lower().startswith(prefix)]
        start, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", 10**9))
        return web.json_response({"samples": found[start : start + limit]})


@contextmanager
def running() -> Iterator[PlatformApi]:
    """Serves a stand-in until the block ends."""
    api = PlatformApi()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", api.answer)
    with serving(app) as api.url:
        yield api
