"""The corner of the Kubernetes API that the web process uses: SubjectAccessReviews, decided by the test, and objects.

`rules` are like RBAC's: who (user or group), verb, resource with subresource, namespace ("" for a cluster-wide
grant), name ("" for all). A test may break reviews (`status`), hang them (`hold`), and read what was asked. Objects are
kept by `api`, an ApiServer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from kubernetes.aio import client as kube_client

from blueno.kube import Cluster
from blueno.resources.api import ACCESS_REVIEWS
from tests.fakes.api_server import ApiServer


@dataclass(frozen=True)
class Rule:
    """Allows `verbs` on `resources` to one user or group."""

    subject: str
    namespace: str = ""  # "" for all
    verbs: tuple[str, ...] = ("get", "list", "watch")
    resources: tuple[str, ...] = ("datasets", "datasets/content", "trainingruns")
    name: str = ""

    def allows(self, spec: dict[str, Any]) -> bool:
        """As the API server's RBAC would."""
        asked = spec["resourceAttributes"]
        resource = "/".join(part for part in (asked["resource"], asked.get("subresource")) if part)
        return (
            self.subject in (spec["user"], *spec["groups"])
            and self.namespace in ("", asked.get("namespace", ""))
            and asked["verb"] in self.verbs
            and resource in self.resources
            and self.name in ("", asked.get("name", ""))
        )


@dataclass
class AccessServer:
    """`serving` gives a Cluster that talks to it."""

    rules: list[Rule] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)  # specs of the reviews
    status: int = 201
    api: ApiServer = field(default_factory=ApiServer)
    hold: asyncio.Event = field(default_factory=asyncio.Event)  # cleared: answers wait

    def __post_init__(self) -> None:
        self.hold.set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Cluster]:
        """Listens on a free local port while the block runs."""
        app = web.Application()
        app.add_routes([web.post(ACCESS_REVIEWS.path(), self._review)])
        app.router.add_route("*", "/{path:.*}", self.api.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        configuration = kube_client.Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
        cluster = Cluster(configuration)
        try:
            yield cluster
        finally:
            await cluster.close()
            await runner.cleanup()

    async def _review(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body["spec"])
        await self.hold.wait()
        if self.status >= 400:
            return web.json_response({"kind": "Status", "message": "broken by the test"}, status=self.status)
        allowed = any(rule.allows(body["spec"]) for rule in self.rules)
        return web.json_response(body | {"status": {"allowed": allowed}}, status=201)
