"""An image registry that may refuse: for tests of images that are missing, or that only a pull secret opens.

It serves one image of this machine's OCI layout (hack/clusterlib/ocilayout.py) under the names that a test offers. A
node fetches over plain HTTP from its own loopback only: there a pod relays to us. Used by test_training_waits.py.
"""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.e2e.kube import Kube
from tests.e2e.runs import IMAGE, REQUESTS

from clusterlib import ocilayout  # isort: skip  kube.py puts hack/ on the path
from clusterlib.layout import cache_dir  # isort: skip

# Address and port to relay to; the same port on the loopback to listen at.
_RELAY = """
import asyncio, sys

async def copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()

async def relay(reader, writer):
    there, back = await asyncio.open_connection(sys.argv[1], int(sys.argv[2]))
    await asyncio.gather(copy(reader, back), copy(there, writer), return_exceptions=True)

async def main():
    server = await asyncio.start_server(relay, "127.0.0.1", int(sys.argv[2]))
    await server.serve_forever()

asyncio.run(main())
"""


class Registry:
    """`offered`: names with tags, such as team/train:1. Who does not say its `password`, if it has one, is refused."""

    USER = "puller"

    def __init__(self, address: str, manifest: dict[str, Any]) -> None:
        self.offered: set[str] = set()
        self.password = ""
        self.refused = 0
        self._manifest = manifest
        self._server = ThreadingHTTPServer((address, 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def place(self) -> str:
        """What names of its images begin with, for the node."""
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        """No more."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str, authorization: str) -> tuple[int, str, str]:
        """Status, digest of what is sent, and its type. `path` is /v2/NAME/manifests/TAG or /v2/NAME/blobs/DIGEST."""
        key = base64.b64encode(f"{self.USER}:{self.password}".encode()).decode()
        if self.password and authorization != f"Basic {key}":
            self.refused += 1
            return 401, "", ""
        name, _, kind = path.removeprefix("/v2/").rpartition("/")[0].rpartition("/")
        wanted, manifest = path.rpartition("/")[2], self._manifest
        if kind == "manifests" and (f"{name}:{wanted}" in self.offered or wanted == manifest["digest"]):
            return 200, manifest["digest"], ocilayout.MANIFEST
        known = kind == "blobs" and ocilayout.blob(cache_dir(), wanted).is_file()
        return (200, wanted, "application/octet-stream") if known else (404, "", "")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, digest, kind = registry._answer(self.path, self.headers.get("Authorization", ""))
                blob = ocilayout.blob(cache_dir(), digest) if digest else None
                self.send_response(status)
                if status == 401:
                    self.send_header("WWW-Authenticate", 'Basic realm="tests"')
                if digest:
                    self.send_header("Content-Type", kind)
                    self.send_header("Docker-Content-Digest", digest)
                self.send_header("Content-Length", str(blob.stat().st_size if blob else 0))
                self.end_headers()
                if blob and self.command == "GET":
                    with blob.open("rb") as content:
                        shutil.copyfileobj(content, self.wfile)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler


@contextmanager
def reachable(kube: Kube) -> Iterator[Registry]:
    """A registry that the node reaches at `place`, with nothing in it."""
    manifest = ocilayout.find(cache_dir(), IMAGE)
    if manifest is None:
        pytest.skip("the images lie in a container engine's storage, not on this machine")
    registry = Registry(kube.host_address, manifest)
    outside = kube.inside("default")  # where a pod may have the node's network
    name = f"relay-{kube.namespace}"
    try:
        outside.apply(_relay(name, kube.host_address, registry.port))
        outside.run("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")
        yield registry
    finally:
        outside.run("delete", "pod", name, "--wait=false", "--ignore-not-found")
        registry.close()


def _relay(name: str, address: str, port: int) -> dict[str, Any]:
    container = {
        "name": "relay",
        "image": IMAGE,
        "command": ["python", "-c", _RELAY, address, str(port)],
        "resources": REQUESTS,
        "readinessProbe": {"tcpSocket": {"host": "127.0.0.1", "port": port}, "periodSeconds": 1},
    }
    spec = {"hostNetwork": True, "terminationGracePeriodSeconds": 0, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def secret(registry: Registry, name: str) -> dict[str, Any]:
    """The pull secret that opens it."""
    login = {"auths": {registry.place: {"username": registry.USER, "password": registry.password}}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json.dumps(login)},
    }
