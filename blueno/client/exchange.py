"""What is asked of a server and what it answers, as values; refusals as errors of ours. Pure.

Used by http.py and http_async.py, which do the asking, and by everything that says what to ask. Sentences of the server
lose their control characters here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import blueno
from blueno import names
from blueno.client.words import plain
from blueno.errors import BluenoError, Conflict, NotFound, Rejected, Unavailable

CONNECT = 10.0  # seconds
WAIT = 30.0  # seconds for the next bytes
WHOLE = 75.0  # seconds for one request; the server gives up on its own after 60
SLOWEST = 32 * 1024  # bytes a second: a body that is sent gets so much more time
DELETED_AT = "Blueno-Deleted-At"
LATER = (429, 502, 503, 504)
NO_ROOM = 507
_PART = re.compile(r"^(body|query|path)\.")  # of a request; people know only what they gave


@dataclass(frozen=True)
class Limits:
    """Times in seconds; tests make them short. `pause` is about the first pause between two tries."""

    connect: float = CONNECT
    wait: float = WAIT
    whole: float = WHOLE
    pause: float = 0.5


@dataclass(frozen=True)
class Streamed:
    """A body that is not held: `make` gives it from its beginning, each time."""

    size: int
    make: Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Request:
    """One question. `body` goes as JSON; `pieces` instead are bytes of a media type."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Sequence[bytes] | Streamed | None = None
    media: str = "application/octet-stream"

    @property
    def size(self) -> int:
        """Bytes of what is sent as pieces."""
        return self.pieces.size if isinstance(self.pieces, Streamed) else sum(map(len, self.pieces or ()))

    def seconds(self, limits: Limits) -> float:
        """For the whole exchange."""
        return limits.whole + self.size / SLOWEST


@dataclass(frozen=True)
class Answer:
    """`body`: its JSON, or None. `deleted_at`: the header by which a run that is gone is still shown."""

    body: Any
    deleted_at: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Download:
    """An answer that is still being read. `is_part`: only the range that was asked for."""

    is_part: bool
    headers: Mapping[str, str]
    pieces: Iterator[bytes]


def headers_of(token: str | None) -> dict[str, str]:
    """What every request carries."""
    headers = {"User-Agent": f"blueno/{blueno.__version__}", "Accept": "application/json"}
    headers["Accept-Encoding"] = "identity"  # a compressed answer could unfold to any size
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return headers


def read_answer(server: str, asked: str, status: int, headers: Mapping[str, str], content: bytes) -> Answer:
    """The answer, if it is a good one. `asked` is the method.

    Raises NotFound (404), Conflict (409), Rejected (400, 401, 403, 413, 422, 507), Unavailable (429, 5xx, and 409 while
    the same request is being answered), BluenoError (what answers is not Blueno).
    """
    media_type = media_type_of(headers)
    if 300 <= status < 400:
        place = _place(headers.get("Location", ""))
        raise BluenoError(f"{server} sends us to {place}: if that is right, use that address")
    if status == 204 or (asked == "HEAD" and status == 200):
        return Answer(None, headers=headers)
    if asked == "HEAD" and status == 404:  # answers to HEAD have no body to say more
        raise NotFound("there is nothing here any more")
    if status >= 400:
        raise error_of(server, status, headers, content)
    if status not in (200, 201, 202) or "json" not in media_type:
        raise not_blueno(server)
    try:
        return Answer(json.loads(content), headers.get(DELETED_AT), headers)
    except (ValueError, RecursionError):
        raise not_blueno(server) from None


def error_of(server: str, status: int, headers: Mapping[str, str], content: bytes) -> BluenoError:
    """A refusal as the error that it means, with the server's own words."""
    detail, code = "", ""
    if "json" in media_type_of(headers):
        try:
            problem = json.loads(content)
            detail, code = _sentence(problem), _code(problem)
        except (ValueError, RecursionError):
            detail = ""
    error = _error(server, status, code, detail, _pause(headers.get("Retry-After", "")))
    error.code = code
    return error


def _error(server: str, status: int, code: str, detail: str, retry_after: float | None) -> BluenoError:
    if status == 401:
        return Rejected("you are not logged in, or the token has expired: run `blueno login`", 401)
    if status == NO_ROOM:
        return Rejected(detail or "there is no room left on the data set's volume", NO_ROOM)
    if status == 413:  # also of a proxy, which says it in its own way
        return Rejected(detail or f"{server} takes no request that large", 413)
    if status in LATER or status >= 500 or (status == 409 and code == names.IN_PROGRESS):
        return Unavailable(f"{server} cannot answer now ({status}): {detail or 'try again later'}", retry_after)
    if not detail:
        return not_blueno(server, status)
    if status == 404:
        return NotFound(detail)
    if status == 409:
        return Conflict(detail)
    return Rejected(f"not permitted: {detail}" if status == 403 else detail, status)


def not_blueno(server: str, status: int | None = None) -> BluenoError:
    """Something else answers at that address."""
    said = f" ({status})" if status else ""
    return BluenoError(f"what answers at {server} is not Blueno{said}: check the address of the server")


def no_connection(server: str, why: str) -> BluenoError:
    """`why` is what the system or the library says."""
    why = plain(why, 200)
    if "CERTIFICATE" in why.upper():
        return BluenoError(
            f"{server} has a certificate that this machine does not trust ({why}): if an authority of your "
            "own issued it, set SSL_CERT_FILE to its certificate"
        )
    return Unavailable(f"{server} does not answer ({why}): is the address right, and is it running?")


def media_type_of(headers: Mapping[str, str]) -> str:
    """Without parameters, in lower case."""
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _sentence(problem: Any) -> str:
    """The server's own words out of application/problem+json."""
    if not isinstance(problem, dict):
        return ""
    detail = problem.get("detail") or problem.get("message")
    if not isinstance(detail, str):
        return ""
    errors = problem.get("errors")
    fields = [
        f"{_PART.sub('', error['field'])}: {error['message']}"
        for error in (errors[:20] if isinstance(errors, list) else ())
        if isinstance(error, dict) and isinstance(error.get("field"), str) and isinstance(error.get("message"), str)
    ]
    return plain("; ".join(fields) if len(fields) > 1 else _PART.sub("", detail))


def _code(problem: Any) -> str:
    code = problem.get("code") if isinstance(problem, dict) else None
    return plain(code, 64) if isinstance(code, str) else ""


def _pause(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def _place(location: str) -> str:
    """Scheme and host of a redirect; a query may hold secrets."""
    try:
        parts = urlsplit(location)
    except ValueError:
        parts = urlsplit("")
    host = parts.netloc.rpartition("@")[2]
    return plain(f"{parts.scheme or 'https'}://{host}", 200) if host else "another page"
