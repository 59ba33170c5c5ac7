"""What the API is made of: each Route declares its parameters, its permission and its answers.

From these declarations come strict parsing (requests.py), authorization and audit (pipeline.py) and the OpenAPI
document (openapi.py). api/ declares them; app.py puts them into one Registry.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from blueno.resources.api import DATASETS, Resource
from webui.kinds import Kind, Object

if TYPE_CHECKING:
    from webui.call import Call

_NAME = re.compile(r"\{([a-z]+)\}")


class Permission(enum.Enum):
    """What a caller must be allowed before a handler runs. Everything is refused unless it says so."""

    OPEN = "open"  # anybody, without login
    PERSON = "person"  # whoever is logged in
    ADMIN = "admin"  # role admin
    LIST = "list"  # logged in; the handler shows only namespaces that may be listed
    READ = "read"  # get {namespace}/{name} of the route's kind
    CONTENT = "content"  # get datasets/content {namespace}/{name}: pixels and bytes
    CREATE = "create"  # create {namespace}/{name}, which the body names
    CHANGE = "change"  # get and patch {namespace}/{name}
    WRITE = "write"  # get and update {namespace}/{name}: its samples
    DELETE = "delete"  # get and delete {namespace}/{name}


OF_AN_OBJECT = (Permission.READ, Permission.CONTENT, Permission.CHANGE, Permission.WRITE, Permission.DELETE)


@dataclass(frozen=True)
class Param:
    """A query parameter or header; it may stand once. Handlers find it under `key`, or under its name when that is
    empty.
    """

    name: str
    kind: Kind
    default: Any = None
    about: str = ""
    key: str = ""
    required: bool = False


@dataclass(frozen=True)
class Stream:
    """A body that is passed on as it comes and never held whole: its media type, and how many bytes it may have."""

    media: str
    limit: int
    about: str = ""
    any_media: bool = False  # what the caller calls it does not matter
    schema: Mapping[str, Any] = field(default_factory=dict)  # for the document


@dataclass(frozen=True)
class Reply:
    """A good answer: JSON of a schema's name (components in schemas.py), or another media type, or nothing.

    Or a refusal (400 and above) that says more than others do.
    """

    status: int = 200
    schema: str = ""
    media: str = ""
    about: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # name: what it says


@dataclass(frozen=True)
class Answer:
    """What a handler gives back: `body` is made JSON; None sends no body."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cookie: str | None = None  # a new session's secret; "" takes the cookie away


Handler = Callable[["Call"], Awaitable[Answer | web.StreamResponse]]


@dataclass(frozen=True)
class Route:
    """One method of one path. `audit` is the verb of its audit rows; empty: none. `about` is its objects' kind."""

    method: str
    path: str
    permission: Permission
    handler: Handler
    summary: str
    replies: tuple[Reply, ...]
    query: tuple[Param, ...] = ()
    headers: tuple[Param, ...] = ()
    body: Object | None = None
    stream: Stream | None = None  # instead of `body`
    may_be_empty: bool = False  # no body at all stands for an empty object
    keyed: bool = False  # an Idempotency-Key is honoured: idempotency.py
    kinds: Mapping[str, Kind] = field(default_factory=dict)  # of the path's parameters
    audit: str = ""
    streams: bool = False  # may answer for longer than a minute
    served: bool = False  # by a data server, whose refusals are passed on
    about: Resource = DATASETS

    @property
    def is_of_2019(self) -> bool:
        """At the root, where the pages are, too: api/platform/ has them."""
        return self.path.split("/")[1] in ("login", "datasets", "data")

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.path.split("/")[1:])

    @property
    def names(self) -> tuple[str, ...]:
        """Of the path's parameters."""
        return tuple(_NAME.findall(self.path))


class Registry:
    """All routes. A route without permission, or with parameters of no kind, fails here, at start."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._by_length: dict[int, list[Route]] = {}
        seen = set()
        for route in self.routes:
            if not isinstance(route.permission, Permission):
                raise TypeError(f"{route.method} {route.path} declares no permission")
            if set(route.names) != set(route.kinds):
                raise TypeError(f"{route.method} {route.path}: its parameters and their kinds differ")
            if route.permission in OF_AN_OBJECT and route.names[:2] != ("namespace", "name"):
                raise TypeError(f"{route.method} {route.path}: its permission is about a namespace and a name")
            if route.permission is Permission.CREATE and not _names_its_object(route):
                raise TypeError(f"{route.method} {route.path}: its body must name what is created")
            if route.stream is not None and (route.body is not None or not route.streams):
                raise TypeError(f"{route.method} {route.path}: a stream is the whole body and lasts")
            # Or a query could name another object than the one whose permission is asked for.
            if set(route.names) & {param.key or param.name for param in (*route.query, *route.headers)}:
                raise TypeError(f"{route.method} {route.path}: a query parameter would hide one of the path")
            if (route.method, route.path) in seen:
                raise TypeError(f"{route.method} {route.path} is declared twice")
            seen.add((route.method, route.path))
            self._by_length.setdefault(len(route.segments), []).append(route)

    def find(self, method: str, segments: tuple[str, ...]) -> tuple[Route | None, dict[str, str], tuple[str, ...]]:
        """The route and its path's values; or None and the methods that this path does know.

        HEAD is answered as GET. `segments` are decoded.
        """
        wanted = "GET" if method == "HEAD" else method
        known: list[str] = []
        fewest = len(segments)  # parameters of the routes in `known`: a path that is spelled out speaks for itself
        for route in self._by_length.get(len(segments), ()):
            values = _match(route.segments, segments)
            if values is None:
                continue
            if route.method == wanted:
                return route, values, ()
            if len(values) < fewest:
                known, fewest = [], len(values)
            if len(values) == fewest:
                known += ["GET", "HEAD"] if route.method == "GET" else [route.method]
        return None, {}, tuple(known)


def _names_its_object(route: Route) -> bool:
    fields = set(route.body.fields) if route.body is not None else set()
    return "name" in fields and ("namespace" in fields or route.names == ("namespace",))


def _match(pattern: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    values = {}
    for wanted, given in zip(pattern, segments, strict=True):
        if wanted.startswith("{"):
            if not given:
                return None
            values[wanted[1:-1]] = given
        elif wanted != given:
            return None
    return values
