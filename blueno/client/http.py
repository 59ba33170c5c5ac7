"""One connection to the server: requests with bounds on time and size, errors in words, retries of what only reads.

Called by runs.py, outputs.py and blueno/cli/login.py; calls httpx. Everything the server sends is taken for hostile:
redirects are not followed, bodies end at a size, a slow one at a time, and its sentences lose their control characters.
"""

from __future__ import annotations

import json
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

import blueno
from blueno.client.words import plain
from blueno.errors import BluenoError, Conflict, NotFound, Rejected, Unavailable

T = TypeVar("T")

CONNECT = 10.0  # seconds
WAIT = 30.0  # seconds for the next bytes
WHOLE = 75.0  # seconds for one request; the server gives up on its own after 60
LARGEST = 32 << 20  # bytes of an answer
TRIES = 4  # of a GET; the pauses between them are about 0.5, 1 and 2 s, or what the server asks for
LONGEST_PAUSE = 10.0  # seconds
DELETED_AT = "Blueno-Deleted-At"
_LATER = (429, 502, 503, 504)


@dataclass(frozen=True)
class Limits:
    """Times in seconds; tests make them short."""

    connect: float = CONNECT
    wait: float = WAIT
    whole: float = WHOLE
    pause: float = 0.5


@dataclass(frozen=True)
class Answer:
    """`body`: its JSON, None for 204. `deleted_at`: the header by which a run that is gone is still shown."""

    body: Any
    deleted_at: str | None = None


@dataclass(frozen=True)
class Download:
    """An answer that is still being read. `is_part`: only the range that was asked for."""

    is_part: bool
    headers: Mapping[str, str]
    pieces: Iterator[bytes]


class Http:
    """Requests to one server. Thread-safe as far as httpx.Client is."""

    def __init__(self, server: str, token: str | None, limits: Limits | None = None) -> None:
        self.server = server
        self._limits = limits or Limits()
        headers = {"User-Agent": f"blueno/{blueno.__version__}", "Accept": "application/json"}
        headers["Accept-Encoding"] = "identity"  # a compressed answer could unfold to any size
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        timeout = httpx.Timeout(self._limits.wait, connect=self._limits.connect)
        self._client = httpx.Client(base_url=server, headers=headers, timeout=timeout, follow_redirects=False)

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Answer:
        """An answer; tried again while the server is away. Raises as `send`."""
        wanted = {key: value for key, value in (query or {}).items() if value is not None}
        for attempt in range(TRIES - 1):
            try:
                return self.send("GET", path, query=wanted)
            except Unavailable as error:
                pause = self._limits.pause * 2**attempt * random.uniform(0.8, 1.2)  # noqa: S311  # no secret
                time.sleep(min(max(pause, error.retry_after or 0.0), LONGEST_PAUSE))
        return self.send("GET", path, query=wanted)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One answer.

        Raises NotFound (404), Conflict (409), Rejected (400, 401, 403, 413, 422), Unavailable (no answer, 429, 5xx),
        BluenoError (what answers is not Blueno).
        """
        request = self._client.build_request(method, path, params=query or None, json=body, headers=headers)
        status, headers, content = within(
            self._limits.whole, lambda: self._answer(request), f"{self.server} gave no whole answer in time"
        )
        media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if 300 <= status < 400:
            place = _place(headers.get("Location", ""))
            raise BluenoError(f"{self.server} sends us to {place}: if that is right, use that address")
        if status == 204:
            return Answer(None)
        if status >= 400:
            raise self._error(status, media_type, _pause(headers.get("Retry-After", "")), content)
        if status not in (200, 201) or "json" not in media_type:
            raise self._not_blueno()
        return Answer(self._json(content), headers.get(DELETED_AT))

    def _answer(self, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        with self._translated():
            answer = self._client.send(request, stream=True)
            try:
                content = self._bounded(answer)
            finally:
                answer.close()
        return answer.status_code, answer.headers, content

    @contextmanager
    def stream(self, path: str, query: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[Download]:
        """An answer of any size, to be read while the block runs: no time limit but that for the next bytes.

        Raises as `send`; Unavailable, too, when the answer breaks off.
        """
        wanted = {"Accept": "*/*", **headers}
        with self._translated():
            request = self._client.build_request("GET", path, params=query or None, headers=wanted)
            answer = self._client.send(request, stream=True)
            try:
                media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                if answer.status_code >= 400:
                    pause = _pause(answer.headers.get("Retry-After", ""))
                    raise self._error(answer.status_code, media_type, pause, self._bounded(answer))
                if answer.status_code not in (200, 206):
                    raise self._not_blueno(answer.status_code)
                yield Download(answer.status_code == 206, answer.headers, answer.iter_raw())
            finally:
                answer.close()

    def _bounded(self, answer: httpx.Response) -> bytes:
        content = bytearray()
        for block in answer.iter_raw():
            content += block
            if len(content) > LARGEST:
                raise BluenoError(f"{self.server} sends more than {LARGEST >> 20} MiB; ask for less at once")
        return bytes(content)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of the connection in words."""
        try:
            yield
        except httpx.ConnectTimeout:
            raise Unavailable(f"{self.server} does not answer: no connection in {self._limits.connect:g} s") from None
        except httpx.TimeoutException:
            raise Unavailable(f"{self.server} does not answer: nothing came for {self._limits.wait:g} s") from None
        except httpx.TransportError as error:
            raise self._no_connection(error) from None
        except httpx.HTTPError as error:
            raise Unavailable(f"{self.server} gives no useful answer: {plain(str(error), 200)}") from None

    def _no_connection(self, error: httpx.TransportError) -> BluenoError:
        why = plain(str(error), 200) or type(error).__name__
        if "CERTIFICATE" in why.upper():
            return BluenoError(
                f"{self.server} has a certificate that this machine does not trust ({why}): if an authority of your "
                "own issued it, set SSL_CERT_FILE to its certificate"
            )
        return Unavailable(f"{self.server} does not answer ({why}): is the address right, and is it running?")

    def _error(self, status: int, media_type: str, retry_after: float | None, content: bytes) -> BluenoError:
        detail = ""
        if "json" in media_type:
            try:
                problem = json.loads(content)
                detail = _sentence(problem)
            except (ValueError, RecursionError):
                detail = ""
        if status == 401:
            return Rejected("you are not logged in, or the token has expired: run `blueno login`", 401)
        if status in _LATER or status >= 500:
            return Unavailable(
                f"{self.server} cannot answer now ({status}): {detail or 'try again later'}", retry_after
            )
        if not detail:
            return self._not_blueno(status)
        if status == 404:
            return NotFound(detail)
        if status == 409:
            return Conflict(detail)
        return Rejected(f"not permitted: {detail}" if status == 403 else detail, status)

    def _not_blueno(self, status: int | None = None) -> BluenoError:
        said = f" ({status})" if status else ""
        return BluenoError(f"what answers at {self.server} is not Blueno{said}: check the address of the server")

    def _json(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self._not_blueno() from None


def within(seconds: float, call: Callable[[], T], otherwise: str) -> T:
    """What `call` returns. Raises Unavailable after so many seconds, and what `call` raises.

    A thread, since time-outs of sockets begin anew with every byte: an answer of one byte a second would never end.
    What comes too late is thrown away with the thread.
    """
    answer: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answer.put((call(), None))
        except BaseException as error:  # handed to the caller's thread
            answer.put((None, error))

    threading.Thread(target=work, name="blueno-request", daemon=True).start()
    try:
        value, error = answer.get(timeout=seconds)
    except queue.Empty:
        raise Unavailable(otherwise) from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # set when there is no error


def _sentence(problem: Any) -> str:
    """The server's own words out of application/problem+json."""
    if not isinstance(problem, dict) or not isinstance(problem.get("detail"), str):
        return ""
    errors = problem.get("errors")
    fields = [
        f"{error['field'].removeprefix('body.')}: {error['message']}"
        for error in (errors[:20] if isinstance(errors, list) else ())
        if isinstance(error, dict) and isinstance(error.get("field"), str) and isinstance(error.get("message"), str)
    ]
    return plain("; ".join(fields) if len(fields) > 1 else problem["detail"])


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
