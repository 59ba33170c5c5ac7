"""Looking again and again until something has come to its end. Called by runs.py and datasets.py."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from blueno.client.driving import Transport
from blueno.errors import BluenoError, Unavailable

T = TypeVar("T")
AWAY = 120.0  # seconds that the server may be away while we wait, as when it is updated


class NotInTime(BluenoError, TimeoutError):
    """It had not come to its end when the time was over; it goes on."""


@dataclass(frozen=True)
class Patience:
    """Seconds in all (None: for ever) and between two looks. NotInTime says: `late` after so many seconds; `then`."""

    timeout: float | None
    every: float
    late: str
    then: str = "it goes on"


async def until(
    transport: Transport, look: Callable[[], Awaitable[T]], ended: Callable[[T], bool], patience: Patience
) -> T:
    """What `look` gives once `ended` says so of it. Raises NotInTime, Unavailable after AWAY, and what both raise."""
    heard = time.monotonic()
    end = None if patience.timeout is None else heard + patience.timeout
    while True:
        try:
            found = await look()
        except Unavailable:
            if time.monotonic() - heard > AWAY:
                raise
        else:
            heard = time.monotonic()
            if ended(found):
                return found
        left = patience.every if end is None else end - time.monotonic()
        if left <= 0:
            raise NotInTime(f"{patience.late} after {patience.timeout:g} s; {patience.then}")
        await transport.pause(min(patience.every, left))
