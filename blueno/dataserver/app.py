"""The HTTP application on a data set: what is asked and what is answered. Called by __main__.py and tests.

Who may ask is in frame.py. What is answered about a version never changes, so it may be kept for ever; problems may
not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from blueno.dataserver import frame, params, png, sheet, views
from blueno.dataserver.about import about
from blueno.dataserver.config import ServerConfig
from blueno.dataserver.files import File
from blueno.dataserver.kept import kept_headers, unchanged
from blueno.dataserver.library import Library
from blueno.dataserver.originals import original
from blueno.dataserver.samples import Context
from blueno.dataserver.stream import Part, send
from blueno.dataserver.version import Version
from blueno.dataserver.workers import Budget, Job, Workers
from blueno.dataserver.working_app import ISSUER, PREFIX, SUBJECT, WorkingRoutes, changes_something, takes_body
from blueno.dataserver.working_pictures import WorkingPictures
from blueno.grants import READ, WRITE


def make_app(config: ServerConfig) -> web.Application:
    """The application with its worker threads."""
    server = _Server(config)
    app = frame.application(server.health, server.check_grant, takes_body)
    app.on_cleanup.append(server.close)
    version, sample = "/v1/versions/{version}", "/v1/versions/{version}/samples/{row}"
    app.add_routes(
        [
            web.get("/v1/versions", server.versions),
            web.get(f"{version}/manifest", server.manifest),
            web.get(f"{version}/index", server.index),
            web.get(f"{version}/sheet", server.sheet),
            web.get(f"{sample}/image", server.image),
            web.get(f"{sample}/montage", server.montage),
            web.get(f"{sample}/about", server.about),
            web.get(f"{sample}/raw", server.raw),
            *server.working.routes(),
            *server.pictures.routes(PREFIX),
        ]
    )
    return app


class _Server:
    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._library = Library(config.mount, config.root, config.dataset_uid)
        self._workers = Workers(config.limits.threads, config.limits.waiting)
        self.health = frame.Health(self._library.check, config.limits.probe_seconds)
        self._budget = Budget(config.limits.memory)
        self.working = WorkingRoutes(config.limits, self._library)
        self.pictures = WorkingPictures(self.working.set, self._run, self._workers, self._budget)

    async def close(self, _: web.Application) -> None:
        self.working.close()
        self._workers.close()
        self.health.close()

    def check_grant(self, request: web.Request) -> None:
        """Raises Problem 401 without a grant, 403 with a wrong one."""
        action = WRITE if changes_something(request) else READ
        grant = frame.check_grant(request, self._config.keys, self._config.dataset_uid, action)
        request[SUBJECT], request[ISSUER] = grant.subject, grant.issuer

    async def versions(self, request: web.Request) -> web.Response:
        """All that can be read, newest first."""
        params.Parameters(request.query.items(), ())
        found = await self._run(lambda _: self._library.versions())
        body = {"versions": [listed.to_dict() for listed in found]}
        return web.json_response(body, headers={"Cache-Control": "no-store"})

    async def manifest(self, request: web.Request) -> web.StreamResponse:
        """manifest.json without its shards."""
        params.Parameters(request.query.items(), ())
        return await self._kept(request, lambda _: self._version(request).manifest_json, "application/json")

    async def index(self, request: web.Request) -> web.StreamResponse:
        """index.arrow as it is."""
        params.Parameters(request.query.items(), ())
        file: File = await self._run(lambda _: self._version(request).index())
        return await send(request, Part(file, 0, file.size), kept_headers(request), self._workers)

    async def raw(self, request: web.Request) -> web.StreamResponse:
        """A sample's original bytes."""
        params.Parameters(request.query.items(), ())
        row = params.row(request.match_info["row"])
        found = await self._run(lambda job: original(self._context(request, job), row))
        return await send(request, found.part, {**kept_headers(request), **found.headers}, self._workers)

    async def sheet(self, request: web.Request) -> web.StreamResponse:
        """A contact sheet. One with marked cells is not kept: the volume may answer better next time."""
        query = params.sheet_query(request.query.items())
        if (known := unchanged(request)) is not None:
            return known
        made = await self._run(lambda job: sheet.make(self._context(request, job), query))
        headers = {
            **(kept_headers(request) if not made.bad else {"Cache-Control": "no-store"}),
            "Blueno-Sheet": f"cell={made.edge}, columns={made.columns}, unreadable={made.bad}",
        }
        return web.Response(body=made.png, content_type="image/png", headers=headers)

    async def image(self, request: web.Request) -> web.StreamResponse:
        """One sample, or one slice of it."""
        view, row = params.view(request.query.items()), params.row(request.match_info["row"])
        return await self._kept(request, lambda c: png.encode(views.draw(c, row, view).picture), "image/png")

    async def montage(self, request: web.Request) -> web.StreamResponse:
        """Slices of a volume side by side."""
        (count, view), row = params.montage(request.query.items()), params.row(request.match_info["row"])
        return await self._kept(request, lambda c: png.encode(views.montage(c, row, count, view)), "image/png")

    async def about(self, request: web.Request) -> web.StreamResponse:
        """Numbers about one sample."""
        params.Parameters(request.query.items(), ())
        row = params.row(request.match_info["row"])
        return await self._kept(request, lambda c: _json(about(c, row)), "application/json")

    async def _kept(
        self, request: web.Request, make: Callable[[Context], bytes], content_type: str
    ) -> web.StreamResponse:
        """An answer that never changes, made unless the caller has it already."""
        if (known := unchanged(request)) is not None:
            return known
        body = await self._run(lambda job: make(self._context(request, job)))
        return web.Response(body=body, content_type=content_type, headers=kept_headers(request))

    async def _run(self, function: Callable[[Job], Any]) -> Any:
        return await self._workers.run(function, self._config.limits.seconds)

    def _version(self, request: web.Request) -> Version:
        return self._library.version(request.match_info["version"])

    def _context(self, request: web.Request, job: Job) -> Context:
        return Context(self._version(request), self._budget, job)


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
