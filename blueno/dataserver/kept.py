"""Answers that never change: what callers may keep, and how it is told that they have it. Called by app.py."""

from __future__ import annotations

import hashlib

from aiohttp import web

KEPT = "private, max-age=31536000, immutable"
_DRAWING = "2"  # goes into ETags; raise it when the same request gives another picture


def _etag(request: web.Request) -> str:
    asked = "\n".join([_DRAWING, request.path, *sorted(f"{name}={value}" for name, value in request.query.items())])
    return f'"{hashlib.blake2b(asked.encode("utf-8", "replace"), digest_size=12).hexdigest()}"'


def kept_headers(request: web.Request) -> dict[str, str]:
    return {"ETag": _etag(request), "Cache-Control": KEPT}


def unchanged(request: web.Request) -> web.Response | None:
    """304 when the caller holds this answer: its path names the version, so it cannot have changed."""
    held = [text.strip().removeprefix("W/") for text in request.headers.get("If-None-Match", "").split(",")]
    return web.Response(status=304, headers=kept_headers(request)) if _etag(request) in held else None
