"""What is tried again, and page after page: the only two ways in which a client asks more than once.

Called by all that talks to the server; over any Transport. Only what reads, and what may safely come twice, is tried
again.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import quote

from blueno.client.driving import Transport
from blueno.client.exchange import Answer, Request
from blueno.client.reading import Fields
from blueno.errors import BluenoError, Unavailable

PAGE = 200  # items in one answer; the server gives no more
AWAY = 300.0  # seconds that the server may be away while something is written, as when it is updated


async def get(transport: Transport, path: str, query: Mapping[str, Any] | None = None) -> Answer:
    """An answer, tried for a few times while the server is away; without what is None in the query."""
    from blueno.client.http import TRIES

    request = Request("GET", path, {key: value for key, value in (query or {}).items() if value is not None})
    for attempt in range(TRIES - 1):
        try:
            return await transport.send(request)
        except Unavailable as error:
            await rest(transport, error, attempt)
    return await transport.send(request)


async def patiently(transport: Transport, request: Request, away: float = AWAY) -> Answer:
    """An answer to what may come twice; tried until the server has been away for `away` seconds."""
    begun, attempt = time.monotonic(), 0
    while True:
        try:
            return await transport.send(request)
        except Unavailable as error:
            if time.monotonic() - max(begun, transport.heard) >= away:
                raise
            await rest(transport, error, attempt)
            attempt += 1


async def rest(transport: Transport, error: Unavailable, attempt: int) -> None:
    """The pause before the next try."""
    from blueno.client.http import LONGEST_PAUSE

    await transport.pause(pause_after(error, attempt, transport.unit, LONGEST_PAUSE))


def pause_after(error: Unavailable, attempt: int, unit: float, longest: float) -> float:
    """Seconds: doubled each time and never quite the same, so that clients that failed together come back apart."""
    pause = unit * 2.0 ** min(attempt, 20) * random.uniform(0.8, 1.2)  # noqa: S311  # no secret
    return min(max(pause, error.retry_after or 0.0), longest)


async def pages(
    transport: Transport,
    path: str,
    query: Mapping[str, Any],
    limit: int | None = None,
    items: str = "items",
    each: Callable[[Fields], object] | None = None,
) -> AsyncIterator[Fields]:
    """Every item of a list, however many pages it has. Raises BluenoError when the server goes round in circles.

    `each` is called with every page before its items, and may change `query`.
    """
    left, cursor = limit, None
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        answer = Fields((await get(transport, path, {**query, "limit": size, "cursor": cursor})).body, "answer")
        if each is not None:
            each(answer)
        count = 0
        for item in answer.each(items):
            yield item
            count += 1
            if count == left:
                return
        before, cursor = cursor, answer.text_or_none("next")
        if cursor is None or not count:
            return
        if cursor == before:
            raise BluenoError("the server repeats a page instead of going on: this is a fault of its")
        left = None if left is None else left - count


def path_of(collection: str, what: str, namespace: str, name: str) -> str:
    """Of an object. Raises BluenoError for names that would lead elsewhere."""
    # "." and ".." would walk up the path; no object is called so.
    if not namespace.strip(".") or not name.strip("."):
        raise BluenoError(f"a {what} is named by its namespace and its name, and neither is empty")
    return f"{collection}/{quote(namespace, safe='')}/{quote(name, safe='')}"


def segment(text: str, what: str) -> str:
    """One step of a path. Raises BluenoError for what would lead elsewhere."""
    if not text.strip("."):
        raise BluenoError(f"the {what} is not named")
    return quote(text, safe="")
