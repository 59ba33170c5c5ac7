"""An HTTP proxy before an API server, fake or real, that breaks what passes by rules (tests/proxies/rules.py).

Used by tests/loop/fire. Clients come by plain HTTP with their own credentials or none; a real server's certificate
authority and the client certificate or token for it come from a kubeconfig (`Upstream.of_kubeconfig`).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from kubernetes.aio import client as kube_client
from kubernetes.aio import config as kube_config

from blueno.kube import _ssl_context
from tests.fakes.api_discovery import Refused
from tests.proxies.lines import Then, WatchPipe
from tests.proxies.rules import (
    LINE_FAULTS,
    Answer,
    Call,
    CutAfter,
    CutBefore,
    Delay,
    Fault,
    Meanwhile,
    Rule,
    Twice,
    call_of,
)

_HOP_BY_HOP = {"connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Upstream:
    """The API server behind the proxy."""

    url: str
    tls: ssl.SSLContext | None = None
    headers: Mapping[str, str] = field(default_factory=dict)  # for clients that bring no credentials

    @classmethod
    async def of_kubeconfig(cls, file: Path) -> Upstream:
        """The server of the current context, with that context's credentials."""
        known = kube_client.Configuration()
        await kube_config.load_kube_config(str(file), client_configuration=known)  # type: ignore[no-untyped-call]
        bearer = (await known.auth_settings()).get("BearerToken")
        headers = {"Authorization": str(bearer["value"])} if bearer and bearer["value"] else {}
        tls = _ssl_context(known) if known.host.startswith("https:") else None
        return cls(known.host.rstrip("/"), tls, headers)


@dataclass
class ApiProxy:
    """Passes everything on, but for what its rules say."""

    upstream: Upstream
    url: str = ""
    rules: list[Rule] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)  # as they came in, whatever became of them
    _client: aiohttp.ClientSession = field(init=False)
    _connections: Iterator[int] = field(default_factory=itertools.count)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[ApiProxy]:
        """Listen on a free port of 127.0.0.1 while the block runs. At its end every fault has to have fired."""
        app = web.Application(client_max_size=1 << 22)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # Without handler_cancellation a watch of the server's would outlive its client.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        connector = aiohttp.TCPConnector(limit=0, ssl=self.upstream.tls or True)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as self._client:
            try:
                yield self
            finally:
                for rule in self.rules:
                    rule.heal()
                await runner.cleanup()
        for rule in self.rules:
            rule.check()

    def add(self, fault: Fault, *verbs: str, kinds: tuple[str, ...] = (), **more: Any) -> Rule:
        """Set a fault; see Rule for `more`. It fires until it is healed or spent."""
        name = " ".join(("fault", repr(fault), *verbs, *kinds))
        self.rules.append(Rule(name, fault=fault, verbs=verbs, kinds=kinds, **more))
        return self.rules[-1]

    @contextmanager
    def fault(self, fault: Fault, *verbs: str, kinds: tuple[str, ...] = (), **more: Any) -> Iterator[Rule]:
        """A fault while the block runs; it must fire there."""
        rule = self.add(fault, *verbs, kinds=kinds, **more)
        try:
            yield rule
        finally:
            rule.heal()
        rule.check()

    def _fault_for(self, call: Call) -> Fault | None:
        """The first fault that is for this call; those of lines wait for a watch's lines."""
        whole = (rule for rule in self.rules if not isinstance(rule.fault, LINE_FAULTS))
        return next((rule.fault for rule in whole if rule.takes(call)), None)

    # One call ---------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        call = call_of(request.method, request.path, dict(request.query), json.loads(raw) if raw else None)
        self.calls.append(call)
        fault = self._fault_for(call)
        match fault:
            case Answer():
                return _refusal(fault)
            case CutBefore():
                return _cut(request)
            case Delay():
                await asyncio.sleep(fault.seconds)
            case Twice():
                await self._ask(request, raw)
        if call.verb == "WATCH" or request.query.get("follow"):
            return await self._stream(request, call)
        answer = await self._ask(request, raw)
        if isinstance(fault, CutAfter):
            fault.strike()
            return _cut(request)
        if isinstance(fault, Meanwhile):
            fault.strike()
        return answer

    async def _ask(self, request: web.Request, raw: bytes) -> web.StreamResponse:
        """The server's answer, whole."""
        try:
            async with self._request(request, raw) as answer:
                headers = _passed_on(answer.headers)
                return web.Response(status=answer.status, body=await answer.read(), headers=headers)
        except (aiohttp.ClientError, OSError):
            return _cut(request)  # there is no server: to the client that looks as it would without us

    def _request(self, request: web.Request, raw: bytes | None = None) -> Any:
        headers = {**self.upstream.headers, **_passed_on(request.headers)}
        url = self.upstream.url + request.raw_path
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        return self._client.request(request.method, url, data=raw or None, headers=headers, timeout=timeout)

    # One watch --------------------------------------------------------------------------------------------

    async def _stream(self, request: web.Request, call: Call) -> web.StreamResponse:
        try:
            async with self._request(request) as answer:
                stream = web.StreamResponse(status=answer.status, headers=_passed_on(answer.headers))
                await stream.prepare(request)
                if call.verb != "WATCH" or answer.status != 200:
                    async for chunk in answer.content.iter_any():
                        await stream.write(chunk)
                    return stream
                pipe = WatchPipe(call, self.rules, next(self._connections))
                async for line in _lines(answer.content):
                    lines, then = await pipe.pass_on(line)
                    for one in lines:
                        await stream.write(one)
                    if then is Then.CUT:
                        return _cut(request, stream)
                    if then is Then.END:
                        break
                return stream
        except (aiohttp.ClientError, OSError):
            return _cut(request)


def _refusal(fault: Answer) -> web.Response:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    body = Refused(fault.status, "broken by the test").body
    return web.json_response(body, status=fault.status, headers=headers)


def _cut(request: web.Request, stream: web.StreamResponse | None = None) -> web.StreamResponse:
    """The connection ends without another byte."""
    if request.transport is not None:
        request.transport.abort()
    return stream or web.Response()


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() not in _HOP_BY_HOP}


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    with suppress(aiohttp.ClientPayloadError):
        async for chunk in content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in filter(None, lines):
                yield line + b"\n"
