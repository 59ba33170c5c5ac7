"""How the report endpoint reads bodies and says no. Used by controllers/reports.py and training_reports.py."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeVar

from aiohttp import web

BODY_LIMIT = 8192  # bytes
BODY_SECONDS = 5.0

_Told = TypeVar("_Told")


async def read_body(
    request: web.Request, parse: Callable[[Any], _Told], limit: int = BODY_LIMIT
) -> _Told | web.Response:
    """What `parse` makes of the JSON body of at most `limit` bytes, or the answer that says why it is none."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            raw = await request.clone(client_max_size=limit).read()
        return parse(json.loads(raw))
    except web.HTTPRequestEntityTooLarge:
        return problem(413, f"the body has more than {limit} bytes")
    except (ArithmeticError, AttributeError, RecursionError, TypeError, ValueError) as error:
        return problem(400, f"not understood: {str(error)[:300]}")
    except TimeoutError:
        return problem(408, "the body did not arrive in time")


def problem(status: int, detail: str, retry_after: int | None = None) -> web.Response:
    """application/problem+json."""
    text = json.dumps({"status": status, "detail": detail})
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return web.Response(status=status, text=text, content_type="application/problem+json", headers=headers)
