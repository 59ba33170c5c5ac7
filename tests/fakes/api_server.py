"""A small Kubernetes API server for tests: no kubelet, no controllers, but the rules that an operator trips over.

Discovery, lists in pages, watches with bookmarks and 410, merge patches with preconditions, status subresource,
generations, finalizers, 409 on taken names, terminating namespaces, token reviews. A test plays kubelet, Job
controller and user through `put`, `update` and `remove` (tests/fakes/job_controller.py plays the first two by itself),
breaks things through `fail`, `done`, `cut_watches` and `forget`, and reads `requests`.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import copy
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from aiohttp import web

from blueno import names
from blueno.resources.api import BY_KIND, TOKEN_REVIEWS, Resource
from tests.fakes.api_discovery import Refused, Target, discovery, target_of
from tests.fakes.merge_patch import merge
from tests.fakes.pod_logs import PodLog, serve_log

Body = dict[str, Any]

BOOKMARK_SECONDS = 1.0


@dataclass(frozen=True)
class Seen:
    """One request, as it came in."""

    verb: str
    path: str
    query: Mapping[str, str]
    body: Any
    status: int

    @property
    def is_write(self) -> bool:
        return self.verb not in ("GET", "WATCH")


@dataclass
class ApiServer:
    """All objects by (kind, namespace, name), and everything that happened to them."""

    objects: dict[tuple[str, str, str], Body] = field(default_factory=dict)
    requests: list[Seen] = field(default_factory=list)
    tokens: dict[str, Body] = field(default_factory=dict)  # token: the status of its review
    terminating: set[str] = field(default_factory=set)  # namespaces
    fail: Callable[[str, str], int | None] = lambda verb, path: None  # status to answer instead
    slow: Callable[[str, str], float] = lambda verb, path: 0.0  # seconds until a request takes effect
    done: Callable[[Seen], None] = lambda seen: None  # told of a request that took effect, before it is answered
    judge: Callable[[Body, Mapping[str, str]], None] = lambda body, query: None  # raises Refused for a bad object
    watches_down: bool = False
    url: str = ""
    logs: dict[tuple[str, str], PodLog] = field(default_factory=dict)  # by namespace and name of the pod
    _log: list[tuple[int, str, Body]] = field(default_factory=list)  # version, type, object
    _oldest: int = 0  # version before which the log is forgotten
    _versions: Iterator[int] = field(default_factory=lambda: itertools.count(100))
    _streams: dict[asyncio.Task[Any], asyncio.Event] = field(default_factory=dict)  # watches: set when there is news

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[ApiServer]:
        """Listen on a free local port while the block runs."""
        app = web.Application(client_max_size=1 << 21)
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self.cut_watches()
            await runner.cleanup()

    # What a test does to the cluster -----------------------------------------------------------------

    def put(self, body: Body) -> Body:
        """Create an object, as any client would."""
        return self._create(BY_KIND[body["kind"]], copy.deepcopy(body))

    def update(self, kind: str, name: str, patch: Body, namespace: str = "lab") -> Body:
        """Merge-patch an object, status included."""
        return self._store(BY_KIND[kind], merge(self.read(kind, name, namespace), patch))

    def remove(self, kind: str, name: str, namespace: str = "lab") -> None:
        """Delete an object as a user does: finalizers are waited for."""
        self._delete(BY_KIND[kind], self.read(kind, name, namespace))

    def read(self, kind: str, name: str, namespace: str = "lab") -> Body:
        """The object; KeyError when there is none."""
        return self.objects[kind, namespace if BY_KIND[kind].namespaced else "", name]

    def all(self, kind: str) -> list[Body]:
        """All objects of a kind, oldest first."""
        return [body for (known, _, _), body in self.objects.items() if known == kind]

    def writes(self) -> list[Seen]:
        """Every request that changes something, but for the Lease's renewals."""
        return [r for r in self.requests if r.is_write and "/leases" not in r.path]

    def cut_watches(self) -> None:
        """Close every watch connection; clients come back unless `watches_down`."""
        for task in tuple(self._streams):
            task.cancel()

    def forget(self) -> None:
        """As etcd's compaction: a watch that asks for anything older than now gets 410."""
        self._oldest = next(self._versions)
        self._log.clear()

    # Storage -----------------------------------------------------------------------------------------

    def _create(self, resource: Resource, body: Body, query: Mapping[str, str] = MappingProxyType({})) -> Body:
        meta = body.setdefault("metadata", {})
        namespace = meta.get("namespace", "") if resource.namespaced else ""
        name = meta.get("name") or f"{meta['generateName']}{next(self._versions)}"
        if namespace in self.terminating:
            text = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise Refused(403, f'{resource.plural} "{name}" is forbidden: {text}')
        if (resource.kind, namespace, name) in self.objects:
            raise Refused(409, f'{resource.plural} "{name}" already exists')
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        meta |= {"name": name, "uid": str(uuid.uuid4()), "creationTimestamp": now, "generation": 1}
        self.judge(body, query)
        if resource.kind in names.KINDS:
            body.setdefault("status", {"observedGeneration": -1})
        return body if query.get("dryRun") else self._store(resource, body, "ADDED")

    def _store(self, resource: Resource, body: Body, kind: str = "MODIFIED") -> Body:
        """Keep a new state, tell the watches; a deleted object without finalizers goes. A no-op changes nothing."""
        body = copy.deepcopy(body)  # what was told to a watch or kept by a test stays as it was
        meta = body["metadata"]
        key = (resource.kind, meta.get("namespace", "") if resource.namespaced else "", meta["name"])
        known = self.objects.get(key)
        if known == body:
            return copy.deepcopy(body)
        if known is not None and known.get("spec") != body.get("spec"):
            meta["generation"] = meta.get("generation", 1) + 1
        if meta.get("deletionTimestamp") and not meta.get("finalizers"):
            kind = "DELETED"
        version = next(self._versions)
        meta["resourceVersion"] = str(version)
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        if kind == "DELETED":
            self.objects.pop(key, None)
        else:
            self.objects[key] = body
        self._log.append((version, kind, body))
        for news in self._streams.values():
            news.set()
        return copy.deepcopy(body)

    def _delete(self, resource: Resource, known: Body) -> None:
        body = copy.deepcopy(known)
        meta = body["metadata"]
        meta["deletionTimestamp"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        meta["generation"] = meta.get("generation", 1) + 1
        self._store(resource, body)

    # HTTP --------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        verb, path = request.method, request.path
        raw = await request.read()
        body = json.loads(raw) if raw else None
        if request.query.get("watch"):
            return await self._watch(request)
        await asyncio.sleep(self.slow(verb, path))
        if path.endswith("/log"):
            return await serve_log(self, request)
        try:
            status = self.fail(verb, path)
            if status is not None:
                raise Refused(status, "broken by the test")
            answer = self._answer(verb, path, request, body)
            code = 201 if verb == "POST" else 200
        except Refused as error:
            code, answer = error.status, error.body
        self.requests.append(Seen(verb, path, dict(request.query), body, code))
        self.done(self.requests[-1])
        return web.json_response(answer, status=code)

    def _answer(self, verb: str, path: str, request: web.Request, body: Any) -> Any:
        found = discovery(path)
        if found is not None:
            return found
        target = target_of(path)
        if target.resource is TOKEN_REVIEWS:
            return {**body, "status": self.tokens.get(body["spec"]["token"], {"authenticated": False})}
        if target.name is None:
            if verb == "POST":
                if target.namespace is not None:
                    body["metadata"].setdefault("namespace", target.namespace)
                return self._create(target.resource, body, request.query)
            return self._list(target, request)
        namespace = (target.namespace or "") if target.resource.namespaced else ""
        known = self.objects.get((target.resource.kind, namespace, target.name))
        if known is None:
            raise Refused(404, f'{target.resource.plural} "{target.name}" not found')
        if verb == "DELETE":
            if (body or {}).get("preconditions", {}).get("uid") not in (None, known["metadata"]["uid"]):
                raise Refused(409, "the uid in the precondition does not match")
            self._delete(target.resource, known)
        elif verb in ("PATCH", "PUT"):
            return self._change(target, known, body, request)
        return copy.deepcopy(known)

    def _change(self, target: Target, known: Body, body: Any, request: web.Request) -> Body:
        if request.method == "PATCH":
            if request.content_type != "application/merge-patch+json":
                raise Refused(415, f"this server takes no {request.content_type}")
            after = merge(known, body)
        else:
            after = {**known, **body, "metadata": {**known["metadata"], **body["metadata"]}}
        for key in ("uid", "resourceVersion"):
            if after["metadata"][key] != known["metadata"][key]:
                raise Refused(409, f"the {key} does not match")
        self.judge(after, request.query)
        split = "status" in known or target.sub == "status"
        if split and target.sub == "status":
            after = {**copy.deepcopy(known), "status": after.get("status", {})}
        elif split:
            after["status"] = known.get("status")
        return self._store(target.resource, copy.deepcopy(after))

    def _list(self, target: Target, request: web.Request) -> Body:
        chosen = [o for o in self.all(target.resource.kind) if _fits(o, target, request.query.get("labelSelector"))]
        begin, limit = int(request.query.get("continue") or 0), int(request.query.get("limit") or 10**9)
        page = chosen[begin : begin + limit]
        more = str(begin + limit) if begin + limit < len(chosen) else None
        if "PartialObjectMetadata" in request.headers.get("Accept", ""):
            page = [{"metadata": item["metadata"]} for item in page]
        meta = {"resourceVersion": str(next(self._versions)), **({"continue": more} if more else {})}
        kind = f"{target.resource.kind}List"
        return {"apiVersion": target.resource.api_version, "kind": kind, "metadata": meta, "items": page}

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        if self.watches_down:
            return web.json_response({"code": 503, "message": "no watches now"}, status=503)
        target, selector = target_of(request.path), request.query.get("labelSelector")
        self.requests.append(Seen("WATCH", request.path, dict(request.query), None, 200))
        position = int(request.query.get("resourceVersion") or 0)
        stream = web.StreamResponse()
        task = asyncio.current_task()
        assert task is not None
        news = self._streams[task] = asyncio.Event()
        try:
            await stream.prepare(request)
            while True:
                news.clear()
                if position < self._oldest:
                    await _send(stream, "ERROR", {"kind": "Status", "code": 410, "message": "too old"})
                    return stream
                begin = bisect.bisect_right(self._log, position, key=lambda entry: entry[0])
                for version, kind, body in self._log[begin:]:
                    if body["kind"] == target.resource.kind and _fits(body, target, selector):
                        await _send(stream, kind, body)
                    position = version
                if request.query.get("allowWatchBookmarks"):
                    mark = {"kind": target.resource.kind, "metadata": {"resourceVersion": str(position)}}
                    await _send(stream, "BOOKMARK", mark)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), BOOKMARK_SECONDS)
        except (asyncio.CancelledError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
            return stream
        finally:
            del self._streams[task]


def _fits(body: Body, target: Target, selector: str | None) -> bool:
    meta = body["metadata"]
    if target.namespace is not None and meta.get("namespace") != target.namespace:
        return False
    wanted = [part.split("=") for part in selector.split(",")] if selector else []
    return all((meta.get("labels") or {}).get(key) == value for key, value in wanted)


async def _send(stream: web.StreamResponse, kind: str, body: Body) -> None:
    await stream.write(json.dumps({"type": kind, "object": body}).encode() + b"\n")
