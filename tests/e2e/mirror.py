"""A small web server for sources: can be slow, broken or away, and counts what it was asked for."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mirror:
    """Serves `files` (path → bytes) at `url`. `delay` seconds pass before each 64 KiB."""

    def __init__(self, address: str) -> None:
        self.files: dict[str, bytes] = {}
        self.delay = 0.0
        self.requests: list[str] = []
        self._address = address
        self._server = self._listen(0)
        self.port = self._server.server_port

    @property
    def url(self) -> str:
        return f"http://{self._address}:{self.port}"

    def put(self, name: str, content: bytes) -> str:
        """Serve `content`; returns its URL."""
        self.files[f"/{name}"] = content
        return f"{self.url}/{name}"

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._server.shutdown()
        self._server.server_close()

    def start(self) -> None:
        """Answer again, on the same port."""
        self._server = self._listen(self.port)

    def close(self) -> None:
        self.stop()

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
                    if mirror.delay:
                        time.sleep(mirror.delay)
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
