"""Start and stop of the operator: the one place where its parts meet.

`register` is called by operator/main.py; kopf calls the rest.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import kopf
from aiohttp import web

from blueno import names
from blueno.config import OperatorConfig
from blueno.errors import BluenoError, Unavailable
from blueno.kube import Cluster
from blueno.memory import allow_deep_json
from blueno.resources.api import DEPLOYMENTS, SERVICES
from controllers import http, keys, quiet, source
from controllers.cache import Cache, owner_uid
from controllers.dataset.kind import DatasetKind
from controllers.demand import Demand
from controllers.engine import Engine
from controllers.fleet import Fleet
from controllers.holds import Holds
from controllers.ingests import Ingests
from controllers.kueue import Workloads
from controllers.lease import Lease
from controllers.mirror import Mirror
from controllers.outputs.kind import OutputsKind
from controllers.queue import WorkQueue
from controllers.reports import Reports
from controllers.sample.kind import SampleKind
from controllers.sample.roster import Roster
from controllers.source import Source
from controllers.streams import Streams
from controllers.sweep import Sweep
from controllers.training_run.kind import TrainingRunKind
from controllers.world import World
from controllers.writer import Writer

log = logging.getLogger("blueno")

START_AGAIN = 5.0  # seconds after a start that failed, by a right that is missing or an API server that does not answer


@dataclass
class Operator:
    """Everything that lives as long as the process."""

    config: OperatorConfig
    cluster: Cluster
    cache: Cache = field(default_factory=Cache)
    source: Source | None = None
    sweep: Sweep | None = None
    lease: Lease | None = None
    mirror: Mirror | None = None
    listeners: list[web.AppRunner] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def alive(self) -> str:
        """What /livez says: "" unless the watches are deaf while the API server does answer."""
        if self.sweep is None or not self.sweep.is_deaf:
            return ""
        try:
            await self.cluster.get(SERVICES, "default", "kubernetes")
        except BluenoError:
            return ""  # a restart would not help
        return "the watches have brought nothing for a while though there were changes"

    def spawn(self, name: str, work: Any, fatal: bool = False) -> None:
        """Run `work` until stop; if a `fatal` one ends, so does the operator."""
        task = asyncio.create_task(work, name=name)
        if fatal:
            task.add_done_callback(_stop_process)
        self.tasks.append(task)


def register(registry: kopf.OperatorRegistry) -> None:
    """Put our handlers into kopf's registry."""
    allow_deep_json()
    running: list[Operator] = []

    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        config = OperatorConfig.from_env(os.environ)
        quiet.configure(settings)
        operator = await _start(config)
        for resource, selector in source.watched(config):
            if selector:
                settings.watching.label_selectors[resource.group, resource.version, resource.plural] = selector
        source.watch(registry, current, source.watched(config))
        running.append(operator)

    async def stop(**_: Any) -> None:
        while running:
            await _stop(running.pop())

    def current() -> Source:
        found = running[0].source
        assert found is not None  # noqa: S101  # kopf watches only after startup handlers are done
        return found

    kopf.on.startup(id="start", registry=registry)(start)
    kopf.on.cleanup(id="stop", registry=registry)(stop)
    kopf.on.login(id="login", registry=registry)(_login())


async def _start(config: OperatorConfig) -> Operator:
    """A start that fails leaves nothing behind: kopf tries again, and needs the same ports."""
    operator = Operator(config, await Cluster.connect())
    try:
        await _bring_up(operator)
    except BaseException as error:
        await _stop(operator)
        if isinstance(error, BluenoError):
            raise kopf.TemporaryError(f"the operator cannot start yet: {error}", delay=START_AGAIN) from error
        raise
    return operator


async def _bring_up(operator: Operator) -> None:
    config = operator.config
    operator.listeners.append(await http.serve_health(config.http_port, operator.alive))
    lease = operator.lease = Lease(operator.cluster, config.namespace, config.identity)
    await lease.acquire()
    report_keys = await keys.ensure_keys(operator.cluster, config.namespace, config.report_url)
    grant_keys = json.dumps(dict(report_keys.grants), sort_keys=True)
    world = World(config, await _cluster_uid(operator.cluster), report_keys.ca.decode(), grant_keys)

    queue = WorkQueue(asyncio.get_running_loop().time)
    demand = Demand(config.serve_seconds)
    holds = Holds()
    cache, workloads = operator.cache, Workloads(operator.cluster)
    roster = Roster(cache)  # before whatever asks it when a Sample changes
    own = (DatasetKind(world, cache, holds), TrainingRunKind(world, cache), SampleKind(world, cache, roster))
    kinds = (*own, OutputsKind(world, cache))

    def news(kind: str, uid: str) -> None:
        queue.add((kind, uid))

    ingests = Ingests(operator.cluster, cache, roster, demand, news, report_keys.grant_key)
    reports = Reports(operator.cluster, cache, queue, demand, config.namespace, ingests)
    writer = Writer(operator.cluster, cache, lease.held)
    engine = Engine(cache, queue, writer, reports.latest, holds, workloads)
    for kind in kinds:
        engine.register(kind)
    operator.source = Source(operator.cache, queue, *(kind.interested for kind in kinds))
    operator.sweep = Sweep(operator.cluster, cache, queue, operator.source, source.watched(config), writer)
    operator.mirror = Mirror(config.database_url_file, lambda: lease.epoch)
    fleet = Fleet(operator.cache)
    for shown in names.KINDS:
        operator.cache.observe(shown, operator.mirror.observer(shown))
    await operator.sweep.fill()
    operator.mirror.start()
    demand.look(_served(operator.cache), datetime.now(UTC))

    operator.listeners.append(await http.serve_reports(config.report_port, report_keys, reports))
    operator.spawn("lease", lease.hold(), fatal=True)
    operator.spawn("fleet", fleet.run())
    operator.spawn("sweep", operator.sweep.run(config.sweep_seconds), fatal=True)
    for number in range(config.workers):
        operator.spawn(f"worker-{number}", engine.work(), fatal=True)
    log.info("operator %s is at work", config.identity)


async def _stop(operator: Operator) -> None:
    for task in operator.tasks:
        task.remove_done_callback(_stop_process)
        task.cancel()
    await asyncio.gather(*operator.tasks, return_exceptions=True)
    for listener in operator.listeners:
        await listener.cleanup()
    if operator.mirror is not None:
        await asyncio.to_thread(operator.mirror.stop)
    if operator.lease is not None:
        await operator.lease.release()
    await operator.cluster.close()


def _stop_process(_: asyncio.Task[None]) -> None:
    signal.raise_signal(signal.SIGTERM)


def _served(cache: Cache) -> list[str]:
    """Datasets and claims whose data server runs: nobody told us who looks at them, so somebody does."""
    running = (body for body in cache.all(DEPLOYMENTS.kind) if body["spec"].get("replicas", 1))
    return [owner for body in running if (owner := owner_uid(body)) is not None]


async def _cluster_uid(cluster: Cluster) -> str:
    service = await cluster.get(SERVICES, "default", "kubernetes")
    if service is None:
        raise Unavailable("Service default/kubernetes is not there yet")
    return str(service["metadata"]["uid"])


def _login() -> Callable[..., Awaitable[kopf.AiohttpSession | None]]:
    """For kopf's own session: the same credentials as our calls, which have a session of theirs (blueno/kube.py)."""
    streams = Streams()
    known: dict[str, tuple[kopf.ConnectionInfo, kopf.AiohttpSession]] = {}

    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
        """The same answer while the credentials are the same: so kopf knows those that were refused, and ends."""
        info = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
        if info is None:
            return None
        if "last" not in known or known["last"][0] != info:
            more = {"proxy": info.proxy_url, "trust_env": info.trust_env}
            session = streams.session(info.as_ssl_context(), info.as_http_headers(), **more)
            known["last"] = (
                info,
                kopf.AiohttpSession(
                    server=info.server, default_namespace=info.default_namespace, aiohttp_session=session
                ),
            )
        return known["last"][1]

    return login
