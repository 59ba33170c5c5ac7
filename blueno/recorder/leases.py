"""While something is read from a data server, the operator keeps it up: leases at its report endpoint.

Used by load.py and working.py, which may read the same data set at the same time: it is given back by the last of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from blueno.errors import BluenoError, NotFound, Unavailable
from blueno.recorder.operator import Operator


class NotNow(BluenoError):
    """The operator does not let us read this data set yet: ask again after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not before {seconds:g} s from now")
        self.seconds = seconds


class Leases:
    """One of each data set, whoever reads it."""

    def __init__(self, operator: Operator, renew_seconds: float) -> None:
        self._operator, self._renew_seconds = operator, renew_seconds
        self._holders: Counter[str] = Counter()

    @asynccontextmanager
    async def held(self, uid: str) -> AsyncIterator[None]:
        """While inside, the operator keeps the data server up. Raises NotNow, Unavailable, NotFound."""
        self._holders[uid] += 1
        try:
            wait = await self._operator.lease(uid)
            if wait:
                raise NotNow(wait)
            renewing = asyncio.create_task(self._renew(uid))
            try:
                yield
            finally:
                renewing.cancel()
                if self._holders[uid] == 1:
                    with suppress(Unavailable, NotFound):  # a courtesy: the lease ends by itself
                        await self._operator.give_back(uid)
        finally:
            self._holders[uid] -= 1
            if not self._holders[uid]:
                del self._holders[uid]

    async def _renew(self, uid: str) -> None:
        while True:
            await asyncio.sleep(self._renew_seconds)
            with suppress(Unavailable, NotFound):  # the data server stays up for a minute without it
                await self._operator.lease(uid)
