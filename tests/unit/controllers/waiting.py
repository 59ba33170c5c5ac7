"""Waiting for something to become true; the test's own time-out ends it when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], object]) -> None:
    """Look every 10 ms."""
    while not true():  # noqa: ASYNC110  # what is waited for has no event
        await asyncio.sleep(0.01)
