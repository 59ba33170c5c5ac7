"""The listening socket and its limits: what aiohttp leaves open. Called by __main__.py and tests.

Short headers, a connection that sends no whole header in time is closed, and no more than so many at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True)
class Limits:
    """Of one process."""

    seconds: float = 20.0  # for one request in a worker
    idle_seconds: float = 10.0  # until a connection has sent a whole header, and between two requests
    connections: int = 256
    threads: int = 4
    waiting: int = 32  # jobs behind those at work
    probe_seconds: float = 2.0  # for the volume to answer /readyz
    memory: int = 64 << 20  # bytes of large pictures in the making; a larger one is made when it is the only one
    bodies: int = 8  # that are taken in at a time
    body_seconds: float = 10.0  # for the next bytes of a body, and for its turn to come
    body_rate: int = 8 << 10  # bytes a second that a body must bring on average, after those seconds
    reserve: int = 64 << 20  # bytes of the volume that stay free; never more than a twentieth of it


class Listener:
    """A running server."""

    def __init__(self, runner: web.AppRunner, server: asyncio.Server) -> None:
        self._runner, self._server = runner, server

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stops listening; requests under way get a few seconds."""
        self._server.close()
        await self._runner.cleanup()


async def listen(app: web.Application, host: str | None, port: int, limits: Limits) -> Listener:
    """Serves `app`; port 0 takes any that is free."""
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=limits.idle_seconds,
        lingering_time=0.2,
        max_line_size=8190,
        max_field_size=4096,
        max_headers=64,
        read_bufsize=256 << 10,
        auto_decompress=False,
        shutdown_timeout=5.0,
    )
    await runner.setup()
    manager = runner.server
    assert manager is not None  # noqa: S101 - setup made it

    def protocol() -> asyncio.Protocol:
        return _Refusal() if len(manager.connections) >= limits.connections else manager()

    server = await asyncio.get_running_loop().create_server(protocol, host, port, backlog=128)
    return Listener(runner, server)


class _Refusal(asyncio.Protocol):
    """One connection too many: told so and closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        transport.write(
            b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        transport.close()
