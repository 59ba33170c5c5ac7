"""Reads what a request says, strictly: path, query, JSON body. Called by pipeline.py.

Nothing that comes out of here holds NUL, half surrogate pairs, NaN, or a key twice; everything else is a 4xx.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import web

from webui.kinds import Wrong
from webui.problems import FieldError, Problem, invalid
from webui.routes import Route

BODY_LIMIT = 64 << 10  # bytes
QUERY_LIMIT = 6144  # characters
DEPTH_LIMIT = 32  # of JSON in JSON
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_WHOLE = re.compile(r"[0-9]{1,18}")


class Patience:
    """How long a body may take: a few seconds, then at least so many bytes a second."""

    first_seconds = 5.0
    rate = 1024.0  # bytes a second
    total_seconds = 60.0


def segments(raw_path: str) -> tuple[str, ...]:
    """The decoded parts of a path. Raises Problem 400 for escapes and characters that no path of ours can hold."""
    return tuple(_decoded(part, "path") for part in raw_path.split("/")[1:])


def query_values(route: Route, raw_query: str) -> dict[str, Any]:
    """Query parameters of a route, with defaults. Raises Problem 422 for unknown, repeated and bad ones."""
    given: dict[str, str] = {}
    errors: list[FieldError] = []
    known = {param.name: param for param in route.query}
    if len(raw_query) > QUERY_LIMIT:
        raise Problem(414, "uri_too_long", f"the query has {len(raw_query)} characters, at most {QUERY_LIMIT} are read")
    for part in raw_query.split("&") if raw_query else ():
        key, _, value = part.partition("=")
        name = _decoded(key.replace("+", " "), "query")
        if name not in known:
            errors.append(FieldError(f"query.{name[:64]}", "is not known here"))
        elif name in given:
            errors.append(FieldError(f"query.{name}", "stands more than once"))
        else:
            given[name] = _decoded(value.replace("+", " "), "query")
    values = {}
    for name, param in known.items():
        values[param.key or name] = param.default
        if name in given:
            try:
                values[param.key or name] = param.kind.parse(given[name])
            except Wrong as error:
                errors += [FieldError(f"query.{name}{e.field}", e.message) for e in error.errors]
    if errors:
        raise invalid(errors[:20])
    return values


def path_values(route: Route, raw: Mapping[str, str]) -> dict[str, Any] | None:
    """The path's parameters; None when one cannot be: there is nothing at such a path."""
    try:
        return {name: kind.parse(raw[name]) for name, kind in route.kinds.items()}
    except Wrong:
        return None


async def body_value(route: Route, request: web.BaseRequest) -> Any:
    """The JSON body a route wants, checked; None for routes without one, which get none."""
    if route.body is None:
        _refuse_body(request)
        return None
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(415, "unsupported_encoding", "send the body as it is, without Content-Encoding", close=True)
    if request.content_type != "application/json":
        raise Problem(415, "unsupported_media_type", "send JSON, with Content-Type: application/json", close=True)
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise Problem(415, "unsupported_media_type", "send JSON in UTF-8", close=True)
    value = parse_json(await read_body(request))
    try:
        return route.body.check(value)
    except Wrong as error:
        raise invalid([FieldError(f"body{e.field}", e.message) for e in error.errors]) from None


async def read_body(request: web.BaseRequest, patience: type[Patience] = Patience) -> bytes:
    """At most BODY_LIMIT bytes, in bounded time. Raises Problem 413, 408, 400, 417."""
    length = request.headers.get("Content-Length", "0")
    if not _WHOLE.fullmatch(length):
        raise Problem(400, "bad_request", "Content-Length is not a number", close=True)
    if int(length) > BODY_LIMIT:
        raise _too_large()
    await _continue(request)
    loop = asyncio.get_running_loop()
    start, body = loop.time(), bytearray()
    while True:
        allowed = min(patience.first_seconds + len(body) / patience.rate, patience.total_seconds)
        try:
            async with asyncio.timeout_at(start + allowed):
                chunk, _ = await request.content.readchunk()
        except TimeoutError:
            raise Problem(408, "body_too_slow", "the body did not arrive in time", close=True) from None
        except (web.RequestPayloadError, ConnectionError, ValueError) as error:
            raise Problem(400, "bad_request", f"the body broke off: {type(error).__name__}", close=True) from None
        body += chunk
        if len(body) > BODY_LIMIT:
            raise _too_large()
        if not chunk and request.content.at_eof():
            return bytes(body)


def parse_json(raw: bytes) -> Any:
    """Raises Problem 400 for what is no JSON text, 422 for JSON that says a thing twice or holds no number (NaN)."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(400, "bad_json", "the body is not UTF-8") from None
    if _depth(text) > DEPTH_LIMIT:
        raise Problem(400, "bad_json", f"the body is nested deeper than {DEPTH_LIMIT} levels")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except _Twice as error:
        raise invalid([FieldError("body", str(error))]) from None
    except (ValueError, RecursionError) as error:
        raise Problem(400, "bad_json", f"the body is not JSON: {str(error)[:200]}") from None


class _Twice(Exception):
    """JSON that parsers read differently."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice("an object holds the same key twice")
    return found


def _no_constant(name: str) -> Any:
    raise _Twice(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _Twice("a number is too large")
    return value


def _depth(text: str) -> int:
    """How deep brackets nest at most, without recursion; those in texts count too, which can only refuse more."""
    depth = deepest = 0
    for sign in re.findall(r"[\[\]{}]", text):
        depth += 1 if sign in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _refuse_body(request: web.BaseRequest) -> None:
    if request.body_exists and request.headers.get("Content-Length", "") != "0":
        raise Problem(413, "no_body_wanted", "this request takes no body", close=True)


async def _continue(request: web.BaseRequest) -> None:
    """Answers `Expect: 100-continue`, now that the body is wanted."""
    expected = request.headers.get("Expect")
    if expected is None:
        return
    if expected.lower() != "100-continue":
        raise Problem(417, "expectation_failed", "only Expect: 100-continue is understood", close=True)
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # or the answer proper would count as sent already


def _too_large() -> Problem:
    return Problem(413, "body_too_large", f"a body has at most {BODY_LIMIT} bytes", close=True)


def _decoded(text: str, where: str) -> str:
    if (
        _BAD_ESCAPE.search(text)
        or not text.isascii()
        or any(sign < "!" or sign == "\x7f" for sign in text.replace(" ", ""))
    ):
        raise Problem(400, "bad_request", f"the {where} holds characters that must be written as %XX")
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(400, "bad_request", f"the {where} is not UTF-8") from None
    if "\0" in decoded:
        raise Problem(400 if where == "path" else 422, "bad_request", f"the {where} holds a NUL character")
    return decoded
