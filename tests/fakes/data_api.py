"""A stand-in for the web process, for tests of `blueno dataset`, `sample`, `user`, `token` and `doctor`.

It is NOT the web process: it speaks the JSON of the HTTP API as it is agreed between client and server, keeps
everything in memory and checks next to nothing; the real routes are tested in tests/web. Serve it with
`runs_api.running(DataApi)`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

import blueno
from tests.fakes.runs_api import TOKEN, RunsApi, problem

AT = "2026-01-02T03:04:05.000Z"
DIGEST = "26297ffa6b02ac97" + "0" * 48
LIMIT = 64 << 20


def dataset(name: str = "digits", namespace: str = "default", **changes: Any) -> dict[str, Any]:
    """A Dataset as the server sends it."""
    made = {
        "uid": f"uid-{namespace}-{name}",
        "namespace": namespace,
        "name": name,
        "displayName": None,
        "ready": True,
        "reconciling": False,
        "stalled": False,
        "reason": "Available",
        "message": "version 3 is sealed",
        "progress": None,
        "samples": 70000,
        "bytes": 54525952,
        "classes": 10,
        "version": {"digest": DIGEST, "sequence": 3},
        "indexed": True,
        "managedBy": None,
        "createdAt": AT,
        "changedAt": AT,
        "description": None,
        "license": "CC0-1.0",
        "citation": None,
        "homepage": None,
        "metadata": None,
        "source": "tfds:mnist",
        "splits": [{"name": "train", "samples": 60000}, {"name": "test", "samples": 10000}],
        "shapes": ["28x28x1 uint8"],
        "badSamples": None,
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Available", "message": "version 3 is sealed"},
            {"type": "Indexed", "status": "True", "reason": "Indexed", "message": ""},
        ],
        "volume": {"claimName": "digits-0c5b3c8e"},
        "lastHandledRequest": None,
        "spec": {"source": {"tfds": {"name": "mnist"}}, "reclaimPolicy": "Retain", "suspend": False},
    }
    return made | changes


def etag(record: dict[str, Any]) -> str:
    """As the data server makes it."""
    kept = {key: record.get(key) for key in ("sha256", "split", "label", "group", "metadata")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


@dataclass
class DataApi(RunsApi):
    """`datasets` and `working`: what there is, by (namespace, name); a sample of the working set is (record, bytes)."""

    datasets: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    versions: list[dict[str, Any]] = field(default_factory=list)
    working: dict[tuple[str, str], dict[str, tuple[dict[str, Any], bytes]]] = field(default_factory=dict)
    sealed: list[dict[str, Any]] = field(default_factory=list)  # samples of the one version, of every data set
    uploads: dict[str, bytearray] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    requested: int = 0
    version: str = blueno.__version__
    down: str = ""  # the detail of a 503 that all but /healthz give

    def put(self, made: dict[str, Any]) -> None:
        self.datasets[made["namespace"], made["name"]] = made

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Every request."""
        if request.path == "/healthz":
            return web.json_response({"status": "ok"})
        path = request.path.removeprefix("/api/v1").strip("/").split("/")
        if self.down:
            return problem(503, "database_unavailable", self.down)
        if path[0] not in ("datasets", "users", "session", "tokens"):
            return await super().answer(request)
        if path == ["tokens"] and request.method == "POST" and "Cookie" in request.headers:
            return await super().answer(request)
        if self.misbehave:
            return await self.misbehave.pop(0)(request)
        is_json = request.content_type == "application/json" and request.can_read_body
        body = await request.json() if is_json else None
        self.asked.append((request.method, str(request.rel_url), body))
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return problem(401, "login_needed", "log in first")
        if path[0] == "session":
            who = {"email": "ada@example.org", "role": "admin", "namespaces": ["*"]}
            return web.json_response(who | {"server": {"version": self.version}})
        if path[0] == "users":
            return self._users(request, path[1:], body)
        if path[0] == "tokens":
            return self._tokens(request, path[1:], body)
        return await self._datasets(request, path[1:], body)

    async def _datasets(self, request: web.Request, path: list[str], body: Any) -> web.StreamResponse:
        if not path:
            return self._all(request)
        if len(path) == 1:
            return self._made(request, path[0], body)
        key = (path[0], path[1])
        found = self.datasets.get(key)
        if found is None:
            return problem(404, "not_found", "there is no such data set, or you may not see it")
        if len(path) == 2:
            return self._one(request, key, body)
        if path[2] == "requests":
            self.requested += 1
            at = f"2026-01-02T03:05:{self.requested:02}.000Z"
            found["requested"] = (body["kind"], at)
            return web.json_response({"requestedAt": at}, status=202)
        if path[2] == "versions":
            return web.json_response({"items": self.versions})
        return await self._samples(request, key, path[2:], body)

    def _all(self, request: web.Request) -> web.Response:
        wanted, text = request.query.get("namespace"), request.query.get("q", "")
        items = [one for key, one in sorted(self.datasets.items()) if wanted in (None, key[0]) and text in key[1]]
        start, limit = int(request.query.get("cursor", 0)), int(request.query.get("limit", 100))
        more = str(start + limit) if start + limit < len(items) else None
        return web.json_response({"items": items[start : start + limit], "next": more})

    def _made(self, request: web.Request, namespace: str, body: dict[str, Any]) -> web.Response:
        name = (body.get("metadata") or body)["name"]
        if namespace == "forbidden":
            return problem(403, "forbidden", "you may not create datasets in forbidden")
        if (namespace, name) in self.datasets:
            detail = f"there is a data set {name} in {namespace} already: choose another name"
            return problem(409, "already_exists", detail)
        spec = {"reclaimPolicy": "Retain", "suspend": False, **body["spec"]}
        unready = {"ready": False, "reconciling": True, "reason": "Pending", "message": "", "version": None}
        made = dataset(name, namespace, **unready, samples=None, bytes=None, classes=None, conditions=[], spec=spec)
        if request.query.get("dryRun") != "true":
            self.put(made)
        return web.json_response(made, status=201)

    def _one(self, request: web.Request, key: tuple[str, str], body: Any) -> web.Response:
        found = self.datasets[key]
        if request.method == "DELETE":
            del self.datasets[key]
            return web.json_response({"uid": found["uid"]}, status=202)
        if request.method == "PATCH":
            found["spec"] = found["spec"] | body
        elif self.on_get is not None:
            self.on_get(found)
        return web.json_response({key: value for key, value in found.items() if key != "requested"})

    async def _samples(
        self, request: web.Request, key: tuple[str, str], path: list[str], body: Any
    ) -> web.StreamResponse:
        held = self.working.setdefault(key, {})
        if path == ["bundles"]:
            return self._bundle(held, await request.read())
        if path[0] == "uploads":
            return await self._upload(request, path[1:], body)
        if path == ["samples"]:
            return self._of_version(request)
        if path[0] == "samples":
            return web.Response(body=f"row {path[1]}".encode())
        if path == ["removals"]:
            gone = [one for one in body["keys"] if held.pop(one, None) is not None]
            missing = len(body["keys"]) - len(gone)
            return web.json_response({"revision": 9, "removed": len(gone), "missing": missing})
        if path == ["working"]:
            return self._listed(request, [record for _, (record, _) in sorted(held.items())])
        wanted = request.query.get("key", "")
        if path[0] == "working" and wanted not in held:
            return problem(404, "not_found", "the working set has no such sample")
        if path == ["working", "sample"]:
            return web.json_response(held[wanted][0])
        if path == ["working", "raw"]:
            return web.Response(body=held[wanted][1])
        return problem(404, "not_found", "there is nothing here")

    def _listed(self, request: web.Request, found: list[dict[str, Any]]) -> web.Response:
        query = request.query
        found = [one for one in found if one["key"].startswith(query.get("prefix", ""))]
        found = [one for one in found if query.get("split") in (None, one.get("split"))]
        found = [{**one, "label": json.dumps(one["label"]) if "label" in one else None} for one in found]
        start, limit = int(query.get("cursor", 0)), int(query.get("limit", 100))
        more = str(start + limit) if start + limit < len(found) else None
        return web.json_response({"samples": found[start : start + limit], "total": len(found), "next": more})

    def _of_version(self, request: web.Request) -> web.Response:
        found = [one for one in self.sealed if one["key"].startswith(request.query.get("prefix", ""))]
        start, limit = int(request.query.get("cursor", 0)), int(request.query.get("limit", 100))
        more = str(start + limit) if start + limit < len(found) else None
        page = {"items": found[start : start + limit], "total": len(found), "position": start, "next": more}
        return web.json_response({**page, "previous": None, "version": {"digest": DIGEST, "sequence": 3}})

    def _bundle(self, held: dict[str, tuple[dict[str, Any], bytes]], raw: bytes) -> web.Response:
        length = int.from_bytes(raw[:8], "little")
        lines = [json.loads(line) for line in raw[8 : 8 + length].splitlines()]
        told: dict[str, Any] = {"revision": len(held), "created": 0, "same": 0, "replaced": 0, "refused": []}
        at = 8 + length
        for line in lines:
            if "upload" in line:
                content = bytes(self.uploads.pop(line["upload"]))
            else:
                content, at = raw[at : at + line["bytes"]], at + line["bytes"]
            told_of = self._put(held, line, content)
            if isinstance(told_of, dict):
                told["refused"].append(told_of)
            else:
                told[told_of] += 1
        return web.json_response(told)

    def _put(self, held: dict[str, tuple[dict[str, Any], bytes]], line: dict[str, Any], content: bytes) -> Any:
        kept = {key: line[key] for key in ("key", "split", "label", "group", "metadata") if key in line}
        record = {**kept, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "time": AT, "by": "ada"}
        record["etag"] = etag(record)
        before = held.get(line["key"])
        if before is not None and before[0]["etag"] == record["etag"]:
            return "same"
        if before is not None and not line.get("replace"):
            return {"key": line["key"], "code": "conflict", "detail": "other bytes", "etag": before[0]["etag"]}
        held[line["key"]] = (record, content)
        return "created" if before is None else "replaced"

    async def _upload(self, request: web.Request, path: list[str], body: Any) -> web.Response:
        if not path:
            name = f"up{len(self.uploads)}"
            self.uploads[name] = bytearray()
            return web.json_response({"id": name, "offset": 0}, status=201)
        held = self.uploads[path[0]]
        if request.method == "PATCH":
            if int(request.headers["Upload-Offset"]) != len(held):
                return problem(409, "offset_mismatch", "another offset")
            held += await request.read()
        return web.Response(status=204, headers={"Upload-Offset": str(len(held))})

    def _users(self, request: web.Request, path: list[str], body: Any) -> web.Response:
        if not path and request.method == "GET":
            return web.json_response({"items": [one for _, one in sorted(self.users.items())]})
        email = path[0] if path else body["email"]
        if path and email not in self.users:
            return problem(404, "not_found", f"there is no user {email}")
        if request.method == "DELETE":
            del self.users[email]
            return web.Response(status=204)
        if path[1:] == ["password"]:
            return web.Response(status=204)
        if request.method == "POST" and email in self.users:
            return problem(409, "taken", f"there is a user {email} already")
        kept = self.users.get(email, {"email": email, "createdAt": AT})
        self.users[email] = kept | {key: body[key] for key in ("role", "namespaces") if key in body}
        return web.json_response(self.users[email], status=200 if path else 201)

    def _tokens(self, request: web.Request, path: list[str], body: Any) -> web.Response:
        if request.method == "POST":
            self.tokens.append(len(self.tokens) + 1)
            made = {"id": self.tokens[-1], "name": body["name"], "createdAt": AT, "usedAt": None, "expiresAt": None}
            return web.json_response(made | {"token": TOKEN}, status=201)
        if request.method == "DELETE":
            if int(path[0]) not in self.tokens:
                return problem(404, "not_found", "you have no such token")
            self.tokens.remove(int(path[0]))
            return web.Response(status=204)
        one = {"name": "ci", "createdAt": AT, "usedAt": None, "expiresAt": None}
        return web.json_response({"items": [{"id": number, **one} for number in self.tokens]})
