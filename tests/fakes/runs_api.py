"""A stand-in for the web process, for tests of blueno/client and blueno/cli: it is NOT the web process.

It speaks the JSON of the HTTP API for TrainingRuns as it is agreed between client and server, keeps runs in memory, and
misbehaves on request. It checks no rights, no schema and no CSRF but what is written here; the real routes are tested
in tests/web. `running()` serves it from a thread on a free local port.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.serving import serving

TOKEN = "blueno_" + "t" * 43
COOKIE = "s" * 43
Misbehave = Callable[[web.Request], Awaitable[web.StreamResponse]]


def summary(name: str = "digits", namespace: str = "default", **changes: Any) -> dict[str, Any]:
    """A RunSummary as the server sends it."""
    made = {
        "uid": f"uid-{namespace}-{name}",
        "namespace": namespace,
        "name": name,
        "state": "running",
        "reason": "Running",
        "message": "it trains",
        "stalled": False,
        "suspended": False,
        "progress": {"percentage": 40, "estimatedRemainingSeconds": 90},
        "metrics": [{"name": "loss", "value": "0.31"}],
        "objective": None,
        "datasets": [{"name": "digits", "digest": "26297ffa6b02ac97"}],
        "parameters": {"lr": "0.01"},
        "gpus": 2,
        "nodes": ["n1"],
        "numNodes": 1,
        "gpuSeconds": 5400.0,
        "wallSeconds": 600,
        "runningSince": "2026-01-02T04:04:05.000Z",
        "attempt": 1,
        "restarts": 0,
        "queue": None,
        "startedAt": "2026-01-02T03:04:05.000Z",
        "endedAt": None,
        "managedBy": None,
        "createdAt": "2026-01-02T03:04:00.000Z",
        "changedAt": "2026-01-02T03:05:00.000Z",
    }
    return made | changes


def whole(name: str = "digits", namespace: str = "default", **changes: Any) -> dict[str, Any]:
    """A Run as the server sends it."""
    more = {
        "pending": None,
        "conditions": [],
        "image": "train:1",
        "imageDigest": None,
        "codeRevision": None,
        "command": ["python", "train.py"],
        "args": [],
        "outputs": {"claimName": "blueno-outputs", "path": f"{name}-0c5b3c8e"},
        "checkpoint": {"path": "/workspace/output/checkpoints/step-000000000010", "step": 10, "time": None},
        "failure": None,
        "jobName": f"{name}-0c5b3c8e-a1",
        "spec": {"image": "train:1", "command": ["python", "train.py"], "shmSize": "2Gi", "backoffLimit": 0},
    }
    return summary(name, namespace) | more | changes


@dataclass
class RunsApi:
    """`runs`: what there is. `asked`: (method, path with query, body) of every request so far."""

    runs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    text: dict[tuple[int, str], bytes] = field(default_factory=dict)  # (attempt, pod) → the log so far
    complete: bool = True
    lost: int = 0  # bytes at the beginning of each log that were not kept
    metrics: dict[str, list[list[Any]]] = field(default_factory=dict)
    misbehave: list[Misbehave] = field(default_factory=list)  # each answers one request, before all else
    on_get: Callable[[dict[str, Any]], None] | None = None  # called with the run, before it is sent
    deleted_at: str = ""  # shown for every run
    late: float = 0.0  # seconds until a new run is seen: the real server reads a copy of the cluster
    number: int = 0
    password: str = "right"
    tokens: list[int] = field(default_factory=list)
    url: str = ""

    def add(self, run: dict[str, Any]) -> None:
        self.runs[run["namespace"], run["name"]] = run

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Every request."""
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, str(request.rel_url), body))
        self.headers.append(dict(request.headers))
        if self.misbehave:
            return await self.misbehave.pop(0)(request)
        path = request.path.removeprefix("/api/v1").strip("/").split("/")
        if path[0] in ("login", "logout", "tokens", "session"):
            return self._session(request, path, body)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return problem(401, "login_needed", "log in first")
        if path[0] != "trainingruns":
            return problem(404, "not_found", "there is nothing here")
        if len(path) == 1:
            return self._create(body) if request.method == "POST" else self._list(request)
        run = self.runs.get((path[1], path[2]))
        if run is None:
            return problem(404, "not_found", "there is no such run, or you may not see it")
        if path[3:] == ["logs"]:
            return self._logs(request)
        if path[3:] == ["metrics"]:
            return self._metrics(request)
        if request.method == "DELETE":
            del self.runs[path[1], path[2]]
            return web.Response(status=204)
        if request.method == "PATCH":
            run["spec"] = run["spec"] | body
        elif self.on_get is not None:
            self.on_get(run)
        headers = {"Blueno-Deleted-At": self.deleted_at} if self.deleted_at else {}
        return web.json_response(run, headers=headers)

    def _create(self, body: dict[str, Any]) -> web.Response:
        key = (body["namespace"], body["name"])
        if key in self.runs and not self.deleted_at:
            return problem(409, "exists", f"there is a run {body['name']} already: choose another name")
        if body["namespace"] == "forbidden":
            return problem(403, "forbidden", "you may not create trainingruns in forbidden")
        if not body["spec"].get("image"):
            errors = [{"field": "body.spec.image", "message": "is required"}]
            return problem(422, "invalid", "body.spec.image: is required", errors=errors)
        run = whole(body["name"], body["namespace"], spec={"shmSize": "2Gi", **body["spec"]}, state="pending")
        self.number += 1
        run["uid"] += f"-{self.number}"
        if not body["dryRun"]:
            if self.late:
                asyncio.get_running_loop().call_later(self.late, self.add, run)
            else:
                self.add(run)
        return web.json_response(run, status=201)

    def _list(self, request: web.Request) -> web.Response:
        query = request.query
        found = [
            run
            for run in self.runs.values()
            if query.get("namespace") in (None, run["namespace"]) and query.get("state") in (None, run["state"])
        ]
        start, limit = int(query.get("cursor", 0)), int(query.get("limit", 100))
        if not 1 <= limit <= 200:
            return problem(422, "invalid", "query.limit: must be from 1 to 200")
        more = str(start + limit) if start + limit < len(found) else None
        return web.json_response({"items": found[start : start + limit], "next": more})

    def _logs(self, request: web.Request) -> web.Response:
        parts = [
            {"attempt": a, "pod": p, "bytes": len(t), "complete": self.complete, "gap": None}
            for (a, p), t in sorted(self.text.items())
        ]
        attempt = int(request.query.get("attempt", max((a for a, _ in self.text), default=0)))
        pod = request.query.get("pod") or max((p for a, p in self.text if a == attempt), default=None)
        if pod is None:
            nothing = {"attempt": None, "pod": None, "text": "", "first": 0, "next": 0, "complete": False}
            return web.json_response({"parts": parts, **nothing})
        data, limit = self.text[attempt, pod], int(request.query.get("limit", 64 * 1024))
        first = int(request.query["after"]) if "after" in request.query else max(0, len(data) - limit)
        first = max(first, self.lost)
        piece = data[first : first + limit]
        end = first + len(piece)
        said = {"attempt": attempt, "pod": pod, "text": piece.decode(errors="replace"), "first": first, "next": end}
        return web.json_response({"parts": parts, **said, "complete": self.complete and end >= len(data)})

    def _metrics(self, request: web.Request) -> web.Response:
        if not 2 <= int(request.query.get("points", 500)) <= 5000:
            return problem(422, "invalid", "query.points: must be from 2 to 5000")
        named = request.query.get("name")
        wanted = sorted(self.metrics)[:50] if named is None else named.split(",")
        if len(wanted) > 50:
            return problem(422, "invalid", "query.name: at most 50")
        series = [{"name": n, "points": self.metrics[n]} for n in wanted if n in self.metrics]
        return web.json_response({"names": sorted(self.metrics), "series": series})

    def _session(self, request: web.Request, path: list[str], body: Any) -> web.Response:
        bearer = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        if path == ["login"]:
            if body["password"] != self.password:
                return problem(401, "wrong_login", "the address or the password is not right")
            answer = web.json_response({"email": body["email"], "role": "editor", "namespaces": ["*"]})
            answer.set_cookie("blueno_session", COOKIE, httponly=True, samesite="Strict")
            return answer
        cookie = request.cookies.get("blueno_session") == COOKIE
        if not bearer and not cookie:
            return problem(401, "login_needed", "log in first")
        if request.method != "GET" and not bearer and request.headers.get("Origin") != self.url:
            return problem(403, "other_site", "this change does not come from our own pages")
        if path == ["session"]:
            return web.json_response({"email": "ada@example.org", "role": "editor", "namespaces": ["*"]})
        if request.method == "DELETE":
            self.tokens.remove(int(path[1]))
        elif path == ["tokens"]:
            self.tokens.append(7)
            return web.json_response({"id": 7, "name": body["name"], "token": TOKEN}, status=201)
        return web.Response(status=204)


def problem(status: int, code: str, detail: str, **more: Any) -> web.Response:
    """application/problem+json as the web process sends it."""
    body = {"type": f"urn:blueno:problem:{code}", "status": status, "detail": detail, "code": code, **more}
    return web.Response(status=status, text=json.dumps(body), content_type="application/problem+json")


@contextmanager
def running(make: Callable[[], Any] = RunsApi) -> Iterator[Any]:
    """Serves a stand-in until the block ends."""
    api = make()
    app = web.Application(client_max_size=128 << 20)
    app.router.add_route("*", "/{path:.*}", api.answer)
    with serving(app) as api.url:
        yield api
