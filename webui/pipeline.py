"""What happens to every request, in this order: bounds, path, login, other sites, parameters, body, permission,
handler, audit, headers, log. Called by server.py for each request; `answer` never raises but for a connection that is
gone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from typing import Any

from aiohttp import HttpVersion10, web

from blueno.db.audit import insert_audit, settle_audit
from webui import idempotency, requests
from webui.access import CONTENT
from webui.auth import COOKIE, COOKIE_SECONDS, SAFE
from webui.call import Call
from webui.headers import OPENER_POLICY, secured
from webui.limits import Buckets
from webui.problems import Problem, gone, later, not_found
from webui.routes import OF_AN_OBJECT, Answer, Permission, Route
from webui.server import peer
from webui.services import Services

log = logging.getLogger("blueno.web")
access_log = logging.getLogger("blueno.web.access_log")

AT_ONCE = 256  # requests in hand, streams not counted
ANSWER_SECONDS = 60.0
_NOT_AUDITED = (400, 408, 413, 415, 417, 422, 429)
DATA = (Permission.LIST, Permission.READ, Permission.CONTENT)
_WRITES = {
    Permission.CREATE: "create",
    Permission.CHANGE: "patch",
    Permission.WRITE: "update",
    Permission.DELETE: "delete",
}


class Pipeline:
    """The one handler of the server."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._in_hand = 0
        self._persons = Buckets(100, 400, time.monotonic)  # requests: 400 at once, then 100 a second

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer, with everything every answer has."""
        forwarded = request.headers.getall("X-Forwarded-For", ())
        remote = self._services.config.proxies.client(peer(request), forwarded)
        call = Call(self._services, request, secrets.token_hex(8), remote)
        try:
            answer = await self._bounded(call)
        except Problem as problem:
            answer = problem.response(call.id, for_2019=call.is_of_2019)
            await self._audit_failure(call, problem)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("an error that nobody caught", extra={"request": call.id, "path": request.path})
            mistake = Problem(500, "internal", "something went wrong here; the log says what, under this request's id")
            answer = mistake.response(call.id, for_2019=call.is_of_2019)
            await self._audit_failure(call, mistake)
        if answer.status >= 400 and request.writer.output_size > 0:  # an answer had begun
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("broken off")
        if not answer.prepared:
            for name, value in call.headers.items():
                answer.headers.setdefault(name, value)
            answer.headers["X-Request-Id"] = call.id
            if self._services.config.secure:
                answer.headers.setdefault(*OPENER_POLICY)
            secured(answer)
        self._log(call, answer)
        return answer

    async def _bounded(self, call: Call) -> web.StreamResponse:
        if self._in_hand >= AT_ONCE:
            raise later("overloaded", "too many requests at once")
        self._in_hand += 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS) as limit:
                return await self._route(call, limit)
        except TimeoutError:
            raise later("timeout", f"no answer within {ANSWER_SECONDS:.0f} s") from None
        finally:
            self._in_hand -= 1

    async def _route(self, call: Call, limit: asyncio.Timeout) -> web.StreamResponse:
        request = call.request
        if "Expect" in request.headers and request.method in ("GET", "HEAD"):
            raise Problem(417, "expectation_failed", "this request needs no Expect header", close=True)
        if request.version < HttpVersion10:
            raise Problem(400, "bad_request", "speak HTTP/1.1", close=True)
        segments = requests.segments(request.rel_url.raw_path)
        if not segments or {".", ".."} & set(segments):
            raise not_found()
        route, raw, allowed = self._services.registry.find(request.method, segments)
        if _is_a_page(request, segments, route, allowed):
            return self._static(call, segments)
        if route is None:
            if not allowed:
                raise not_found()
            detail = f"{request.method[:16]} is not possible here, only {', '.join(allowed)}"
            raise Problem(405, "method_not_allowed", detail, headers={"Allow": ", ".join(allowed)}, close=True)
        call.route = route
        await self._admit(call, route)
        values = requests.path_values(route, raw)
        if values is None:
            raise not_found()
        values |= requests.header_values(route, request)
        call.values = values | requests.query_values(route, request.rel_url.raw_query_string)
        call.body = await requests.body_value(route, request)
        await self._permit(call, route)
        if route.streams:
            limit.reschedule(None)
            self._in_hand -= 1
        try:
            answer = await idempotency.answered(call) if route.keyed else await route.handler(call)
        finally:
            if route.streams:
                self._in_hand += 1
        if route.audit and not call.audited:
            await self._audit(call, "ok", **call.outcome)
        return answer if isinstance(answer, web.StreamResponse) else self._made(call, answer)

    async def _admit(self, call: Call, route: Route) -> None:
        """Who it is, and whether that is enough for this route at all."""
        keeper = self._services.doorkeeper
        if route.permission is Permission.OPEN:
            keeper.refuse_other_sites(call.request, with_cookie=False)
            return
        call.identity = await keeper.identify(call.request, call.remote)
        if call.identity is None:
            raise Problem(401, "login_needed", "log in first", headers={"WWW-Authenticate": 'Bearer realm="blueno"'})
        seconds = self._persons.take(call.identity.email)
        if seconds:
            raise later("too_many_requests", "too many requests: slow down", seconds, status=429)
        if route.permission is Permission.ADMIN and call.identity.role != "admin":
            raise Problem(403, "forbidden", "only administrators may do this")

    async def _permit(self, call: Call, route: Route) -> None:
        """Whether the person may see this object: 404 if not, as if it were not there; and may do that to it: 403."""
        if route.permission in DATA:
            age = self._services.hub.stale_seconds()
            if age is not None:
                call.headers["Blueno-Stale-Seconds"] = str(int(age))
        access, about, name = self._services.access, route.about, ""
        if route.permission is Permission.CREATE:
            call.values = {"namespace": call.body.get("namespace"), **call.values, "name": call.body["name"] or ""}
        elif route.permission in OF_AN_OBJECT:
            name, sub = call.values["name"], CONTENT if route.permission is Permission.CONTENT else ""
            if not await access.may(call.person, "get", about, call.values["namespace"], name, sub):
                raise gone(about)
        verb = _WRITES.get(route.permission)
        if verb is None:
            return
        namespace = call.values["namespace"]
        # A `create` has no name yet, as in Kubernetes.
        if not await access.may(call.person, verb, about, namespace, name):
            raise Problem(403, "forbidden", f"you may not {verb} {about.plural} in the namespace {namespace}")

    def _static(self, call: Call, segments: tuple[str, ...]) -> web.StreamResponse:
        if call.request.method not in ("GET", "HEAD"):
            detail = f"{call.request.method[:16]} is not possible here"
            raise Problem(405, "method_not_allowed", detail, headers={"Allow": "GET, HEAD"}, close=True)
        answer = self._services.static.answer(segments, call.request)
        if answer is None:
            raise not_found()
        return answer

    def _made(self, call: Call, answer: Answer) -> web.Response:
        headers = dict(answer.headers)
        if answer.body is None:
            made = web.Response(status=answer.status, headers=headers)
        else:
            text = json.dumps(answer.body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            made = web.Response(status=answer.status, text=text, content_type="application/json", headers=headers)
        if answer.cookie is not None:
            made.set_cookie(
                COOKIE,
                answer.cookie,
                max_age=COOKIE_SECONDS if answer.cookie else 0,
                path="/",
                httponly=True,
                samesite="Strict",
                secure=call.services.config.secure,
            )
        return made

    async def _audit_failure(self, call: Call, problem: Problem) -> None:
        """Best effort: the database may be what failed. Malformed and too many requests are in the log only."""
        if call.intent is not None:
            # Whether the API server did it before it fell silent, nobody knows.
            outcome = "unknown" if problem.status >= 500 else "denied" if problem.status in (403, 404) else "failed"
            await self._settle(call, outcome, code=problem.code)
            return
        if call.route is None or not call.route.audit or problem.status in _NOT_AUDITED:
            return
        if problem.code in ("data_server_starting", "data_server_busy"):
            return  # the same request comes again in a moment
        if call.identity is None and call.route.permission is not Permission.OPEN:
            return  # a stranger was turned away at the door
        try:
            await self._audit(call, "denied" if problem.status in (401, 403, 404) else "failed", code=problem.code)
        except Problem:
            log.warning("not in the audit table: %s", problem, extra={"request": call.id})

    async def _audit(self, call: Call, outcome: str, **detail: Any) -> None:
        if call.intent is not None:
            await self._settle(call, outcome, **detail)
            return
        await self._services.database.write(insert_audit, call.audit_row(outcome, **detail))
        call.audited = True

    async def _settle(self, call: Call, outcome: str, **detail: Any) -> None:
        """Best effort: what was about to happen is written down, and it has happened or not."""
        call.audited = True
        try:
            await self._services.database.write(settle_audit, call.intent or 0, outcome, detail)
        except Problem as problem:
            log.warning("audit row %s stays intended: %s", call.intent, problem, extra={"request": call.id})

    def _log(self, call: Call, answer: web.StreamResponse) -> None:
        route = call.route.path if call.route else "static" if answer.status < 400 else "none"
        seconds = time.monotonic() - call.began
        self._services.metrics.requests.labels(route, answer.status).inc()
        if not (call.route and call.route.streams):
            self._services.metrics.seconds.labels(route).observe(seconds)
        extra = {
            "request": call.id,
            "method": call.request.method,
            "path": call.request.rel_url.raw_path[:256],
            "status": answer.status,
            "ms": round(seconds * 1000, 1),
            "remote": call.remote,
            "person": call.identity.email if call.identity else None,
        }
        quiet = route in ("/healthz", "/readyz") and answer.status < 400
        access_log.log(logging.DEBUG if quiet else logging.INFO, "answered", extra=extra)


def _is_a_page(
    request: web.BaseRequest, segments: tuple[str, ...], route: Route | None, allowed: tuple[str, ...]
) -> bool:
    """Whether the front end answers: it shares the root with the paths of 2019, and a browser that goes to a page says
    that it wants HTML."""
    if segments[0] in ("api", "healthz", "readyz"):
        return False
    if route is None and not allowed:
        return True
    wants_page = "text/html" in request.headers.get("Accept", "").lower() and "Authorization" not in request.headers
    return request.method in SAFE and wants_page
