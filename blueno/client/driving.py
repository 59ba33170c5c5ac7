"""How one text serves two clients: what a client does is written once, as coroutines over a `Transport`.

`AsyncClient` awaits them. `Client` steps through them with a transport that blocks and so never suspends: `run` takes
the first step, which is the last. docs/adr/0022 says why. Used by client.py, aio.py and all that stands between them.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from blueno.client.exchange import Answer, Request
from blueno.errors import BluenoError

if TYPE_CHECKING:
    from blueno.client.http import Http

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C")


class Transport(Protocol):
    """What a client needs of the world. `unit`: about the first pause between two tries, in seconds."""

    @property
    def unit(self) -> float: ...

    @property
    def heard(self) -> float: ...

    async def send(self, request: Request) -> Answer:
        """One answer, asked for once. Raises as exchange.read_answer."""

    async def pause(self, seconds: float) -> None:
        """Nothing happens for so long."""

    async def work(self, call: Callable[[Blocking], T]) -> T:
        """What `call` returns, which blocks: it reads or writes files."""

    def told(self, callback: Callable[P, object]) -> Callable[P, None]:
        """`callback` as it may be called by what `work` runs."""


class Stopped(BluenoError):
    """Somebody wants no more of it."""


class Blocking:
    """Over connections for threads. `stop` ends pauses; `heard` is when the server last gave a good answer."""

    def __init__(self, connection: Callable[[], Http], stop: threading.Event | None = None) -> None:
        self.connection = connection
        self.stop = stop
        self.heard = 0.0

    @property
    def unit(self) -> float:
        return self.connection().limits.pause

    async def send(self, request: Request) -> Answer:
        """One answer."""
        self.check()
        answer = self.connection().perform(request)
        self.heard = time.monotonic()
        return answer

    async def pause(self, seconds: float) -> None:
        """Sleeps, or raises Stopped."""
        if self.stop is None:
            time.sleep(seconds)  # noqa: ASYNC251  # the blocking client runs it
        elif self.stop.wait(seconds):
            self.check()

    def check(self) -> None:
        """Raises Stopped."""
        if self.stop is not None and self.stop.is_set():
            raise Stopped("stopped")

    async def work(self, call: Callable[[Blocking], T]) -> T:
        """Here and now."""
        return call(self)

    def told(self, callback: Callable[P, object]) -> Callable[P, None]:
        """It is called in the caller's own thread."""

        def tell(*args: P.args, **kwargs: P.kwargs) -> None:
            callback(*args, **kwargs)

        return tell


class Facade(Generic[C]):
    """The blocking face of `C`; its methods are made by `blocking` and `iterating`."""

    def __init__(self, inner: C) -> None:
        self._inner = inner


def run(steps: Coroutine[Any, Any, T]) -> T:
    """What a coroutine over a blocking transport returns."""
    try:
        steps.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    steps.close()
    raise RuntimeError("a blocking client waited for something else than its own transport")


def blocking(method: Callable[Concatenate[C, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Facade[C], P], T]:
    """The same method for a Facade."""

    def call(self: Facade[C], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(method(self._inner, *args, **kwargs))

    functools.update_wrapper(call, method)
    return call


def iterating(
    method: Callable[Concatenate[C, P], AsyncIterator[T]],
) -> Callable[Concatenate[Facade[C], P], Iterator[T]]:
    """The same for what comes one after the other."""

    def call(self: Facade[C], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return iterate(method(self._inner, *args, **kwargs))

    functools.update_wrapper(call, method)
    return call


def iterate(items: AsyncIterator[T]) -> Iterator[T]:
    """The items of an asynchronous generator over a blocking transport; it is closed with this one."""
    close = getattr(items, "aclose", None)
    try:
        while True:
            try:
                item = run(_next(items))
            except StopAsyncIteration:
                return
            yield item
    finally:
        if close is not None:
            run(close())


async def _next(items: AsyncIterator[T]) -> T:
    return await items.__anext__()
