"""Puts the process together and runs it. Called by __main__.py and by the tests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import metadata

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from blueno.db.datasets import select_namespaces
from blueno.kube import Cluster
from webui import setup
from webui.access import Access
from webui.api import ROUTES
from webui.auth import Doorkeeper
from webui.config import WebConfig
from webui.cursors import Cursors
from webui.database import Database
from webui.dataservers import Addresses, DataServers
from webui.keys import Keys
from webui.listen import Listener, News
from webui.looked import Looked
from webui.metrics import Metrics
from webui.passwords import Passwords
from webui.pipeline import Pipeline
from webui.quotas import Quotas
from webui.routes import Registry
from webui.server import Server
from webui.services import Services
from webui.static import Static
from webui.stream import Hub

log = logging.getLogger("blueno.web")

BACKLOG = 512
SHUTDOWN_SECONDS = 5.0


@dataclass
class Running:
    """A process that serves; ports are those really in use."""

    services: Services
    http_port: int = 0
    metrics_port: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


@asynccontextmanager
async def running(config: WebConfig, cluster: Cluster, addresses: Addresses | None = None) -> AsyncIterator[Running]:
    """Serves while the block runs. `addresses` says where data servers are. Raises InvalidSpec for bad keys."""
    keys = Keys.read(config.keys)
    registry = Registry(ROUTES)
    async with AsyncExitStack() as stack:
        services = _services(config, keys, cluster, registry, addresses)
        stack.callback(services.database.close)
        stack.callback(services.passwords.close)
        stack.push_async_callback(services.data_servers.close)
        process = Running(services)
        stack.push_async_callback(_end_tasks, process.tasks)
        _start_tasks(process, stack)

        server = Server(Pipeline(services).answer, services.metrics, config.proxies)
        process.http_port = await _listen(
            stack, web.ServerRunner(server, shutdown_timeout=SHUTDOWN_SECONDS), config.http_port
        )
        process.metrics_port = await _listen(stack, _metrics_runner(services.metrics), config.metrics_port)
        stack.callback(services.hub.close)  # first of all, so that streams do not hold up the end
        log.info("serving on port %d, metrics on port %d", process.http_port, process.metrics_port)
        yield process


def _services(
    config: WebConfig, keys: Keys, cluster: Cluster, registry: Registry, addresses: Addresses | None
) -> Services:
    metrics = Metrics()
    database = Database(config.database)
    passwords = Passwords()

    async def namespaces() -> list[str]:
        return await database.read(select_namespaces)

    return Services(
        config=config,
        keys=keys,
        cluster=cluster,
        database=database,
        passwords=passwords,
        doorkeeper=Doorkeeper(config, keys, database, passwords),
        access=Access(cluster, namespaces),
        cursors=Cursors(keys.cursor),
        data_servers=DataServers(keys.web, addresses),
        looked=Looked(config, metrics),
        quotas=Quotas(config.upload_rate),
        hub=Hub(metrics),
        metrics=metrics,
        static=Static(config.static),
        registry=registry,
        version=version(),
    )


def version() -> str:
    """Of this installation, or what the checkout says."""
    try:
        return metadata.version("blueno")
    except metadata.PackageNotFoundError:
        return "development"


def _start_tasks(process: Running, stack: AsyncExitStack) -> None:
    services, loop = process.services, asyncio.get_running_loop()

    def publish(news: News) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(services.hub.receive, news)

    listener = Listener(services.config.database, publish)
    listener.start()
    stack.callback(listener.stop)
    work = {
        "stream": services.hub.run(),
        "looked": services.looked.run(),
        "setup": setup.offer_code(services.database, services.keys),
    }
    for name, coroutine in work.items():
        task = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(_say_end)
        process.tasks.append(task)


def _say_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the task %s ended by a mistake of ours", task.get_name(), exc_info=error)


async def _end_tasks(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(stack: AsyncExitStack, runner: web.BaseRunner, port: int) -> int:
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, None, port, backlog=BACKLOG).start()
    # With port 0 (tests) IPv4 and IPv6 get different ones; IPv6's addresses have four parts.
    return int(min(runner.addresses, key=len)[1])


def _metrics_runner(metrics: Metrics) -> web.AppRunner:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(client_max_size=1024)
    app.add_routes([web.get("/metrics", answer)])
    return web.AppRunner(app, access_log=None, keepalive_timeout=10.0, shutdown_timeout=1.0)
