"""`AsyncClient`: what Client is, for asyncio. Made by people's scripts; its parts are the same code, see driving.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from blueno.client import kube
from blueno.client.datasets import AsyncDatasets
from blueno.client.driving import Blocking
from blueno.client.exchange import Answer, Request
from blueno.client.runs import AsyncRuns
from blueno.client.samples import AsyncSamples
from blueno.client.tokens import AsyncTokens
from blueno.client.users import AsyncUsers
from blueno.names import SYSTEM_NAMESPACE

if TYPE_CHECKING:
    from blueno.client.http_async import AsyncHttp

P = ParamSpec("P")
T = TypeVar("T")


class AsyncClient:
    """The server of `server` as the person of `token`; what is not given is found as by Client.

    Its methods are those of Client, to be awaited; those that give one thing after the other are for `async for`. Use
    it as an asynchronous context manager, or await `close`; in one event loop.
    """

    def __init__(self, server: str | None = None, token: str | None = None) -> None:
        found = kube.resolve(server, token)
        self.server = found.server
        self._transport = _Lazy(found.server, found.token)
        self._forward: kube.Forward | None = None
        self.runs = AsyncRuns(self._transport)
        self.datasets = AsyncDatasets(self._transport)
        self.users = AsyncUsers(self._transport)
        self.tokens = AsyncTokens(self._transport)

    @classmethod
    async def from_kube(
        cls,
        namespace: str = SYSTEM_NAMESPACE,
        *,
        token: str | None = None,
        context: str | None = None,
        kubeconfig: str | None = None,
    ) -> AsyncClient:
        """The server in the cluster of your kubeconfig, as Client.from_kube."""
        forward = kube.Forward(kube.Target(namespace, context, kubeconfig))
        try:
            client = cls(await asyncio.to_thread(forward.open), kube.token_of(token))
        except BaseException:
            forward.close()
            raise
        client._forward = forward
        return client

    def samples(self, dataset: str, namespace: str = "default") -> AsyncSamples:
        """The samples of one data set."""
        return AsyncSamples(self._transport, dataset, namespace)

    def __repr__(self) -> str:
        return f"<AsyncClient of {self.server}>"

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes its connections."""
        await self._transport.close()
        if self._forward is not None:
            await asyncio.to_thread(self._forward.close)


class _Lazy:
    """A Transport that opens its connection with the first request: httpx takes 0.1 s to import."""

    def __init__(self, server: str, token: str | None) -> None:
        self._server, self._token = server, token
        self._http: AsyncHttp | None = None

    def connection(self) -> AsyncHttp:
        """The one connection."""
        if self._http is None:
            from blueno.client.http_async import AsyncHttp

            self._http = AsyncHttp(self._server, self._token)
        return self._http

    @property
    def unit(self) -> float:
        return self.connection().unit

    @property
    def heard(self) -> float:
        return self.connection().heard

    async def send(self, request: Request) -> Answer:
        return await self.connection().send(request)

    async def pause(self, seconds: float) -> None:
        await self.connection().pause(seconds)

    async def work(self, call: Callable[[Blocking], T]) -> T:
        return await self.connection().work(call)

    def told(self, callback: Callable[P, object]) -> Callable[P, None]:
        return self.connection().told(callback)

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None
