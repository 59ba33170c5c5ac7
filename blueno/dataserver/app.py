"""The HTTP application: who may ask, what is answered, what a failure looks like. Called by __main__.py and tests.

Everything but health needs a grant (blueno/grants.py). What is answered about a version never changes, so it may be
kept for ever; problems may not.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from blueno.dataserver import params, png, sheet, views
from blueno.dataserver.about import about
from blueno.dataserver.config import ServerConfig
from blueno.dataserver.files import File
from blueno.dataserver.library import Library
from blueno.dataserver.originals import original
from blueno.dataserver.problems import Problem
from blueno.dataserver.samples import Context
from blueno.dataserver.stream import Part, send
from blueno.dataserver.version import Version
from blueno.dataserver.workers import Budget, Job, Workers
from blueno.grants import READ, GrantRefused, verify

log = logging.getLogger("blueno.dataserver")

KEPT = "private, max-age=31536000, immutable"
OPEN_PATHS = {"/healthz", "/readyz"}
_ALWAYS = {
    "Server": "blueno",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
_DRAWING = "2"  # goes into ETags; raise it when the same request gives another picture

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(config: ServerConfig) -> web.Application:
    """The application with its worker threads."""
    server = _Server(config)
    app = web.Application(middlewares=[_answer_problems, server.check_grant], client_max_size=1)
    app.on_response_prepare.append(_add_headers)
    app.on_cleanup.append(server.close)
    version, sample = "/v1/versions/{version}", "/v1/versions/{version}/samples/{row}"
    app.add_routes(
        [
            web.get("/healthz", server.healthz),
            web.get("/readyz", server.readyz),
            web.get("/v1/versions", server.versions),
            web.get(f"{version}/manifest", server.manifest),
            web.get(f"{version}/index", server.index),
            web.get(f"{version}/sheet", server.sheet),
            web.get(f"{sample}/image", server.image),
            web.get(f"{sample}/montage", server.montage),
            web.get(f"{sample}/about", server.about),
            web.get(f"{sample}/raw", server.raw),
        ]
    )
    return app


class _Server:
    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._library = Library(config.mount, config.root, config.dataset_uid)
        self._workers = Workers(config.limits.threads, config.limits.waiting)
        self._probe = Workers(1, 1)  # a volume that hangs keeps this thread, and no other
        self._budget = Budget(config.limits.memory)

    async def close(self, _: web.Application) -> None:
        self._workers.close()
        self._probe.close()

    @web.middleware
    async def check_grant(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """401 without a grant, 403 with a wrong one, before anything else is looked at."""
        if request.path in OPEN_PATHS:
            return await handler(request)
        given = request.headers.getall("Authorization", [])
        if not given:
            raise Problem(401, "grant_missing", "send a grant: Authorization: Bearer …")
        scheme, _, text = given[0].partition(" ")
        try:
            if len(given) > 1 or scheme.lower() != "bearer":
                raise GrantRefused
            verify(text, self._config.keys, self._config.dataset_uid, READ, time.time())
        except GrantRefused as error:
            raise Problem(403, "grant_refused", str(error)) from None
        return await handler(request)

    async def healthz(self, _: web.Request) -> web.Response:
        """The process answers; says nothing about the volume."""
        return web.Response(text="ok")

    async def readyz(self, _: web.Request) -> web.Response:
        """503 while the volume cannot be read or does not answer in time."""
        try:
            await self._probe.run(lambda _: self._library.check(), self._config.limits.probe_seconds)
        except Problem as problem:
            if problem.code in ("busy", "too_slow"):
                raise Problem(503, "volume_unavailable", "the volume does not answer", retry_after=5) from None
            raise
        return web.Response(text="ok")

    async def versions(self, request: web.Request) -> web.Response:
        """All that can be read, newest first."""
        params.Parameters(request.query.items(), ())
        found = await self._run(lambda _: self._library.versions())
        body = {"versions": [listed.to_dict() for listed in found]}
        return web.json_response(body, headers={"Cache-Control": "no-store"})

    async def manifest(self, request: web.Request) -> web.StreamResponse:
        """manifest.json without its shards."""
        params.Parameters(request.query.items(), ())
        return await self._kept(request, lambda context: context.version.manifest_json, "application/json")

    async def index(self, request: web.Request) -> web.StreamResponse:
        """index.arrow as it is."""
        params.Parameters(request.query.items(), ())
        file: File = await self._run(lambda _: self._version(request).index())
        return await send(request, Part(file, 0, file.size), _kept_headers(request), self._workers)

    async def raw(self, request: web.Request) -> web.StreamResponse:
        """A sample's original bytes."""
        params.Parameters(request.query.items(), ())
        row = params.row(request.match_info["row"])
        found = await self._run(lambda job: original(self._context(request, job), row))
        return await send(request, found.part, {**_kept_headers(request), **found.headers}, self._workers)

    async def sheet(self, request: web.Request) -> web.StreamResponse:
        """A contact sheet. One with marked cells is not kept: the volume may answer better next time."""
        query = params.sheet_query(request.query.items())
        if (unchanged := _unchanged(request)) is not None:
            return unchanged
        made = await self._run(lambda job: sheet.make(self._context(request, job), query))
        headers = {
            **(_kept_headers(request) if not made.bad else {"Cache-Control": "no-store"}),
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
        if (unchanged := _unchanged(request)) is not None:
            return unchanged
        body = await self._run(lambda job: make(self._context(request, job)))
        return web.Response(body=body, content_type=content_type, headers=_kept_headers(request))

    async def _run(self, function: Callable[[Job], Any]) -> Any:
        return await self._workers.run(function, self._config.limits.seconds)

    def _version(self, request: web.Request) -> Version:
        return self._library.version(request.match_info["version"])

    def _context(self, request: web.Request, job: Job) -> Context:
        return Context(self._version(request), self._budget, job)


@web.middleware
async def _answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """No bodies in, no stack traces out."""
    if request.body_exists:
        response: web.StreamResponse = Problem(413, "no_body", "requests here have no body").response()
        response.force_close()
        return response
    try:
        return await handler(request)
    except Problem as problem:
        if problem.status >= 500:
            log.warning("%s %s: %s", request.method, request.path, problem)
        return problem.response()
    except web.HTTPMethodNotAllowed as error:
        response = Problem(405, "method_not_allowed", "only GET and HEAD").response()
        response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return response
    except web.HTTPNotFound:
        return Problem(404, "not_found", "there is nothing at this path").response()
    except (ConnectionError, TimeoutError):
        raise  # the reader has gone or is too slow: the connection ends
    except asyncio.CancelledError:
        raise
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return Problem(500, "internal", "this should not have happened; the server's log says more").response()


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_ALWAYS)


def _etag(request: web.Request) -> str:
    asked = "\n".join([_DRAWING, request.path, *sorted(f"{name}={value}" for name, value in request.query.items())])
    return f'"{hashlib.blake2b(asked.encode("utf-8", "replace"), digest_size=12).hexdigest()}"'


def _kept_headers(request: web.Request) -> dict[str, str]:
    return {"ETag": _etag(request), "Cache-Control": KEPT}


def _unchanged(request: web.Request) -> web.Response | None:
    """304 when the caller holds this answer: its path names the version, so it cannot have changed."""
    held = [text.strip().removeprefix("W/") for text in request.headers.get("If-None-Match", "").split(",")]
    return web.Response(status=304, headers=_kept_headers(request)) if _etag(request) in held else None


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
