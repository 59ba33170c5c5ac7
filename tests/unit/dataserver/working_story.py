"""A story of requests to one data server, and a model of what it must have become. Used by tests of kills and errors.

Every step is a request that may be sent again. A step whose answer came counts; one whose answer was lost counts wholly
or not at all.
"""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blueno import names
from blueno.data.bundle import Entry, write_bundle
from blueno.data.working import content, read_working_set
from tests.faults.servers import Reply, Server

SECRET = b"nobody may ever read this again" * 3
LARGE = bytes(range(256)) * 200
HALF = len(LARGE) // 2
LOST = (OSError, http.client.HTTPException)

Model = dict[str, tuple[bytes, str | None]]  # key → content and label, as JSON


@dataclass(frozen=True)
class Step:
    """`ask` sends a request and asserts that its answer makes sense; `effect` is what there is afterwards."""

    ask: Callable[[Server], None]
    effect: Callable[[Model], Model]


class Unanswered(Exception):
    """The server has no room, or its volume failed it: the step may be sent again."""


@dataclass
class Story:
    """`model`: what was acknowledged."""

    model: Model = field(default_factory=dict)
    upload: str = "0" * 32
    revision: int = 0

    @property
    def steps(self) -> list[Step]:
        return [
            self._bundle({"a": b"one", "b": SECRET, "c": b"three"}),
            self._bundle({"a": b"other", "d": b"four"}, label="x", replace=True),
            Step(self._begin, _nothing),
            Step(lambda server: self._chunk(server, 0), _nothing),
            self._remove(["d"], purge=False),
            Step(lambda server: self._chunk(server, HALF), _nothing),
            Step(self._finish, lambda model: model | {"large": (LARGE, None)}),
            self._remove(["b"], purge=True),
            self._bundle({"e": b"five"}),
        ]

    def play(self, server: Server, first: int = 0) -> int:
        """Steps from `first` on: the number of the one that was not answered, or how many there are."""
        for number, step in enumerate(self.steps[first:], first):
            try:
                step.ask(server)
            except (*LOST, Unanswered):
                return number
            self.model = step.effect(self.model)
        return len(self.steps)

    def possible(self, unanswered: int) -> list[Model]:
        """What there may be when that step was not answered."""
        rest = self.steps[unanswered : unanswered + 1]
        return [self.model, *(step.effect(self.model) for step in rest)]

    def _bundle(self, files: dict[str, bytes], label: str | None = None, replace: bool = False) -> Step:
        def ask(server: Server) -> None:
            lines = [(Entry(key, len(data), label=label, replace=replace), data) for key, data in files.items()]
            self._taken(server, write_bundle(lines), len(files))

        text = None if label is None else json.dumps(label)
        return Step(ask, lambda model: model | {key: (data, text) for key, data in files.items()})

    def _remove(self, keys: list[str], purge: bool) -> Step:
        def ask(server: Server) -> None:
            reply = _answered(
                server.send("POST", "/removals", json.dumps({"keys": keys, "purge": purge}).encode()), 200
            )
            assert reply.json()["removed"] + reply.json()["missing"] == len(keys)

        return Step(ask, lambda model: {key: sample for key, sample in model.items() if key not in keys})

    def _begin(self, server: Server) -> None:
        reply = _answered(server.send("POST", "/uploads", json.dumps({"bytes": len(LARGE)}).encode()), 201)
        self.upload = reply.json()["id"]

    def _chunk(self, server: Server, offset: int) -> None:
        """Goes on where the server says: never before what was acknowledged."""
        path = f"/uploads/{self.upload}"
        reply = _answered(server.send("HEAD", path), 200)
        at = int(reply.headers[names.UPLOAD_OFFSET])
        assert at in (offset, offset + HALF), (at, offset)
        if at == offset:
            headers = {names.UPLOAD_OFFSET: str(at)}
            reply = _answered(server.send("PATCH", path, LARGE[at : at + HALF], headers), 204)
            assert reply.headers[names.UPLOAD_OFFSET] == str(offset + HALF)

    def _finish(self, server: Server) -> None:
        entry = Entry("large", len(LARGE), sha256=hashlib.sha256(LARGE).hexdigest(), upload=self.upload)
        self._taken(server, write_bundle([(entry, b"")]), 1)

    def _taken(self, server: Server, body: bytes, count: int) -> None:
        reply = _answered(server.send("POST", "/bundles", body, {"Content-Type": names.BUNDLE_TYPE}), 200)
        found = reply.json()
        assert found["refused"] == [], found
        assert found["created"] + found["same"] + found["replaced"] == count
        assert found["revision"] >= self.revision, "a revision was given back"
        self.revision = found["revision"]


def seen(root: Path) -> Model:
    """What a reader of the volume finds; every content is compared with its sum."""
    samples = read_working_set(root).samples
    return {key: (content(root, sample), sample.label) for key, sample in samples.items()}


def told(server: Server) -> dict[str, Any]:
    """What a follower of the feed has, who folds its lines: key → the last of them."""
    found: dict[str, Any] = {}
    last = 0
    for line in _answered(server.send("GET", "/changes"), 200).body.splitlines():
        body = json.loads(line)
        assert body["seq"] > last, "lines out of order"
        last = body["seq"]
        found.pop(body["key"], None)
        if body["op"] == "put":
            found[body["key"]] = body
    return found


def holds(root: Path, secret: bytes) -> list[Path]:
    """Files that hold these bytes, but for those that were never finished: they go an hour later."""
    files = [path for path in root.rglob("*") if path.is_file() and not path.name.endswith(".tmp")]
    return [path for path in files if secret in path.read_bytes()]


def _nothing(model: Model) -> Model:
    return model


def _answered(reply: Reply, status: int) -> Reply:
    if reply.status in (503, 507):
        raise Unanswered(reply.body)
    assert reply.status == status, reply
    return reply
