"""What an operator has heard of, by its own counters: nothing else shows it when it has nothing to write."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.loop.conftest import Operator

SEEN = "blueno_watch_events_total{"


async def events_of(operator: Operator) -> dict[str, float]:
    """How many events its watches have brought, by kind."""
    async with aiohttp.ClientSession() as client, client.get(f"http://localhost:{operator.http}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return {line.split('"')[1]: float(line.split()[-1]) for line in lines if line.startswith(SEEN)}


async def heard_of(operator: Operator, kind: str, before: dict[str, float], more: int = 1) -> None:
    """Wait until the watch of `kind` has brought so many events more than `before`."""
    for _ in range(600):
        if (await events_of(operator)).get(kind, 0) >= before.get(kind, 0) + more:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"the watch of {kind} has brought nothing for a minute")
