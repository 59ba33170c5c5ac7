"""A small web server for sources: can be slow, broken or away, and counts what it was asked for."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mirror:
    """Serves `files` (path → bytes) at `url`. `delay` seconds pass before each 64 KiB; set to 0 it lets all go on."""

    def __init__(self, address: str) -> None:
        self.files: dict[str, bytes] = {}
        self.delay = 0.0
        self.requests: list[str] = []
        self._address = address
        self._server = self._listen(0)
        self.port = self._server.server_port
        self._kept = socket.socket()

    @property
    def url(self) -> str:
        return f"http://{self._address}:{self.port}"

    def put(self, name: str, content: bytes) -> str:
        """Serve `content`; returns its URL."""
        self.files[f"/{name}"] = content
        return f"{self.url}/{name}"

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._end()
        self._kept.close()
        # Bound, though nobody listens: else the port may be somebody's by the time it is wanted again.
        self._kept = socket.socket()
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._kept.bind((self._address, self.port))

    def start(self) -> None:
        """Answer again, on the same port."""
        self._server = self._listen(self.port)
        self._kept.close()

    def close(self) -> None:
        self._end()
        self._kept.close()

    def _end(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pause(self) -> None:
        began = time.monotonic()
        while (left := began + self.delay - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))

    def _listen(self, port: int) -> ThreadingHTTPServer:
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                mirror.requests.append(self.path)
                content = mirror.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                for start in range(0, len(content), 65536):
                    mirror._pause()
                    self.wfile.write(content[start : start + 65536])

            def log_message(self, *_: object) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A killed pod resets its connection: that is what the tests are about."""

        server = Server((self._address, port), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server
