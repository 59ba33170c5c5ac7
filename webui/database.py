"""PostgreSQL from the event loop: blueno/db's pool behind exactly as many threads as it has connections.

Used by auth.py, api/ and audit; calls blueno/db. Work gets a cursor and gives rows back, never the cursor.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from blueno.db.config import DatabaseConfig
from blueno.db.connect import Cursor
from blueno.db.errors import QueryTooCostly
from blueno.db.pool import Pool
from blueno.errors import Unavailable
from webui.problems import Problem, later

log = logging.getLogger("blueno.web.database")

QUEUE = 128  # requests that may wait for a connection
QUEUE_SECONDS = 3.0

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """Answers rows, or raises a Problem: 503 `database_unavailable` or `overloaded`, 422 `query_too_costly`."""

    def __init__(self, config: DatabaseConfig) -> None:
        self._pool = Pool(config, "blueno-web")
        self._threads = ThreadPoolExecutor(config.pool_size, thread_name_prefix="database")
        self._slots = asyncio.Semaphore(config.pool_size)
        self._waiting = 0

    async def read(self, work: Callable[Concatenate[Cursor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`work(cursor, …)` in a read-only transaction."""
        return await self._run(lambda: self._transact(True, lambda cursor: work(cursor, *args, **kwargs)))

    async def write(self, work: Callable[Concatenate[Cursor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`work(cursor, …)` in a transaction of its own. Raises Conflict for a name that is taken."""
        return await self._run(lambda: self._transact(False, lambda cursor: work(cursor, *args, **kwargs)))

    def close(self) -> None:
        """Idle connections at once, the others when their work is done."""
        self._pool.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _transact(self, read_only: bool, work: Callable[[Cursor], T]) -> T:
        with self._pool.transaction(read_only=read_only) as cursor:
            return work(cursor)

    async def _run(self, work: Callable[[], T]) -> T:
        await self._wait_for_slot()
        loop = asyncio.get_running_loop()
        try:
            future: Future[T] = self._threads.submit(work)
        except RuntimeError:  # shut down
            self._slots.release()
            raise later("database_unavailable", "this process is about to end") from None
        # The slot belongs to the thread, not to who waits for it: a caller that hangs up must not free it early.
        future.add_done_callback(lambda _: _quietly(loop, self._slots.release))
        try:
            return await asyncio.wrap_future(future)
        except QueryTooCostly as error:
            raise Problem(422, "query_too_costly", str(error)) from error
        except Unavailable as error:
            log.warning("%s", error)
            detail = "the database does not answer now; what it holds is safe, and this page will come back by itself"
            raise later("database_unavailable", detail, error.retry_after or 1.0) from error

    async def _wait_for_slot(self) -> None:
        if self._waiting >= QUEUE:
            raise later("overloaded", "too many requests wait for the database")
        self._waiting += 1
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise later("overloaded", f"the database was busy for {QUEUE_SECONDS:.0f} s") from None
        finally:
            self._waiting -= 1


def _quietly(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    """The last threads may end after the loop."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback)
