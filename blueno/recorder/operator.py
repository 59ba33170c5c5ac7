"""Talks to the operator's report endpoint: may I read this data set, I have read it, this is how far it is.

Called by load.py, recorder.py and points.py. The token and the CA are read for every call: both are rotated while we
run.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp

from blueno import names
from blueno.errors import NotFound, Unavailable
from blueno.recorder.config import RecorderConfig
from blueno.resources.indexing import IndexReport

SECONDS = 5.0  # for one call
ANSWER_BYTES = 8192
POINTS_BYTES = 4 << 20
TOKEN_BYTES = 16_384


class Operator:
    """Every call raises Unavailable when the operator does not answer as it should, NotFound for a gone data set."""

    def __init__(self, session: aiohttp.ClientSession, config: RecorderConfig) -> None:
        self._session, self._config = session, config

    async def lease(self, uid: str) -> float:
        """0 when we may read the data set for the next minute; else the seconds after which to ask again."""
        answer = await self._post("/v1/index", {"dataset": uid})
        granted, wait = answer.get("granted"), answer.get("retryAfterSeconds")
        if granted is True:
            return 0.0
        if granted is not False or isinstance(wait, bool) or not isinstance(wait, int | float):
            raise Unavailable("the operator's answer is not one of this version of Blueno")
        return min(max(float(wait), 1.0), 300.0)

    async def give_back(self, uid: str) -> None:
        """Nothing is left to be read for now."""
        await self._post("/v1/index/done", {"dataset": uid})

    async def report(self, report: IndexReport) -> None:
        """For the Dataset's status."""
        await self._post("/v1/indexed", report.to_dict())

    async def points(self, epoch: str, after: int, wait: float) -> dict[str, Any]:
        """What training runs said after that position (controllers/points.py: Batch), waited for so many seconds."""
        body = {"epoch": epoch, "after": after, "wait": wait}
        return await self._post(names.TRAINING_POINTS_PATH, body, wait + SECONDS, POINTS_BYTES)

    async def _post(
        self, path: str, body: Mapping[str, Any], seconds: float = SECONDS, most: int = ANSWER_BYTES
    ) -> dict[str, Any]:
        try:
            token, tls = await asyncio.to_thread(self._credentials)
            timeout = aiohttp.ClientTimeout(total=seconds)
            headers = {"Authorization": f"Bearer {token}"}
            url = self._config.report_url + path
            async with self._session.post(
                url, json=body, headers=headers, timeout=timeout, ssl=tls, allow_redirects=False
            ) as answer:
                if answer.status == 404:
                    raise NotFound("the operator does not know this")
                if answer.status >= 300:
                    raise Unavailable(f"the operator answers HTTP {answer.status}")
                found = json.loads(await _read(answer, most)) if answer.status == 200 else {}
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(f"the operator cannot be reached ({type(error).__name__})") from error
        return found if isinstance(found, dict) else {}

    def _credentials(self) -> tuple[str, ssl.SSLContext | bool]:
        with self._config.token_file.open("rb") as file:
            token = file.read(TOKEN_BYTES).decode("ascii").strip()
        if not self._config.report_url.startswith("https:"):
            return token, True
        return token, ssl.create_default_context(cafile=str(self._config.report_ca_file))


async def _read(answer: aiohttp.ClientResponse, most: int) -> bytes:
    data = b""
    async for chunk in answer.content.iter_chunked(64 << 10):
        data += chunk
        if len(data) > most:
            raise ValueError(f"an answer of more than {most} bytes")
    return data
