"""A stand-in for the web process, for tests of blueno/client: it is NOT the web process.

It speaks the JSON of the HTTP API for Datasets and users as it is agreed, keeps them in memory, and misbehaves on
request. It checks no rights and no schema; the real routes are tested in tests/web.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.runs_api import TOKEN, Misbehave, problem
from tests.fakes.serving import serving

DIGEST = "26297ffa6b02ac97" * 4


def dataset(name: str = "digits", namespace: str = "default", **changes: Any) -> dict[str, Any]:
    """A Dataset as the server sends it."""
    made: dict[str, Any] = {
        "uid": f"uid-{namespace}-{name}",
        "namespace": namespace,
        "name": name,
        "displayName": "Digits",
        "ready": True,
        "reconciling": False,
        "stalled": False,
        "reason": "Available",
        "message": "1,797 samples",
        "progress": {"stage": "pack", "percentage": 40, "estimatedRemainingSeconds": 9},
        "samples": 1797,
        "bytes": 460_000,
        "classes": 10,
        "version": {"digest": DIGEST, "sequence": 3},
        "indexed": True,
        "managedBy": None,
        "createdAt": "2026-01-02T03:04:00.000Z",
        "changedAt": "2026-01-02T03:05:00.000Z",
        "description": None,
        "license": "CC0-1.0",
        "citation": None,
        "homepage": None,
        "metadata": None,
        "source": "upload",
        "splits": [{"name": "train", "samples": 1797}],
        "shapes": ["8x8"],
        "badSamples": None,
        "conditions": [{"type": "Ready", "status": "True"}],
        "volume": None,
        "spec": {"source": {"upload": {}}, "reclaimPolicy": "Retain"},
    }
    return made | changes


def sample(row: int, **changes: Any) -> dict[str, Any]:
    """A Sample as the server sends it."""
    sizes = {"bytes": 10, "width": 8, "height": 8, "depth": 1, "channels": 1}
    known = {"idx": row, "row": row, "key": f"{row:04}.png", "split": "train", "label": str(row % 10), "labelText": ""}
    more = {"group": None, "dtype": "uint8", "format": "png", "sha256": "0" * 64, "metadata": {"number": row}}
    return known | sizes | more | changes


@dataclass
class DatasetsApi:
    """`asked`: (method, path with query, body) of every request so far."""

    datasets: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)  # Idempotency-Keys
    misbehave: list[Misbehave] = field(default_factory=list)  # each answers one request, before all else
    on_get: Callable[[dict[str, Any]], None] | None = None  # called with the data set, before it is sent
    hidden: int = 0  # so many times a data set is not seen: the real server reads a copy of the cluster
    url: str = ""

    def add(self, one: dict[str, Any]) -> None:
        self.datasets[one["namespace"], one["name"]] = one

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, str(request.rel_url), body))
        if key := request.headers.get("Idempotency-Key"):
            self.keys.append(key)
        if self.misbehave:
            return await self.misbehave.pop(0)(request)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return problem(401, "login_needed", "log in first")
        path = request.path.removeprefix("/api/v1").strip("/").split("/")
        if path[0] == "users":
            return self._users(request.method, path[1:], body)
        if len(path) == 1:
            found = [
                one for (place, _), one in self.datasets.items() if request.query.get("namespace") in (None, place)
            ]
            return self._page(request, [one for one in found if request.query.get("q", "") in one["name"]])
        if len(path) == 2:
            return self._create(path[1], body, request)
        found_one = self.datasets.get((path[1], path[2]))
        if found_one is None or (self.hidden and request.method == "GET"):
            self.hidden -= found_one is not None
            return problem(404, "not_found", "there is no such data set, or you may not see it")
        return self._one(request, found_one, path[3:], body)

    def _create(self, namespace: str, body: dict[str, Any], request: web.Request) -> web.Response:
        meta = body.get("metadata") or {}
        name = body.get("name") or meta.get("name") or "dataset-1a2b3c4d"
        if (namespace, name) in self.datasets:
            return problem(409, "already_exists", f"there is a data set {name} in {namespace} already")
        made = dataset(name, namespace, spec=body["spec"], ready=False, reason="Pending")
        if request.query.get("dryRun") != "true":
            self.add(made)
        return web.json_response(made, status=201)

    def _one(self, request: web.Request, one: dict[str, Any], path: list[str], body: Any) -> web.Response:
        if path == ["requests"]:
            if body["kind"] == "retry":
                return problem(409, "not_stalled", "it is not stalled")
            return web.json_response({"requestedAt": "2026-01-02T03:04:05.678Z"}, status=202)
        if path == ["versions"]:
            known = {"digest": DIGEST, "sequence": 3, "sealedAt": "2026-01-02T03:04:00Z", "samples": 5, "bytes": 50}
            more = {"current": True, "dense": None, "classes": ["0", "1"], "depth": False}
            return web.json_response({"items": [known | more]})
        if path == ["history"]:
            entry = {
                "at": "2026-01-02T03:04:00Z",
                "condition": "Ready",
                "status": "True",
                "reason": "A",
                "message": "m",
            }
            return self._page(request, [entry] * 250)
        if path == ["samples"]:
            return self._page(request, self.samples, version={"digest": DIGEST, "sequence": 3})
        if path == ["facets"]:
            labels = [{"label": '"cat"', "text": "cat", "samples": 3}, {"label": None, "text": "", "samples": 2}]
            splits = [{"name": "train", "samples": 5}]
            return web.json_response({"total": 5, "splits": splits, "labels": labels, "moreLabels": False})
        if request.method == "DELETE":
            del self.datasets[one["namespace"], one["name"]]
            return web.json_response({"uid": one["uid"]}, status=202)
        if request.method == "PATCH":
            one["spec"] = one["spec"] | body
        elif self.on_get is not None:
            self.on_get(one)
        return web.json_response(one)

    def _users(self, method: str, path: list[str], body: Any) -> web.Response:
        if not path:
            if method == "GET":
                return web.json_response({"items": [*self.users.values()]})
            if body["email"] in self.users:
                return problem(409, "taken", "there is a user of that address")
            kept = {key: body[key] for key in ("email", "role", "namespaces")}
            self.users[body["email"]] = {**kept, "createdAt": "2026-01-02T03:04:00.000Z"}
            return web.json_response(self.users[body["email"]], status=201)
        if path[0] not in self.users:
            return problem(404, "not_found", f"there is no user {path[0]}")
        if method == "PATCH":
            self.users[path[0]] |= body
            return web.json_response(self.users[path[0]])
        if path[1:] == ["reset"]:
            return web.json_response({"password": "made up for you"})
        if method == "DELETE":
            del self.users[path[0]]
        return web.Response(status=204)

    def _page(self, request: web.Request, found: list[dict[str, Any]], **more: Any) -> web.Response:
        start, limit = int(request.query.get("cursor", 0)), int(request.query.get("limit", 100))
        if not 1 <= limit <= 200:
            return problem(422, "invalid", "query.limit: must be from 1 to 200")
        following = str(start + limit) if start + limit < len(found) else None
        return web.json_response({"items": found[start : start + limit], "next": following, **more})


@contextmanager
def running() -> Iterator[DatasetsApi]:
    """Serves a stand-in until the block ends."""
    api = DatasetsApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    with serving(app) as api.url:
        yield api
