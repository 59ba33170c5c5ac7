"""A stand-in for the web process with a data server behind it, for tests of blueno/client: it is NOT either of them.

It keeps samples and large files in real files below a directory, each acknowledged only when it is there, so that it
can be killed at any moment and started again: `python -m tests.fakes.samples_api ROOT PORT [die]`. Or it runs in a
thread, `running()`, and misbehaves on request. It judges samples as it is agreed, and no rights but a token; the real
processes are tested in tests/web and tests/unit/dataserver.

`die` is "before:3" or "after:3": the process ends at the third bundle, before or after it was written down; "chunk:3"
at the third chunk of a large file, after it was written.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.fakes.runs_api import TOKEN, problem
from tests.fakes.serving import serving

Misbehave = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
RECORD = ("split", "label", "group", "metadata")
OFFSET = "Upload-Offset"
PAGE = 200


def etag(line: dict[str, Any]) -> str:
    known = {name: line.get(name) for name in ("sha256", *RECORD)}
    text = json.dumps(known, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass
class SamplesApi:
    """One data set, team/digits. `asked`: (method, path with query, bytes of the body) of every request so far."""

    root: Path
    die: str = ""
    samples: dict[str, dict[str, Any]] = field(default_factory=dict)
    seq: int = 0
    begun: dict[str, str] = field(default_factory=dict)  # Idempotency-Key → id
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    misbehave: list[Misbehave] = field(default_factory=list)  # each looks at one request, and may answer it
    always: Misbehave | None = None  # looks at every request
    largest: int = 80 << 20  # bytes of a body that a proxy lets through
    lists: bool = True  # whether its database answers
    url: str = ""
    place: str = "team/digits"  # the one data set that it has

    def __post_init__(self) -> None:
        (self.root / "uploads").mkdir(parents=True, exist_ok=True)
        (self.root / "contents").mkdir(exist_ok=True)
        for name in ("journal", "begun"):
            (self.root / name).touch()
        for line in (self.root / "journal").read_bytes().split(b"\n")[:-1]:  # a torn last line never was
            self._apply(json.loads(line))
        self.begun = dict(json.loads(line) for line in (self.root / "begun").read_text().splitlines())

    @property
    def sent(self) -> int:
        """Bytes of all bodies so far."""
        return sum(size for _, _, size in self.asked)

    def content(self, key: str) -> bytes:
        return (self.root / "contents" / self.samples[key]["sha256"]).read_bytes()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append((request.method, str(request.rel_url), len(body)))
        look = self.misbehave.pop(0) if self.misbehave else self.always
        if look is not None and (said := await look(request)) is not None:
            return said
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return problem(401, "login_needed", "log in first")
        if len(body) > self.largest:
            return web.Response(status=413, text="<html>nginx</html>", content_type="text/html")
        place = f"/api/v1/datasets/{self.place}/"
        path = request.path.removeprefix(place).split("/")
        call = getattr(self, f"_{request.method.lower()}_{path[0]}", None)
        if not request.path.startswith(place) or call is None:
            return problem(404, "not_found", "there is no such data set, or you may not see it")
        return call(request, body, path[1:])

    def _post_bundles(self, request: web.Request, body: bytes, _: list[str]) -> web.Response:
        length = int.from_bytes(body[:8], "little")
        lines = [json.loads(line) for line in body[8 : 8 + length].splitlines()]
        if request.content_type != "application/vnd.blueno.bundle" or len(lines) > 10_000 or len(body) > 64 << 20:
            return problem(422, "invalid", "this is no bundle")
        self._maybe_die("before")
        counts, refused, at, written = {"created": 0, "same": 0, "replaced": 0}, [], 8 + length, []
        for line in lines:
            size = 0 if "upload" in line else line["bytes"]
            content, at = body[at : at + size], at + size
            outcome = self._judge(line, content)
            if isinstance(outcome, dict):
                refused.append({"key": line["key"], **outcome})
                continue
            counts[outcome] += 1
            if outcome != "same":
                self.seq += 1
                written.append({"op": "put", "seq": self.seq, "bytes": line["bytes"], **_kept(line)})
                self._apply(written[-1])
        self._write("journal", written)
        self._maybe_die("after")
        return web.json_response({"revision": self.seq, **counts, "refused": refused})

    def _judge(self, line: dict[str, Any], content: bytes) -> str | dict[str, Any]:
        there = self.samples.get(line["key"])
        if not 0 < len(line["key"]) <= 1024 or not line["key"].isprintable():
            return {"code": "invalid", "detail": "a key has 1 to 1024 printable characters"}
        if there is not None and etag(there) == etag(line):
            return "same"
        if there is not None and line.get("ifMatch", etag(there)) != etag(there):
            return {"code": "precondition_failed", "detail": "it was changed since", "etag": etag(there)}
        if there is not None and not line.get("replace"):
            return {"code": "conflict", "detail": "there is another sample of this key", "etag": etag(there)}
        if "upload" in line:
            file = self.root / "uploads" / line["upload"]
            content = file.read_bytes()[8:] if file.exists() else b""
        if hashlib.sha256(content).hexdigest() != line["sha256"] or len(content) != line["bytes"]:
            return {"code": "digest_mismatch", "detail": "the content is not what its sum says"}
        target = self.root / "contents" / line["sha256"]
        temporary = target.with_suffix(".new")
        temporary.write_bytes(content)
        temporary.replace(target)
        if "upload" in line:
            (self.root / "uploads" / line["upload"]).unlink()
        return "created" if there is None else "replaced"

    def _post_uploads(self, request: web.Request, body: bytes, _: list[str]) -> web.Response:
        key = request.headers.get("Idempotency-Key", "")
        if key not in self.begun:
            self.begun[key] = hashlib.sha256(f"{key}{len(self.begun)}".encode()).hexdigest()[:16]
            size = int(json.loads(body)["bytes"])
            (self.root / "uploads" / self.begun[key]).write_bytes(size.to_bytes(8, "little"))
            self._write("begun", [[key, self.begun[key]]])
        return web.json_response({"id": self.begun[key], "offset": 0}, status=201)

    def _patch_uploads(self, request: web.Request, body: bytes, path: list[str]) -> web.Response:
        file = self.root / "uploads" / path[0]
        if not file.exists():
            return problem(404, "not_found", "there is no such upload")
        has = file.stat().st_size - 8
        if int(request.headers[OFFSET]) != has:
            refused = problem(409, "offset_mismatch", f"{has} bytes are there")
            refused.headers[OFFSET] = str(has)
            return refused
        with file.open("ab") as opened:
            opened.write(body)
        self._maybe_die("chunk")
        return web.Response(status=204, headers={OFFSET: str(has + len(body))})

    def _head_uploads(self, _request: web.Request, _body: bytes, path: list[str]) -> web.Response:
        file = self.root / "uploads" / path[0]
        if not file.exists():
            return problem(404, "not_found", "there is no such upload")
        return web.json_response({}, headers={OFFSET: str(file.stat().st_size - 8)})

    def _delete_uploads(self, _request: web.Request, _body: bytes, path: list[str]) -> web.Response:
        (self.root / "uploads" / path[0]).unlink(missing_ok=True)
        return web.Response(status=204)

    def _post_removals(self, _request: web.Request, body: bytes, _: list[str]) -> web.Response:
        keys = json.loads(body)["keys"]
        if len(keys) > 10_000:
            return problem(422, "invalid", "at most 10,000 keys")
        gone = [key for key in dict.fromkeys(keys) if key in self.samples]
        self.seq += len(gone)
        lines = [{"op": "remove", "seq": self.seq, "key": key} for key in gone]
        for line in lines:
            self._apply(line)
        self._write("journal", lines)
        return web.json_response({"revision": self.seq, "removed": len(gone), "missing": len(set(keys)) - len(gone)})

    def _get_working(self, request: web.Request, _body: bytes, path: list[str]) -> web.StreamResponse:
        if path == ["sample"]:
            found = self.samples.get(request.query["key"])
            if found is None:
                return problem(404, "not_found", "there is no such sample")
            return web.json_response({**found, "etag": etag(found)})
        if path == ["raw"]:
            return web.FileResponse(self.root / "contents" / request.query["sha256"])
        if not self.lists:
            return problem(503, "database_away", "the database does not answer")
        limit, after = int(request.query["limit"]), request.query.get("cursor", "")
        if not 1 <= limit <= PAGE:
            return problem(422, "invalid", f"query.limit: must be from 1 to {PAGE}")
        fits = sorted(key for key in self.samples if key.startswith(request.query.get("prefix", "")))
        page = [key for key in fits if key > after][: limit + 1]
        rows = [self._row(self.samples[key]) for key in page[:limit]]
        more = page[limit - 1] if len(page) > limit else None
        return web.json_response({"samples": rows, "total": len(fits), "next": more, "revision": self.seq})

    def _row(self, line: dict[str, Any]) -> dict[str, Any]:
        label = None if line.get("label") is None else json.dumps(line["label"], sort_keys=True)
        return {**dict.fromkeys(RECORD), **line, "label": label, "etag": etag(line)}

    def _apply(self, line: dict[str, Any]) -> None:
        self.seq = max(self.seq, line["seq"])
        if line["op"] == "put":
            self.samples[line["key"]] = line
        else:
            self.samples.pop(line["key"], None)

    def _write(self, name: str, lines: list[Any]) -> None:
        with (self.root / name).open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)

    def _maybe_die(self, when: str) -> None:
        wanted, _, count = self.die.partition(":")
        if wanted == when:
            self.die = f"{wanted}:{int(count) - 1}"
            if int(count) == 1:
                os.kill(os.getpid(), 9)


def _kept(line: dict[str, Any]) -> dict[str, Any]:
    return {key: line[key] for key in ("key", "sha256", *RECORD) if key in line}


def app_of(api: SamplesApi) -> web.Application:
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", api.answer)
    return app


@contextmanager
def running(root: Path) -> Iterator[SamplesApi]:
    """Serves a stand-in from a thread on a free local port until the block ends."""
    api = SamplesApi(root)
    with serving(app_of(api)) as api.url:
        yield api


if __name__ == "__main__":
    stand_in = SamplesApi(Path(sys.argv[1]), *sys.argv[3:4])
    told = {"print": lambda *_: print("ready", flush=True)}
    web.run_app(app_of(stand_in), host="127.0.0.1", port=int(sys.argv[2]), reuse_port=True, **told)
