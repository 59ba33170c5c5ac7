"""Tells the operator which data sets and outputs are looked at, so that it keeps their data servers up. Used by api/.

The first look is told at once, later ones at most every EVERY seconds. Of claims that runs write to, the operator says
why they cannot be read, if so. Best effort: when it does not answer, the pages say "starting" a little longer.
"""

from __future__ import annotations

import asyncio
import json
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
AT_ONCE = 100  # data sets and claims in one notice
KEPT_SECONDS = 60.0  # a notice that could not be given is worth nothing after that
CALL_SECONDS = 5.0
ANSWER_BYTES = 256 << 10
_TOKEN_BYTES = 16_384

Place = tuple[str, str]  # namespace and name of a claim
Thing = str | Place  # a data set's uid, or a claim


class Looked:
    """`note` is cheap and never fails; `run` does the telling."""

    def __init__(self, config: WebConfig, metrics: Metrics) -> None:
        self._url = f"{config.report_url}/v1/looked" if config.report_url else ""
        self._authority = config.report_ca
        self._token_file = config.token_file
        self._metrics = metrics
        self._told: dict[Thing, float] = {}  # when
        self._pending: dict[Thing, float] = {}  # since when
        self._said: dict[Place, str] = {}  # why a claim cannot be read, as it was when that was told last
        self._news = asyncio.Event()

    def note(self, thing: Thing) -> None:
        """Somebody looks at this data set, or at what runs wrote to this claim."""
        now = time.monotonic()
        if not self._url or thing in self._pending or now - self._told.get(thing, -EVERY) < EVERY:
            return
        self._pending[thing] = now
        self._news.set()

    def said(self, claim: Place) -> str:
        """Why the claim cannot be read, in the operator's words of the last EVERY seconds; "" when it can, or will."""
        recent = time.monotonic() - self._told.get(claim, -EVERY) < EVERY
        return self._said.get(claim, "") if recent or claim in self._pending else ""

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
        self._told = {thing: when for thing, when in self._told.items() if now - when < EVERY}
        self._pending = {thing: since for thing, since in self._pending.items() if now - since < KEPT_SECONDS}
        self._said = {claim: why for claim, why in self._said.items() if claim in self._told or claim in self._pending}
        things = list(self._pending)[:AT_ONCE]
        if not things:
            return True
        try:
            status, said = await self._post(session, things)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.warning("the operator was not told who is looked at: %s", error or type(error).__name__)
            self._metrics.looked.labels("unreachable").inc()
            return False
        self._metrics.looked.labels(str(status)).inc()
        if status in (401, 429) or status >= 500:
            log.warning("the operator answered %d to who is looked at", status)
            return False
        for thing in things:  # also after 404: the operator does not know this one (any more)
            self._told[thing] = max(now, self._pending.pop(thing))
        self._said |= said
        if self._pending:
            self._news.set()
        return True

    async def _post(self, session: aiohttp.ClientSession, things: list[Thing]) -> tuple[int, dict[Place, str]]:
        """The status, and why claims cannot be read."""
        token = _read_text(self._token_file)  # kubelet replaces it every hour
        headers = {"Authorization": f"Bearer {token}"}
        claims = [{"namespace": thing[0], "name": thing[1]} for thing in things if isinstance(thing, tuple)]
        notice: dict[str, Any] = {"datasets": [thing for thing in things if isinstance(thing, str)]}
        if claims:
            notice["claims"] = claims
        async with session.post(
            self._url, json=notice, headers=headers, ssl=self._tls(), allow_redirects=False
        ) as answer:
            raw = await answer.content.read(ANSWER_BYTES) if answer.status == 200 else b""
            return answer.status, _said(raw)

    def _tls(self) -> Any:
        """Made for each notice: the authority's file may be replaced, and notices are rare."""
        if self._authority is None or not self._url.startswith("https:"):
            return True
        return ssl.create_default_context(cafile=self._authority)


def _said(raw: bytes) -> dict[Place, str]:
    """Of the operator's answer; one of another version may give none."""
    try:
        found = json.loads(raw)["claims"] if raw else []
        return {(str(one["namespace"]), str(one["name"])): str(one["message"])[:1000] for one in found}
    except (KeyError, TypeError, ValueError):
        return {}


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_TOKEN_BYTES).decode().strip()
