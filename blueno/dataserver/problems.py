"""What a caller is told when a request cannot be answered. Raised throughout blueno/dataserver, sent by app.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from aiohttp import web

from blueno.errors import BluenoError

_TITLES = {
    400: "Bad request",
    401: "No grant",
    403: "Grant refused",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    410: "Gone",
    411: "Length required",
    413: "Too large",
    416: "Range not satisfiable",
    422: "Cannot be done",
    429: "Too many",
    503: "Not now",
    507: "No room",
}


class Problem(BluenoError):
    """An answer of its own: `status` and a stable `code`; `field` names the wrong parameter, if one is wrong.

    `more` goes into the body; `headers` beside it.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, field: str = "", retry_after: int | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.field, self.retry_after = status, code, field, retry_after
        self.more: Mapping[str, Any] = more
        self.headers: dict[str, str] = {}

    def response(self) -> web.Response:
        """As problem+json."""
        body: dict[str, object] = {
            "type": "about:blank",
            "title": _TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": str(self),
            "code": self.code,
            **self.more,
        }
        if self.field:
            body["errors"] = [{"field": self.field, "message": str(self)}]
        headers = {"Cache-Control": "no-store", **self.headers}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        text = json.dumps(body)
        return web.Response(status=self.status, text=text, content_type="application/problem+json", headers=headers)


class Gone(Problem):
    """A file or directory is not there (any more)."""

    def __init__(self, what: str) -> None:
        super().__init__(410, "version_gone", f"{what} is not there any more: the version was removed")


class Damaged(Problem):
    """What lies on the volume is not what was sealed."""

    def __init__(self, detail: str) -> None:
        super().__init__(409, "version_damaged", detail)


class Unreadable(Problem):
    """The volume does not answer as a file system should: worth another try."""

    def __init__(self, detail: str) -> None:
        super().__init__(503, "volume_unavailable", detail, retry_after=5)


class Stale(Unreadable):
    """What was open is not what its server has now: it was removed there, or exported anew.

    It does not say that nothing is there: only ENOENT does.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} cannot be read now (stale file handle): it is opened anew")


def wrong(field: str, message: str) -> NoReturn:
    """A parameter that is not what it must be."""
    raise Problem(422, "bad_parameter", message, field=field)
