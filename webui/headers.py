"""Headers of every answer: what a browser may do with it. Used by pipeline.py and server.py."""

from __future__ import annotations

from aiohttp import web

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
ORIGINALS_POLICY = "sandbox; default-src 'none'"  # bytes that somebody else made: never a page of ours
_ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


# Browsers heed it over TLS only, and complain about it elsewhere.
OPENER_POLICY = ("Cross-Origin-Opener-Policy", "same-origin")


def secured(answer: web.StreamResponse) -> None:
    """Adds what is not set yet, and takes away what tells which software this is."""
    for name, value in _ALWAYS.items():
        answer.headers.setdefault(name, value)
    answer.headers["Server"] = "blueno"
