"""A data server's working set as the interface between the parts says, in memory: for tests of who calls one.

It keeps what it acknowledged, nothing else, whatever becomes of the caller; counts what it was sent; and may be told to
be full, slow, deaf or away.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from blueno import names
from blueno.grants import READ, WRITE, GrantRefused, verify
from tests.fakes.data_server import PUBLIC

MAX_SAMPLES, MAX_BYTES, MAX_CHUNK = 10_000, 64 << 20, 16 << 20
_FIELDS = {"key", "bytes", "sha256", "split", "label", "group", "metadata", "replace", "ifMatch", "upload"}


class Refused(Exception):
    """An answer of 400 or more."""

    def __init__(self, status: int, code: str, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(code)
        self.status, self.code, self.headers, self.more = status, code, headers or {}, more

    def response(self) -> web.Response:
        body = {"status": self.status, "code": self.code, "detail": f"refused: {self.code}", **self.more}
        kind = "application/problem+json"
        return web.Response(status=self.status, text=json.dumps(body), content_type=kind, headers=self.headers)


def etag_of(record: dict[str, Any]) -> str:
    """As the interface says."""
    said = {name: record.get(name) for name in ("sha256", "split", "label", "group", "metadata")}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass
class WorkingServer:
    """`samples` is what was acknowledged: key → (record, bytes)."""

    uid: str = "uid-1"
    behind: str = ""  # another data server, which is asked about everything else
    samples: dict[str, tuple[dict[str, Any], bytes]] = field(default_factory=dict)
    journal: list[dict[str, Any]] = field(default_factory=list)  # every line, as `changes` tells them
    uploads: dict[str, bytearray] = field(default_factory=dict)
    announced: dict[str, int] = field(default_factory=dict)
    free: int = 1 << 40
    status: int | None = None  # answered to everything, before a body is read
    hold: asyncio.Event = field(default_factory=asyncio.Event)  # cleared: bodies are not read
    chunks: int = 0  # PATCHes that were acknowledged
    bundles: int = 0
    subjects: list[str] = field(default_factory=list)
    received: int = 0  # bytes of bodies
    url: str = ""
    revision: int = 0
    _begun: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.hold.set()

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[WorkingServer]:
        """Listens while the block runs."""
        app = web.Application(client_max_size=MAX_BYTES * 2, middlewares=[self._refusals])
        top = "/v1/working"
        app.add_routes(
            [
                web.post(f"{top}/bundles", self._bundle),
                web.post(f"{top}/removals", self._remove),
                web.post(f"{top}/uploads", self._begin),
                web.patch(f"{top}/uploads/{{id}}", self._append),
                web.head(f"{top}/uploads/{{id}}", self._look),
                web.get(f"{top}/uploads/{{id}}/bytes", self._upload_bytes),
                web.delete(f"{top}/uploads/{{id}}", self._drop),
                web.get(top, self._about),
                web.get(f"{top}/changes", self._changes),
                web.get(f"{top}/samples", self._sample),
                web.get(f"{top}/raw", self._raw),
            ]
        )
        app.router.add_get("/{path:v1/versions.*}", self._pass_on)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    @web.middleware
    async def _refusals(self, request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            if self.status is not None:
                raise Refused(self.status, "no_space" if self.status == 507 else "told_to", needed=7, free=3)
            action = READ if request.method in ("GET", "HEAD") else WRITE
            text = request.headers.get("Authorization", "").removeprefix("Bearer ")
            verify(text, PUBLIC, self.uid, action, time.time())
            self.subjects.append(request.headers.get(names.SUBJECT_HEADER, ""))
            await self.hold.wait()
            answer: web.StreamResponse = await handler(request)
            return answer
        except GrantRefused:
            return Refused(403, "grant_refused").response()
        except Refused as refused:
            return refused.response()

    async def _body(self, request: web.Request, limit: int) -> bytes:
        if int(request.headers.get("Content-Length", "0")) > self.free:
            raise Refused(507, "no_space", needed=int(request.headers["Content-Length"]), free=self.free)
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            self.received += len(chunk)
            if len(body) > limit:
                raise Refused(413, "too_large")
        return bytes(body)

    async def _json(self, request: web.Request) -> Any:
        try:
            return json.loads(await self._body(request, MAX_CHUNK))
        except (ValueError, RecursionError):
            raise Refused(400, "bad_json") from None

    # Bundles ----------------------------------------------------------------------------------------------

    async def _bundle(self, request: web.Request) -> web.Response:
        body = await self._body(request, MAX_BYTES + (16 << 20))
        lines, at = _head(body)
        counts = {"created": 0, "same": 0, "replaced": 0}
        refused: list[dict[str, Any]] = []
        for line in lines:
            content = b"" if "upload" in line else body[at : at + line["bytes"]]
            at += len(content)
            try:
                counts[self._put(line, content, request)] += 1
            except Refused as error:
                refused.append({"key": line["key"], "code": error.code, "detail": "refused", **error.more})
        self.bundles += 1
        return web.json_response({"revision": self.revision, **counts, "refused": refused})

    def _put(self, line: dict[str, Any], content: bytes, request: web.Request) -> str:
        if not isinstance(line["key"], str) or not 1 <= len(line["key"]) <= 1024 or set(line["key"]) & set("\0\n\r"):
            raise Refused(422, "invalid")
        upload = line.get("upload")
        if upload is not None:
            content = bytes(self.uploads.get(upload, b"-"))
            if len(content) != line["bytes"]:
                raise Refused(422, "invalid")
        record = {name: line[name] for name in ("split", "label", "group", "metadata") if line.get(name) is not None}
        record |= {"key": line["key"], "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        if line.get("sha256") not in (None, record["sha256"]):
            raise Refused(422, "digest_mismatch")
        known = self.samples.get(line["key"])
        if known is not None and etag_of(known[0]) == etag_of(record):
            return "same"
        if known is not None and not line.get("replace"):
            raise Refused(409, "conflict", etag=etag_of(known[0]))
        self.revision += 1
        record |= {"seq": self.revision, "time": "2026-01-01T00:00:00.123Z", "op": "put"}
        record["by"] = request.headers.get(names.SUBJECT_HEADER, "")
        self.keep(record, content)
        if upload is not None:
            self.uploads.pop(upload, None)
        return "created" if known is None else "replaced"

    def keep(self, record: dict[str, Any], content: bytes) -> None:
        """A sample and its line."""
        self.samples.pop(record["key"], None)
        self.samples[record["key"]] = (record, content)
        self.journal.append(record)
        self.revision = record["seq"]

    async def _remove(self, request: web.Request) -> web.Response:
        asked = await self._json(request)
        keys = asked.get("keys") if isinstance(asked, dict) else None
        good = isinstance(keys, list) and len(keys) <= MAX_SAMPLES and all(isinstance(k, str) and k for k in keys)
        if not good or not set(asked) <= {"keys", "purge"} or not isinstance(asked.get("purge", False), bool):
            raise Refused(422, "invalid", errors=[{"field": "keys", "message": "must be a list of keys"}])
        assert isinstance(keys, list)
        gone = [key for key in dict.fromkeys(keys) if self.samples.pop(key, None)]
        for key in gone:
            self.revision += 1
            self.journal.append({"op": "remove", "key": key, "seq": self.revision, "time": "2026-01-01T00:00:00.123Z"})
        missing = len(set(keys)) - len(gone)
        return web.json_response({"revision": self.revision, "removed": len(gone), "missing": missing})

    # Large files ------------------------------------------------------------------------------------------

    async def _begin(self, request: web.Request) -> web.Response:
        asked = await self._json(request)
        if asked["bytes"] > self.free:
            raise Refused(507, "no_space", needed=asked["bytes"], free=self.free)
        number = f"u{next(self._begun)}"
        self.uploads[number], self.announced[number] = bytearray(), asked["bytes"]
        return web.json_response({"id": number, "offset": 0}, status=201)

    def _upload(self, request: web.Request) -> tuple[str, bytearray]:
        number = request.match_info["id"]
        if number not in self.uploads:
            raise Refused(404, "not_found")
        return number, self.uploads[number]

    async def _append(self, request: web.Request) -> web.Response:
        number, held = self._upload(request)
        if request.headers.get(names.UPLOAD_OFFSET) != str(len(held)):
            raise Refused(409, "offset_mismatch", {names.UPLOAD_OFFSET: str(len(held))})
        chunk = await self._body(request, MAX_CHUNK)
        if len(held) + len(chunk) > self.announced[number]:
            raise Refused(422, "too_large")
        held += chunk
        self.chunks += 1
        return web.Response(status=204, headers={names.UPLOAD_OFFSET: str(len(held))})

    async def _look(self, request: web.Request) -> web.Response:
        return web.Response(headers={names.UPLOAD_OFFSET: str(len(self._upload(request)[1]))})

    async def _upload_bytes(self, request: web.Request) -> web.Response:
        return web.Response(body=bytes(self._upload(request)[1]))

    async def _drop(self, request: web.Request) -> web.Response:
        del self.uploads[self._upload(request)[0]]
        return web.Response(status=204)

    # Reading ----------------------------------------------------------------------------------------------

    async def _pass_on(self, request: web.Request) -> web.Response:
        headers = {name: request.headers[name] for name in ("Authorization", "Range") if name in request.headers}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.get(f"{self.behind}{request.rel_url}", headers=headers) as answer,
        ):
            dropped = ("Content-Length", "Transfer-Encoding", "Date", "Server", "Connection")
            kept = {name: value for name, value in answer.headers.items() if name not in dropped}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    async def _about(self, _: web.Request) -> web.Response:
        size = sum(len(content) for _, content in self.samples.values())
        return web.json_response({"samples": len(self.samples), "bytes": size, "revision": self.revision})

    async def _changes(self, request: web.Request) -> web.Response:
        after, limit = int(request.query.get("after", 0)), int(request.query.get("limit", 20000))
        found = [line for line in self.journal if line["seq"] > after][:limit]
        text = "".join(json.dumps(record) + "\n" for record in found)
        headers = {"Blueno-Revision": str(self.revision)}
        return web.Response(text=text, content_type="application/x-ndjson", headers=headers)

    async def _sample(self, request: web.Request) -> web.Response:
        found = self.samples.get(request.query.get("key", ""))
        if found is None:
            raise Refused(404, "not_found")
        return web.json_response(found[0] | {"etag": etag_of(found[0])})

    async def _raw(self, request: web.Request) -> web.Response:
        found = self.samples.get(request.query.get("key", ""))
        if found is None or not found[0]["sha256"].startswith(request.query.get("sha256", "-")):
            raise Refused(404, "not_found")
        return web.Response(body=found[1], headers={"Content-Disposition": 'attachment; filename="x.png"'})


def _head(body: bytes) -> tuple[list[dict[str, Any]], int]:
    size = int.from_bytes(body[:8], "little")
    if len(body) < 8 or size > 16 << 20 or len(body) < 8 + size:
        raise Refused(400, "bad_bundle")
    try:
        lines = [json.loads(line) for line in body[8 : 8 + size].splitlines()]
    except (ValueError, RecursionError):
        raise Refused(400, "bad_bundle") from None
    good = all(isinstance(one, dict) and {"key", "bytes"} <= set(one) <= _FIELDS for one in lines)
    if not good or len(lines) > MAX_SAMPLES or any(not isinstance(one["bytes"], int) for one in lines):
        raise Refused(400, "bad_bundle")
    if len(body) != 8 + size + sum(one["bytes"] for one in lines if "upload" not in one):
        raise Refused(400, "bad_bundle")
    return lines, 8 + size


def a_bundle(*samples: tuple[dict[str, Any], bytes]) -> bytes:
    """A bundle of these (line without `bytes`, content)."""
    lines = [json.dumps({"bytes": len(content), **line}) + "\n" for line, content in samples]
    head = "".join(lines).encode()
    return len(head).to_bytes(8, "little") + head + b"".join(c for line, c in samples if "upload" not in line)
