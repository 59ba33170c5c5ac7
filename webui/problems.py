"""Errors as a caller sees them: application/problem+json (RFC 9457) with a stable `code`. Raised all over webui/."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

from blueno import names
from blueno.resources.api import Resource

MEDIA_TYPE = "application/problem+json"
_WORDS = {names.DATASET_KIND: "data set", names.SAMPLE_KIND: "sample", names.TRAINING_RUN_KIND: "training run"}


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field; `field` is a path like `body.namespaces[2]` or `query.limit`."""

    field: str
    message: str


@dataclass
class Problem(Exception):
    """An answer of 400 or more. `code` is part of the API; `detail` is a sentence for a person."""

    status: int
    code: str
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    close: bool = False  # the connection cannot be used any more (a body that was not read …)
    more: Mapping[str, Any] = field(default_factory=dict)  # further members, by name

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail}"

    def body(self, request_id: str) -> dict[str, Any]:
        """The JSON body."""
        body: dict[str, Any] = {
            "type": f"urn:blueno:problem:{self.code}",
            "title": _phrase(self.status),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "requestId": request_id,
        }
        if self.errors:
            body["errors"] = [{"field": error.field, "message": error.message} for error in self.errors]
        return {**self.more, **body}

    def response(self, request_id: str, *, for_2019: bool = False) -> web.Response:
        """The whole answer. Clients of 2019 read a member `message`."""
        body = self.body(request_id)
        text = json.dumps(body | {"message": self.detail} if for_2019 else body, ensure_ascii=False)
        answer = web.Response(status=self.status, text=text, content_type=MEDIA_TYPE, headers=self.headers)
        if self.close:
            answer.force_close()
        return answer


def not_found(what: str = "there is nothing here") -> Problem:
    """Also for what a person may not see: the answer must not tell the two apart."""
    return Problem(404, "not_found", what)


def gone(about: Resource) -> Problem:
    """There is no such object, or it may not be seen."""
    return not_found(f"there is no such {_WORDS[about.kind]}, or you may not see it")


def invalid(errors: Sequence[FieldError]) -> Problem:
    """422 that names the fields."""
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Problem(422, "invalid", f"{first.field}: {first.message}{more}", errors)


def later(code: str, detail: str, seconds: float = 1.0, status: int = 503) -> Problem:
    """503 (or 429): the same request may succeed in so many seconds."""
    return Problem(status, code, detail, headers={"Retry-After": str(max(1, math.ceil(seconds)))})


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
