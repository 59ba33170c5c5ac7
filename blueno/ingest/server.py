"""Calls the data server, the only writer of the working set. Called by put.py, manifest_put.py and remove.py.

It may be asleep when we come (the operator wakes it for us), and may be restarted at any time: every call may be made
twice, and is made again until `server_seconds` are up.
"""

from __future__ import annotations

import http.client
import json
import logging
import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from blueno import names
from blueno.ingest.config import IngestConfig
from blueno.ingest.failure import Changed, Dismissed, Failed
from blueno.ingest.operator import OperatorClient
from blueno.resources.sample_reasons import SampleReason as Reason

log = logging.getLogger("blueno.ingest")

SECONDS = 60.0  # for each step of a call
LAST_PAUSE = 5.0
CHUNK = 8 << 20  # bytes of a large file at a time
CHANGES = 20_000  # journal lines at a time
_JSON = "application/json"
_WAITS = frozenset((401, 403, 408, 425, 429, 500, 502, 503, 504))


def head_line(line: Mapping[str, Any]) -> bytes:
    """A sample's line, as it stands in the head of a bundle."""
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


class Answer:
    """Status, headers and the whole body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self) -> Any:
        return json.loads(self.body)


class DataServer:
    """One connection; one per lane. Not thread-safe but for `stop`."""

    def __init__(self, config: IngestConfig, operator: OperatorClient, stop: threading.Event) -> None:
        self._config, self._operator, self._stop = config, operator, stop
        url = urlsplit(config.data_server)
        self._host, self._port = url.hostname or "", url.port or 80
        self._connection: http.client.HTTPConnection | None = None

    def bundle(self, lines: Sequence[Mapping[str, Any]], contents: Iterable[bytes]) -> Mapping[str, Any]:
        """Samples, together: {"created", "same", "replaced", "refused": [{"key", "code", "detail", "etag"?}]}."""
        head = b"".join(map(head_line, lines))
        body = b"".join([len(head).to_bytes(8, "little"), head, *contents])
        found: Mapping[str, Any] = self._call("POST", "/v1/working/bundles", body, names.BUNDLE_TYPE).json()
        return found

    def upload(self, file: BinaryIO, size: int, sha256: str) -> str:
        """A large file, in pieces; the id by which a bundle's line takes it up. Raises Changed when it is shorter."""
        body = json.dumps({"bytes": size, "sha256": sha256}).encode()
        place = self._call("POST", "/v1/working/uploads", body, _JSON).json()["id"]
        url, offset = f"/v1/working/uploads/{quote(place)}", 0
        while offset < size:
            file.seek(offset)
            piece = file.read(min(CHUNK, size - offset))
            if not piece:
                self._call("DELETE", url, accept=(404,))  # room is kept for what is still to come of it
                raise Changed
            more = {names.UPLOAD_OFFSET: str(offset)}
            answer = self._call("PATCH", url, piece, "application/octet-stream", more, accept=(409,))
            offset = int(answer.headers.get(names.UPLOAD_OFFSET, "-1"))
            if not 0 <= offset <= size:
                raise Failed(Reason.DATA_SERVER_UNAVAILABLE, "the data server lost track of an upload")
        return str(place)

    def sample(self, key: str) -> Mapping[str, Any] | None:
        """The record of a sample, with its etag; None when there is none."""
        answer = self._call("GET", f"/v1/working/samples?key={quote(key, safe='')}", accept=(404,))
        return None if answer.status == 404 else answer.json()

    def remove(self, keys: Sequence[str], purge: bool) -> None:
        """Take these out; with `purge`, their bytes go, too, if nothing else has them."""
        body = json.dumps({"keys": list(keys), "purge": purge}).encode()
        self._call("POST", "/v1/working/removals", body, _JSON)

    def changes(self) -> Iterator[Mapping[str, Any]]:
        """Lines of the journal in their order: of each key at least the latest."""
        after = 0
        while True:
            answer = self._call("GET", f"/v1/working/changes?after={after}&limit={CHANGES}")
            lines = [json.loads(line) for line in answer.body.splitlines() if line]
            yield from lines
            last = max((int(line["seq"]) for line in lines), default=after)
            if last >= int(answer.headers.get(names.REVISION) or last) or last == after:
                return
            after = last

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        kind: str = "",
        more: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (),
    ) -> Answer:
        """Raises Failed (DataServerUnavailable, NoSpace, IngestFailed), Stale, Dismissed, Unavailable."""
        began, tries = time.monotonic(), 0
        while True:
            said, after = "", 0.0
            try:
                answer = self._once(method, path, body, kind, more or {})
                if answer.status < 300 or answer.status in accept:
                    return answer
                said = f"HTTP {answer.status} {answer.body[:300].decode(errors='replace')}"
                self._judge(answer, said)
                wanted = answer.headers.get("Retry-After", "")
                after = float(wanted[:4]) if wanted.isascii() and wanted.isdecimal() else 0.0
            except (OSError, http.client.HTTPException) as error:
                self.close()
                said = f"{type(error).__name__}: {error}"
            pause = max(min(after, 30.0), min(LAST_PAUSE, 0.2 * 2.0 ** min(tries, 8)) * random.uniform(0.75, 1.25))  # noqa: S311
            if time.monotonic() + pause - began > self._config.server_seconds:
                raise Failed(Reason.DATA_SERVER_UNAVAILABLE, f"the data server does not answer ({said})")
            if not tries:
                log.info("the data server does not answer yet (%s); asked again", said)
            tries += 1
            if self._stop.wait(pause):
                raise Dismissed("this pod is to end")

    def _once(self, method: str, path: str, body: bytes, kind: str, more: Mapping[str, str]) -> Answer:
        headers = {"Authorization": f"Bearer {self._operator.permit()}", **more}
        if kind:
            headers["Content-Type"] = kind
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=SECONDS)
        self._connection.request(method, path, body or None, headers)
        answer = Answer(self._connection.getresponse())
        if answer.headers.get("Connection", "").lower() == "close":
            self.close()
        return answer

    def _judge(self, answer: Answer, said: str) -> None:
        """Returns when it is worth asking again."""
        if answer.status == 507:
            raise Failed(Reason.NO_SPACE, _detail(answer) or "the data set's volume is full")
        if answer.status in (401, 403):
            self._operator.forget_permit()
        if answer.status not in _WAITS:
            raise Failed(Reason.INGEST_FAILED, f"the data server refuses: {said}")


def _detail(answer: Answer) -> str:
    try:
        found = answer.json()
        return str(found.get("detail", ""))[:300] if isinstance(found, Mapping) else ""
    except ValueError:
        return ""
