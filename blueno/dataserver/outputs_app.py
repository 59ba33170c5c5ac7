"""The HTTP application on a claim that training runs write to: list, download, archive. Called by __main__.py, tests.

A grant (see frame.py) is good for one run's directory on this claim. Everything here may change at any time, so an
answer is kept only to be asked for again; and whatever a file says it is, a browser is told to save it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from blueno import filenames
from blueno.dataserver import archive, frame
from blueno.dataserver.config import OutputsConfig
from blueno.dataserver.files import File
from blueno.dataserver.outputs import PAGE, Directory, Outputs, page
from blueno.dataserver.params import Parameters
from blueno.dataserver.problems import wrong
from blueno.dataserver.stream import Part, send, send_pieces
from blueno.dataserver.workers import Job, Workers
from blueno.grants import outputs_of

_DIRECTORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # what names.output_dir makes, and a little more
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_AGAIN = "private, no-cache"
_NAME_LENGTH = 100


def make_outputs_app(config: OutputsConfig) -> web.Application:
    """The application with its worker threads."""
    server = _Server(config)
    app = frame.application(server.health, server.check_grant)
    app.on_cleanup.append(server.close)
    run = "/v1/outputs/{directory}"
    app.add_routes(
        [web.get(f"{run}/list", server.list), web.get(f"{run}/file", server.file), web.get(f"{run}/tar", server.tar)]
    )
    return app


class _Server:
    def __init__(self, config: OutputsConfig) -> None:
        self._config = config
        self._outputs = Outputs(config.mount)
        self._workers = Workers(config.limits.threads, config.limits.waiting)
        self.health = frame.Health(self._outputs.check, config.limits.probe_seconds)

    async def close(self, _: web.Application) -> None:
        self._workers.close()
        self.health.close()

    def check_grant(self, request: web.Request) -> None:
        """Raises Problem 401 without a grant, 403 with one that is not for this directory."""
        directory = request.match_info.get("directory", "")
        about = ""  # of no run: no grant names that
        if _DIRECTORY.fullmatch(directory):
            about = outputs_of(self._config.namespace, self._config.claim, directory)
        frame.check_grant(request, self._config.keys, about)

    async def list(self, request: web.Request) -> web.Response:
        """A page of a directory."""
        given = Parameters(request.query.items(), ("path", "after", "limit"))
        steps, after = _steps(given.text("path")), _name(given.text("after"))
        limit = given.number("limit", PAGE, 1, PAGE) or PAGE
        body = await self._run(lambda job: page(self._directory(request, steps), after, limit, job))
        return web.json_response(body, headers={"Cache-Control": "no-store"})

    async def file(self, request: web.Request) -> web.StreamResponse:
        """A file as it is now: as many bytes as it has when it is opened, though it may grow meanwhile."""
        steps = _steps(Parameters(request.query.items(), ("path",)).text("path"))
        file: File = await self._run(lambda _: self._outputs.file(request.match_info["directory"], steps))
        headers = {"ETag": _etag(file), "Cache-Control": _AGAIN, "Content-Disposition": _attachment(steps[-1])}
        if headers["ETag"] in _held(request):
            return web.Response(status=304, headers=headers)
        return await send(request, Part(file, 0, file.size), headers, self._workers)

    async def tar(self, request: web.Request) -> web.StreamResponse:
        """A directory with everything in it."""
        steps = _steps(Parameters(request.query.items(), ("path",)).text("path"))
        run: str = request.match_info["directory"]

        def begin(job: Job) -> Directory:
            top = self._directory(request, steps)
            archive.check(top, job)
            return top

        top: Directory = await self._run(begin)
        name = steps[-1] if steps else run.encode()
        headers = {
            "Content-Type": "application/x-tar",
            "Cache-Control": "no-store",
            "Content-Disposition": _attachment(name + b".tar"),
        }
        return await send_pieces(request, archive.pieces(top, name), headers, self._workers)

    def _directory(self, request: web.Request, steps: tuple[bytes, ...]) -> Directory:
        return self._outputs.directory(request.match_info["directory"], steps)

    async def _run(self, function: Callable[[Job], Any]) -> Any:
        return await self._workers.run(function, self._config.limits.seconds)


def _steps(text: str) -> tuple[bytes, ...]:
    try:
        return filenames.steps(text)
    except ValueError as error:
        wrong("path", str(error))


def _name(text: str) -> bytes:
    try:
        return filenames.meant(text)
    except ValueError as error:
        wrong("after", str(error))


def _etag(file: File) -> str:
    """Changes with every write: of an inode, its size and its time."""
    return f'"{hashlib.blake2b(repr(file.identity).encode(), digest_size=12).hexdigest()}"'


def _held(request: web.Request) -> set[str]:
    return {text.strip().removeprefix("W/") for text in request.headers.get("If-None-Match", "").split(",")}


def _attachment(name: bytes) -> str:
    """Content-Disposition: a plain name for everybody, the true one for those that can write it."""
    plain = _UNSAFE.sub("_", name.decode("ascii", "replace"))[-_NAME_LENGTH:].lstrip("._-") or "file"
    text = filenames.shown(name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(text, safe='')}"
