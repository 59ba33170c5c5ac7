"""The OpenAPI 3.1 document, out of the routes' own declarations. Called by api/document.py. Pure."""

from __future__ import annotations

from typing import Any

from webui.idempotency import HEADER, KEY
from webui.routes import Param, Permission, Registry, Route
from webui.schemas import SCHEMAS, ref

_PROBLEM = {"application/problem+json": {"schema": ref("Problem")}}
_ALWAYS = {
    400: "not understood",
    404: "not there",
    408: "too slow",
    414: "too long",
    417: "not expected",
    429: "too often",
}
_KEY = Param(HEADER, KEY, about="sent again under the same key, the request is answered as before, for a day")
_LOGGED_IN = {401: "log in first"}
_BODY = {413: "too large", 415: "no JSON", 422: "a field is wrong"}


def document(registry: Registry, version: str) -> dict[str, Any]:
    """The whole API."""
    paths: dict[str, dict[str, Any]] = {}
    for route in registry.routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Blueno",
            "version": version,
            "description": "Image data sets: what was prepared, the samples in it, and the runs that train on them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "blueno_session"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [_tag(route)],
        "security": [] if route.permission is Permission.OPEN else [{"session": []}, {"token": []}],
        "x-permission": route.permission.value,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": route.kinds[name].schema()} for name in route.names
        ]
        + [
            {
                "name": param.name,
                "in": place,
                "required": param.required,
                "schema": param.kind.schema(),
                **({"description": param.about} if param.about else {}),
            }
            for place, params in (("query", route.query), ("header", _headers(route)))
            for param in params
        ],
        "responses": _responses(route),
    }
    if route.body is not None:
        content = {"application/json": {"schema": route.body.schema()}}
        operation["requestBody"] = {"required": not route.may_be_empty, "content": content}
    if route.stream is not None:
        schema = dict(route.stream.schema) or {"type": "string", "format": "binary"}
        about = " ".join(filter(None, (route.stream.about, f"At most {route.stream.limit} bytes.")))
        content = {route.stream.media: {"schema": schema}}
        operation["requestBody"] = {"required": True, "description": about, "content": content}
    return operation


def _tag(route: Route) -> str:
    if route.is_of_2019:
        return "2019"
    return route.segments[2] if len(route.segments) > 2 else "server"


def _headers(route: Route) -> tuple[Param, ...]:
    return (*route.headers, *((_KEY,) if route.keyed else ()))


def _responses(route: Route) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for reply in route.replies:
        said: dict[str, Any] = {"description": reply.about or "done"}
        if reply.status >= 400:
            said["content"] = _PROBLEM
        elif reply.schema:
            said["content"] = {"application/json": {"schema": ref(reply.schema)}}
        elif reply.media:
            said["content"] = {reply.media: {}}
        if reply.headers:
            said["headers"] = {n: {"description": w, "schema": {"type": "string"}} for n, w in reply.headers.items()}
        responses[str(reply.status)] = said
    problems = dict(_ALWAYS) | {
        422: "a parameter is wrong",
        503: "not now",
        500: "a mistake of ours",
        405: "no such method",
    }
    has_body = route.body is not None or route.stream is not None
    problems |= _BODY if has_body else {413: "no body wanted"}
    if route.permission is not Permission.OPEN:
        problems |= _LOGGED_IN
    problems |= {403: "not allowed"}
    if route.permission is Permission.WRITE:
        problems |= {410: "gone", 411: "say how long it is", 502: "data server failed", 507: "no room on the volume"}
    if route.permission is Permission.CONTENT:
        problems |= {409: "not indexed yet", 410: "version removed", 416: "no such range", 502: "data server failed"}
    if route.served:
        problems |= {409: "cannot be read as things are", 416: "no such range", 502: "data server failed"}
    if route.method in ("POST", "PUT", "PATCH", "DELETE"):
        problems |= {401: "not let in", 409: "not possible as things are"}
    for status, about in sorted(problems.items()):
        responses.setdefault(str(status), {"description": about, "content": _PROBLEM})
    return dict(sorted(responses.items()))


def _operation_id(route: Route) -> str:
    words = [part.strip("{}") for part in route.segments if part not in ("api", "v1")]
    name = route.method.lower() + "".join(word[:1].upper() + word[1:] for word in words).replace(".", "")
    return name + ("2019" if route.is_of_2019 else "")
