"""An HTTP server on 127.0.0.1 that misbehaves on request. Used by tests of blueno/prep and by bench/."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What lies under a path, and how it is served."""

    data: bytes = b""
    etag: str = '"1"'
    ranges: bool = True
    status: list[int] = field(default_factory=list)  # answered first, one for each request
    location: str = ""  # with a redirecting status
    cut_after: list[int] = field(default_factory=list)  # bytes after which the connection breaks, one for each request
    pause: float = 0.0  # seconds before each block
    retry_after: str = ""
    headers: dict[str, str] = field(default_factory=dict)  # further ones
    obeys_if_range: bool = True
    claims: int | None = None  # Content-Length instead of the true one
    drip: bool = False  # a byte now and then, as long as anybody listens: never a whole header
    breaks: list[bool] = field(default_factory=list)  # whether the connection ends within the header, for each request
    before: Callable[[int], None] | None = None  # called with the number of the request


@dataclass
class SourceServer:
    """`paths`: what is served. `requests`: (path, Range header) of every request so far."""

    port: int
    paths: dict[str, Served] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[tuple[str, str, bytes]] = field(default_factory=list)  # (path, Authorization, body) of every POST
    post_status: int = 204

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@contextmanager
def source_server(bind: str = "127.0.0.1") -> Iterator[SourceServer]:
    """Runs the server in threads until the block ends."""
    server = ThreadingHTTPServer((bind, 0), _handler(lambda: state))
    server.daemon_threads = True
    state = SourceServer(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(state: Callable[[], SourceServer]) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"state": staticmethod(state)})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Callable[[], SourceServer]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.state().bodies.append((self.path, self.headers.get("Authorization", ""), body))
        self._plain(self.state().post_status)

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        requests = self.state().requests
        requests.append((self.path, wanted))
        served = self.state().paths.get(self.path.partition("?")[0])
        if served is None:
            self._plain(404)
            return
        if served.before:
            served.before(sum(1 for path, _ in requests if path == self.path))
        status = 200
        if served.status:
            status = served.status[0] if len(served.status) == 1 and served.location else served.status.pop(0)
        if status != 200:
            self._plain(status, served)
        else:
            self._send(served, wanted)

    def _plain(self, status: int, served: Served | None = None) -> None:
        self.send_response(status)
        if served and served.location:
            self.send_header("Location", served.location)
        if served and served.retry_after:
            self.send_header("Retry-After", served.retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, served: Served, wanted: str) -> None:
        start = 0
        same = self.headers.get("If-Range", served.etag) == served.etag or not served.obeys_if_range
        if served.drip:
            self._drip()
            return
        if served.breaks and served.breaks.pop(0):
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            return
        if wanted and served.ranges and same:
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            self.send_response(206 if start < len(served.data) else 416)
            self.send_header("Content-Range", f"bytes {start}-{len(served.data) - 1}/{len(served.data)}")
        else:
            self.send_response(200)
        body = served.data[start:]
        self.send_header("Content-Length", str(len(body) if served.claims is None else served.claims))
        if served.etag:
            self.send_header("ETag", served.etag)
        for name, value in served.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if served.claims is not None:
            self.close_connection = True  # who waits for more gets the end
        cut = served.cut_after.pop(0) if served.cut_after else len(body)
        for offset in range(0, len(body), 65536):
            if served.pause:
                time.sleep(served.pause)
            try:
                self.wfile.write(body[offset : min(offset + 65536, cut)])
            except OSError:  # the reader is gone, as some tests mean it to be
                self.close_connection = True
                return
            if offset + 65536 > cut and cut < len(body):
                self.close_connection = True
                self.connection.close()
                return

    def _drip(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                self.wfile.write(b"x")
                time.sleep(0.02)
