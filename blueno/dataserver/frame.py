"""What every application of a data server has: grants, health, headers, and what a failure looks like.

Called by app.py (data sets) and outputs_app.py (what training runs have written). Everything but health needs a grant
(blueno/grants.py).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from blueno.dataserver.problems import Problem
from blueno.dataserver.workers import Workers
from blueno.grants import READ, Grant, GrantRefused, verify

log = logging.getLogger("blueno.dataserver")

_ALWAYS = {
    "Server": "blueno",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Health:
    """/healthz and /readyz; `check` reads the volume and raises Problem when that cannot be done."""

    PATHS = ("/healthz", "/readyz")

    def __init__(self, check: Callable[[], None], seconds: float) -> None:
        self._check, self._seconds = check, seconds
        self._probe = Workers(1, 1)  # a volume that hangs keeps this thread, and no other

    def close(self) -> None:
        """Ends its thread."""
        self._probe.close()

    async def alive(self, _: web.Request) -> web.Response:
        """The process answers; says nothing about the volume."""
        return web.Response(text="ok")

    async def ready(self, _: web.Request) -> web.Response:
        """503 while the volume cannot be read or does not answer in time."""
        try:
            await self._probe.run(lambda _: self._check(), self._seconds)
        except Problem as problem:
            if problem.code in ("busy", "too_slow"):
                raise Problem(503, "volume_unavailable", "the volume does not answer", retry_after=5) from None
            raise
        return web.Response(text="ok")


def _never(_: web.Request) -> bool:
    return False


def application(
    health: Health, check: Callable[[web.Request], None], takes_body: Callable[[web.Request], bool] = _never
) -> web.Application:
    """Without routes but those of health; `check` is asked before everything else and raises Problem.

    Requests have no body, but for those of which `takes_body` says that their handler reads it.
    """

    @web.middleware
    async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.body_exists and not takes_body(request):
            response: web.StreamResponse = Problem(413, "no_body", "requests here have no body").response()
            response.force_close()
            return response
        response = await _answered(request, handler)
        if request.body_exists and not request.content.is_eof():
            response.force_close()  # nobody waits for the rest
        return response

    @web.middleware
    async def check_grant(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in Health.PATHS:
            check(request)
        return await handler(request)

    app = web.Application(middlewares=[answer_problems, check_grant], client_max_size=1)
    app.on_response_prepare.append(_add_headers)
    app.add_routes([web.get("/healthz", health.alive), web.get("/readyz", health.ready)])
    return app


def check_grant(request: web.Request, keys: Mapping[str, str], about: str, action: str = READ) -> Grant:
    """The grant. Raises Problem 401 without one, 403 unless it allows `action` on `about`."""
    given = request.headers.getall("Authorization", [])
    if not given:
        raise Problem(401, "grant_missing", "send a grant: Authorization: Bearer …")
    scheme, _, text = given[0].partition(" ")
    try:
        if len(given) > 1 or scheme.lower() != "bearer" or not about:
            raise GrantRefused
        return verify(text, keys, about, action, time.time())
    except GrantRefused as error:
        raise Problem(403, "grant_refused", str(error)) from None


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """No stack traces."""
    try:
        return await handler(request)
    except Problem as problem:
        if problem.status >= 500:
            log.warning("%s %s: %s", request.method, request.path, problem)
        return problem.response()
    except web.HTTPMethodNotAllowed as error:
        text = f"only {' and '.join(sorted(error.allowed_methods))}"
        response = Problem(405, "method_not_allowed", text).response()
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
