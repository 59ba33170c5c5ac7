"""Requests to a data server that change its working set, or ask about it: bodies go through as they come, with
back-pressure; answers come back whole. Used by api/uploads.py, api/working.py and api/platform/; working_news.py stands
between for what changes a working set.

The web process keeps nothing: what the data server has not acknowledged is not there, and what it has acknowledged is
there whatever becomes of this process.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp

from blueno import names
from blueno.grants import READ, WRITE
from webui.call import Call
from webui.dataservers import CONNECT_SECONDS, Source, said
from webui.problems import FieldError, Problem, later

log = logging.getLogger("blueno.web.writing")

STALL_SECONDS = 30.0  # for one chunk to be taken by the data server
ANSWER_SECONDS = 60.0  # from the last byte sent to the answer: it syncs what it was sent
ANSWER_LIMIT = 32 << 20  # bytes
CHECKED_SECONDS = 10.0  # how often it is looked whether who sends is still let in
_PROBLEM_BYTES = 16 << 10
_CODES = {400: "bad_request", 404: "not_found", 409: "conflict", 410: "gone", 411: "length_required"}
_CODES |= {413: "too_large", 415: "unsupported_media_type", 422: "invalid", 507: "no_space"}
_OURS = ("no_space", "too_large")  # whose numbers are passed on
_NUMBERS = ("needed", "free", "limit")
_SECONDS = re.compile(r"[0-9]{1,3}")


@dataclass(frozen=True)
class Request:
    """What is asked of a data server. `body` comes in chunks; `length` is its size when that is known."""

    method: str
    path: str  # below /v1/working
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | AsyncIterable[bytes] | None = None
    length: int | None = None
    action: str = WRITE
    before: Callable[[], Awaitable[None]] | None = (
        None  # awaited when the data server is there and the body is about to go
    )


@dataclass(frozen=True)
class Answered:
    """A good answer, whole."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def value(self) -> Any:
        """Its JSON. Raises Problem 502 when it is none."""
        try:
            return json.loads(self.raw)
        except (ValueError, RecursionError):
            raise senseless() from None


async def ask(call: Call, source: Source, request: Request) -> Answered:
    """The answer. Raises the Problem that a refusal is for our client; 503 while the data server is not up."""
    async with opened(call, source, request) as answer:
        raw = await answer.content.read(ANSWER_LIMIT + 1)
        while len(raw) <= ANSWER_LIMIT and (more := await answer.content.read(ANSWER_LIMIT + 1 - len(raw))):
            raw += more
        if len(raw) > ANSWER_LIMIT:
            raise senseless()
        return Answered(answer.status, answer.headers.copy(), raw)


async def read(call: Call, source: Source, path: str, query: Mapping[str, str] | None = None) -> Answered:
    """The same for what only asks."""
    return await ask(call, source, Request("GET", path, query or {}, action=READ))


@asynccontextmanager
async def opened(call: Call, source: Source, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
    """An answer that is to be read piece by piece; it has been looked whether it is a good one."""
    servers = call.services.data_servers
    url = f"{source.url}/v1/working{request.path}" + (f"?{urlencode(request.query)}" if request.query else "")
    headers = {
        **request.headers,
        "Authorization": f"Bearer {servers.grant(source.grant, call.person.email, request.action)}",
        "Accept-Encoding": "identity",
        names.SUBJECT_HEADER: call.person.email,
    }
    length = len(request.body) if isinstance(request.body, bytes) else request.length
    if length is not None:
        headers["Content-Length"] = str(length)
    times = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=ANSWER_SECONDS)
    sent = _Sent(call, request) if request.body is not None else None
    try:
        async with asyncio.timeout(None) as limit:
            if sent is not None:
                sent.limit = limit
            async with servers.session.request(
                *(request.method, url),
                headers=headers,
                data=None if sent is None else sent.chunks(),
                allow_redirects=False,
                timeout=times,
            ) as answer:
                limit.reschedule(None)
                await _refuse(answer, source.whose)
                yield answer
    except Problem as problem:
        problem.close = problem.close or (sent is not None and not sent.done)  # the rest of its body is still to come
        raise
    except (aiohttp.ClientError, TimeoutError) as error:
        if sent is not None and sent.failed is not None:  # it was our client who failed: aiohttp only knows it broke
            raise sent.failed from None
        if isinstance(error, aiohttp.ClientPayloadError):
            raise senseless() from None
        log.info("%s: no answer: %s", source.about, type(error).__name__)
        away = starting(source.whose)
        away.close = sent is not None and not sent.done
        raise away from None


class _Sent:
    """A body on its way to the data server: in the person's pace, while the person is let in."""

    def __init__(self, call: Call, request: Request) -> None:
        self._call, self._request = call, request
        self.limit: asyncio.Timeout | None = None  # ends the exchange when the data server takes nothing more
        self.failed: Problem | None = None
        self.done = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises what reading raises; `failed` says what that was."""
        try:
            if self._request.before is not None:
                await self._request.before()
            async for chunk in self._looked_after():
                self._hurry(STALL_SECONDS)
                yield chunk
                self._hurry(None)
            self.done = True
        except Problem as problem:
            self.failed = problem
            raise

    def _hurry(self, seconds: float | None) -> None:
        if self.limit is not None:
            self.limit.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    async def _looked_after(self) -> AsyncIterator[bytes]:
        quotas, who = self._call.services.quotas, self._call.person
        checked, body = time.monotonic(), self._request.body
        if isinstance(body, bytes):
            yield body
            return
        assert body is not None  # noqa: S101
        async for chunk in body:
            await quotas.pace(who.email, len(chunk))
            if time.monotonic() - checked > CHECKED_SECONDS:
                await still_in(self._call)
                checked = time.monotonic()
            yield chunk


async def still_in(call: Call) -> None:
    """For what lasts. Raises Problem 401 when the session or token has been ended since."""
    if await call.services.doorkeeper.again(call.person) is None:
        raise Problem(401, "login_needed", "your session or token was ended: log in again", close=True)


async def _refuse(answer: aiohttp.ClientResponse, whose: str) -> None:
    """Raises the Problem that an error of the data server is for our client."""
    if answer.status < 300:
        return
    raw = await answer.content.read(_PROBLEM_BYTES)
    code, detail = said(raw)
    detail = detail or f"{whose} server refuses this"
    if answer.status in (429, 503):
        after = answer.headers.get("Retry-After", "1")
        seconds = int(after) if _SECONDS.fullmatch(after) else 1.0
        raise later("data_server_busy", detail, seconds)
    if answer.status not in _CODES:
        log.warning("a data server answered %d: %s %.300r", answer.status, code, detail)
        raise Problem(502, "data_server_failed", f"{whose} server could not do this; its log says why")
    code = code or _CODES[answer.status]
    headers = {name: answer.headers[name] for name in (names.UPLOAD_OFFSET,) if name in answer.headers}
    raise Problem(answer.status, code, detail, _errors(raw), headers, more=_more(raw, code))


def _errors(raw: bytes) -> list[FieldError]:
    try:
        found = json.loads(raw).get("errors") or ()
        return [FieldError(str(one["field"])[:200], str(one["message"])[:500]) for one in found[:20]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


def _more(raw: bytes, code: str) -> dict[str, int]:
    if code not in _OURS:
        return {}
    try:
        body = json.loads(raw)
        return {name: body[name] for name in _NUMBERS if isinstance(body.get(name), int)}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}


def starting(whose: str) -> Problem:
    """It is not up yet, or has just gone: the operator has been told that somebody waits."""
    return later("data_server_starting", f"{whose} server is starting: a few seconds", 2.0)


def senseless() -> Problem:
    """An answer that no data server of ours gives."""
    return Problem(502, "data_server_failed", "the data set's server gave an answer that makes no sense")
