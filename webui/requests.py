"""Reads what a request says, strictly: path, query, JSON body. Called by pipeline.py.

Nothing that comes out of here holds NUL, half surrogate pairs, NaN, or a key twice; everything else is a 4xx.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import web

from webui.bodies import BODY_LIMIT, Incoming, Patience, UploadPatience
from webui.kinds import Wrong
from webui.problems import FieldError, Problem, invalid
from webui.routes import Param, Route, Stream

__all__ = ("BODY_LIMIT", "Patience", "body_value", "header_values", "parse_json", "path_values", "query_values")

QUERY_LIMIT = 6144  # characters
DEPTH_LIMIT = 32  # of JSON in JSON
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


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
            errors += _take(values, param, given[name], "query")
        elif param.required:
            errors.append(FieldError(f"query.{name}", "is missing"))
    if errors:
        raise invalid(errors[:20])
    return values


def header_values(route: Route, request: web.BaseRequest) -> dict[str, Any]:
    """Request headers that a route declares, with defaults. Raises Problem 422 for missing, repeated and bad ones."""
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for param in route.headers:
        given = request.headers.getall(param.name, [])
        values[param.key or param.name] = param.default
        if len(given) > 1:
            errors.append(FieldError(f"header.{param.name}", "stands more than once"))
        elif given:
            errors += _take(values, param, given[0], "header")
        elif param.required:
            errors.append(FieldError(f"header.{param.name}", "is missing"))
    if errors:
        raise invalid(errors)
    return values


def _take(values: dict[str, Any], param: Param, text: str, where: str) -> list[FieldError]:
    try:
        values[param.key or param.name] = param.kind.parse(text)
    except Wrong as error:
        return [FieldError(f"{where}.{param.name}{e.field}", e.message) for e in error.errors]
    return []


def path_values(route: Route, raw: Mapping[str, str]) -> dict[str, Any] | None:
    """The path's parameters; None when one cannot be: there is nothing at such a path."""
    try:
        return {name: kind.parse(raw[name]) for name, kind in route.kinds.items()}
    except Wrong:
        return None


async def body_value(route: Route, request: web.BaseRequest) -> Any:
    """The body a route wants: JSON that was checked, or an Incoming to be read; None for routes that get none."""
    if route.stream is not None:
        return _stream(route.stream, request)
    if route.body is None:
        _refuse_body(request)
        return None
    if route.may_be_empty and not _has_body(request):
        return route.body.check({})
    _refuse_encoding(request)
    if request.content_type != "application/json":
        raise Problem(415, "unsupported_media_type", "send JSON, with Content-Type: application/json", close=True)
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise Problem(415, "unsupported_media_type", "send JSON in UTF-8", close=True)
    value = parse_json(await Incoming(request, BODY_LIMIT).whole())
    try:
        return route.body.check(value)
    except Wrong as error:
        raise invalid([FieldError(f"body{e.field}", e.message) for e in error.errors]) from None


def _stream(wanted: Stream, request: web.BaseRequest) -> Incoming:
    """Nothing of it is read yet."""
    _refuse_encoding(request)
    if request.content_type != wanted.media and not wanted.any_media:
        raise Problem(415, "unsupported_media_type", f"send it with Content-Type: {wanted.media}", close=True)
    if not _has_body(request):
        raise Problem(400, "bad_request", "there is no body", close=True)
    return Incoming(request, wanted.limit, UploadPatience)


def _refuse_encoding(request: web.BaseRequest) -> None:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(415, "unsupported_encoding", "send the body as it is, without Content-Encoding", close=True)


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


def _has_body(request: web.BaseRequest) -> bool:
    return request.body_exists and request.headers.get("Content-Length", "") != "0"


def _refuse_body(request: web.BaseRequest) -> None:
    if _has_body(request):
        raise Problem(413, "no_body_wanted", "this request takes no body", close=True)


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
