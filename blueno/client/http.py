"""One connection to the server for threads: requests with bounds on time and size, errors in words.

Called by driving.py, upload.py, transfer.py and blueno/cli/login.py; calls httpx. Everything the server sends is taken
for hostile: redirects are not followed, bodies end at a size, a slow one at a time. http_async.py does the same for
asyncio; what both make of an answer is in exchange.py, what is tried again in asking.py.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx

from blueno.client import asking, driving
from blueno.client.exchange import (
    CONNECT,
    WAIT,
    WHOLE,
    Answer,
    Download,
    Limits,
    Request,
    Streamed,
    error_of,
    headers_of,
    no_connection,
    not_blueno,
    read_answer,
)
from blueno.client.words import plain
from blueno.errors import BluenoError, Unavailable

__all__ = ["CONNECT", "WAIT", "WHOLE", "Answer", "Download", "Http", "Limits", "Request", "within"]

T = TypeVar("T")

LARGEST = 32 << 20  # bytes of an answer
TRIES = 4  # of a GET; the pauses between them are about 0.5, 1 and 2 s, or what the server asks for
LONGEST_PAUSE = 10.0  # seconds
AT_ONCE = 256 << 10  # bytes that are handed to the socket together


class Http:
    """Requests to one server. Thread-safe as far as httpx.Client is."""

    def __init__(self, server: str, token: str | None, limits: Limits | None = None) -> None:
        self.server = server
        self.limits = limits or Limits()
        timeout = httpx.Timeout(self.limits.wait, connect=self.limits.connect)
        self._client = httpx.Client(base_url=server, headers=headers_of(token), timeout=timeout, follow_redirects=False)

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Answer:
        """An answer; tried again while the server is away. Raises as `send`."""
        return driving.run(asking.get(driving.Blocking(lambda: self), path, query))

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One answer, asked for once. Raises as exchange.read_answer."""
        return self.perform(Request(method, path, query or {}, body, headers or {}))

    def perform(self, request: Request) -> Answer:
        """One answer, asked for once. Raises as exchange.read_answer."""
        made = self._built(request)
        late = f"{self.server} gave no whole answer in time"
        status, headers, content = within(request.seconds(self.limits), lambda: self._answer(made), late)
        return read_answer(self.server, request.method, status, headers, content)

    def _built(self, request: Request) -> httpx.Request:
        headers, content = dict(request.headers), None
        if request.pieces is not None:
            headers |= {"Content-Type": request.media, "Content-Length": str(request.size)}
            pieces = request.pieces
            content = pieces.make() if isinstance(pieces, Streamed) else _in_blocks(pieces)
        return self._client.build_request(
            *(request.method, request.path),
            params=dict(request.query) or None,
            json=request.body,
            headers=headers,
            content=content,
        )

    def _answer(self, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        with translated(self.server, self.limits):
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
        with translated(self.server, self.limits):
            request = self._client.build_request("GET", path, params=dict(query) or None, headers=wanted)
            answer = self._client.send(request, stream=True)
            try:
                if answer.status_code >= 400:
                    raise error_of(self.server, answer.status_code, answer.headers, self._bounded(answer))
                if answer.status_code not in (200, 206):
                    raise not_blueno(self.server, answer.status_code)
                yield Download(answer.status_code == 206, answer.headers, answer.iter_raw())
            finally:
                answer.close()

    def _bounded(self, answer: httpx.Response) -> bytes:
        content = bytearray()
        for block in answer.iter_raw():
            content += block
            if len(content) > LARGEST:
                raise too_much(self.server)
        return bytes(content)


@contextmanager
def translated(server: str, limits: Limits) -> Iterator[None]:
    """Errors of the connection in words."""
    try:
        yield
    except httpx.ConnectTimeout:
        raise Unavailable(f"{server} does not answer: no connection in {limits.connect:g} s") from None
    except httpx.TimeoutException:
        raise Unavailable(f"{server} does not answer: nothing came for {limits.wait:g} s") from None
    except httpx.TransportError as error:
        raise no_connection(server, str(error) or type(error).__name__) from None
    except httpx.HTTPError as error:
        raise Unavailable(f"{server} gives no useful answer: {plain(str(error), 200)}") from None


def too_much(server: str) -> BluenoError:
    """An answer that does not end."""
    return BluenoError(f"{server} sends more than {LARGEST >> 20} MiB; ask for less at once")


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


def _in_blocks(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks that are worth a call of the system."""
    block: list[bytes] = []
    size = 0
    for piece in pieces:
        if len(piece) >= AT_ONCE:
            yield b"".join(block)
            block, size = [], 0
            for start in range(0, len(piece), AT_ONCE):
                yield piece[start : start + AT_ONCE]
            continue
        block.append(piece)
        size += len(piece)
        if size >= AT_ONCE:
            yield b"".join(block)
            block, size = [], 0
    yield b"".join(block)
