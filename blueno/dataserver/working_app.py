"""What is asked about the working set, and what changes it: /v1/working/…. Made by app.py.

Pictures of its samples are in working_pictures.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeVar

from aiohttp import web

from blueno import names
from blueno.data.badsample import MAX_SAMPLE_BYTES
from blueno.data.bundle import BUNDLE_BYTES, BadBundle, HeadTooLarge
from blueno.data.removal import REMOVALS_BYTES
from blueno.data.working import GROUP_CHARACTERS, wrong_key, wrong_text
from blueno.dataserver import params
from blueno.dataserver.library import Library
from blueno.dataserver.listen import Limits
from blueno.dataserver.problems import Problem, wrong
from blueno.dataserver.stream import send_pieces
from blueno.dataserver.workers import Workers
from blueno.dataserver.working_body import Bodies, check_room, whole_header
from blueno.dataserver.working_bundle import Incoming
from blueno.dataserver.working_commit import removal_of
from blueno.dataserver.working_opened import Opened
from blueno.dataserver.working_set import WorkingSet, problem_of_writing
from blueno.dataserver.working_state import to_json
from blueno.dataserver.working_uploads import CHUNK, OffsetMismatch, Uploads

T = TypeVar("T")

PREFIX = "/v1/working"
SUBJECT = web.RequestKey("subject", str)  # whom the grant was made for
ISSUER = web.RequestKey("issuer", str)  # who made it
UPLOAD_BYTES = 4096  # of the request that begins one
MOST_CHANGES = 20_000
LONG_SECONDS = 120.0  # for what takes long on a slow volume: to sync 64 MiB, to sum a large file
_LARGEST = 2**63 - 1
_NO_STORE = {"Cache-Control": "no-store"}


class WorkingRoutes:
    """Handlers, with threads of their own: a volume that cannot be written does not keep anybody from reading."""

    def __init__(self, limits: Limits, library: Library) -> None:
        self._limits = limits
        self.workers = Workers(limits.threads, 8 * limits.bodies)
        self.set = WorkingSet(library.folder)
        self._bodies = Bodies(limits, self.workers)

    def routes(self) -> list[web.RouteDef]:
        """To be added to the application."""
        upload = f"{PREFIX}/uploads/{{id}}"
        bodies: dict[str, Any] = {"expect_handler": _not_yet}
        return [
            web.get(PREFIX, self.about),
            web.get(f"{PREFIX}/changes", self.changes),
            web.get(f"{PREFIX}/samples", self.sample),
            web.post(f"{PREFIX}/bundles", self.bundle, **bodies),
            web.post(f"{PREFIX}/removals", self.removals, **bodies),
            web.post(f"{PREFIX}/uploads", self.begin, **bodies),
            web.get(upload, self.look),
            web.patch(upload, self.chunk, **bodies),
            web.delete(upload, self.delete),
        ]

    def close(self) -> None:
        """Ends the threads."""
        self.set.close()
        self.workers.close()

    async def about(self, request: web.Request) -> web.Response:
        """How much there is."""
        params.Parameters(request.query.items(), ())
        state = (await self._ready()).state
        body = {"samples": len(state), "bytes": state.bytes, "revision": state.revision}
        return web.json_response(body, headers={**_NO_STORE, names.REVISION: str(state.revision)})

    async def changes(self, request: web.Request) -> web.StreamResponse:
        """The journals' lines of samples after a number."""
        given = params.Parameters(request.query.items(), ("after", "limit"))
        after = _whole(given.text("after") or "0", "after")
        limit = given.number("limit", MOST_CHANGES, 1, MOST_CHANGES) or MOST_CHANGES
        opened = await self._ready()
        revision, pieces = await self._run(lambda: opened.changes(after, limit))
        first = await self._run(lambda: next(pieces, b""))
        headers = {**_NO_STORE, names.REVISION: str(revision), "Content-Type": "application/x-ndjson"}
        return await send_pieces(request, _chained(first, pieces), headers, self.workers)

    async def sample(self, request: web.Request) -> web.Response:
        """One sample as it is now."""
        given = params.Parameters(request.query.items(), ("key",))
        opened = await self._ready()
        found = opened.state.get(given.text("key"))
        if found is None:
            raise Problem(404, "sample_not_found", "there is no sample of this key in the working set")
        text = json.dumps(to_json(found), ensure_ascii=False)
        headers = {**_NO_STORE, "ETag": f'"{found.etag}"', names.REVISION: str(opened.state.revision)}
        return web.Response(text=text, content_type="application/json", headers=headers)

    async def bundle(self, request: web.Request) -> web.Response:
        """Takes many samples, each for itself."""
        params.Parameters(request.query.items(), ())
        by = _subject(request)
        if request.content_type not in (names.BUNDLE_TYPE, "application/octet-stream"):
            raise Problem(415, "wrong_type", f"the body must be a bundle: Content-Type: {names.BUNDLE_TYPE}")
        opened = await self._ready()
        async with self._bodies.turn(request, BUNDLE_BYTES) as length:
            await self._room(opened, length or 0, (length or 0))
            authors = request[ISSUER] == "operator"
            incoming = await self._run(lambda: Incoming(self.set, length, authors))
            try:
                await self._guarded(self._bodies.read(request, BUNDLE_BYTES, incoming.feed))
                await self._run(incoming.finish, LONG_SECONDS)
                answer = await self._answer(incoming.submit(by))
                await self._run(incoming.settle, LONG_SECONDS)
            finally:
                self.workers.later(incoming.close)
        return web.json_response(answer, headers=_NO_STORE)

    async def removals(self, request: web.Request) -> web.Response:
        """Takes samples out."""
        params.Parameters(request.query.items(), ())
        by = _subject(request)
        body = await self._bodies.whole(request, REMOVALS_BYTES)
        await self._ready()
        try:
            asked = await self._run(lambda: removal_of(body, by, wrong_key))
        except ValueError as error:
            raise Problem(422, "bad_removal", str(error)) from error
        return web.json_response(await self._answer(self.set.submit(asked)), headers=_NO_STORE)

    async def begin(self, request: web.Request) -> web.Response:
        """A large file will come."""
        params.Parameters(request.query.items(), ())
        size, sha256 = _upload(await self._bodies.whole(request, UPLOAD_BYTES))
        opened = await self._ready()
        await self._room(opened, size)
        upload = await self._run(lambda: opened.uploads.begin(size, sha256))
        headers = {**_NO_STORE, names.UPLOAD_OFFSET: "0"}
        return web.json_response({"id": upload.id, "offset": 0}, status=201, headers=headers)

    async def look(self, request: web.Request) -> web.Response:
        """How much of it is there."""
        params.Parameters(request.query.items(), ())
        upload = (await self._uploads()).get(request.match_info["id"])
        headers = {**_NO_STORE, names.UPLOAD_OFFSET: str(upload.offset)}
        return web.json_response({"id": upload.id, "bytes": upload.bytes, "offset": upload.offset}, headers=headers)

    async def chunk(self, request: web.Request) -> web.Response:
        """The next piece of a large file."""
        params.Parameters(request.query.items(), ())
        offset, number = whole_header(request, names.UPLOAD_OFFSET), request.match_info["id"]
        uploads = await self._uploads()
        async with self._bodies.turn(request, CHUNK) as length:
            try:
                chunk = await self._run(lambda: uploads.chunk(number, offset, length or 0))
            except OffsetMismatch as problem:
                problem.headers[names.UPLOAD_OFFSET] = str(problem.offset)
                raise
            try:
                await self._guarded(self._bodies.read(request, CHUNK, chunk.write))
                offset = await self._run(chunk.finish, LONG_SECONDS)
            finally:
                self.workers.later(chunk.close)
        return web.Response(status=204, headers={**_NO_STORE, names.UPLOAD_OFFSET: str(offset)})

    async def delete(self, request: web.Request) -> web.Response:
        """It will not be finished."""
        params.Parameters(request.query.items(), ())
        uploads = await self._uploads()
        await self._run(lambda: uploads.delete(request.match_info["id"]))
        return web.Response(status=204, headers=_NO_STORE)

    async def _ready(self) -> Opened:
        return await self._run(self.set.ready)

    async def _uploads(self) -> Uploads:
        return (await self._ready()).uploads

    async def _room(self, opened: Opened, needed: int, own: int = 0) -> None:
        """`own`: what of the bytes that are on their way is this request's."""
        promised = opened.uploads.outstanding + self._bodies.coming - own
        await self._run(lambda: check_room(opened.root, needed, promised, self._limits.reserve))

    async def _run(self, function: Callable[[], T], seconds: float | None = None) -> T:
        found: T = await self._guarded(self.workers.run(lambda _: function(), seconds or self._limits.seconds))
        return found

    async def _guarded(self, step: Any) -> Any:
        """What goes wrong on the volume, or with a bundle, in words."""
        try:
            return await step
        except HeadTooLarge as error:
            raise Problem(413, "too_large", str(error)) from error
        except BadBundle as error:
            raise Problem(400, "bad_bundle", str(error)) from error
        except ConnectionError:
            raise  # the sender has gone
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise problem_of_writing(error) from error

    async def _answer(self, future: Any) -> Any:
        try:
            async with asyncio.timeout(LONG_SECONDS):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            text = "the volume is too slow: whether this was done is not known; send it again, nothing is doubled"
            raise Problem(503, "too_slow", text, retry_after=5) from None


def takes_body(request: web.Request) -> bool:
    """Whether the handler of a request reads its body."""
    return request.method in ("POST", "PATCH") and request.path.startswith(f"{PREFIX}/")


def changes_something(request: web.Request) -> bool:
    """Whether a grant to read is not enough."""
    return request.method not in ("GET", "HEAD", "OPTIONS") and request.path.startswith(f"{PREFIX}/")


async def _not_yet(_: web.Request) -> None:
    """`Expect: 100-continue` is answered when the body's turn has come: what is refused need not be sent."""


def _subject(request: web.Request) -> str:
    """On whose behalf."""
    given = request.headers.get(names.SUBJECT_HEADER) or request[SUBJECT]
    text: str = given or "unknown"
    if wrong_text("by", text, GROUP_CHARACTERS):
        message = f"the header {names.SUBJECT_HEADER} must name somebody"
        raise Problem(422, "bad_parameter", message, field=names.SUBJECT_HEADER)
    return text


def _upload(body: bytes) -> tuple[int, str]:
    """(bytes, sha256) of a file that will come."""
    try:
        asked = json.loads(body)
        size, sha256 = asked["bytes"], asked.get("sha256") or ""
        known = asked.keys() <= {"bytes", "sha256"}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Problem(422, "bad_upload", 'the body must be JSON: {"bytes": …, "sha256": …}') from None
    if not known or type(size) is not int or not 0 < size <= _LARGEST:
        raise Problem(422, "bad_upload", "bytes must be the size of the file, and sha256 is all that may be with it")
    if size > MAX_SAMPLE_BYTES:
        raise Problem(
            413, "too_large", f"{size} bytes: a sample has at most {MAX_SAMPLE_BYTES}, however much room there is"
        )
    if type(sha256) is not str or not (not sha256 or _is_sum(sha256)):
        raise Problem(422, "bad_upload", "sha256 must be 64 lower-case hexadecimal digits")
    return size, sha256


def _is_sum(text: str) -> bool:
    return len(text) == 64 and all(sign in "0123456789abcdef" for sign in text)


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= _LARGEST):
        wrong(name, "must be a whole number")
    return int(text)


def _chained(first: bytes, rest: Any) -> Any:
    if first:
        yield first
    yield from rest
