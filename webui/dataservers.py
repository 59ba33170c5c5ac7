"""Pixels and bytes from the data servers, passed through as they come. Used by api/pixels.py and api/run_outputs.py.

A data server is asked with a short grant (blueno/grants.py) of the person who looks. One that is not up yet is the
usual case, not an error: 503 `data_server_starting`, and the operator has been told (looked.py) that somebody waits.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode
from weakref import WeakValueDictionary

import aiohttp
from aiohttp import web

from blueno import names
from blueno.grants import READ, TTL, Grant, outputs_of, sign
from webui.headers import secured
from webui.problems import Problem, later
from webui.quotas import AT_ONCE as UPLOADS_AT_ONCE

log = logging.getLogger("blueno.web.dataservers")

GRANT_SECONDS = 30.0  # how long a grant is used again
GRANTS_KEPT = 2048
AT_ONCE = 32  # pictures
ORIGINALS_AT_ONCE = 16  # apart from pictures: a download may take long
SHARES = 2  # a data server has at most this part of either
WAIT_SECONDS = 10.0
ANSWER_LIMIT = 64 << 20  # bytes of a picture; originals may be of any size
CONNECT_SECONDS = 2.0
KEPT_SECONDS = 5.0  # idle connections: less than the data server keeps them, or one is used that closes in this moment
SILENCE_SECONDS = 20.0
WRITE_SECONDS = 30.0  # for one chunk to reach the client
GRACE_SECONDS = 60.0  # for an answer, and one second more for every RATE bytes
RATE = 16 << 10
CHUNK = 64 << 10
# What the data server says is for our client, too.
_TOLD = {404: "not_found", 409: "sample_damaged", 410: "version_gone", 422: "invalid"}
_CODE = re.compile(r"[a-z_]{1,64}")
_SECONDS = re.compile(r"[0-9]{1,3}")
_PASSED_ON = ("If-None-Match", "If-Range", "Range")
_PASSED_BACK = ("Content-Length", "Content-Range", "Accept-Ranges", "ETag", "Last-Modified", "Blueno-Sheet")


class Place(Protocol):
    """A data set: its row, or anything else that tells one."""

    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...


class Addresses:
    """Where the operator's Services are; tests have others."""

    def dataset(self, row: Place) -> str:
        """Of a data set's data server."""
        return names.data_server_url(row.namespace, row.name, row.uid)

    def outputs(self, namespace: str, claim: str) -> str:
        """Of the server of what runs wrote to a claim."""
        return names.outputs_server_url(namespace, claim)


@dataclass(frozen=True)
class Source:
    """A data server: its URL, what a grant for it names, and in words whose server it is."""

    url: str
    grant: str
    about: str  # for the log: namespace/name
    whose: str  # "the data set's"


@dataclass(frozen=True)
class Wanted:
    """One thing to fetch: `path` below the data server's root, and how the answer is dressed."""

    source: Source
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # set on the answer, whatever the data server says: its Content-Type is not trusted
    limit: int | None = ANSWER_LIMIT
    attachment: bool = False  # something to save, never to show
    before: Callable[[], Awaitable[None]] | None = None  # awaited when bytes are about to leave


class DataServers:
    """One session to all of them."""

    def __init__(self, key: bytes, addresses: Addresses | None = None) -> None:
        self._key = key
        self._addresses = addresses or Addresses()
        self._grants: OrderedDict[tuple[str, str, str], tuple[float, str]] = OrderedDict()
        self._slots = {False: asyncio.Semaphore(AT_ONCE), True: asyncio.Semaphore(ORIGINALS_AT_ONCE)}
        self._shares: WeakValueDictionary[tuple[str, bool], asyncio.Semaphore] = WeakValueDictionary()
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=AT_ONCE + ORIGINALS_AT_ONCE + UPLOADS_AT_ONCE, ttl_dns_cache=10, keepalive_timeout=KEPT_SECONDS
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self.session.close()

    def of_dataset(self, row: Place) -> Source:
        """A data set's own server."""
        return Source(self._addresses.dataset(row), row.uid, f"{row.namespace}/{row.name}", "the data set's")

    def of_outputs(self, namespace: str, claim: str, directory: str) -> Source:
        """The server of the claim that a run writes to. Raises ValueError for names that cannot be."""
        grant = outputs_of(namespace, claim, directory)
        return Source(self._addresses.outputs(namespace, claim), grant, f"{namespace}/{directory}", "the outputs'")

    async def fetch(self, wanted: Wanted, request: web.BaseRequest, subject: str) -> web.StreamResponse:
        """The data server's answer, streamed to the client. Raises Problem for refusals and while it is not up."""
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    for slots in (self._share(wanted), self._slots[wanted.attachment]):
                        await held.enter_async_context(slots)
            except TimeoutError:
                raise later("overloaded", "too many pictures or downloads at once") from None
            return await self._fetch(wanted, request, subject)

    def _share(self, wanted: Wanted) -> asyncio.Semaphore:
        """What one data server may have of all places: one that hangs keeps what it has for SILENCE_SECONDS."""
        known = (wanted.source.url, wanted.attachment)
        share = self._shares.get(known)
        if share is None:
            total = ORIGINALS_AT_ONCE if wanted.attachment else AT_ONCE
            share = self._shares[known] = asyncio.Semaphore(total // SHARES)
        return share

    async def _fetch(self, wanted: Wanted, request: web.BaseRequest, subject: str) -> web.StreamResponse:
        source = wanted.source
        url = source.url + wanted.path + (f"?{urlencode(wanted.query)}" if wanted.query else "")
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        headers["Authorization"] = f"Bearer {self.grant(source.grant, subject)}"
        headers["Accept-Encoding"] = "identity"
        method = "HEAD" if request.method == "HEAD" else "GET"
        try:
            limits = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
            async with self.session.request(
                method, url, headers=headers, allow_redirects=False, timeout=limits
            ) as answer:
                await _refuse(answer, source.whose)
                return await _pass_on(answer, wanted, request)
        except aiohttp.ClientConnectionError as error:
            log.info("%s: no data server yet: %s", source.about, type(error).__name__)
            raise later("data_server_starting", f"{source.whose} server is starting: a few seconds") from None
        except TimeoutError:
            raise later("data_server_starting", f"{source.whose} server does not answer yet") from None
        except aiohttp.ClientError as error:
            log.warning("%s: %s", source.about, error)
            raise Problem(
                502, "data_server_failed", f"{source.whose} server gave an answer that makes no sense"
            ) from None

    def grant(self, about: str, subject: str, action: str = READ) -> str:
        """A grant for one action on this data set or directory, used again for a while."""
        known = (about, subject, action)
        until, text = self._grants.get(known, (0.0, ""))
        if until > time.monotonic():
            return text
        actions = (READ,) if action == READ else (READ, action)  # whoever may change may look
        text = sign(Grant("web", about, actions, int(time.time()) + TTL, subject), self._key)
        self._grants[known] = (time.monotonic() + GRANT_SECONDS, text)
        self._grants.move_to_end(known)
        while len(self._grants) > GRANTS_KEPT:
            self._grants.popitem(last=False)
        return text


async def _refuse(answer: aiohttp.ClientResponse, whose: str) -> None:
    """Raises the Problem that an error of the data server is for our client."""
    if answer.status in (200, 206, 304):
        return
    code, detail = said(await answer.content.read(4096))
    if answer.status == 416:
        headers = {"Content-Range": answer.headers["Content-Range"]} if "Content-Range" in answer.headers else {}
        raise Problem(416, "range_not_satisfiable", "there are no such bytes", headers=headers)
    if answer.status in _TOLD:
        raise Problem(answer.status, code or _TOLD[answer.status], detail or f"{whose} server refuses this")
    if answer.status in (429, 503):
        after = answer.headers.get("Retry-After", "1")
        detail = detail or f"{whose} server is busy"
        raise later("data_server_busy", detail, int(after) if _SECONDS.fullmatch(after) else 1.0)
    log.warning("a data server answered %d: %s %.300r", answer.status, code, detail)
    raise Problem(502, "data_server_failed", f"{whose} server could not make this; its log says why")


def said(raw: bytes) -> tuple[str, str]:
    """(code, detail) of a problem; empty where the answer is something else."""
    try:
        body = json.loads(raw)
        code, detail = str(body["code"]), str(body["detail"])[:500]
    except (ValueError, TypeError, KeyError, RecursionError):
        return "", ""
    return (code, detail) if _CODE.fullmatch(code) else ("", detail)


async def _pass_on(answer: aiohttp.ClientResponse, wanted: Wanted, request: web.BaseRequest) -> web.StreamResponse:
    """Chunk by chunk. When either side breaks off, the connection is cut: a short picture must not pass for whole."""
    length = answer.content_length
    if wanted.limit is not None and length is not None and length > wanted.limit:
        raise Problem(502, "data_server_failed", f"the answer is larger than {wanted.limit >> 20} MiB")
    out = web.StreamResponse(status=answer.status)
    for name in _PASSED_BACK:
        if name in answer.headers:
            out.headers[name] = answer.headers[name]
    out.headers.update(wanted.headers)
    if answer.headers.get("Cache-Control") == "no-store":  # a sheet with cells that could not be read this time
        out.headers["Cache-Control"] = "no-store"
    if wanted.attachment:
        said = answer.headers.get("Content-Disposition", "")
        out.headers["Content-Disposition"] = said if said.startswith("attachment") else "attachment"
    secured(out)
    if wanted.before is not None and request.method != "HEAD" and answer.status != 304:
        await wanted.before()
    await out.prepare(request)
    if request.method == "HEAD" or answer.status == 304:
        await out.write_eof()
        return out
    try:
        await _copy(answer, out, wanted.limit)
    except (TimeoutError, aiohttp.ClientError, ConnectionError) as error:
        log.info("an answer broke off: %s", error or type(error).__name__)
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("broken off") from None
    return out


async def _copy(answer: aiohttp.ClientResponse, out: web.StreamResponse, limit: int | None) -> None:
    """The body, in bounded size and time."""
    sent, began = 0, time.monotonic()
    async for chunk in answer.content.iter_chunked(CHUNK):
        sent += len(chunk)
        if limit is not None and sent > limit:
            raise ConnectionError("larger than it may be")
        if time.monotonic() - began > GRACE_SECONDS + sent / RATE:
            raise ConnectionError("the client reads too slowly")
        async with asyncio.timeout(WRITE_SECONDS):
            await out.write(chunk)
    async with asyncio.timeout(WRITE_SECONDS):
        await out.write_eof()
