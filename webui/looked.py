"""Tells the operator which data sets are looked at, so that it keeps their data servers up. Used by api/.

The first look at a data set is told at once, later ones at most every EVERY seconds. Best effort: when the operator
does not answer, the pages say "starting" a little longer.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from pathlib import Path
from typing import Any

import aiohttp

from webui.config import WebConfig
from webui.metrics import Metrics

log = logging.getLogger("blueno.web.looked")

EVERY = 5.0  # seconds
AT_ONCE = 100  # uids in one notice
KEPT_SECONDS = 60.0  # a notice that could not be given is worth nothing after that
CALL_SECONDS = 5.0
_TOKEN_BYTES = 16_384


class Looked:
    """`note` is cheap and never fails; `run` does the telling."""

    def __init__(self, config: WebConfig, metrics: Metrics) -> None:
        self._url = f"{config.report_url}/v1/looked" if config.report_url else ""
        self._authority = config.report_ca
        self._token_file = config.token_file
        self._metrics = metrics
        self._told: dict[str, float] = {}  # uid: when
        self._pending: dict[str, float] = {}  # uid: since when
        self._news = asyncio.Event()

    def note(self, uid: str) -> None:
        """Somebody looks at this data set."""
        now = time.monotonic()
        if not self._url or uid in self._pending or now - self._told.get(uid, -EVERY) < EVERY:
            return
        self._pending[uid] = now
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        wait = 0.5
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_SECONDS)) as session:
            while True:
                await self._news.wait()
                self._news.clear()
                if await self._tell(session):
                    wait = 0.5
                    continue
                await asyncio.sleep(wait)
                wait = min(wait * 2, 10.0)
                self._news.set()

    async def _tell(self, session: aiohttp.ClientSession) -> bool:
        """False when it must be tried again."""
        now = time.monotonic()
        self._told = {uid: when for uid, when in self._told.items() if now - when < EVERY}
        self._pending = {uid: since for uid, since in self._pending.items() if now - since < KEPT_SECONDS}
        uids = list(self._pending)[:AT_ONCE]
        if not uids:
            return True
        try:
            status = await self._post(session, uids)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.warning("the operator was not told who is looked at: %s", error or type(error).__name__)
            self._metrics.looked.labels("unreachable").inc()
            return False
        self._metrics.looked.labels(str(status)).inc()
        if status in (401, 429) or status >= 500:
            log.warning("the operator answered %d to who is looked at", status)
            return False
        for uid in uids:  # also after 404: the operator does not know this one (any more)
            self._told[uid] = self._pending.pop(uid)
        if self._pending:
            self._news.set()
        return True

    async def _post(self, session: aiohttp.ClientSession, uids: list[str]) -> int:
        token = _read_text(self._token_file)  # kubelet replaces it every hour
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(
            self._url, json={"datasets": uids}, headers=headers, ssl=self._tls(), allow_redirects=False
        ) as answer:
            return answer.status

    def _tls(self) -> Any:
        """Made for each notice: the authority's file may be replaced, and notices are rare."""
        if self._authority is None or not self._url.startswith("https:"):
            return True
        return ssl.create_default_context(cafile=self._authority)


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_TOKEN_BYTES).decode().strip()
