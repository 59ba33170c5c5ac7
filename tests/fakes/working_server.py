"""A data server's working set in memory, over real HTTP: bundles, removals, records, changes, uploads.

For tests of blueno/ingest that ask what a pod does when the server refuses, is slow, full or gone; tests/loop and
tests/unit/ingest also run against the real one. Grants are verified when `keys` are given.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from blueno.grants import WRITE, GrantRefused, verify
from blueno.resources.sample import canonical

RECORD = ("split", "label", "group", "metadata")


@dataclass
class WorkingServer:
    """`records` by key, with `by`, `etag` and `data`; `requests` are (method, path) of all so far."""

    port: int = 0
    dataset: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)  # statuses to answer instead, one for each request
    purged: list[str] = field(default_factory=list)
    seq: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def bundle(self, body: bytes) -> dict[str, Any]:
        """What the data server does with one."""
        length = int.from_bytes(body[:8], "little")
        head, rest = body[8 : 8 + length], body[8 + length :]
        told: dict[str, Any] = {"created": 0, "same": 0, "replaced": 0, "refused": []}
        for text in head.splitlines():
            line = json.loads(text)
            if "upload" in line:
                data = bytes(self.uploads.pop(line["upload"]))
            else:
                data, rest = rest[: line["bytes"]], rest[line["bytes"] :]
            assert len(data) == line["bytes"]
            if "upload" in line and hashlib.sha256(data).hexdigest() != line["sha256"]:
                told["refused"].append({"key": line["key"], "code": "digest_mismatch", "detail": ""})
                continue
            self._put(line, data, told)
        assert not rest
        return told | {"revision": self.seq}

    def _put(self, line: dict[str, Any], data: bytes, told: dict[str, Any]) -> None:
        sha256 = hashlib.sha256(data).hexdigest()
        assert line.get("sha256", sha256) == sha256
        record = {"sha256": sha256} | {name: line.get(name) for name in RECORD}
        etag = hashlib.sha256(canonical(record).encode()).hexdigest()[:32]
        before = self.records.get(line["key"])
        if before is not None and before["etag"] == etag:
            told["same"] += 1
            return
        if before is not None and not line.get("replace"):
            told["refused"].append({"key": line["key"], "code": "conflict", "detail": "", "etag": before["etag"]})
            return
        if "ifMatch" in line and line["ifMatch"] != (before or {}).get("etag"):
            told["refused"].append({"key": line["key"], "code": "precondition_failed", "detail": ""})
            return
        self.seq += 1
        told["created" if before is None else "replaced"] += 1
        record |= {"key": line["key"], "by": line.get("by", ""), "etag": etag, "seq": self.seq, "bytes": len(data)}
        self.records[line["key"]] = record | {"op": "put", "data": data}

    def answer(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON or lines, headers."""
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/v1/working/bundles":
            return 200, self.bundle(body), {}
        if parts.path == "/v1/working/removals":
            asked = json.loads(body)
            gone = [key for key in asked["keys"] if self.records.pop(key, None) is not None]
            self.purged += gone if asked["purge"] else []
            return 200, {"removed": len(gone), "missing": len(asked["keys"]) - len(gone)}, {}
        if parts.path == "/v1/working/samples":
            record = self.records.get(query["key"])
            return (200, _shown(record), {}) if record else (404, {"detail": "there is none"}, {})
        if parts.path == "/v1/working/changes":
            found = sorted(self.records.values(), key=lambda record: record["seq"])
            lines = [_shown(record) for record in found if record["seq"] > int(query["after"])]
            return 200, lines[: int(query["limit"])], {"Blueno-Revision": str(self.seq)}
        if parts.path == "/v1/working/uploads":
            name = f"u{len(self.uploads)}-{time.monotonic_ns()}"
            self.uploads[name] = bytearray()
            return 201, {"id": name, "offset": 0}, {}
        if method == "PATCH" and parts.path.startswith("/v1/working/uploads/"):
            upload = self.uploads[parts.path.rpartition("/")[2]]
            if int(headers["Upload-Offset"]) != len(upload):
                return 409, {"code": "offset_mismatch"}, {"Upload-Offset": str(len(upload))}
            upload += body
            return 204, None, {"Upload-Offset": str(len(upload))}
        if method == "DELETE" and self.uploads.pop(parts.path.rpartition("/")[2], None) is not None:
            return 204, None, {}
        return 404, {"detail": "no such route"}, {}


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "data"}


@contextmanager
def working_server() -> Iterator[WorkingServer]:
    """Serves in threads until the block ends."""
    state = WorkingServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(state: WorkingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with state.lock:
                state.requests.append((self.command, self.path))
                if state.answers:
                    status, found, more = state.answers.pop(0), {"detail": "as the test wants it"}, {}
                elif not self._may():
                    status, found, more = 401, {"detail": "the grant is not valid here now"}, {}
                else:
                    status, found, more = state.answer(self.command, self.path, body, dict(self.headers))
            lines = isinstance(found, list)
            text = "".join(json.dumps(one) + "\n" for one in found) if lines else json.dumps(found)
            raw = b"" if found is None else text.encode()
            self.send_response(status)
            for name, value in {**more, "Content-Length": str(len(raw))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def _may(self) -> bool:
            if not state.keys:
                return True
            try:
                text = self.headers.get("Authorization", "").removeprefix("Bearer ")
                verify(text, state.keys, state.dataset, WRITE, time.time())
            except GrantRefused:
                return False
            return True

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

    return Handler
