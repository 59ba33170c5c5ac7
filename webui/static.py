"""The front end: what Vite built, held in memory. Called by pipeline.py for every path outside /api.

A request only ever picks from the files found at start, by name: no path from outside reaches the file system. Files
below assets/ carry a hash in their names and never change; index.html answers every other path (the pages' router
reads it).
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

log = logging.getLogger("blueno.web.static")

FILE_LIMIT = 8 << 20  # bytes
FILES_LIMIT = 500
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
}
_SQUEEZED = (".html", ".js", ".css", ".json", ".svg", ".txt", ".webmanifest", ".wasm")
_NOT_BUILT = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Blueno</title></head><body>
<h1>Blueno</h1>
<p>The pages were not built into this installation; the API works:
<a href="/api/openapi.json">/api/openapi.json</a>.</p>
<p>To build them, run <code>hack/frontend build</code> in the checkout and restart this process.</p>
</body></html>
"""


@dataclass(frozen=True)
class File:
    """One file, ready to be sent."""

    body: bytes
    squeezed: bytes | None  # gzip, when that is smaller
    media: str
    tag: str  # ETag
    immutable: bool


class Static:
    """All files below a folder. `reload` is called when index.html has changed (a build while we run)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: tuple[int, int] | None = None
        self._files: Mapping[str, File] = {}
        self._refresh()

    def answer(self, segments: tuple[str, ...], request: web.BaseRequest) -> web.Response | None:
        """The file at this path, or the index; None for an asset that is not there."""
        name = "/".join(segments)
        file = self._files.get(name)
        if file is None:
            if segments[:1] == ("assets",):
                return None
            self._refresh()
            file = self._files.get("index.html") or _file("index.html", _NOT_BUILT)
        return _response(file, request)

    def _refresh(self) -> None:
        stamp = _stamp(self._folder / "index.html")
        if stamp == self._stamp and self._files:
            return
        self._stamp = stamp
        self._files = dict(_read(self._folder)) if stamp else {}
        if stamp:
            log.info("front end: %d files from %s", len(self._files), self._folder)
        else:
            log.warning("there is no front end in %s: run `hack/frontend build`", self._folder)


def _stamp(index: Path) -> tuple[int, int] | None:
    try:
        found = index.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _read(folder: Path) -> list[tuple[str, File]]:
    """Regular files only: a link could lead anywhere."""
    found: list[tuple[str, File]] = []
    for top, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(top, name)
            facts = path.lstat()
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > FILE_LIMIT or len(found) >= FILES_LIMIT:
                log.warning("%s is not served: no regular file, or too large, or one too many", path)
                continue
            place = path.relative_to(folder).as_posix()
            found.append((place, _file(place, path.read_bytes())))
    return found


def _file(name: str, body: bytes) -> File:
    suffix = Path(name).suffix
    squeezed = gzip.compress(body, 6, mtime=0) if suffix in _SQUEEZED and len(body) > 512 else None
    return File(
        body=body,
        squeezed=squeezed if squeezed is not None and len(squeezed) < len(body) else None,
        media=TYPES.get(suffix, "application/octet-stream"),
        tag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        immutable=name.startswith("assets/"),
    )


def _response(file: File, request: web.BaseRequest) -> web.Response:
    headers = {
        "ETag": file.tag,
        "Cache-Control": "public, max-age=31536000, immutable" if file.immutable else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if file.tag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = file.media
    body = file.body
    if file.squeezed is not None and "gzip" in request.headers.get("Accept-Encoding", "").lower():
        body = file.squeezed
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers)
